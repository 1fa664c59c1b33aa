using ToyVmm.Engines;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Traps;

/// <summary>
/// Looks for a trap while a machine runs, and has the run end behind it: with <see cref="StopKind.Breakpoint"/>, and <see cref="StopHitKind.Trap"/> among
/// <see cref="Vcpu.StopHits"/>. From its making to its disposal the machine runs instruction by instruction, in the interpreter.
/// </summary>
public sealed class TrapSearch : IDisposable
{
    private readonly TrapRecorder _recorder;
    private readonly Vcpu _vcpu;
    private readonly TrapFilter _filter;

    /// <summary>Begins to look.</summary>
    /// <param name="machine">The machine, between two runs.</param>
    /// <param name="filter">Which traps count; null for all.</param>
    /// <param name="naming">How to name the guest's addresses; null for not at all.</param>
    public TrapSearch(VirtualMachine machine, TrapFilter? filter = null, TrapNaming? naming = null)
    {
        ArgumentNullException.ThrowIfNull(machine);
        _vcpu = machine.Vcpu;
        _filter = filter ?? TrapFilter.All;
        _recorder = new TrapRecorder(machine, Note, naming);
        _recorder.Attach();
    }

    /// <summary>The first trap that counts; null while there was none. It is over: the machine stands behind it, or at the first instruction of its handler.</summary>
    public Trap? Found { get; private set; }

    /// <inheritdoc/>
    public void Dispose() => _recorder.Dispose();

    private void Note(Trap trap)
    {
        if (Found is null && _filter.Matches(trap))
        {
            Found = trap;
            _vcpu.NoteStop(new StopHit(StopHitKind.Trap, trap.Instruction.Linear));
        }
    }
}

/// <summary>Where a walk to the next trap has ended.</summary>
/// <param name="Trap">The trap; null where none came.</param>
/// <param name="Stop">Why the run ended: where there is a trap, with <see cref="StopKind.Breakpoint"/>, or - when the trap was the guest's last - how the guest ended.</param>
public sealed record TrapStop(Trap? Trap, StopReason Stop);

/// <summary>
/// Goes from trap to trap: what the guest does is the same as without it. <see cref="VirtualMachine.RequestStop"/> ends a walk from any thread.
/// </summary>
/// <param name="machine">The machine.</param>
/// <param name="naming">How to name the guest's addresses; null for not at all.</param>
public sealed class TrapStepper(VirtualMachine machine, TrapNaming? naming = null)
{
    /// <summary>Runs to the end of the next trap.</summary>
    /// <param name="filter">Which traps count; null for all.</param>
    /// <param name="limits">When to stop without one; null for never.</param>
    public TrapStop Next(TrapFilter? filter = null, RunLimits? limits = null)
    {
        using TrapSearch search = new(machine, filter, naming);
        StopReason stop = machine.Run(limits);
        _ = machine.Vcpu.StopHits.RemoveAll(hit => hit.Kind == StopHitKind.Trap);
        return new TrapStop(search.Found, stop);
    }
}
