using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>The limits of toyvmm run: each with a status of its own.</summary>
public sealed class CommandLineLimitTests
{
    [Theory]
    [InlineData(76, "the limit of 100 exits is reached", "--max-exits", "100")]
    [InlineData(80, "the limit of 25 bytes of serial output is reached", "--max-serial", "25")]
    [InlineData(72, "the limit of 1000 instructions is reached after 1000 instructions", "--max-instructions", "1K")]
    public void A_limit_stops_the_run(int status, string message, params string[] arguments)
    {
        ToolResult result = CommandLine.Run(["run", "hello-multiboot", .. arguments]);
        Assert.Equal(status, result.Status);
        Assert.Contains(message, result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Serial_output_is_exactly_that_long() => Assert.Equal("Hello, world\nloaded by a ", CommandLine.Run("run", "hello-multiboot", "--max-serial", "25").Output);

    [Fact]
    public void Disk_writes_and_memory_have_limits()
    {
        using TemporaryFile disk = CommandLine.File(new byte[1 << 20], ".img");
        ToolResult result = CommandLine.Run("run", "noisy", "--append", "storm=disk loops=0", "--disk", disk.Path, "--max-disk-writes", "4K");
        Assert.Equal(78, result.Status);
        Assert.Contains("the limit of 4096 bytes written to disks is reached", result.Errors, StringComparison.Ordinal);
        Assert.Equal(8, File.ReadAllBytes(disk.Path).Chunk(512).Count(sector => sector.Any(value => value != 0)));
        ToolResult memory = CommandLine.Run("run", "noisy", "--append", "storm=tables loops=10", "--max-memory", "128K");
        Assert.Equal(77, memory.Status);
    }

    [Fact]
    public void A_trace_has_a_limit()
    {
        using TemporaryFile trace = new(".txt");
        ToolResult result = CommandLine.Run("run", "hello-multiboot", "--trace", $"instructions:{trace.Path}", "--max-trace", "10K");
        Assert.Equal(79, result.Status);
        Assert.InRange(new FileInfo(trace.Path).Length, 10_240 - 120, 10_240);
        Assert.Contains("the limit of 10240 bytes of trace is reached", result.Errors, StringComparison.Ordinal);
    }
}
