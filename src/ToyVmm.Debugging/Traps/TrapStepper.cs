using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Traps;

/// <summary>Where a walk to the next trap has ended.</summary>
/// <param name="Trap">The trap, which is over: the machine stands at the instruction behind it, or at the first one of its handler. Null where none came.</param>
/// <param name="Stop">Why the run ended; where there is a trap, that it was stopped for it, or - when the trap was the guest's last - how the guest ended.</param>
public sealed record TrapStop(Trap? Trap, StopReason Stop);

/// <summary>
/// Goes from trap to trap: runs the machine instruction by instruction, in the interpreter, until one is over that somebody wants to see.
/// What the guest does is the same as without it. <see cref="VirtualMachine.RequestStop"/> ends a walk from any thread.
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
        filter ??= TrapFilter.All;
        Trap? found = null;
        using TrapRecorder recorder = new(machine, Found, naming);
        recorder.Attach();
        StopReason stop = machine.Run(limits);
        recorder.Finish();
        return new TrapStop(found, stop);

        void Found(Trap trap)
        {
            if (found is null && filter.Matches(trap))
            {
                found = trap;
                machine.RequestStop();
                machine.Vcpu.RequestLeave();
            }
        }
    }
}
