using System.Net;
using System.Net.Sockets;

namespace ToyVmm.Debugging.Gdb;

/// <summary>The host does not let a server wait where it was told to: the message says why.</summary>
/// <param name="message">What is wrong.</param>
/// <param name="inner">What the host said.</param>
public sealed class GdbListenException(string message, Exception inner) : Exception(message, inner);

/// <summary>A socket that waits for clients.</summary>
internal sealed class GdbListener : IDisposable
{
    private readonly Socket _socket;
    private readonly string? _path;

    /// <exception cref="GdbListenException">The place is taken, or cannot be had.</exception>
    public GdbListener(GdbEndpoint endpoint)
    {
        _path = endpoint.Path;
        try
        {
            _socket = _path is null ? ListenTcp((IPEndPoint)endpoint.Address) : ListenUnix(endpoint.Address, _path);
        }
        catch (Exception e) when (e is SocketException or IOException or UnauthorizedAccessException)
        {
            string why = (e as SocketException)?.SocketErrorCode switch
            {
                SocketError.AddressAlreadyInUse when _path is not null && (Directory.Exists(_path) || IsOrdinary(_path)) => "something else is there, which is no socket",
                SocketError.AddressAlreadyInUse => "somebody else waits there",
                SocketError.AccessDenied => "the host does not allow it",
                not null when _path is not null && !Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(_path))) => "there is no such directory",
                SocketError.AddressNotAvailable => "the host has no such address",
                _ => e.Message,
            };
            throw new GdbListenException($"cannot wait for gdb at {(_path is null ? endpoint.Address : _path)}: {why}", e);
        }

        IPEndPoint? local = _socket.LocalEndPoint as IPEndPoint;
        Target = _path ?? (local!.Address.Equals(IPAddress.IPv6Any) || local.Address.Equals(IPAddress.Any) ? $":{local.Port}" : local.ToString());
    }

    /// <summary>What gdb's <c>target remote</c> is told.</summary>
    public string Target { get; }

    /// <summary>Waits for the next client; null when the listener is disposed of.</summary>
    public Socket? Accept()
    {
        for (; ; )
        {
            try
            {
                return _socket.Accept();
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.ConnectionAborted or SocketError.ConnectionReset or SocketError.TooManyOpenSockets)
            {
                // That one has gone again, or there is no room just now.
                Thread.Sleep(10);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return null;
            }
        }
    }

    public void Dispose()
    {
        _socket.Dispose();
        if (_path is not null)
        {
            File.Delete(_path);
        }
    }

    private static Socket ListenTcp(IPEndPoint address)
    {
        Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            if (address.Address.Equals(IPAddress.IPv6Any))
            {
                socket.DualMode = true;
            }

            socket.Bind(address);
            socket.Listen(1);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    // The owner alone may connect: the file gets its rights before anybody can.
    private static Socket ListenUnix(EndPoint address, string path)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            RemoveDeadSocket(address, path);
            socket.Bind(address);
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }

            socket.Listen(1);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    // A socket that nobody listens to was left by a process that did not end in peace. Another file stays.
    private static void RemoveDeadSocket(EndPoint address, string path)
    {
        if (!File.Exists(path))
        {
            return;
        }

        using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(address);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused && IsSocket(path))
        {
            File.Delete(path);
        }
        catch (SocketException)
        {
            // Binding will say it.
        }
    }

    private static bool IsOrdinary(string path)
    {
        try
        {
            using FileStream file = Open(path);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
        catch (UnauthorizedAccessException)
        {
            return File.Exists(path) && new FileInfo(path).Length > 0;
        }
    }

    // For both directions: a FIFO is opened at once then, whether or not there is anybody at its other end (fifo(7)).
    private static FileStream Open(string path) => new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);

    // Connecting to an ordinary file is refused too. A socket has no length, is no directory, and cannot be opened.
    private static bool IsSocket(string path)
    {
        try
        {
            using FileStream file = Open(path);
            return false;
        }
        catch (IOException)
        {
            return true;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }
}
