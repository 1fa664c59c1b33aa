using System.Text;

namespace ToyVmm.Debugging.Gdb;

/// <summary>What a client wants of the server beside an answer.</summary>
public enum GdbWish
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>To leave, and the guest to go on without it.</summary>
    Detach,

    /// <summary>The guest to be ended.</summary>
    Kill,
}

/// <summary>
/// gdb's remote protocol over a session (gdb manual, appendix E), without the line: the data of a packet goes in, the data of the answer comes out. Whatever the packet is, it is
/// answered, and one that makes no sense changes nothing. The guest is one process with one thread, number 1: the virtual CPU.
/// </summary>
/// <example>
/// <code>
/// GdbProtocol protocol = new(session);
/// GdbReply reply = protocol.Answer("m7c00,2"u8);     // "fa31"
/// </code>
/// </example>
public sealed partial class GdbProtocol
{
    /// <summary>The longest packet that the server takes, in bytes on the line, and the longest that it sends.</summary>
    public const int PacketSize = 0x4000;

    private readonly DebugSession _session;
    private readonly GuestGate _gate;
    private readonly GdbRegisters _registers;

    /// <summary>Makes the protocol of one connection.</summary>
    /// <param name="session">The session.</param>
    /// <param name="gate">What lets the guest run; null for one that nobody else asks to stop.</param>
    public GdbProtocol(DebugSession session, GuestGate? gate = null)
    {
        ArgumentNullException.ThrowIfNull(session);
        _session = session;
        _gate = gate ?? new GuestGate(session);
        _registers = new GdbRegisters(session.Machine);
        _inserted = [];
        _monitor = new GdbMonitor(session, _registers, this);
    }

    /// <summary>Takes text that gdb is to show, while the guest runs or a monitor command works; null drops it.</summary>
    public Action<string>? Console { get; set; }

    /// <summary>True when the client has said that acknowledgements are not needed.</summary>
    public bool IsWithoutAcknowledgements { get; private set; }

    /// <summary>True when the client wants the server to live on when the guest has ended, and may start it again.</summary>
    public bool IsExtended { get; private set; }

    /// <summary>What the last packet asked for beside its answer.</summary>
    public GdbWish Wish { get; private set; }

    /// <summary>True when the client knows that the guest has ended: it was answered with W.</summary>
    public bool EndIsTold { get; private set; }

    /// <summary>Answers a packet. One that lets the guest go on is answered when it has stopped.</summary>
    /// <param name="packet">The packet's data, without frame and escapes.</param>
    /// <returns>The answer; null where the protocol has none.</returns>
    public GdbReply? Answer(ReadOnlySpan<byte> packet)
    {
        Wish = GdbWish.None;
        if (packet.Length == 0)
        {
            return GdbReply.Unsupported;
        }

        // Latin-1 keeps every byte as one character, those of binary data too.
        string text = Encoding.Latin1.GetString(packet);
        string rest = text[1..];
        switch (text[0])
        {
            case '!':
                IsExtended = true;
                return GdbReply.Ok;
            case '?':
                return CurrentStop();
            case 'c' or 'C' or 's' or 'S':
                return ResumeOld(text);
            case 'b':
                return Reverse(text);
            case 'D':
                Leave(GdbWish.Detach);
                return GdbReply.Ok;
            case 'g':
                return GdbReply.Of(_registers.ReadAll());
            case 'G':
                return WriteRegisters(rest);
            case 'H':
                return rest.Length > 0 && IsThread(rest.AsSpan(1)) ? GdbReply.Ok : GdbReply.Invalid;
            case 'k':
                Leave(GdbWish.Kill);
                return null;
            case 'm':
                return ReadMemory(rest, binary: false);
            case 'x':
                return ReadMemory(rest, binary: true);
            case 'M':
                return WriteMemory(rest, binary: false);
            case 'X':
                return WriteMemory(rest, binary: true);
            case 'p':
                return GdbText.TryParseAddress(rest, out uint number) && number <= int.MaxValue && _registers.Read((int)number) is { } value ? GdbReply.Of(value) : GdbReply.Invalid;
            case 'P':
                return WriteRegister(rest);
            case 'q':
                return Query(text);
            case 'Q':
                return Set(text);
            case 'R' when IsExtended:
                Restart();
                return null;
            case 'T':
                return IsThread(rest) ? GdbReply.Ok : GdbReply.Invalid;
            case 'v':
                return Verbose(text);
            case 'Z':
                return Insert(rest);
            case 'z':
                return Remove(rest);
            default:
                return GdbReply.Unsupported;
        }
    }

    /// <summary>The connection is over: nothing that the client set stays.</summary>
    public void Close() => RemoveAll();

    private GdbReply Verbose(string text)
    {
        int end = text.AsSpan().IndexOfAny(';', ':', '?');
        switch (end < 0 ? text : text[..end])
        {
            case "vCont" when text == "vCont?":
                return GdbReply.Of("vCont;c;C;s;S;t;r");
            case "vCont" when end >= 0 && text[end] == ';':
                return Resume(text[(end + 1)..]);
            case "vKill":
                Leave(GdbWish.Kill);
                return GdbReply.Ok;
            case "vRun" when IsExtended:
                Restart();
                return CurrentStop();
            default:
                return GdbReply.Unsupported;
        }
    }

    private void Leave(GdbWish wish)
    {
        Wish = wish;
        RemoveAll();
    }

    // The reset button of the machine: the image is loaded again.
    internal void Restart()
    {
        _session.Restart();
        _lastStop = null;
        EndIsTold = false;
        _endIsShown = false;
    }

    private GdbReply WriteRegisters(string digits)
    {
        if (!GdbText.TryParseBytes(digits, out byte[] bytes))
        {
            return GdbReply.Invalid;
        }

        _session.NoteChange();
        return _registers.WriteAll(bytes) is { } problem ? GdbReply.Error(problem) : GdbReply.Ok;
    }

    private GdbReply WriteRegister(string text)
    {
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals < 0 || !GdbText.TryParseAddress(text.AsSpan(0, equals), out uint number) || number > int.MaxValue || !GdbText.TryParseBytes(text.AsSpan(equals + 1), out byte[] bytes))
        {
            return GdbReply.Invalid;
        }

        _session.NoteChange();
        return _registers.Write((int)number, bytes) is { } problem ? GdbReply.Error(problem) : GdbReply.Ok;
    }

    // 0 is any thread, -1 is all of them.
    private static bool IsThread(ReadOnlySpan<char> text) => text is "-1" || (GdbText.TryParse(text, out ulong thread) && thread <= 1);
}
