using System.Globalization;
using System.Text;
using ToyVmm.Engines;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Gdb;

/// <summary>When gdb gets to see the guest once more before it is told that it has ended.</summary>
public enum StopAtEnd
{
    /// <summary>When the guest did not ask for its end: a triple fault, a halt for ever, a limit, a reset.</summary>
    Failures,

    /// <summary>Whatever the end.</summary>
    Always,

    /// <summary>Never.</summary>
    Never,
}

/// <content>Going on, and stopping.</content>
public sealed partial class GdbProtocol
{
    // gdb's numbers of signals (gdb manual, appendix E.2; include/gdb/signals.def).
    private const int Interrupted = 2;
    private const int Trapped = 5;
    private const int Aborted = 6;
    private const int SegmentFault = 11;

    // An instruction that is interrupted again and again gets nowhere.
    private const int MostTries = 1000;

    private bool _endIsShown;
    private DebugStop? _lastStop;

    /// <summary>True to let a step stop at the first instruction of an interrupt's handler, as the session's steps do; false to let external interrupts run to their end within a step.</summary>
    public bool StepsIntoInterrupts { get; set; }

    /// <summary>When to stop at the guest's end.</summary>
    public StopAtEnd StopAtEnd { get; set; }

    // ACTION[:THREAD];...: the first that is meant for the one thread.
    private GdbReply Resume(string actions)
    {
        foreach (string one in actions.Split(';'))
        {
            int colon = one.IndexOf(':', StringComparison.Ordinal);
            string action = colon < 0 ? one : one[..colon];
            if (action.Length == 0 || (colon >= 0 && !IsThread(one.AsSpan(colon + 1))))
            {
                return GdbReply.Invalid;
            }

            switch (action[0])
            {
                case 'c' when action.Length == 1:
                case 'C' when GdbText.TryParse(action.AsSpan(1), out _):
                    return Go(_session.Continue);
                case 's' when action.Length == 1:
                case 'S' when GdbText.TryParse(action.AsSpan(1), out _):
                    return Go(StepInstruction);
                case 't' when action.Length == 1:
                    return CurrentStop();
                case 'r' when TryParseSpan(action.AsSpan(1), out uint start, out uint end):
                    return Go(() => StepRange(start, end));
                default:
                    return GdbReply.Invalid;
            }
        }

        return GdbReply.Invalid;
    }

    // c[ADDRESS], s[ADDRESS], C and S with a signal, which a guest has no use for: SIGNAL[;ADDRESS].
    private GdbReply ResumeOld(string text)
    {
        string address = text[1..];
        if (text[0] is 'C' or 'S')
        {
            string[] parts = address.Split(';', 2);
            if (!GdbText.TryParse(parts[0], out _))
            {
                return GdbReply.Invalid;
            }

            address = parts.Length > 1 ? parts[1] : "";
        }

        if (address.Length > 0)
        {
            if (!GdbText.TryParseAddress(address, out uint place))
            {
                return GdbReply.Invalid;
            }

            if (place != _registers.Place)
            {
                _session.NoteChange();
                if (_registers.Write(GdbRegisters.PlaceNumber, BitConverter.GetBytes(place)) is { } problem)
                {
                    return GdbReply.Error(problem);
                }
            }
        }

        return text[0] is 'c' or 'C' ? Go(_session.Continue) : Go(StepInstruction);
    }

    private GdbReply Go(Func<DebugStop> go)
    {
        if (_session.Ended is not null && _endIsShown)
        {
            return StopReply(_session.LastStop);
        }

        DebugStop stop = _lastStop = _gate.Run(go);
        if (IsForeign(stop))
        {
            Console?.Invoke(stop.Text + "\n");
        }

        if (stop is { Cause: StopCause.Ended, End: { } end } && ShowsEnd(end))
        {
            Console?.Invoke($"The guest has come to its end: {end.Detail} (exit status {end.ExitStatus}). It can be looked at; continue ends it.\n");
        }

        return StopReply(stop);
    }

    /// <summary>Moves the guest for a monitor command: gdb is not told.</summary>
    internal DebugStop Move(Func<DebugStop> go) => _lastStop = _gate.Run(go);

    private GdbReply CurrentStop() => StopReply(_lastStop is { } last && last.Point == _session.Point ? last : _session.LastStop);

    private bool ShowsEnd(StopReason end) => !_endIsShown && StopAtEnd switch
    {
        StopAtEnd.Always => true,
        StopAtEnd.Never => false,
        _ => end.Kind is not (StopKind.PowerOff or StopKind.DebugExit or StopKind.HypercallExit),
    };

    private GdbReply StopReply(DebugStop stop)
    {
        int signal = Trapped;
        string reason = "";
        switch (stop.Cause)
        {
            case StopCause.Ended when stop.End is { } end:
                if (!ShowsEnd(end))
                {
                    EndIsTold = true;
                    return GdbReply.Of(string.Create(CultureInfo.InvariantCulture, $"W{end.ExitStatus & 0xFF:x2}"));
                }

                signal = end.Kind == StopKind.TripleFault ? SegmentFault : Aborted;
                _endIsShown = true;
                break;
            case StopCause.Paused:
                signal = Interrupted;
                break;
            case StopCause.Breakpoint:
                reason = ReasonOf(stop);
                break;
            case StopCause.HistoryBegin:
                reason = "replaylog:begin;";
                break;
            case StopCause.HistoryEnd:
                reason = "replaylog:end;";
                break;
        }

        StringBuilder text = new();
        _ = text.Append(CultureInfo.InvariantCulture, $"T{signal:x2}");
        foreach (int number in GdbRegisters.Expedited)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"{number:x2}:{_registers.Read(number)};");
        }

        return GdbReply.Of(text.Append("thread:1;").Append(reason).ToString());
    }

    // One instruction. An external interrupt that comes first runs to its end, as if it had come between two steps - unless it is asked for.
    private DebugStop StepInstruction()
    {
        for (int n = 0; ; n++)
        {
            DisassembledInstruction next = _session.NextInstruction();
            uint here = _session.Cpu.Cs.Base + _session.Cpu.Eip;
            (uint stack, uint space, ushort selector) = (_session.Cpu.Esp, _session.Cpu.Cr3, _session.Cpu.Cs.Selector);
            ulong before = _session.Point.Instructions;
            DebugStop stop = _session.Step(StepKind.Instruction);
            if (StepsIntoInterrupts || stop is not { Cause: StopCause.Stepped, Event: { Source: TrapSource.ExternalInterrupt or TrapSource.Nmi } } || n >= MostTries)
            {
                return stop;
            }

            // HLT completes, and sleeps until the interrupt.
            bool isDone = _session.Point.Instructions != before;
            uint target = isDone ? here + (uint)next.Length : here;
            do
            {
                stop = _session.RunToAddress(target);
            }
            while (stop.Cause == StopCause.Reached && (_session.Cpu.Esp != stack || _session.Cpu.Cr3 != space || _session.Cpu.Cs.Selector != selector));

            if (stop.Cause != StopCause.Reached || isDone)
            {
                return stop;
            }
        }
    }

    // Until the guest is somewhere else: what gdb would do with a round trip for each instruction of a source line.
    private DebugStop StepRange(uint start, uint end)
    {
        DebugStop stop;
        do
        {
            stop = StepInstruction();
        }
        while (stop.Cause is StopCause.Stepped or StopCause.Reached && _registers.Place >= start && _registers.Place < end && !_gate.IsStopWanted);

        return _gate.IsStopWanted && stop.Cause is StopCause.Stepped or StopCause.Reached ? new DebugStop(StopCause.Paused, _session.Point) { Text = "paused" } : stop;
    }

    // bs and bc, where the session can go back.
    private static bool GoesBack => false;

    private static GdbReply Reverse(string text) => GdbReply.Unsupported;

    private static bool TryParseSpan(ReadOnlySpan<char> text, out uint start, out uint end)
    {
        start = end = 0;
        int comma = text.IndexOf(',');
        return comma >= 0 && GdbText.TryParseAddress(text[..comma], out start) && GdbText.TryParseAddress(text[(comma + 1)..], out end);
    }
}
