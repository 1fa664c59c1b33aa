using System.Net.Sockets;

namespace ToyVmm.Debugging.Gdb;

/// <summary>A connected client: one thread reads it, another answers.</summary>
internal sealed class GdbConnection : IDisposable
{
    private const int SendTimeoutMilliseconds = 10_000;

    private readonly Socket _socket;
    private readonly Lock _sending = new();
    private byte[] _last = [];

    public GdbConnection(Socket socket)
    {
        _socket = socket;
        _socket.SendTimeout = SendTimeoutMilliseconds;
        if (_socket.ProtocolType == ProtocolType.Tcp)
        {
            // Packets are small and each waits for the other side.
            _socket.NoDelay = true;
        }
    }

    /// <summary>True while packets are to be acknowledged.</summary>
    public bool Acknowledges { get; set => Volatile.Write(ref field, value); } = true;

    /// <summary>Reads what has come.</summary>
    /// <returns>The number of bytes; 0 when the client has gone.</returns>
    public int Read(Span<byte> buffer)
    {
        try
        {
            return _socket.Receive(buffer);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return 0;
        }
    }

    /// <summary>Sends a packet. A client that has gone, or takes nothing any more, is noticed by the thread that reads.</summary>
    public void Send(GdbReply reply)
    {
        byte[] frame = GdbText.Frame(reply.Bytes.Span);
        lock (_sending)
        {
            _last = frame;
            SendAll(frame);
        }
    }

    /// <summary>Sends the last packet again.</summary>
    public void SendAgain()
    {
        lock (_sending)
        {
            SendAll(_last);
        }
    }

    /// <summary>Says whether a packet has arrived well.</summary>
    public void Acknowledge(bool well)
    {
        lock (_sending)
        {
            SendAll(well ? "+"u8 : "-"u8);
        }
    }

    /// <summary>Says why the client is not wanted, and waits a moment until it has heard.</summary>
    public void Refuse(string why)
    {
        Acknowledge(well: true);
        Send(GdbReply.Error(why));
        try
        {
            _socket.Shutdown(SocketShutdown.Send);
            _socket.ReceiveTimeout = 200;
            Span<byte> rest = stackalloc byte[256];
            for (int n = 0; n < 16 && _socket.Receive(rest) > 0; n++)
            {
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // It has gone already, or keeps silent.
        }

        Dispose();
    }

    /// <summary>Ends the connection behind what was sent.</summary>
    public void Dispose()
    {
        try
        {
            _socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // There is no other side any more.
        }

        _socket.Dispose();
    }

    private void SendAll(ReadOnlySpan<byte> bytes)
    {
        try
        {
            while (bytes.Length > 0)
            {
                bytes = bytes[_socket.Send(bytes)..];
            }
        }
        catch (SocketException)
        {
            _socket.Dispose();
        }
        catch (ObjectDisposedException)
        {
            // Noticed before.
        }
    }
}
