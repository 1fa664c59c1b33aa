using System.Text.RegularExpressions;
using ToyVmm.Debugging;
using ToyVmm.Debugging.Gdb;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>The real gdb, driving a guest of this process.</summary>
internal sealed class GdbProgram : IDisposable
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(90);
    private readonly Task<StopReason> _served;

    /// <summary>Begins to serve.</summary>
    public GdbProgram(VirtualMachine machine)
    {
        Machine = machine;
        Session = new DebugSession(machine);
        Path = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"toyvmm-{Guid.NewGuid():N}.gdb");
        Assert.True(GdbEndpoint.TryParse("unix:" + Path, out GdbEndpoint? endpoint, out _));
        Server = new GdbServer(Session, endpoint);
        _served = Task.Factory.StartNew(Server.Serve, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    public VirtualMachine Machine { get; }

    public DebugSession Session { get; }

    public GdbServer Server { get; }

    /// <summary>The socket.</summary>
    public string Path { get; }

    /// <summary>Runs gdb with commands, one after the other whatever they say, behind the one that connects; and waits until the guest stands still again.</summary>
    /// <param name="file">The program whose symbols it has; null for none.</param>
    /// <param name="commands">The commands.</param>
    /// <returns>All that it says.</returns>
    public string Run(string? file, params IEnumerable<string> commands)
    {
        ToolResult result = RunApart(file, commands);
        return result.Output + result.Errors;
    }

    /// <summary>The same, with what gdb says apart from its warnings and what the server has it show.</summary>
    public ToolResult RunApart(string? file, params IEnumerable<string> commands)
    {
        string[] settings = ["-nx", "-q", "-batch", "-iex", "set pagination off", "-iex", "set width 0", "-iex", "set confirm off", "-iex", "set debuginfod enabled off"];
        IEnumerable<string> script = commands.Prepend($"target remote {Path}").SelectMany(command => (string[])["-ex", command]);
        return ToolProcess.Run("gdb", [.. settings, .. script, .. file is null ? Array.Empty<string>() : [file]], s_timeout);
    }

    /// <summary>Why the run is over: the client has killed the guest, or it has ended.</summary>
    public StopReason End()
    {
        Assert.True(_served.Wait(s_timeout), "the server goes on");
        return _served.Result;
    }

    /// <summary>The texts stand in the output, one behind the other.</summary>
    public static void AssertInOrder(string output, params IEnumerable<string> texts)
    {
        int at = 0;
        foreach (string text in texts)
        {
            int found = output.IndexOf(text, at, StringComparison.Ordinal);
            Assert.True(found >= 0, $"'{text}' is missing behind character {at} of:\n{output}");
            at = found + text.Length;
        }
    }

    /// <summary>What "info registers" has printed of a register, last.</summary>
    public static IEnumerable<(string Name, ulong Value)> Registers(string output) =>
        Regex.Matches(output, @"^(\w+)\s+0x([0-9a-f]{1,16})\s", RegexOptions.Multiline).Select(match => (match.Groups[1].Value, Convert.ToUInt64(match.Groups[2].Value, 16)));

    public void Dispose()
    {
        Server.Stop();
        _ = _served.Wait(s_timeout);
        Server.Dispose();
        Session.Dispose();
    }
}
