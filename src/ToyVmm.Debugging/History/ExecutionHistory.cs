using System.Diagnostics;
using System.Globalization;
using ToyVmm.Engines;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Checkpoints;
using ToyVmm.VirtualMachines.Replay;

namespace ToyVmm.Debugging.History;

/// <summary>
/// Where a machine has been, and the way back: everything that runs it runs it through here. Its input is recorded, checkpoints are taken now and then; any
/// moment is then a checkpoint, and the guest's way from there again with the same input.
/// </summary>
/// <remarks>
/// In the past (<see cref="IsInPast"/>) the guest is given what it was given then, and what it sends was sent. From the end of history on it goes on live. What waits in its input queue
/// waits for that. Whoever changes the guest (<see cref="NoteChange"/>) gives it another future: the old one is gone. And whoever goes back to before a change undoes it.
/// </remarks>
public sealed partial class ExecutionHistory : IDisposable
{
    private static readonly StopSet s_events = new() { Events = EventStops.Delivered };

    // A guest that has come to its end, and is to go on, stays where it is once.
    private const int MostStalls = 1;

    private readonly VirtualMachine _machine;
    private readonly HistoryOptions _options;
    private readonly InputLog _log;
    private InputMoment _endMoment;
    private bool _isChanged;

    /// <summary>Begins a history with a machine that is not running, now.</summary>
    /// <param name="machine">The machine. One that replays a recording has that as its future.</param>
    /// <param name="options">How; null for the defaults.</param>
    public ExecutionHistory(VirtualMachine machine, HistoryOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(machine);
        _machine = machine;
        _options = options ?? new HistoryOptions();
        Unavailable = machine.WhyNoCheckpoints ?? WhyNotRecorded(machine);
        _log = LogFor(machine);
        _endMoment = machine.Now;
        End = machine.Point;
        if (Unavailable is null)
        {
            _recorded = machine.Replay;
            if (_recorded is not null)
            {
                TakeOver(_recorded);
            }

            machine.Input.Recorder += _log.Add;
            Mark();
            if (IsInPast)
            {
                _ = Settle(null);       // what has come in at this very moment
            }
        }
    }

    /// <summary>Why nobody can go back with this machine; null where one can. It runs in any case.</summary>
    public string? Unavailable { get; }

    /// <summary>The earliest moment that can be gone to.</summary>
    public ExecutionPoint Begin => _marks.Count == 0 ? End : _marks[0].Checkpoint.Point;

    /// <summary>The latest: from there on the guest's future is open.</summary>
    public ExecutionPoint End { get; private set; }

    /// <summary>True where the machine was before and goes the same way again.</summary>
    public bool IsInPast => _machine.Replay is not null;

    /// <summary>True to have <see cref="Run"/> stop at the end of history (<see cref="StopKind.ReplayEnded"/>), if it begins before it; false to go on live.</summary>
    public bool StopsAtEnd { get; set; }

    /// <summary>Runs the machine forward: <see cref="VirtualMachine.Run"/>.</summary>
    /// <param name="limits">When to stop; null for never.</param>
    public StopReason Run(RunLimits? limits = null)
    {
        limits ??= RunLimits.None;
        NoteBarrier();
        SetStopsAtEnd(StopsAtEnd || StopsAtRecordedEnd);
        return Settle(RunPieces(limits));
    }

    /// <summary>Runs the machine forward, with its stop conditions, to a moment, or to a condition that is met before.</summary>
    /// <param name="target">The moment; in the past, not behind <see cref="End"/>.</param>
    /// <returns><see cref="StopKind.InstructionLimit"/> at the moment; else why it stopped before.</returns>
    public StopReason RunTo(ExecutionPoint target)
    {
        NoteBarrier();
        SetStopsAtEnd(true);
        return Settle(Advance(target, isLadder: false));
    }

    /// <summary>Takes the machine to a moment of its history; no stop condition counts on the way.</summary>
    /// <param name="target">The moment: <see cref="Begin"/> to <see cref="End"/>, at which a debugger could have stopped.</param>
    /// <returns>Null at the moment; else why it stopped on the way (<see cref="VirtualMachine.RequestStop"/>, or a recording that is not this machine's).</returns>
    /// <exception cref="ArgumentOutOfRangeException">It is not in the history.</exception>
    /// <exception cref="NotSupportedException">See <see cref="Unavailable"/>.</exception>
    public StopReason? GoTo(ExecutionPoint target)
    {
        RequireAvailable();
        if (target < Begin || target > End)
        {
            throw new ArgumentOutOfRangeException(nameof(target), target, string.Create(CultureInfo.InvariantCulture, $"the history reaches from {Begin} to {End}"));
        }

        if (target == _machine.Point && !_isChanged && !(target == End && IsInPast))
        {
            return null;
        }

        if (target < _machine.Point || _isChanged)
        {
            ReturnTo(_marks.FindLastIndex(mark => mark.Checkpoint.Point <= target));
        }

        return Quietly(() =>
        {
            StopReason reason = Advance(target, isLadder: true);
            for (int tries = 0; target == End && _machine.Replay?.IsAtEnd(_machine) == false && tries <= MostStalls; tries++)
            {
                // Something has gone on there without an instruction: the guest slept.
                reason = _machine.Run(new RunLimits { MaxInstructions = 1 });
            }

            if (target == End && _machine.Replay is { } replay && !replay.IsAtEnd(_machine) && _machine.Point == target)
            {
                // A guest that had come to its end, and was run on, has left nothing behind but a count of exits.
                _log.Truncate((int)replay.PositionOf(_machine));
                GoLive();
            }

            _ = Settle(null);
            return _machine.Point == target ? null
                : reason.Kind is StopKind.Stopped or StopKind.ReplayDiverged ? reason
                : throw new InvalidOperationException($"the machine did not come to {target} again, but to {_machine.Point} ({reason.Detail}): a bug in ToyVmm");
        });
    }

    /// <summary>Takes the machine to the first moment that is not before a point: back, or forward, also beyond <see cref="End"/>. No stop condition counts on the way.</summary>
    /// <param name="point">The point; not before <see cref="Begin"/>.</param>
    /// <returns><see cref="StopKind.InstructionLimit"/> where it is there; else why it stopped on the way, or <see cref="StopKind.ReplayEnded"/> at a recording's end (<see cref="EndIsRecorded"/>).</returns>
    /// <exception cref="NotSupportedException">It lies back: see <see cref="Unavailable"/>.</exception>
    /// <param name="again">True to come to it anew where the machine stands there: a guest that has come to its end did so there.</param>
    public StopReason MoveTo(ExecutionPoint point, bool again = false)
    {
        if (point < _machine.Point || (again && point <= _machine.Point))
        {
            RequireAvailable();
            ReturnTo(_marks.FindLastIndex(mark => mark.Checkpoint.Point <= point));
        }

        NoteBarrier();
        return Quietly(() => Settle(Advance(point, isLadder: true)), StopsAtRecordedEnd);
    }

    /// <summary>Somebody is about to change the guest, or to give it input out of turn: what was to come will not be.</summary>
    public void NoteChange()
    {
        if (Unavailable is not null)
        {
            return;
        }

        if (_machine.Replay is { } replay)
        {
            _log.Truncate((int)replay.PositionOf(_machine));
            _machine.SerialBytesShown = _machine.SerialBytesSent;
            GoLive();
        }

        _recordedEnd = null;
        _isChanged = true;
    }

    /// <inheritdoc/>
    /// <remarks>The machine goes on from where it is, without a past; in a recording, with that.</remarks>
    public void Dispose()
    {
        if (Unavailable is not null)
        {
            return;
        }

        if (IsInPast && !HandBack())
        {
            NoteChange();
        }

        _machine.Input.Recorder -= _log.Add;
        foreach (HistoryMark mark in _marks)
        {
            _machine.Forget(mark.Checkpoint);
        }

        _marks.Clear();
    }

    private StopReason RunPieces(RunLimits limits)
    {
        long started = Stopwatch.GetTimestamp();
        ulong firstInstruction = _machine.InstructionsRetired;
        ulong firstExit = _machine.ExitsHandled;
        for (; ; )
        {
            MarkIfDue();
            ulong left = limits.MaxInstructions - (_machine.InstructionsRetired - firstInstruction);
            ulong piece = Math.Min(left, PieceLength());
            RunLimits part = limits with
            {
                MaxInstructions = piece,
                MaxExits = limits.MaxExits == ulong.MaxValue ? ulong.MaxValue : limits.MaxExits - (_machine.ExitsHandled - firstExit),
                Timeout = limits.Timeout < TimeSpan.Zero ? limits.Timeout : Longest(limits.Timeout - Stopwatch.GetElapsedTime(started), TimeSpan.Zero),
            };
            StopReason reason = RunPiece(part);
            if (reason.Kind == StopKind.InstructionLimit)
            {
                if (piece < left)
                {
                    continue;
                }

                reason = new StopReason(StopKind.InstructionLimit, 0, string.Create(CultureInfo.InvariantCulture, $"the limit of {limits.MaxInstructions} instructions is reached"));
            }

            return reason;
        }
    }

    private StopReason RunPiece(RunLimits limits)
    {
        ulong before = _machine.InstructionsRetired;
        long started = Stopwatch.GetTimestamp();
        StopReason reason = _machine.Run(limits);
        CountTime(Stopwatch.GetElapsedTime(started).TotalSeconds, _machine.InstructionsRetired - before);
        if (_machine.Replay?.IsAtEnd(_machine) != false)
        {
            GoLive();
        }

        return reason;
    }

    // Forward to a moment: to its instruction, and there from event to event.
    private StopReason Advance(ExecutionPoint target, bool isLadder)
    {
        int stalls = 0;
        while (_machine.InstructionsRetired < target.Instructions)
        {
            ulong left = target.Instructions - _machine.InstructionsRetired;
            ulong piece = isLadder && left > Rung ? left - (left / 4) : left;
            ExecutionPoint before = _machine.Point;
            StopReason reason = RunPieces(new RunLimits { MaxInstructions = piece });
            if (reason.Kind == StopKind.InstructionLimit)
            {
                if (piece < left)
                {
                    Mark();
                }
            }
            else if (reason.Kind is StopKind.Stopped or StopKind.Breakpoint or StopKind.ReplayDiverged || (reason.Kind == StopKind.ReplayEnded && StopsAtRecordedEnd)
                || (_machine.Point >= End && reason.Kind != StopKind.ReplayEnded) || (_machine.Point == before && ++stalls > MostStalls))
            {
                // Where the guest came to an end of its own before the end of history, somebody has let it go on then.
                return reason;
            }
        }

        StopSet? stops = _machine.Stops;
        try
        {
            while (_machine.Point < target)
            {
                _machine.Stops = stops is null ? s_events : stops with { Events = stops.Events | EventStops.Delivered };
                ExecutionPoint before = _machine.Point;
                StopReason reason = RunPiece(new RunLimits { MaxInstructions = 1 });
                if (reason.Kind is not (StopKind.InstructionLimit or StopKind.Breakpoint) || (stops is not null && reason.Kind == StopKind.Breakpoint) || _machine.Point == before)
                {
                    return reason;
                }
            }
        }
        finally
        {
            _machine.Stops = stops;
        }

        return new StopReason(StopKind.InstructionLimit, 0, "the moment is reached");
    }

    // A stop condition ends a run before what comes in there has come in, and before an interrupt that waits is acknowledged; a count ends it behind that. A moment
    // of history has it behind that, however the machine came there.
    [return: System.Diagnostics.CodeAnalysis.NotNullIfNotNull(nameof(reason))]
    private StopReason? Settle(StopReason? reason)
    {
        if (reason?.Kind is null or StopKind.Breakpoint or StopKind.ReplayEnded && !_machine.IsAsleep)
        {
            _ = _machine.Run(new RunLimits { MaxInstructions = 0 });
        }

        if (_machine.Replay?.IsAtEnd(_machine) != false)
        {
            GoLive();
        }

        return reason;
    }

    // Without the session's conditions, and not beyond the end of history unless that is asked for.
    private T Quietly<T>(Func<T> run, bool stopsAtEnd = true)
    {
        StopSet? stops = _machine.Stops;
        _machine.Stops = null;
        SetStopsAtEnd(stopsAtEnd);
        try
        {
            return run();
        }
        finally
        {
            _machine.Vcpu.StopHits.Clear();
            _machine.Stops = stops;
        }
    }

    private void SetStopsAtEnd(bool stops)
    {
        if (_machine.Replay is { } replay)
        {
            replay.StopsAtEnd = stops;
        }
    }

    private void GoLive()
    {
        if (_machine.Replay is not null)
        {
            _machine.Replay = null;
        }

        _endMoment = _machine.Now;
        End = _machine.Point;
    }

    private void RequireAvailable()
    {
        if (Unavailable is { } reason)
        {
            throw new NotSupportedException(reason);
        }
    }

    private static TimeSpan Longest(TimeSpan left, TimeSpan right) => left > right ? left : right;
}
