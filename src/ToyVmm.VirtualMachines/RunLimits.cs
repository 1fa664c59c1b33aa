namespace ToyVmm.VirtualMachines;

/// <summary>When a run ends although the guest would go on.</summary>
public sealed record RunLimits
{
    /// <summary>No limits.</summary>
    public static RunLimits None { get; } = new();

    /// <summary>Retired instructions, counted from this call; the run stops at exactly this many.</summary>
    public ulong MaxInstructions { get; init; } = ulong.MaxValue;

    /// <summary>True where the hypercall <c>yield</c> ends the run (<see cref="StopKind.Yielded"/>): others wait for the host.</summary>
    public bool EndsAtYield { get; init; }

    /// <summary>The largest <see cref="LookEvery"/>, and the default: some milliseconds.</summary>
    public const ulong LongestRun = 1 << 20;

    /// <summary>After so many instructions at the latest the engine is left, to look whether <see cref="VirtualMachine.EndWith"/> has ended the run: 1 to <see cref="LongestRun"/>.</summary>
    public ulong LookEvery { get; init; } = LongestRun;

    /// <summary>Host time.</summary>
    public TimeSpan Timeout { get; init; } = System.Threading.Timeout.InfiniteTimeSpan;

    /// <summary>Exits handled by the monitor (<see cref="VirtualMachine.ExitsHandled"/>), counted from this call; the run stops at exactly this many.</summary>
    public ulong MaxExits { get; init; } = ulong.MaxValue;

    /// <summary>
    /// So far idle time is skipped, as a value of the guest's clock: a guest that sleeps longer ends the run with <see cref="StopKind.Asleep"/>, and
    /// nobody waits. The largest value, which is the default, is no bound, and the run waits where <see cref="VirtualMachineOptions.Pace"/> says so.
    /// </summary>
    public ulong IdleUntil { get; init; } = ulong.MaxValue;

    /// <summary>
    /// True where what takes the host long ends the run too (<see cref="StopKind.Preempted"/>), because others wait: one string instruction that goes on for millions of
    /// elements, or a disk that the guest has told to flush.
    /// </summary>
    public bool EndsAtLongWork { get; init; }
}
