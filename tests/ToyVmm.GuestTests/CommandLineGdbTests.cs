using System.Net;
using System.Net.Sockets;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>--gdb: what makes no sense is told before anything runs.</summary>
public sealed class CommandLineGdbTests
{
    [Theory]
    [InlineData("nowhere")]
    [InlineData("0.0.0.0:1234")]
    [InlineData("99999")]
    [InlineData("unix:")]
    public void A_place_that_makes_no_sense_is_an_error(string place)
    {
        ToolResult result = CommandLine.Run("run", "hello", "--gdb", place);
        Assert.Equal((64, ""), (result.Status, result.Output));
        Assert.StartsWith($"toyvmm: --gdb {place}: ", result.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--timeout", "5")]
    [InlineData("--max-instructions", "5")]
    [InlineData("--max-exits", "5")]
    public void Limits_are_gdbs_business(string option, string value)
    {
        ToolResult result = CommandLine.Run("run", "hello", "--gdb", "0", option, value);
        Assert.Equal(64, result.Status);
        Assert.Contains($"{option} and --gdb", result.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--strict")]
    [InlineData("--trace", "exits")]
    [InlineData("--trace", "traps:/tmp/no-such-folder/traps.jsonl")]
    [InlineData("--trace-hash")]
    [InlineData("--record", "/tmp/no-such-folder/run.rec")]
    public void Under_gdb_there_is_no_one_run_to_watch(params string[] option)
    {
        ToolResult result = CommandLine.Run(["run", "hello", "--gdb", "0", .. option]);
        Assert.Equal((64, ""), (result.Status, result.Output));
        Assert.StartsWith($"toyvmm: {option[0]} and --gdb: ", result.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--script", "x")]
    [InlineData("-c", "step")]
    [InlineData("--tui")]
    public void The_commands_come_from_gdb(params string[] option)
    {
        ToolResult result = CommandLine.Run(["debug", "hello", "--gdb", "0", .. option]);
        Assert.Equal((64, ""), (result.Status, result.Output));
        Assert.Contains(option[0] == "--tui" ? "needs a terminal" : "--gdb: the commands come from gdb", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Several_guests_have_no_one_gdb()
    {
        Assert.Equal(64, CommandLine.Run("run", "hello", "hello", "--gdb", "0").Status);
    }

    [Fact]
    public void A_port_in_use_is_an_error()
    {
        using Socket taken = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        taken.Listen();
        ToolResult result = CommandLine.Run("run", "hello", "--gdb", ((IPEndPoint)taken.LocalEndPoint!).Port.ToString(System.Globalization.CultureInfo.InvariantCulture));
        Assert.Equal(66, result.Status);
        Assert.Contains("somebody else waits there", result.Errors, StringComparison.Ordinal);
    }

    [RequiresToolFact("gdb", "nasm")]
    public void The_command_line_waits_for_gdb()
    {
        using TemporaryFile image = GdbTests.Assemble();
        string socket = NewSocket();
        (ToolResult result, string gdb) = RunWithGdb(socket, "", ["run", image.Path, "--gdb", "unix:" + socket], "break *0x7cf0", "continue", "continue");
        GdbProgram.AssertInOrder(gdb, "Breakpoint 1, 0x00007cf0", "exited with code 0147]");
        Assert.Equal(0x67, result.Status);
        GdbProgram.AssertInOrder(result.Errors, $"the guest waits for gdb: target remote {socket}", "gdb is connected", "exit status 103");
        Assert.False(File.Exists(socket));
    }

    [RequiresToolFact("gdb")]
    public void The_screen_is_shown_as_without_gdb()
    {
        string socket = NewSocket();
        string[] run = ["run", "vga-text", "--display", "text", "--halt-ok", "-q"];
        ToolResult alone = CommandLine.Run(run);
        (ToolResult result, _) = RunWithGdb(socket, "", [.. run, "--gdb", "unix:" + socket], "monitor set stop-at-end never", "stepi 5", "continue");
        Assert.Equal((alone.Status, alone.Output), (result.Status, result.Output));
        Assert.NotEmpty(result.Output);
    }

    [RequiresToolFact("gdb")]
    public void When_gdb_has_ended_the_debugger_goes_on()
    {
        string socket = NewSocket();
        (ToolResult result, string gdb) = RunWithGdb(socket, "where\nquit 5\n", ["debug", "hello", "--gdb", "unix:" + socket], "stepi 3", "kill");
        Assert.Contains("killed]", gdb, StringComparison.Ordinal);
        Assert.Equal(5, result.Status);
        Assert.Contains("instruction 3", result.Output, StringComparison.Ordinal);
    }

    [RequiresToolFact("gdb")]
    public void A_recording_is_debugged_with_gdb()
    {
        using TemporaryFile recording = new(".rec");
        ToolResult recorded = CommandLine.Run("run", "hello", "--record", recording.Path);
        Assert.Equal(0, recorded.Status);
        string socket = NewSocket();
        (ToolResult result, string gdb) = RunWithGdb(socket, "", ["debug", "--replay", recording.Path, "--gdb", "unix:" + socket], "stepi 3", "monitor where", "continue");
        GdbProgram.AssertInOrder(gdb, "exited normally]", "instruction 3");
        Assert.Equal(0, result.Status);
    }

    private static string NewSocket() => Path.Combine(Path.GetTempPath(), $"toyvmm-{Guid.NewGuid():N}.gdb");

    private static (ToolResult Tool, string Gdb) RunWithGdb(string socket, string input, string[] arguments, params string[] commands)
    {
        Task<ToolResult> run = Task.Run(() => CommandLine.RunWithInput(input, arguments));
        for (int n = 0; n < 600 && !File.Exists(socket) && !run.IsCompleted; n++)
        {
            Thread.Sleep(50);
        }

        IEnumerable<string> script = commands.Prepend($"target remote {socket}").SelectMany(command => (string[])["-ex", command]);
        ToolResult gdb = ToolProcess.Run("gdb", ["-nx", "-q", "-batch", "-iex", "set confirm off", .. script], TimeSpan.FromSeconds(60));
        return (run.GetAwaiter().GetResult(), gdb.Output + gdb.Errors);
    }
}
