using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Replay;

namespace ToyVmm.Debugging.History;

/// <content>A history whose future is known: the machine replays a recording.</content>
public sealed partial class ExecutionHistory
{
    // What the machine replayed when the history began with it; null where it lived.
    private readonly InputReplayer? _recorded;

    private InputMoment? _recordedEnd;

    /// <summary>
    /// True where <see cref="End"/> is the end of a recording that the machine replays: it was not there yet, or has not gone on from there. Where the recorded run was ended by
    /// the host, whoever comes there is told (<see cref="StopKind.ReplayEnded"/>); whoever goes on from there does so live.
    /// </summary>
    public bool EndIsRecorded => _recordedEnd == _endMoment;

    private bool StopsAtRecordedEnd => EndIsRecorded && _recorded!.StopsAtEnd;

    // The recorded inputs are copied: who gives the guest another future must not take it from the recording.
    private static InputLog LogFor(VirtualMachine machine)
    {
        InputLog log = new(machine.Replay?.Log.First ?? machine.InputsTaken);
        for (int n = 0; n < machine.Replay?.Log.Count; n++)
        {
            log.Add(machine.Replay.Log[n]);
        }

        return log;
    }

    private static string? WhyNotRecorded(VirtualMachine machine) =>
        machine.Replay is { } replay && (replay.PositionOf(machine) < 0 || replay.PositionOf(machine) > replay.Log.Count)
            ? "the machine is at no moment of the recording that it replays"
            : null;

    // What is still to come is the recording's, as if the machine had been there and come back.
    private void TakeOver(InputReplayer replay)
    {
        if (replay.IsAtEnd(_machine))
        {
            _machine.Replay = null;
            return;
        }

        InputMoment end = replay.End ?? _log[_log.Count - 1].At;
        _recordedEnd = end;
        (_endMoment, End) = (end, new ExecutionPoint(end.Instructions, end.Events));
        _machine.Replay = new InputReplayer(_log) { End = end };
    }

    // The machine goes on with its recording, if nobody has led it away.
    private bool HandBack()
    {
        if (!IsInPast || !EndIsRecorded)
        {
            return false;
        }

        _machine.Replay = _recorded;
        return true;
    }
}
