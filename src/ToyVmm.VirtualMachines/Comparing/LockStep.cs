using ToyVmm.VirtualMachines.Tracing;

namespace ToyVmm.VirtualMachines.Comparing;

/// <summary>One of the machines that run in lock-step.</summary>
/// <param name="Machine">The machine, not yet started.</param>
/// <param name="Trace">The fingerprint of its traps and exits, if it takes one: what devices were told and answered.</param>
public sealed record LockStepMachine(VirtualMachine Machine, TraceHash? Trace = null);

/// <summary>How far, and how closely, two machines are compared.</summary>
public sealed record LockStepOptions
{
    /// <summary>Instructions between two comparisons of CPUs and traces.</summary>
    public ulong Interval { get; init; } = 1_000_000;

    /// <summary>Instructions between two comparisons of RAM and TLBs, which cost milliseconds; the end is always one.</summary>
    public ulong MemoryInterval { get; init; } = 50_000_000;

    /// <summary>Where to stop if the guests do not.</summary>
    public ulong MaxInstructions { get; init; } = ulong.MaxValue;
}

/// <summary>How two machines went.</summary>
/// <param name="Stop">Why they stopped; the first machine's reason.</param>
/// <param name="Instructions">Instructions up to there.</param>
/// <param name="Comparisons">How often they were compared.</param>
/// <param name="Difference">Null where they agreed to the end; else what differs, and since when.</param>
public sealed record LockStepOutcome(StopReason Stop, ulong Instructions, ulong Comparisons, string? Difference);

/// <summary>
/// Runs two machines side by side, a piece of the one and the same piece of the other, and compares them after each: the state hash of
/// the CPUs (<see cref="StateHash.OfCpu"/>) and the trace each time; memory and TLBs now and then, and at the end.
/// </summary>
/// <remarks>
/// Both must be made from the same image and the same options, but for the engine, and must take no input of the moment: a guest's run then
/// follows from its instruction count alone.
/// </remarks>
public static class LockStep
{
    /// <summary>Runs both to the end, to a limit, or to the first difference.</summary>
    /// <param name="first">The reference.</param>
    /// <param name="second">The machine that is compared with it.</param>
    /// <param name="options">How; null for the defaults.</param>
    public static LockStepOutcome Run(LockStepMachine first, LockStepMachine second, LockStepOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        options ??= new LockStepOptions();
        ulong comparisons = 0;
        ulong agreed = 0;
        ulong agreedDeeply = 0;
        ulong nextMemory = options.MemoryInterval;
        for (; ; )
        {
            ulong done = first.Machine.InstructionsRetired;
            RunLimits piece = new() { MaxInstructions = Math.Min(options.Interval, options.MaxInstructions - done) };
            StopReason stop = first.Machine.Run(piece);
            StopReason other = second.Machine.Run(piece);
            ulong now = first.Machine.InstructionsRetired;
            bool last = stop.Kind != StopKind.InstructionLimit || now >= options.MaxInstructions;
            bool deep = last || now >= nextMemory;
            if (deep)
            {
                nextMemory = now + options.MemoryInterval;
            }

            comparisons++;
            string? difference = stop.Kind != other.Kind ? $"one stopped because {stop.Detail}, the other because {other.Detail}" : Compare(first, second);
            if (difference is null && deep)
            {
                difference = CompareMemory(first.Machine, second.Machine);
                agreed = agreedDeeply;
                agreedDeeply = now;
            }

            if (difference is not null || last)
            {
                return new LockStepOutcome(stop, now, comparisons, difference is null ? null : $"between instructions {agreed} and {now}:\n{difference}");
            }

            agreed = now;
        }
    }

    private static string? Compare(LockStepMachine first, LockStepMachine second)
    {
        if (StateHash.OfCpu(first.Machine.Vcpu) != StateHash.OfCpu(second.Machine.Vcpu))
        {
            return StateDifference.OfCpus(first.Machine.Vcpu, second.Machine.Vcpu);
        }

        return first.Trace?.Value != second.Trace?.Value
            ? $"the traces differ, after {first.Trace?.Events} and {second.Trace?.Events} traps and exits"
            : null;
    }

    private static string? CompareMemory(VirtualMachine first, VirtualMachine second)
    {
        if (StateHash.OfMemory(first.Machine.Memory) != StateHash.OfMemory(second.Machine.Memory))
        {
            return StateDifference.OfMemories(first.Machine.Memory, second.Machine.Memory);
        }

        return StateHash.OfTlb(first.Vcpu.Mmu.Tlb) != StateHash.OfTlb(second.Vcpu.Mmu.Tlb)
            ? StateDifference.OfTlbs(first.Vcpu.Mmu.Tlb, second.Vcpu.Mmu.Tlb)
            : null;
    }
}
