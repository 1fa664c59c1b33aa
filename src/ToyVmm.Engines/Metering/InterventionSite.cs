namespace ToyVmm.Engines.Metering;

/// <summary>What interventions are told apart by.</summary>
/// <param name="Address">The linear address of the instruction; 0 for all that came when there were too many others.</param>
/// <param name="Kind">What it left the guest's code for.</param>
/// <param name="Detail">The port, the guest-physical page of a device, the number of a hypercall; for faults and look-ups 1 where paging is on; otherwise 0.</param>
/// <param name="Tag">What the monitor wants told apart beside.</param>
public readonly record struct InterventionKey(uint Address, InterventionKind Kind, uint Detail, int Tag);

/// <summary>One instruction of the guest that left its code, for one reason: how often, and what that took.</summary>
public sealed class InterventionSite
{
    private readonly string? _instruction;

    internal InterventionSite(InterventionKey key, string? instruction)
    {
        Key = key;
        _instruction = instruction;
    }

    /// <summary>Where and why.</summary>
    public InterventionKey Key { get; }

    /// <summary>The instruction as text, where it was looked at: for those that emitted code leaves to the interpreter.</summary>
    public string Instruction => _instruction ?? "";

    /// <summary>How often; exact.</summary>
    public ulong Count { get; internal set; }

    /// <summary>Host time: from leaving the guest's code to going on in it. Blocks decoded and translated meanwhile, and sleeps, are not in it.</summary>
    public TimeSpan Time { get; internal set; }

    internal long Ticks { get; set; }

    internal ulong Stretches { get; set; }
}
