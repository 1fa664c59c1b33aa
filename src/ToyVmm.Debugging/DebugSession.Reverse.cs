using ToyVmm.Debugging.History;
using ToyVmm.Engines;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging;

/// <content>Going back: a checkpoint is restored, and the guest goes the same way again, to the bit.</content>
public sealed unsafe partial class DebugSession
{
    /// <summary>Goes back to before the last instruction, or to before the last interrupt or exception was delivered.</summary>
    public DebugStop ReverseStep() => Finish(StepBack());

    /// <summary>Goes back to the last moment at which a breakpoint or watchpoint would have stopped the guest, or to the beginning of its history.</summary>
    /// <remarks>Of a watchpoint that is behind the access, as when going forward. Log points say nothing, and nothing is counted.</remarks>
    public DebugStop ReverseContinue()
    {
        List<BreakpointHit> hits = [];
        return Finish(GoBack(new Goal(), met =>
        {
            List<BreakpointHit> stopping = Judge(met, isSearching: true);
            hits = stopping.Count > 0 ? stopping : hits;
            return stopping.Count > 0;
        }, point => new DebugStop(StopCause.Breakpoint, point) { Breakpoints = hits, Text = string.Join("; ", hits.Select(Describe)) }));
    }

    /// <summary>Goes to a point in the guest's history, or forward to one that it has not come to yet; no breakpoint counts on the way.</summary>
    /// <param name="point">The point. Where the guest was never there, the first one behind it.</param>
    public DebugStop GoTo(ExecutionPoint point)
    {
        if (History.Unavailable is { } reason && point < Point)
        {
            return Finish(Stay(reason));
        }

        Ended = null;
        _pauseRequested = false;
        StopReason end = History.MoveTo(point < History.Begin && History.Unavailable is null ? History.Begin : point);
        return Finish(EndOf(end) ?? (_pauseRequested ? Paused() : new DebugStop(point < History.Begin ? StopCause.HistoryBegin : StopCause.Reached, Point)));
    }

    /// <summary>Goes to where so many instructions have retired: back, or forward.</summary>
    /// <param name="instructions">The count, since power-on.</param>
    public DebugStop GoToInstruction(ulong instructions) => GoTo(new ExecutionPoint(instructions, 0));

    /// <summary>Goes back to before the instruction, or the delivery, that has last stored to some bytes.</summary>
    /// <param name="address">The first byte.</param>
    /// <param name="length">How many bytes.</param>
    /// <param name="isPhysical">True for a guest-physical address.</param>
    /// <returns><see cref="StopCause.Reached"/>; or <see cref="StopCause.HistoryBegin"/>, where nothing in its history has.</returns>
    /// <remarks>Stores of the CPU, as for watchpoints (<see cref="DataStop"/>).</remarks>
    public DebugStop GoToLastWrite(ulong address, uint length = 1, bool isPhysical = false)
    {
        DataStop watched = new(address, length, isPhysical, Reads: false, Writes: true);
        DebugStop stop = GoBack(
            new Goal { Stops = new StopSet { Data = [watched] } },
            hits => hits.Any(hit => hit.Kind == StopHitKind.Write && watched.IsTouchedBy(isPhysical ? hit.Physical : hit.Address, (uint)hit.Length, write: true)),
            point => new DebugStop(StopCause.Reached, point),
            countsPresent: true);
        return Finish(stop.Cause == StopCause.Reached ? StepBack() with { Cause = StopCause.Reached, Text = "the instruction that is next, or its fault, stores there" } : stop);
    }

    private DebugStop StepBack()
    {
        if (History.Unavailable is { } reason)
        {
            return Stay(reason);
        }

        bool isBegin = Point <= History.Begin;
        _pauseRequested = false;
        if (!isBegin)
        {
            Ended = null;
        }

        return isBegin ? AtBegin() : History.StepBack() ? new DebugStop(StopCause.Stepped, Point) : Paused();
    }

    private DebugStop GoBack(Goal goal, Func<StopHit[], bool> isHit, Func<ExecutionPoint, DebugStop> found, bool countsPresent = false)
    {
        if (History.Unavailable is { } reason)
        {
            return Stay(reason);
        }

        Ended = null;
        _pauseRequested = false;
        bool isCancelled = false;
        Dictionary<ExecutionPoint, DebugStop> stops = [];
        ExecutionPoint? last = History.FindLast((end, countsHere) =>
        {
            SearchStep step = RunToHit(goal, end, countsHere, isHit);
            if (step == SearchStep.Found)
            {
                stops[Point] = found(Point);
            }

            isCancelled |= step == SearchStep.Cancelled;
            return step;
        }, countsPresent);
        return isCancelled || _pauseRequested ? Paused() : last is { } point ? stops[point] : AtBegin();
    }

    // Forward in a stretch of the past, to its end or to the first hit behind here.
    private SearchStep RunToHit(Goal goal, ExecutionPoint end, bool countsHere, Func<StopHit[], bool> isHit)
    {
        RememberWatchedBytes();
        Machine.Vcpu.PassedAt = countsHere ? (ulong.MaxValue, ulong.MaxValue) : (Point.Instructions, Point.Events);
        if (countsHere && isHit([]))
        {
            return SearchStep.Found; // at an instruction count
        }

        while (Point < end)
        {
            Machine.Stops = StopsFor(goal);
            Machine.Vcpu.StopHits.Clear();
            ulong next = NextCount(goal);
            StopReason reason = History.RunTo(next < end.Instructions ? new ExecutionPoint(next, 0) : end);
            StopHit[] hits = [.. Machine.Vcpu.StopHits];
            Machine.Vcpu.StopHits.Clear();
            if (reason.Kind == StopKind.Stopped)
            {
                return SearchStep.Cancelled;
            }

            if (isHit(hits))
            {
                return SearchStep.Found;
            }

            if (reason.Kind is not (StopKind.Breakpoint or StopKind.InstructionLimit))
            {
                break;
            }

            Machine.Vcpu.PassedAt = (Point.Instructions, Point.Events);
        }

        return SearchStep.NotFound;
    }

    private DebugStop AtBegin() => new(StopCause.HistoryBegin, Point) { Text = "the beginning of what is kept of the guest's history" };

    private DebugStop Paused()
    {
        _pauseRequested = false;
        return new DebugStop(StopCause.Paused, Point) { Text = "paused" };
    }

    private DebugStop Stay(string reason) => new(StopCause.HistoryBegin, Point) { Text = $"nobody can go back here: {reason}", End = Ended };
}
