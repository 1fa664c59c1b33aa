using System.Text.Json;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>toyvmm run with several images.</summary>
public sealed class CommandLineFleetTests
{
    [Fact]
    public void Each_line_has_its_guests_name()
    {
        ToolResult result = CommandLine.Run("run", "hello", "hello-multiboot", "hello");
        Assert.Equal(0, result.Status);
        string[] lines = result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Contains("hello           | Hello, world", lines);
        Assert.Contains("hello-multiboot | Hello, world", lines);
        Assert.Contains("hello-2         | Hello, world", lines);
        Assert.Equal(5, lines.Length);
        Assert.Contains("toyvmm: hello-2: the guest powered off after 173 instructions, exit status 0\n", result.Errors, StringComparison.Ordinal);
        Assert.Contains("toyvmm: 3 guests, 3 succeeded", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_guest_that_failed_gives_the_status()
    {
        ToolResult result = CommandLine.Run("run", "hello", "triple-fault", "hello-boot");
        Assert.Equal(71, result.Status);
        Assert.Contains("toyvmm: triple-fault: triple fault after", result.Errors, StringComparison.Ordinal);
        Assert.Contains("exit status 33", result.Errors, StringComparison.Ordinal);
        Assert.Equal(33, CommandLine.Run("run", "hello-boot", "triple-fault", "-q").Status);
    }

    [Fact]
    public void The_report_has_all_guests()
    {
        ToolResult result = CommandLine.Run("run", "hello", "compute-fib", "--serial", "none", "--json", "-", "-q", "--trace-hash");
        Assert.Equal((0, ""), (result.Status, result.Errors));
        using JsonDocument report = JsonDocument.Parse(result.Output);
        JsonElement[] guests = [.. report.RootElement.GetProperty("guests").EnumerateArray()];
        Assert.Equal(["hello", "compute-fib"], guests.Select(guest => guest.GetProperty("name").GetString()));
        Assert.All(guests, guest => Assert.Equal(0, guest.GetProperty("exit_status").GetInt32()));
        string? alone = CommandLine.Run("run", "compute-fib", "--serial", "none", "-q", "--trace-hash").Errors.Split(' ')[2];
        Assert.Equal(alone, guests[1].GetProperty("trace_hash").GetString());

        // The same again, to the last slice.
        using JsonDocument second = JsonDocument.Parse(CommandLine.Run("run", "hello", "compute-fib", "--serial", "none", "--json", "-", "-q", "--trace-hash").Output);
        Assert.Equal(report.RootElement.GetProperty("schedule_hash").GetString(), second.RootElement.GetProperty("schedule_hash").GetString());
    }

    [Fact]
    public void Limits_hold_for_each_guest_and_for_all()
    {
        using TemporaryFile endless = CommandLine.File([0xEB, 0xFE]);
        ToolResult result = CommandLine.Run("run", endless.Path, "hello", "--max-instructions", "3M");
        Assert.Equal(72, result.Status);
        Assert.Contains("the limit of 3000000 instructions is reached after 3000000 instructions, exit status 72", result.Errors, StringComparison.Ordinal);
        Assert.Matches("(?m)^hello +\\| Hello, world$", result.Output);
        ToolResult timed = CommandLine.Run("run", endless.Path, "hello", "--timeout", "0.3", "--threads", "2");
        Assert.Equal(73, timed.Status);
        Assert.Contains("hello: the guest powered off", timed.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--display is for one guest", "--display", "text")]
    [InlineData("--trace is for one guest", "--trace", "exits")]
    [InlineData("--screen is for one guest", "--screen")]
    [InlineData("--serial file: is for one guest", "--serial", "file:x")]
    [InlineData("several guests cannot write to one disk", "--disk", "disk.img")]
    [InlineData("--threads 0: from 1 to", "--threads", "0")]
    [InlineData("--slice 0: from 1 to", "--slice", "0")]
    public void What_is_for_one_guest_is_refused(string message, params string[] arguments)
    {
        ToolResult result = CommandLine.Run(["run", "hello", "hello-flat", .. arguments]);
        Assert.Equal(64, result.Status);
        Assert.Contains(message, result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_for_several_guests_is_refused_for_one()
    {
        ToolResult result = CommandLine.Run("run", "hello", "--threads", "2");
        Assert.Equal(64, result.Status);
        Assert.Contains("--threads is for several guests: name more than one image", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_image_is_told_before_anything_runs()
    {
        ToolResult result = CommandLine.Run("run", "hello", "no-such-guest");
        Assert.Equal((66, ""), (result.Status, result.Output));
        Assert.Contains("there is no file and no built-in guest 'no-such-guest'", result.Errors, StringComparison.Ordinal);
    }
}
