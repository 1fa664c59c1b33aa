using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace ToyVmm.Debugging.Gdb;

/// <summary>Where a server waits for gdb: <c>[HOST:]PORT</c> or <c>unix:PATH</c>. Who reaches it controls the guest, so the host is this one's loopback unless another is named.</summary>
public sealed class GdbEndpoint
{
    private const string UnixPrefix = "unix:";
    private const string AnyPrefix = "any:";

    private GdbEndpoint(EndPoint address, string? path) => (Address, Path) = (address, path);

    /// <summary>The socket's address.</summary>
    public EndPoint Address { get; }

    /// <summary>The file of a Unix socket; null for TCP.</summary>
    public string? Path { get; }

    /// <summary>Reads an endpoint as users write it.</summary>
    /// <param name="text"><c>1234</c>, <c>:1234</c>, <c>localhost:1234</c>, <c>[::1]:1234</c>, <c>192.168.0.2:1234</c>, <c>any:1234</c> for every address that the host has, <c>unix:/tmp/guest.gdb</c>. Port 0 is one that is free.</param>
    /// <param name="endpoint">The endpoint.</param>
    /// <param name="problem">What is wrong, and what would be right.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out GdbEndpoint? endpoint, [NotNullWhen(false)] out string? problem)
    {
        ArgumentNullException.ThrowIfNull(text);
        (endpoint, problem) = text.StartsWith(UnixPrefix, StringComparison.Ordinal) ? OfPath(text[UnixPrefix.Length..]) : OfPort(text);
        return endpoint is not null;
    }

    private static (GdbEndpoint? Endpoint, string? Problem) OfPath(string path)
    {
        if (path.Length == 0)
        {
            return (null, "unix: needs the path of a socket, as unix:/tmp/guest.gdb");
        }

        try
        {
            return (new GdbEndpoint(new UnixDomainSocketEndPoint(path), path), null);
        }
        catch (ArgumentOutOfRangeException)
        {
            return (null, "the path is longer than a Unix socket's may be (107 bytes)");
        }
    }

    private static (GdbEndpoint? Endpoint, string? Problem) OfPort(string text)
    {
        int colon = text.LastIndexOf(':');
        string host = colon < 0 ? "" : text[..colon];
        if (!ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
        {
            return (null, "write [HOST:]PORT, with a port from 0 (any that is free) to 65535, or unix:PATH");
        }

        if (text.StartsWith(AnyPrefix, StringComparison.Ordinal) && host.Length + 1 == AnyPrefix.Length)
        {
            return (new GdbEndpoint(new IPEndPoint(Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any, port), null), null);
        }

        if (host is "*" or "0.0.0.0" or "[::]" or "::")
        {
            return (null, $"{host} would let everybody who reaches this host control the guest; where that is wanted, write any:{port.ToString(CultureInfo.InvariantCulture)}");
        }

        IPAddress? address = host is "" or "localhost" ? IPAddress.Loopback
            : host.StartsWith('[') && host.EndsWith(']') && IPAddress.TryParse(host.AsSpan(1, host.Length - 2), out IPAddress? six) ? six
            : host.Contains(':', StringComparison.Ordinal) ? null
            : IPAddress.TryParse(host, out IPAddress? four) && host.Count(c => c == '.') == 3 ? four
            : Resolve(host);
        return address is null
            ? (null, $"{host} is no address or name of a host; write [HOST:]PORT or unix:PATH")
            : (new GdbEndpoint(new IPEndPoint(address, port), null), null);
    }

    private static IPAddress? Resolve(string host)
    {
        try
        {
            IPAddress[] all = Dns.GetHostAddresses(host);
            return all.FirstOrDefault(one => one.AddressFamily == AddressFamily.InterNetwork) ?? all.FirstOrDefault();
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            return null;
        }
    }
}
