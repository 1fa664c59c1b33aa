using ToyVmm.Engines;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging;

/// <summary>Why a guest under a debugger stands still.</summary>
public enum StopCause
{
    /// <summary>It has not run yet.</summary>
    Start,

    /// <summary>A step is done.</summary>
    Stepped,

    /// <summary>Breakpoints or watchpoints are hit: <see cref="DebugStop.Breakpoints"/>.</summary>
    Breakpoint,

    /// <summary>The place to run to is reached.</summary>
    Reached,

    /// <summary>Somebody asked (<see cref="DebugSession.RequestPause"/>).</summary>
    Paused,

    /// <summary>The guest has come to its end: <see cref="DebugStop.End"/>.</summary>
    Ended,

    /// <summary>Going back has come to the first moment that is kept.</summary>
    HistoryBegin,

    /// <summary>Going forward in a recording has come to its end.</summary>
    HistoryEnd,
}

/// <summary>One stop of the guest.</summary>
/// <param name="Cause">Why.</param>
/// <param name="Point">Where in its history it is.</param>
public sealed record DebugStop(StopCause Cause, ExecutionPoint Point)
{
    /// <summary>What was met, with <see cref="StopCause.Breakpoint"/>.</summary>
    public IReadOnlyList<BreakpointHit> Breakpoints { get; init; } = [];

    /// <summary>The interrupt or exception that was delivered by the last step.</summary>
    public TrapInfo? Event { get; init; }

    /// <summary>The trap behind which a step to the next trap has stopped, explained; null where there was none.</summary>
    public Traps.Trap? Trap { get; init; }

    /// <summary>How the guest ended, with <see cref="StopCause.Ended"/>.</summary>
    public StopReason? End { get; init; }

    /// <summary>One sentence for people, without the place; empty for a step.</summary>
    public string Text { get; init; } = "";
}

/// <summary>A breakpoint that was hit, and by what.</summary>
/// <param name="Breakpoint">The breakpoint.</param>
/// <param name="Hit">What the engine met; null for one at an instruction count.</param>
/// <param name="Old">Of a watchpoint, what was in the watched bytes; empty where that is not known.</param>
/// <param name="New">Of a watchpoint, what is in them now.</param>
public sealed record BreakpointHit(Breakpoint Breakpoint, StopHit? Hit, ReadOnlyMemory<byte> Old = default, ReadOnlyMemory<byte> New = default);
