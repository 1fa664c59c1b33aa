using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>toyvmm snapshot, and run --from.</summary>
public sealed class CommandLineSnapshotTests
{
    private const string Turns = "every task made progress: ok\n";

    [Theory]
    [InlineData("interpreter", "interpreter")]
    [InlineData("interpreter", "auto")]
    [InlineData("auto", "interpreter")]
    public void A_run_goes_on_from_a_snapshot_on_any_engine(string savedOn, string restoredOn)
    {
        using TemporaryFile file = new(".toyvmm");
        ToolResult saved = CommandLine.Run("snapshot", "tasks", "-o", file.Path, "--at-instructions", "1_000_000", "--engine", savedOn);
        Assert.Equal(0, saved.Status);
        Assert.Contains("the machine after 1000000 instructions, 0.001 s of its time", saved.Errors, StringComparison.Ordinal);
        ToolResult whole = CommandLine.Run("run", "tasks", "-q");
        ToolResult rest = CommandLine.Run("run", "--from", file.Path, "--engine", restoredOn);
        Assert.Equal(0, rest.Status);
        Assert.Equal(whole.Output, saved.Output + rest.Output);
        Assert.EndsWith(Turns, rest.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_snapshot_can_be_taken_at_a_text_and_at_a_time()
    {
        using TemporaryFile file = new(".toyvmm");
        using TemporaryFile later = new(".toyvmm");
        ToolResult saved = CommandLine.Run("snapshot", "tasks", "-o", file.Path, "--at-serial", "tasks");
        Assert.Equal("starting 3 tasks", saved.Output);
        Assert.Equal(0, CommandLine.Run("snapshot", "--from", file.Path, "-o", later.Path, "--at-time", "0.01", "-q").Status);
        ToolResult rest = CommandLine.Run("run", "--from", later.Path, "-v");
        Assert.Contains("instructions and 0.01 s after power-on", rest.Errors, StringComparison.Ordinal);
        Assert.EndsWith(Turns, rest.Output, StringComparison.Ordinal);
    }

    /// <summary>The kernel's bench program marks where a row begins (its number, from 1) and ends: the snapshot stands between boot and what is measured.</summary>
    [Theory]
    [InlineData("interpreter", "1")]
    [InlineData("auto", "0x1")]
    public void A_snapshot_can_be_taken_at_a_mark(string engine, string mark)
    {
        using TemporaryFile file = new(".toyvmm");
        string[] guest = ["kernel", "--append", "init=bench,syscall,100 quiet"];
        ToolResult saved = CommandLine.Run(["snapshot", .. guest, "-o", file.Path, "--at-mark", mark, "--engine", engine]);
        Assert.Equal((0, ""), (saved.Status, saved.Output));
        ToolResult rest = CommandLine.Run("run", "--from", file.Path);
        Assert.Equal(0, rest.Status);
        Assert.Matches(@"^syscall 100 operations 1 ticks \d+\n$", rest.Output);
        Assert.Equal(CommandLine.Run(["run", .. guest]).Output, rest.Output);
        ToolResult never = CommandLine.Run(["snapshot", .. guest, "-o", file.Path, "--at-mark", "99"]);
        Assert.Equal(1, never.Status);
        Assert.Contains("no snapshot: the guest exited with 0", never.Errors, StringComparison.Ordinal);
    }

    [LinuxFact]
    public void A_limit_of_memory_holds_for_a_machine_that_goes_on()
    {
        using TemporaryFile file = new(".toyvmm");
        Assert.Equal(0, CommandLine.Run("snapshot", "tasks", "-o", file.Path, "--at-instructions", "1_000_000", "-q").Status);
        ToolResult small = CommandLine.Run("run", "--from", file.Path, "--max-memory", "4K");
        Assert.Equal((77, ""), (small.Status, small.Output));
        Assert.Contains("more than the 4 KiB of host memory that it may have", small.Errors, StringComparison.Ordinal);
        Assert.Equal(0, CommandLine.Run("run", "--from", file.Path, "--max-memory", "16M", "-q").Status);
    }

    [Fact]
    public void A_guest_that_ends_before_the_moment_gives_no_snapshot()
    {
        using TemporaryFile file = new(".toyvmm");
        ToolResult result = CommandLine.Run("snapshot", "hello", "-o", file.Path, "--at-serial", "never");
        Assert.Equal(1, result.Status);
        Assert.Contains("no snapshot: the guest powered off after 173 instructions, before it sent \"never\"", result.Errors, StringComparison.Ordinal);
        Assert.False(File.Exists(file.Path));
        Assert.Equal(72, CommandLine.Run("snapshot", "tasks", "-o", file.Path, "--at-serial", "never", "--max-instructions", "1000").Status);
    }

    [Fact]
    public void A_moment_must_be_named_and_only_one()
    {
        Assert.Equal(64, CommandLine.Run("snapshot", "hello", "-o", "x").Status);
        Assert.Equal(64, CommandLine.Run("snapshot", "hello", "-o", "x", "--at-time", "1", "--at-mark", "2").Status);
        Assert.Equal(64, CommandLine.Run("snapshot", "hello", "-o", "x", "--at-mark", "two").Status);
        Assert.Equal(64, CommandLine.Run("snapshot", "hello", "--at-time", "1").Status);
    }

    [Fact]
    public void What_contradicts_a_snapshot_is_refused_with_the_reason()
    {
        using TemporaryFile file = new(".toyvmm");
        Assert.Equal(0, CommandLine.Run("snapshot", "hello", "-o", file.Path, "--at-instructions", "10", "-q").Status);
        Assert.Equal(0, CommandLine.Run("run", "--from", file.Path, "--memory", "64M", "--cpu", "max").Status);
        AssertRefused("contradicts the snapshot, whose machine has 64M", "run", "--from", file.Path, "--memory", "32M");
        AssertRefused("contradicts the snapshot, whose machine has max", "run", "--from", file.Path, "--cpu", "486");
        AssertRefused("goes on from a snapshot", "run", "hello", "--from", file.Path);
        AssertRefused("leave --disk out", "run", "--from", file.Path, "--disk", "x");
        AssertRefused("leave --append out", "run", "--from", file.Path, "--append", "x");
        AssertRefused("already", "snapshot", "--from", file.Path, "-o", "x", "--at-instructions", "5");
    }

    [Fact]
    public void A_file_that_is_no_whole_snapshot_is_refused()
    {
        using TemporaryFile file = new(".toyvmm");
        Assert.Equal(66, CommandLine.Run("run", "--from", file.Path).Status);
        Assert.Equal(0, CommandLine.Run("snapshot", "hello", "-o", file.Path, "--at-instructions", "10", "-q").Status);
        byte[] bytes = File.ReadAllBytes(file.Path);
        File.WriteAllBytes(file.Path, bytes[..^1]);
        Assert.Equal(65, CommandLine.Run("run", "--from", file.Path).Status);
        bytes[2000] ^= 1;
        File.WriteAllBytes(file.Path, bytes);
        ToolResult damaged = CommandLine.Run("run", "--from", file.Path);
        Assert.Equal(65, damaged.Status);
        Assert.Contains("is damaged (at file offset", damaged.Errors, StringComparison.Ordinal);
    }

    private static void AssertRefused(string reason, params string[] arguments)
    {
        ToolResult result = CommandLine.Run(arguments);
        Assert.Equal(64, result.Status);
        Assert.Contains(reason, result.Errors, StringComparison.Ordinal);
    }
}
