using System.Collections.Concurrent;
using System.Net.Sockets;
using ToyVmm.Debugging.Gdb;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.Tests.Debugging.Gdb;

/// <summary>The line: clients come, go, vanish, and talk nonsense.</summary>
public sealed class GdbServerTests : IDisposable
{
    private readonly List<GdbGuest> _guests = [];
    private readonly ConcurrentQueue<string> _log = [];
    private GdbServer? _server;

    public void Dispose()
    {
        _server?.Stop();
        _server?.Dispose();
        _guests.ForEach(guest => guest.Dispose());
    }

    [Fact]
    public async Task A_client_steps_and_the_guest_ends()
    {
        Task<StopReason> over = Serve(GdbGuest.Exit, "0");
        using GdbClient gdb = new(_server!.Target);
        gdb.SendBytes("+"u8);
        Assert.Contains("QStartNoAckMode+", gdb.Ask("qSupported:swbreak+"), StringComparison.Ordinal);
        Assert.Equal("OK", gdb.Ask("QStartNoAckMode"));
        Assert.StartsWith("T05", gdb.Ask("?"), StringComparison.Ordinal);
        Assert.Contains("08:027c0000", gdb.Ask("vCont;s"), StringComparison.Ordinal);
        Assert.Equal("W21", gdb.Ask("vCont;c"));
        Assert.Equal(StopKind.DebugExit, (await over).Kind);
        _server.Dispose();
        Assert.Equal("(end)", gdb.Receive());
    }

    [Fact]
    public async Task Packets_are_acknowledged_and_sent_again()
    {
        Task<StopReason> over = Serve(GdbGuest.Loop, "0");
        using GdbClient gdb = new(_server!.Target);
        gdb.SendBytes("$qC#b3"u8);
        Assert.Equal(GdbInput.Refused, gdb.ReceiveAny());
        gdb.SendBytes("$qC#b4"u8);
        Assert.Equal(GdbInput.Acknowledged, gdb.ReceiveAny());
        Assert.Equal("QC1", gdb.Receive());
        gdb.SendBytes("-"u8);
        Assert.Equal("QC1", gdb.Receive());
        Assert.StartsWith("E.", gdb.Ask(new string('m', GdbProtocol.PacketSize + 1)), StringComparison.Ordinal);
        Assert.Equal("QC1", gdb.Ask("qC"));
        Assert.Equal("OK", gdb.Ask("vKill;1"));
        Assert.Equal((StopKind.Stopped, "killed from gdb"), ((await over).Kind, (await over).Detail));
    }

    [Fact]
    public async Task Ctrl_C_stops_the_guest()
    {
        Task<StopReason> over = Serve(GdbGuest.Loop, "0");
        using GdbClient gdb = new(_server!.Target);
        for (int n = 0; n < 20; n++)
        {
            gdb.Send("vCont;c");
            if (n % 2 == 0)
            {
                await Task.Delay(10);
            }

            // While it stands still, it changes nothing.
            gdb.SendBytes([3, 3]);
            Assert.StartsWith("T02", gdb.Receive(), StringComparison.Ordinal);
        }

        gdb.Send("k");
        Assert.Equal(StopKind.Stopped, (await over).Kind);
    }

    [Fact]
    public async Task Who_vanishes_leaves_the_guest_standing_and_the_next_finds_it_so()
    {
        Task<StopReason> over = Serve(GdbGuest.Loop, "0");
        using (GdbClient gdb = new(_server!.Target))
        {
            Assert.Equal("OK", gdb.Ask("Z0,7c0e,1"));
            Assert.StartsWith("T05", gdb.Ask("c"), StringComparison.Ordinal);
            Assert.Equal("OK", gdb.Ask("z0,7c0e,1"));
            gdb.Send("c");
        }

        string where;
        using (GdbClient gdb = Connect())
        {
            where = gdb.Ask("g");
            Assert.Empty(_guests[0].Session.Breakpoints);
        }

        Assert.Contains(_log, line => line.Contains("stands still", StringComparison.Ordinal));
        using GdbClient last = Connect();
        Assert.Equal(where, last.Ask("g"));
        _server.Stop();
        Assert.Equal("stopped by the user", (await over).Detail);
    }

    [Fact]
    public async Task After_detaching_the_guest_goes_on_and_the_next_client_stops_it()
    {
        Task<StopReason> over = Serve(GdbGuest.Loop, "0");
        using (GdbClient gdb = new(_server!.Target))
        {
            Assert.Equal("OK", gdb.Ask("D"));
        }

        await Task.Delay(50);
        using (GdbClient gdb = Connect())
        {
            Assert.StartsWith("T0", gdb.Ask("?"), StringComparison.Ordinal);
            ulong point = _guests[0].Session.Point.Instructions;
            Assert.True(point > 1000);
            Assert.StartsWith("T05", gdb.Ask("s"), StringComparison.Ordinal);
            Assert.Equal(point + 1, _guests[0].Session.Point.Instructions);
            gdb.Send("k");
        }

        Assert.Equal("killed from gdb", (await over).Detail);
    }

    [Fact]
    public async Task A_detached_guest_stands_still_at_the_end_of_its_recording()
    {
        Task<StopReason> over = Serve(GdbGuest.Loop, "0", guest => guest.Session.History.StopsAtEnd = true);
        using (GdbClient gdb = new(_server!.Target))
        {
            foreach (string packet in (string[])["s", "s", "s", "bc"])
            {
                Assert.StartsWith("T05", gdb.Ask(packet), StringComparison.Ordinal);
            }

            Assert.Equal("OK", gdb.Ask("D"));
        }

        Assert.True(SpinWait.SpinUntil(() => _log.Any(line => line.StartsWith("the recording is at its end", StringComparison.Ordinal)), TimeSpan.FromSeconds(20)));
        using GdbClient next = Connect();
        Assert.Contains("08:0c7c0000", next.Ask("?"), StringComparison.Ordinal);
        next.Send("k");
        Assert.Equal("killed from gdb", (await over).Detail);
    }

    [Fact]
    public async Task There_is_one_client_at_a_time()
    {
        Task<StopReason> over = Serve(GdbGuest.Loop, "0");
        using GdbClient gdb = new(_server!.Target);
        Assert.Equal("QC1", gdb.Ask("qC"));
        using GdbClient other = new(_server.Target);
        Assert.Equal("E.another gdb is connected to this guest", other.Receive());
        Assert.Equal("(end)", other.Receive());
        Assert.Equal("QC1", gdb.Ask("qC"));
        gdb.Send("k");
        _ = await over;
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: x\r\n\r\n$k#6b")]
    [InlineData("\u0016\u0003\u0001")]
    public void Who_does_not_begin_as_gdb_does_is_not_heard(string words)
    {
        Task<StopReason> over = Serve(GdbGuest.Loop, "0");
        using (GdbClient browser = new(_server!.Target))
        {
            browser.SendBytes(System.Text.Encoding.Latin1.GetBytes(words));
            Assert.Equal("(end)", browser.Receive());
        }

        using GdbClient gdb = Connect();
        Assert.Equal("QC1", gdb.Ask("qC"));
        Assert.False(over.IsCompleted);
    }

    [Fact]
    public async Task A_Unix_socket_is_its_owners_and_goes_away()
    {
        string path = Path.Combine(Path.GetTempPath(), $"toyvmm-{Guid.NewGuid():N}.gdb");
        Task<StopReason> over = Serve(GdbGuest.Exit, "unix:" + path);
        Assert.Equal(path, _server!.Target);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        }

        Assert.Contains("somebody else waits there", Refusal("unix:" + path), StringComparison.Ordinal);
        using GdbClient gdb = new(path);
        Assert.Equal("W21", gdb.Ask("c"));
        _ = await over;
        _server.Dispose();
        Assert.False(File.Exists(path));
    }

    [Fact]
    public void A_socket_that_nobody_listens_to_is_replaced_and_another_file_is_not()
    {
        string path = Path.Combine(Path.GetTempPath(), $"toyvmm-{Guid.NewGuid():N}.gdb");
        using (Socket dead = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            // .NET removes the file of a socket that it closes: this one is put back as it would be after a kill.
            dead.Bind(new UnixDomainSocketEndPoint(path));
            _ = Serve(GdbGuest.Loop, "unix:" + path);
            Assert.Equal(path, _server!.Target);
            _server.Stop();
            _server.Dispose();
        }

        File.WriteAllText(path, "not a socket");
        Assert.Contains("something else is there, which is no socket", Refusal("unix:" + path), StringComparison.Ordinal);
        Assert.Equal("not a socket", File.ReadAllText(path));
        File.Delete(path);
    }

    [Fact]
    public void A_place_that_cannot_be_had_is_told()
    {
        _ = Serve(GdbGuest.Loop, "0");
        Assert.Contains("somebody else waits there", Refusal(_server!.Target), StringComparison.Ordinal);
        Assert.Contains("no such address", Refusal("192.0.2.1:0"), StringComparison.Ordinal);
        Assert.Contains("cannot wait for gdb at /no/such/folder/x: there is no such directory", Refusal("unix:/no/such/folder/x"), StringComparison.Ordinal);

        // To open a FIFO that nobody else has open is to wait.
        string fifo = Path.Combine(Path.GetTempPath(), $"toyvmm-fifo-{Guid.NewGuid():N}");
        using (System.Diagnostics.Process make = System.Diagnostics.Process.Start("mkfifo", fifo))
        {
            make.WaitForExit();
        }

        Assert.Contains("something else is there, which is no socket", Refusal("unix:" + fifo), StringComparison.Ordinal);
        File.Delete(fifo);
    }

    [Fact]
    public async Task Somebody_else_may_have_the_guests_thread()
    {
        Task<StopReason> over = Serve(GdbGuest.Loop, "0");
        int calls = 0;
        TaskCompletionSource called = new();
        _server!.Interjected = () =>
        {
            called.TrySetResult();
            return ++calls < 2;
        };
        using GdbClient gdb = new(_server.Target);
        gdb.Send("c");
        await Task.Delay(300);
        _server.Interject();
        Assert.StartsWith("T02", gdb.Receive(), StringComparison.Ordinal);
        await called.Task;
        _server.Interject();
        Assert.Equal("stopped by the user", (await over).Detail);
    }

    [Fact]
    public void A_flood_of_noise_does_no_harm()
    {
        Task<StopReason> over = Serve(GdbGuest.Loop, "0");
        (ulong, ulong, ExecutionPoint, int) before = _guests[0].Fingerprint;
        Random random = new(3);
        byte[] noise = new byte[1 << 20];
        random.NextBytes(noise);
        using (GdbClient gdb = new(_server!.Target))
        {
            gdb.SendBytes("$qC#b4"u8);
            try
            {
                gdb.SendBytes(noise);
            }
            catch (SocketException)
            {
                // It may be disconnected for it.
            }
        }

        using GdbClient next = Connect();
        Assert.Equal("QC1", next.Ask("qC"));
        Assert.False(over.IsCompleted);
        Assert.Equal(before, _guests[0].Fingerprint);
    }

    private Task<StopReason> Serve(byte[] code, string where, Action<GdbGuest>? prepare = null)
    {
        GdbGuest guest = new(code);
        prepare?.Invoke(guest);
        _guests.Add(guest);
        Assert.True(GdbEndpoint.TryParse(where, out GdbEndpoint? endpoint, out _));
        _server = new GdbServer(guest.Session, endpoint) { Log = _log.Enqueue };
        return Task.Factory.StartNew(_server.Serve, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    private string Refusal(string where)
    {
        Assert.True(GdbEndpoint.TryParse(where, out GdbEndpoint? endpoint, out _));
        return Assert.Throws<GdbListenException>(() => new GdbServer(_guests[0].Session, endpoint)).Message;
    }

    // The server notices at its own time that the last one has gone.
    private GdbClient Connect()
    {
        for (int n = 0; ; n++)
        {
            GdbClient client = new(_server!.Target);
            if (n > 100 || client.Ask("qC") == "QC1")
            {
                return client;
            }

            client.Dispose();
            Thread.Sleep(20);
        }
    }
}
