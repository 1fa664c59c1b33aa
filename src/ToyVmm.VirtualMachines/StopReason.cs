using ToyVmm.Engines;

namespace ToyVmm.VirtualMachines;

/// <summary>Why a run ended.</summary>
public enum StopKind
{
    /// <summary>The guest powered the machine off.</summary>
    PowerOff,

    /// <summary>The guest wrote to the debug exit port (0xF4).</summary>
    DebugExit,

    /// <summary>The guest made the hypercall <c>exit</c>.</summary>
    HypercallExit,

    /// <summary>The CPU sleeps and nothing will ever wake it.</summary>
    HaltedForever,

    /// <summary>A triple fault; see <see cref="StopReason.Autopsy"/>.</summary>
    TripleFault,

    /// <summary>The guest asked for a reset.</summary>
    Reset,

    /// <summary><see cref="RunLimits.MaxInstructions"/> is reached.</summary>
    InstructionLimit,

    /// <summary><see cref="RunLimits.Timeout"/> is reached.</summary>
    TimeLimit,

    /// <summary><see cref="VirtualMachine.RequestStop"/> was called.</summary>
    Stopped,

    /// <summary><see cref="RunLimits.MaxExits"/> is reached.</summary>
    ExitLimit,

    /// <summary>The guest would hold more host memory than it may.</summary>
    MemoryLimit,

    /// <summary>The guest would write more to its disks than <see cref="ResourceLimits.DiskWriteBytes"/>.</summary>
    DiskWriteLimit,

    /// <summary>The trace would grow beyond what it may.</summary>
    TraceLimit,

    /// <summary>The guest would send more through COM1 than <see cref="ResourceLimits.SerialBytes"/>.</summary>
    SerialLimit,

    /// <summary>The host could not give the guest what it needs to run (again): a file, memory.</summary>
    HostFailure,

    /// <summary>ToyVmm failed while it ran the guest: a bug.</summary>
    InternalError,

    /// <summary>Not an end: the guest sleeps beyond <see cref="RunLimits.IdleUntil"/>; <see cref="VirtualMachine.WakesAt"/> says until when.</summary>
    Asleep,

    /// <summary>Not an end: the guest gave the rest of its time slice away; see <see cref="RunLimits.EndsAtYield"/>.</summary>
    Yielded,

    /// <summary>Not an end: something took the host long, or still does; the guest goes on in the next run (<see cref="RunLimits.EndsAtLongWork"/>).</summary>
    Preempted,

    /// <summary>Not an end: a condition of <see cref="VirtualMachine.Stops"/> is met.</summary>
    Breakpoint,

    /// <summary>A replay left the way of the recorded run; see <see cref="VirtualMachine.Divergence"/>.</summary>
    ReplayDiverged,

    /// <summary>Not an end: the replay has come to where it was to stop (<see cref="Replay.InputReplayer.StopsAtEnd"/>).</summary>
    ReplayEnded,
}

/// <summary>A typed verdict: why the run ended, and what the guest said.</summary>
/// <param name="Kind">Why.</param>
/// <param name="Code">What the guest passed: the byte of the debug exit port, the argument of the hypercall; otherwise 0.</param>
/// <param name="Detail">One sentence for people.</param>
/// <param name="Autopsy">For a triple fault: how it came about.</param>
public sealed record StopReason(StopKind Kind, uint Code, string Detail, Autopsy? Autopsy = null)
{
    /// <summary>The process exit status of the stop: 0 only where the guest asked for success (see README, exit status).</summary>
    public int ExitStatus => Kind switch
    {
        StopKind.PowerOff => 0,

        // What QEMU's isa-debug-exit does, so that CI scripts carry over.
        StopKind.DebugExit => (int)(((Code << 1) | 1) & 0xFF),
        StopKind.HypercallExit => (int)(Code & 0xFF),
        StopKind.HaltedForever => 70,
        StopKind.TripleFault => 71,
        StopKind.InstructionLimit => 72,
        StopKind.TimeLimit => 73,
        StopKind.Reset => 75,
        StopKind.ExitLimit => 76,
        StopKind.MemoryLimit => 77,
        StopKind.DiskWriteLimit => 78,
        StopKind.TraceLimit => 79,
        StopKind.SerialLimit => 80,
        StopKind.ReplayDiverged => 81,
        StopKind.HostFailure => 66,
        StopKind.Stopped => 130,
        _ => 74,
    };
}
