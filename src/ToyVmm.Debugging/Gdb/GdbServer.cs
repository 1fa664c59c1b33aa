using System.Text;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Gdb;

/// <summary>
/// A server for gdb: waits at a socket, for one client at a time, and lets it control a session (docs/gdb.md). The guest runs on the thread that calls <see cref="Serve"/>; others
/// read the line. A client that goes without a word leaves the guest standing, and the next one finds it so.
/// </summary>
/// <example>
/// <code>
/// using DebugSession session = new(vm);
/// using GdbServer server = new(session, endpoint);
/// Console.Error.WriteLine($"waiting for gdb: target remote {server.Target}");
/// StopReason why = server.Serve();
/// </code>
/// </example>
public sealed class GdbServer : IDisposable
{
    private readonly DebugSession _session;
    private readonly GuestGate _gate;
    private readonly GdbEventQueue _events;
    private readonly GdbListener _listener;
    private GdbConnection? _current;
    private GdbProtocol? _protocol;
    private GdbConnection? _client;
    private bool _isFree;

    /// <summary>Begins to listen.</summary>
    /// <param name="session">The session.</param>
    /// <param name="endpoint">Where to wait.</param>
    /// <exception cref="GdbListenException">The place is taken, or cannot be had.</exception>
    public GdbServer(DebugSession session, GdbEndpoint endpoint)
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(endpoint);
        _session = session;
        _gate = new GuestGate(session);
        _events = new GdbEventQueue(_gate);
        _listener = new GdbListener(endpoint);
    }

    /// <summary>What gdb's command <c>target remote</c> is to be told: <c>127.0.0.1:1234</c>, or the path of the socket.</summary>
    public string Target => _listener.Target;

    /// <summary>Host time for which the guest has run.</summary>
    public TimeSpan Elapsed => _gate.Elapsed;

    /// <summary>Takes a line for people when a client comes or goes; called from the server's threads.</summary>
    public Action<string>? Log { get; set; }

    /// <summary>Called behind <see cref="Interject"/> on the thread that runs the guest, while it stands still: false ends <see cref="Serve"/>.</summary>
    public Func<bool>? Interjected { get; set; }

    /// <summary>Serves clients until the guest has come to its end, or one of them kills it, or <see cref="Stop"/>. Until the first has come, the guest does not run.</summary>
    /// <returns>Why the guest's run is over.</returns>
    public StopReason Serve()
    {
        new Thread(AcceptClients) { IsBackground = true, Name = "gdb listener" }.Start();
        for (; ; )
        {
            if (_isFree && _events.IsEmpty)
            {
                DebugStop stop = _gate.Run(_session.Continue);
                if (stop is { Cause: StopCause.Ended, End: { } end })
                {
                    return end;
                }

                // At the end of a recording there is nowhere to go on to: the next client finds it there.
                _isFree = stop.Cause != StopCause.HistoryEnd;
                if (!_isFree)
                {
                    Log?.Invoke($"the recording is at its end: the guest stands still until the next gdb connects (target remote {Target})");
                }

                continue;
            }

            if (Handle(_events.Take()) is { } over)
            {
                return over;
            }
        }
    }

    /// <summary>Ends <see cref="Serve"/>; from any thread.</summary>
    public void Stop() => _events.Add(new GdbEvent(GdbEventKind.End));

    /// <summary>Has <see cref="Interjected"/> called; from any thread. A running guest pauses for it.</summary>
    public void Interject() => _events.Add(new GdbEvent(GdbEventKind.Interjection));

    /// <inheritdoc/>
    public void Dispose()
    {
        _listener.Dispose();
        Interlocked.Exchange(ref _current, null)?.Dispose();
        _protocol?.Close();
    }

    private StopReason? Handle(GdbEvent one)
    {
        switch (one.Kind)
        {
            case GdbEventKind.Connected:
                _isFree = false;
                _client = one.Connection;
                _protocol = new GdbProtocol(_session, _gate) { Console = text => Show(one.Connection!, text) };
                Log?.Invoke("gdb is connected");
                return null;
            case GdbEventKind.Packet:
                return Answer(one.Connection!, one.Packet!);
            case GdbEventKind.TooLong:
                one.Connection!.Send(GdbReply.Error($"the packet is longer than {GdbProtocol.PacketSize} bytes"));
                return null;
            case GdbEventKind.Gone:
                return Leave(one.Connection!);
            case GdbEventKind.Interjection:
                return Interjected?.Invoke() ?? true ? null : new StopReason(StopKind.Stopped, 0, "stopped by the user");
            case GdbEventKind.End:
                return new StopReason(StopKind.Stopped, 0, "stopped by the user");
            default:
                return null;        // Ctrl-C has stopped the guest, or it stood still
        }
    }

    private StopReason? Answer(GdbConnection connection, byte[] packet)
    {
        if (_protocol is not { } protocol || connection != _client)
        {
            return null;
        }

        GdbReply? reply = protocol.Answer(packet);
        if (reply is { } answer)
        {
            connection.Acknowledges = !protocol.IsWithoutAcknowledgements;
            connection.Send(answer);
        }

        if (protocol.Wish == GdbWish.Kill)
        {
            return new StopReason(StopKind.Stopped, 0, "killed from gdb");
        }

        _isFree = protocol.Wish == GdbWish.Detach;
        if (_isFree)
        {
            Log?.Invoke("gdb has detached: the guest goes on");
        }

        // Another run can only be asked for by a client that has said that it may.
        return protocol is { EndIsTold: true, IsExtended: false } ? _session.Ended : null;
    }

    private StopReason? Leave(GdbConnection connection)
    {
        connection.Dispose();
        if (_protocol is not { } protocol || connection != _client)
        {
            return null;
        }

        protocol.Close();
        _protocol = null;
        if (protocol.EndIsTold)
        {
            return _session.Ended;
        }

        if (!_isFree)
        {
            Log?.Invoke($"gdb has gone: the guest stands still until the next one connects (target remote {Target})");
        }

        return null;
    }

    private void AcceptClients()
    {
        while (_listener.Accept() is { } socket)
        {
            GdbConnection connection = new(socket);
            if (!BecomesCurrent(connection))
            {
                Log?.Invoke("a second gdb was turned away: there is one already");
                connection.Refuse("another gdb is connected to this guest");
                continue;
            }

            new Thread(() => ReadClient(connection)) { IsBackground = true, Name = "gdb" }.Start();
        }
    }

    // A client that disconnects and comes back may be quicker than we notice.
    private bool BecomesCurrent(GdbConnection connection)
    {
        const int Tries = 25;
        for (int n = 0; n < Tries; n++)
        {
            if (Interlocked.CompareExchange(ref _current, connection, null) is null)
            {
                return true;
            }

            Thread.Sleep(10);
        }

        return false;
    }

    // A web page in a browser on this host can have it send us what it likes, but not without a head of its own. So whoever does not begin as gdb does is no gdb.
    private void ReadClient(GdbConnection connection)
    {
        GdbPacketReader reader = new(GdbProtocol.PacketSize);
        byte[] buffer = new byte[GdbProtocol.PacketSize];
        bool isKnown = false;
        for (int count; (count = connection.Read(buffer)) > 0;)
        {
            foreach (byte value in buffer.AsSpan(0, count))
            {
                reader.ChecksSums = connection.Acknowledges;
                GdbInput input = reader.Take(value);
                if (!isKnown && input == GdbInput.Noise)
                {
                    Log?.Invoke("somebody who is no gdb was disconnected");
                    connection.Dispose();
                    break;
                }

                if (!isKnown && input is GdbInput.Packet or GdbInput.TooLong or GdbInput.Interrupt)
                {
                    isKnown = true;
                    _events.Add(new GdbEvent(GdbEventKind.Connected, connection));
                }

                Take(connection, reader, input);
            }
        }

        _events.Add(new GdbEvent(GdbEventKind.Gone, connection));
        _ = Interlocked.CompareExchange(ref _current, null, connection);
    }

    private void Take(GdbConnection connection, GdbPacketReader reader, GdbInput input)
    {
        if (connection.Acknowledges && input is GdbInput.Packet or GdbInput.TooLong or GdbInput.Damaged)
        {
            connection.Acknowledge(input != GdbInput.Damaged);
        }

        switch (input)
        {
            case GdbInput.Packet:
                _events.Add(new GdbEvent(GdbEventKind.Packet, connection, reader.Packet));
                break;
            case GdbInput.TooLong:
                _events.Add(new GdbEvent(GdbEventKind.TooLong, connection));
                break;
            case GdbInput.Interrupt:
                _events.Add(new GdbEvent(GdbEventKind.Interrupt, connection));
                break;
            case GdbInput.Refused:
                connection.SendAgain();
                break;
        }
    }

    // What gdb prints of the machine's own words.
    private static void Show(GdbConnection connection, string text)
    {
        const int Piece = (GdbProtocol.PacketSize / 2) - 16;
        ReadOnlySpan<byte> bytes = Encoding.UTF8.GetBytes(text);
        for (; bytes.Length > 0; bytes = bytes[Math.Min(Piece, bytes.Length)..])
        {
            connection.Send(GdbReply.Of("O" + GdbText.Hex(bytes[..Math.Min(Piece, bytes.Length)])));
        }
    }
}
