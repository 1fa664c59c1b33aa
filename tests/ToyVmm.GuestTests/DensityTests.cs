using System.Text.Json;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>toyvmm bench density: what it measures, and that one more idle clone stays as small as it is claimed to be.</summary>
public sealed class DensityTests
{
    [Fact]
    public void Every_way_to_have_one_more_stands_in_the_document()
    {
        JsonElement root = Measure("--repeat", "3", "--scale", "20");
        Assert.Equal("hello-multiboot", root.GetProperty("guest").GetString());
        Assert.Equal(64 << 20, root.GetProperty("guest_memory_bytes").GetInt32());
        string[] names = [.. root.GetProperty("rows").EnumerateArray().Select(row => row.GetProperty("name").GetString()!)];
        Assert.Equal(
            ["a new machine, to the end of its guest", "a clone, to its first instruction", "a clone, to the end of its guest",
                "toyvmm run, a process of its own, to the end", "a process"],
            names[..5]);
        Assert.All(names[5..], name => Assert.Contains(name, (string[])["a container with that process", "the same guest under QEMU"]));

        // What is not there is said to be missing, and what is there says what it is.
        string notes = string.Join('\n', root.GetProperty("notes").EnumerateArray().Select(note => note.GetString()));
        Assert.Contains("container", notes, StringComparison.Ordinal);
        Assert.Contains("QEMU", notes, StringComparison.Ordinal);
        Assert.All(root.GetProperty("rows").EnumerateArray(), row =>
        {
            double least = row.GetProperty("least_microseconds").GetDouble();
            double most = row.GetProperty("most_microseconds").GetDouble();
            Assert.True(least > 0);
            Assert.InRange(row.GetProperty("microseconds").GetDouble(), least, most);
            Assert.Equal(3, row.GetProperty("runs").GetInt32());
        });

        string documentation = File.ReadAllText(Path.Combine(GuestCatalog.RepositoryRoot, "docs", "json.md"));
        IEnumerable<string> fields = root.EnumerateObject().Concat(root.GetProperty("rows")[0].EnumerateObject()).Select(field => field.Name);
        Assert.All(fields, name => Assert.Contains($"`{name}`", documentation, StringComparison.Ordinal));
    }

    /// <summary>The bar is 256 KiB of resident memory for a clone of a guest with 64 MiB that has run one instruction.</summary>
    [Fact]
    public void An_idle_clone_is_small()
    {
        JsonElement clones = Measure("--repeat", "1", "--scale", "300", "--no-native").GetProperty("rows")[1];
        Assert.Equal(300, clones.GetProperty("instances").GetInt32());
        Assert.InRange(clones.GetProperty("resident_bytes").GetInt64(), 4 << 10, 256 << 10);
    }

    [Fact]
    public void The_table_says_what_was_measured()
    {
        ToolResult result = CommandLine.Run("bench", "density", "--repeat", "1", "--scale", "2", "--no-native", "--engine", "interpreter");
        Assert.Equal((0, ""), (result.Status, result.Errors));
        string[] lines = result.Output.Split('\n');
        Assert.StartsWith("ONE MORE ", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("a clone, to its first instruction ", lines[2], StringComparison.Ordinal);
        Assert.StartsWith("Guest hello-multiboot, 64 MiB of RAM, engine interpreter.", lines[4], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("by itself, for memory is measured too", "density", "fib")]
    [InlineData("of one engine", "density", "--engine", "all")]
    [InlineData("--engine naive: it is wrong on purpose", "density", "--engine", "naive")]
    [InlineData("--repeat 0: from 1 to 1000", "density", "--repeat", "0")]
    [InlineData("--scale 20000: from 1 to 10000 clones", "density", "--scale", "20000")]
    public void What_makes_no_sense_is_refused(string message, params string[] arguments)
    {
        ToolResult result = CommandLine.Run(["bench", .. arguments]);
        Assert.Equal((64, ""), (result.Status, result.Output));
        Assert.Contains(message, result.Errors, StringComparison.Ordinal);
    }

    private static JsonElement Measure(params string[] arguments)
    {
        ToolResult result = CommandLine.Run(["bench", "density", .. arguments, "--json", "-"]);
        Assert.Equal((0, ""), (result.Status, result.Errors));
        return JsonDocument.Parse(result.Output).RootElement;
    }
}
