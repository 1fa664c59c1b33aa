using System.Globalization;
using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Time;
using ToyVmm.VirtualMachines.Replay;

namespace ToyVmm.VirtualMachines;

/// <content>
/// Replaying: inputs come from a log, each at its moment, instead of from <see cref="Input"/>. The engine's budgets end where the next one is due,
/// and host time counts for nothing: so it does not matter how the run is cut, on which engine, or how fast the host is.
/// </content>
public sealed unsafe partial class VirtualMachine
{
    // Instructions at which the loop must look for the next event of the log; the largest value where there is none.
    private ulong _replayAt = ulong.MaxValue;
    private bool _replays;
    private ulong _inputsTaken;

    // Where an interrupt was acknowledged last. What comes in at the same moment, while that interrupt waits, would have come before it in a run that is
    // not cut here: it is taken at the next moment, so that a moment says all.
    private InputMoment _injectedAt;

    // The engine was left between two elements of a string instruction that accesses no device: no moment tells this place from the instruction's beginning, and nothing is taken here.
    private bool _cutString;

    /// <summary>
    /// The log that this machine replays; null where it lives. While there is something to replay, nothing is taken from <see cref="Input"/>, nothing recorded,
    /// and nobody waits for host time. After the log's end the machine goes on live.
    /// </summary>
    /// <remarks>Not while <see cref="Run"/> runs. A machine that comes to a moment's instruction without being at the moment stops: <see cref="Divergence"/>.</remarks>
    public InputReplayer? Replay
    {
        get;
        set
        {
            field = value;
            Divergence = null;
            _replays = false;
            LookOutFor(null);
        }
    }

    /// <summary>After <see cref="StopKind.ReplayDiverged"/>: what did not fit.</summary>
    public ReplayDivergence? Divergence { get; private set; }

    /// <summary>How many inputs the machine has taken in its life: its place in an <see cref="InputLog"/>. Part of its state.</summary>
    public ulong InputsTaken => _inputsTaken;

    // Something has been taken: the one place where a live machine's inputs are counted and told.
    private void Record(InputEvent taken)
    {
        _inputsTaken++;
        if (Input.Recorder is not null)
        {
            Input.Record(new StampedInput(Now, taken));
        }
    }

    private void BeginReplay() => _replays = Replay is { } replay && (replay.StopsAtEnd || !replay.IsAtEnd(this));

    private void RecordStop()
    {
        if (!_replays)
        {
            Record(new StopInput());
        }
    }

    // Input that arrives where a moment does not say it all: see _cutString and _injectedAt.
    private bool IsInputTooLate => _cutString || (Vcpu.HasInterruptInjected && !Input.IsEmpty && _injectedAt == Now);

    // Takes what is due now. Where something is still to come, looks out for it from here on.
    private StopReason? TakeReplayed()
    {
        InputReplayer replay = Replay!;
        _replays = true;
        for (; ; )
        {
            long position = replay.PositionOf(this);
            if (position < 0)
            {
                return Diverge(position, default, "the machine is at a time before the beginning of the recording");
            }

            InputMoment now = Now;
            if (position >= replay.HeldFrom && position < replay.Log.Count)
            {
                LookOutFor(null);
                return null;
            }

            if (position >= replay.Log.Count)
            {
                return EndReplay(replay, position, now);
            }

            StampedInput next = replay.Log[(int)position];
            if (next.At != now)
            {
                LookOutFor(next.At);
                return next.At > now ? null : Diverge(position, next.At, $"{Describe(next.Event)} was to come there");
            }

            if (!TryTake(next.Event))
            {
                return Diverge(position, next.At, $"{Describe(next.Event)} came there, and the machine cannot take it now");
            }

            _inputsTaken++;
        }
    }

    // The engine is not to go beyond a moment: not beyond its instruction, and there not beyond its event.
    private void LookOutFor(InputMoment? moment)
    {
        _replayAt = moment?.Instructions ?? ulong.MaxValue;
        Vcpu.LeaveAtEvent = moment is { } at && at.Instructions == InstructionsRetired ? at.Events : ulong.MaxValue;
    }

    private StopReason? EndReplay(InputReplayer replay, long position, InputMoment now)
    {
        if (replay.End is { } end && now < end)
        {
            LookOutFor(end);
            return null;
        }

        LookOutFor(null);
        if (!replay.StopsAtEnd || replay.End is not { } stop)
        {
            _replays = false;
            return null;
        }

        if (now != stop)
        {
            return Diverge(position, stop, "the recording was to end there");
        }

        if (replay.OffersAtEnd)
        {
            OfferInterrupts();
        }

        return new StopReason(StopKind.ReplayEnded, 0, "the recording ends here");
    }

    private StopReason Diverge(long index, InputMoment expected, string what)
    {
        LookOutFor(null);
        Divergence = new ReplayDivergence(index, expected, Now, what);
        return new StopReason(
            StopKind.ReplayDiverged,
            0,
            string.Create(CultureInfo.InvariantCulture, $"the run differs from the recorded one: at {Now}, expected {expected}: {what}"));
    }

    // What the live machine does with an event, if the device is as ready for it as it was then.
    private bool TryTake(InputEvent due)
    {
        switch (due)
        {
            case SerialInput serial:
                return Machine.SerialPorts[0].CanReceive && Machine.SerialPorts[0].Receive(serial.Value);
            case KeyInput key when Machine.Keyboard.HasRoom:
                Machine.Keyboard.KeyEvent(key.Key, key.Pressed);
                return true;
            case KeyInput:
                return false;
            case MouseInput { Event: MouseEvent mouse }:
                Machine.MoveMouse(mouse.DeltaX, mouse.DeltaY, mouse.Wheel, mouse.Buttons);
                return true;
            case HostTimeInput time:
                if (!_asleep || time.Ticks > Machine.Clock.NextDeadline - Machine.Clock.Now)
                {
                    return false;
                }

                SkipIdleTime(time.Ticks);
                return true;
            case ResetInput:
                PowerOn();
                return true;
            case StopInput:
                return true;    // the user went on from there
            default:
                Happen(due);
                return true;
        }
    }

    // One step of a sleep that is replayed: as in the recorded run, but without waiting.
    // True where it has ended, or must.
    private bool SleepReplayed(RunLimits limits, long started, out StopReason? stop)
    {
        ulong before = _inputsTaken;
        stop = TakeReplayed() ?? HostStop(limits, started);
        if (stop is not null || !_asleep)
        {
            return true;
        }

        if (_inputsTaken != before || !_replays)
        {
            return false;       // look again, perhaps live
        }

        VirtualClock clock = Machine.Clock;
        if (clock.NextDeadline == ulong.MaxValue)
        {
            long position = Replay!.PositionOf(this);
            InputMoment expected = position < Replay.Log.Count ? Replay.Log[(int)position].At : Replay.End ?? default;
            stop = Diverge(position, expected, "the CPU sleeps, and nothing that was recorded wakes it");
            return true;
        }

        if (clock.NextDeadline > limits.IdleUntil)
        {
            stop = new StopReason(StopKind.Asleep, 0, "the guest sleeps");
            return true;
        }

        SkipIdleTime(clock.NextDeadline - clock.Now);
        _timersUnheard = Math.Min(_timersUnheard + 1, MostTimersUnheard + 1);
        return false;
    }

    private static string Describe(InputEvent happened) => happened switch
    {
        SerialInput serial => string.Create(CultureInfo.InvariantCulture, $"the serial byte 0x{serial.Value:x2}"),
        KeyInput key => $"{(key.Pressed ? "the press" : "the release")} of the key {key.Key}",
        MouseInput => "a movement of the mouse",
        HostTimeInput => "the host's time",
        ResetInput => "a reset",
        StopInput => "a stop",
        EventInput => "another guest's bell",
        BalloonTargetInput => "a wish for the balloon",
        _ => "more memory",
    };
}
