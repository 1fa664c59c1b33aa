using System.Net;
using System.Net.Sockets;
using System.Text;
using ToyVmm.Debugging.Gdb;

namespace ToyVmm.Tests.Debugging.Gdb;

/// <summary>A client of a server, as simple as one can be.</summary>
internal sealed class GdbClient : IDisposable
{
    private readonly Socket _socket;
    private readonly GdbPacketReader _reader = new(1 << 20);

    public GdbClient(string target)
    {
        _socket = target.StartsWith('/') ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) : new Socket(SocketType.Stream, ProtocolType.Tcp);
        _socket.ReceiveTimeout = 20_000;
        _socket.Connect(target.StartsWith('/') ? new UnixDomainSocketEndPoint(target) : IPEndPoint.Parse(target));
    }

    public void SendBytes(ReadOnlySpan<byte> bytes) => _socket.Send(bytes);

    public void Send(string packet) => _socket.Send(GdbText.Frame(Encoding.Latin1.GetBytes(packet)));

    /// <summary>Sends a packet and waits for its answer.</summary>
    public string Ask(string packet)
    {
        Send(packet);
        return Receive();
    }

    /// <summary>The next packet but for those that only show text; "(end)" when the server has closed the connection.</summary>
    public string Receive()
    {
        Span<byte> one = stackalloc byte[1];
        for (; ; )
        {
            if (ReceiveByte(one) is not { } input)
            {
                return "(end)";
            }

            string packet = Encoding.Latin1.GetString(_reader.Packet);
            if (input == GdbInput.Packet && (packet == "OK" || !packet.StartsWith('O')))
            {
                return packet;
            }
        }
    }

    /// <summary>The next acknowledgement; null when something else comes.</summary>
    public GdbInput? ReceiveAny()
    {
        Span<byte> one = stackalloc byte[1];
        GdbInput? input;
        do
        {
            input = ReceiveByte(one);
        }
        while (input == GdbInput.None);
        return input;
    }

    public void Dispose() => _socket.Dispose();

    private GdbInput? ReceiveByte(Span<byte> one)
    {
        try
        {
            return _socket.Receive(one) == 0 ? null : _reader.Take(one[0]);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
            return null;
        }
    }
}
