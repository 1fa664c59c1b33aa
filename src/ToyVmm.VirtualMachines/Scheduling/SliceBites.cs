namespace ToyVmm.VirtualMachines.Scheduling;

/// <summary>
/// Into which pieces a guest's slices are cut. Where instructions are charged, a slice is one piece. Where work is, what a piece will come to is only known
/// behind it: so pieces are short, and shorter for a guest whose instructions were expensive lately.
/// </summary>
internal sealed class SliceBites(FleetOptions options)
{
    // A bite is at most a sixteenth of a slice in instructions.
    private const ulong BitesOfSlice = 16;
    private const int CostBits = 8;
    // Nothing is known of a new machine: decoding and translating come first, at any rate.
    private const ulong FirstCost = 1024 << CostBits;
    private const ulong FewestInstructions = 16;
    private const ulong StringExits = 4096;

    private ulong _workBefore;
    private ulong _cost = FirstCost;            // work per instruction, times 2^CostBits
    private bool _entered;

    private ulong MostBite => Math.Max(options.Slice / BitesOfSlice, FewestInstructions);

    private bool Exact => options.Accounting == FleetAccounting.Instructions;

    /// <summary>How many instructions the next bite may have.</summary>
    /// <param name="left">What is left of the slice, not zero.</param>
    public ulong Instructions(ulong left) => Exact ? left
        : Math.Clamp((left << CostBits) / _cost, FewestInstructions, MostBite);

    /// <summary>How many exits it may have: as many as it has instructions, and a few for string instructions, of which each element is an exit.</summary>
    public ulong MostExits => Exact ? ulong.MaxValue : MostBite + StringExits;

    /// <summary>A slice begins.</summary>
    public void Begin(VirtualMachine machine)
    {
        _workBefore = options.Accounting == FleetAccounting.Work ? WorkMeter.Of(machine) : 0;
        _entered = true;
    }

    /// <summary>A bite is over.</summary>
    /// <returns>What to charge.</returns>
    public ulong End(VirtualMachine machine, ulong instructions, TimeSpan elapsed)
    {
        ulong charge;
        switch (options.Accounting)
        {
            case FleetAccounting.Instructions:
                return instructions;
            case FleetAccounting.HostTime:
                charge = (ulong)elapsed.TotalNanoseconds;
                break;
            default:
                ulong work = WorkMeter.Of(machine);
                charge = work - _workBefore + (_entered ? WorkMeter.Entry : 0);
                (_workBefore, _entered) = (work, false);
                break;
        }

        // Up at once, down by halves: after one expensive bite the next ones are short until it is clear that it was an exception.
        ulong cost = (charge << CostBits) / Math.Max(instructions, 1);
        _cost = Math.Max(Math.Max(cost, _cost / 2), 1 << CostBits);
        return charge;
    }

    /// <summary>A new machine.</summary>
    public void Reset() => _cost = FirstCost;
}
