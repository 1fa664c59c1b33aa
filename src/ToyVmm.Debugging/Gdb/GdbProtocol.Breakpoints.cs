using System.Globalization;

namespace ToyVmm.Debugging.Gdb;

/// <content>
/// Breakpoints and watchpoints, at linear addresses. All of them are the session's: guest memory is never patched, and gdb's software breakpoints are no
/// others than its hardware ones.
/// </content>
public sealed partial class GdbProtocol
{
    private const int MostBreakpoints = 4096;
    private const uint LongestWatch = 4096;
    private const int NoSpace = 28;     // ENOSPC

    private readonly Dictionary<(char Kind, uint Address, uint Length), Breakpoint> _inserted;
    private bool _saysSoftware;
    private bool _saysHardware;

    private GdbReply Insert(string text)
    {
        if (text.Length == 0 || text[0] is < '0' or > '4')
        {
            return GdbReply.Unsupported;
        }

        if (!TryParseBreakpoint(text, out (char Kind, uint Address, uint Length) key))
        {
            return GdbReply.Invalid;
        }

        if (_inserted.ContainsKey(key))
        {
            return GdbReply.Ok;
        }

        if (_inserted.Count >= MostBreakpoints || key.Length > LongestWatch)
        {
            return GdbReply.Error(NoSpace);
        }

        _inserted.Add(key, _session.Breakpoints.Add(key.Kind switch
        {
            '2' => new DataSpec(key.Address, key.Length, WatchAccess.Write),
            '3' => new DataSpec(key.Address, key.Length, WatchAccess.Read),
            '4' => new DataSpec(key.Address, key.Length, WatchAccess.Access),
            _ => new LinearSpec(key.Address),
        }));
        return GdbReply.Ok;
    }

    private GdbReply Remove(string text)
    {
        if (text.Length == 0 || text[0] is < '0' or > '4')
        {
            return GdbReply.Unsupported;
        }

        if (!TryParseBreakpoint(text, out (char Kind, uint Address, uint Length) key))
        {
            return GdbReply.Invalid;
        }

        // To remove what is not there is no error: gdb does after it has lost a reply.
        if (_inserted.Remove(key, out Breakpoint? breakpoint))
        {
            _ = _session.Breakpoints.Remove(breakpoint.Id);
        }

        return GdbReply.Ok;
    }

    private void RemoveAll()
    {
        foreach (Breakpoint breakpoint in _inserted.Values)
        {
            _ = _session.Breakpoints.Remove(breakpoint.Id);
        }

        _inserted.Clear();
    }

    // KIND,ADDRESS,LENGTH, and what the client was not told to send behind a semicolon. Of code, the length is the size of an instruction that would be patched in: of no use here.
    private static bool TryParseBreakpoint(string text, out (char Kind, uint Address, uint Length) key)
    {
        string[] parts = text.Split(';')[0].Split(',');
        key = default;
        if (parts.Length != 3 || parts[0].Length != 1 || !GdbText.TryParseAddress(parts[1], out uint address) || !GdbText.TryParseAddress(parts[2], out uint length))
        {
            return false;
        }

        bool isData = parts[0][0] >= '2';
        key = (parts[0][0], address, isData ? length : 0);
        return !isData || (length > 0 && length - 1 <= uint.MaxValue - address);
    }

    // Why the guest stands still, where it is because of a client's breakpoint: the part of a stop reply. gdb silently goes on where it is told of a
    // breakpoint and has none at the place where it believes the guest to be, so then it is not told.
    private string ReasonOf(DebugStop stop)
    {
        string reason = "";
        foreach (((char kind, uint address, uint length), Breakpoint breakpoint) in _inserted)
        {
            if (stop.Breakpoints.FirstOrDefault(hit => hit.Breakpoint == breakpoint) is not { } met)
            {
                continue;
            }

            if (kind >= '2')
            {
                ulong first = met.Hit is { } hit ? Math.Clamp(hit.Address, address, address + (ulong)length - 1) : address;
                return string.Create(CultureInfo.InvariantCulture, $"{(kind == '2' ? "watch" : kind == '3' ? "rwatch" : "awatch")}:{first:x};");
            }

            if (address == _registers.Place)
            {
                reason = kind == '0' ? _saysSoftware ? "swbreak:;" : reason : _saysHardware ? "hwbreak:;" : reason;
            }
        }

        return reason;
    }

    // What stopped the guest and is not the client's, or not at a place that the client understands.
    private bool IsForeign(DebugStop stop) =>
        stop.Cause == StopCause.Breakpoint && ReasonOf(stop).Length == 0 && !stop.Breakpoints.Any(hit => hit.Breakpoint.Spec is LinearSpec spec && spec.Address == _registers.Place && _inserted.ContainsValue(hit.Breakpoint));
}
