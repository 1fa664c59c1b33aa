using System.Text.Json;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>toyvmm bench: what it measures and how it says so. How fast it is, no test can tell on a shared machine.</summary>
public sealed class BenchTests
{
    private static readonly string[] s_engines =
        [.. GuestRunner.Engines.SelectMany<EngineKind, string>(engine => engine == EngineKind.Translator ? ["translator", "trap-only"] : ["interpreter"])];

    [Fact]
    public void All_engines_stand_side_by_side_in_the_document()
    {
        ToolResult result = CommandLine.Run("bench", "fib", "nano:demand-map", "--engine", "all", "--scale", "40", "--repeat", "1", "--no-native", "--json", "-");
        Assert.Equal(0, result.Status);
        using JsonDocument document = JsonDocument.Parse(result.Output);
        JsonElement root = document.RootElement;
        Assert.Equal("all", root.GetProperty("engine").GetString());
        Assert.Equal(s_engines, Strings(root.GetProperty("results"), "engine"));
        Assert.All(Strings(root.GetProperty("results"), "name"), name => Assert.Equal("compute-fib", name));
        Assert.Equal(s_engines, Strings(root.GetProperty("nano"), "engine"));
        Assert.All(Strings(root.GetProperty("nano"), "row"), row => Assert.Equal("demand-map", row));
        Assert.All(root.GetProperty("nano").EnumerateArray(), row => Assert.Equal((40, 256), (row.GetProperty("loops").GetInt32(), row.GetProperty("operations").GetInt32())));
        Assert.Equal(s_engines, Strings(root.GetProperty("means"), "engine"));
        Assert.All(root.GetProperty("means").EnumerateArray(), mean => Assert.True(mean.GetProperty("millions_per_second").GetDouble() > 0));
        Assert.Single(root.GetProperty("results").EnumerateArray().Select(guest => guest.GetProperty("instructions").GetUInt64()).Distinct());
    }

    [Fact]
    public void All_engines_stand_side_by_side_in_the_table()
    {
        ToolResult result = CommandLine.Run("bench", "fib", "nano:call", "nano:in", "--engine", "all", "--scale", "100", "--repeat", "1");
        Assert.Equal(0, result.Status);
        string[] lines = result.Output.Split('\n');
        string[] heads = [.. lines.Where(line => line.Contains("NATIVE", StringComparison.Ordinal))];
        Assert.Equal(2, heads.Length);
        Assert.All(heads, head => Assert.All(s_engines, engine => Assert.Contains(engine.ToUpperInvariant(), head, StringComparison.Ordinal)));
        Assert.Contains(lines, line => line.StartsWith("compute-fib ", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("call ", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("in ", StringComparison.Ordinal));
        Assert.Equal(2, lines.Count(line => line.StartsWith("geometric mean", StringComparison.Ordinal)));
    }

    [Fact]
    public void One_engine_can_be_asked_for_one_operation() =>
        Assert.Contains("\ncall ", CommandLine.Run("bench", "nano:call", "--engine", "interpreter", "--scale", "1000", "--repeat", "2", "--no-native").Output, StringComparison.Ordinal);

    [Theory]
    [InlineData(66, "has no row 'calls'; there are call, icall", "bench", "nano:calls")]
    [InlineData(66, "there is no compute guest 'hello'", "bench", "hello")]
    [InlineData(64, "there is no such engine", "bench", "nano", "--engine", "fastest")]
    [InlineData(64, "from 1 to 2147483647 loops", "bench", "nano", "--scale", "0")]
    [InlineData(64, "from 1 to 2147483647 loops", "bench", "nano:call", "--scale", "3G")]
    public void What_it_cannot_measure_is_refused(int status, string message, params string[] arguments)
    {
        ToolResult result = CommandLine.Run(arguments);
        Assert.Equal((status, ""), (result.Status, result.Output));
        Assert.Contains(message, result.Errors, StringComparison.Ordinal);
    }

    private static IEnumerable<string?> Strings(JsonElement array, string property) => array.EnumerateArray().Select(element => element.GetProperty(property).GetString());
}
