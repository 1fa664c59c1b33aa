using System.Text.Json;
using System.Text.Json.Serialization;
using ToyVmm.Cli.Hosting;

namespace ToyVmm.Cli.Benchmarking;

/// <summary>One compute guest's measurement on one engine.</summary>
internal sealed record BenchResult
{
    /// <summary>The guest.</summary>
    public required string Name { get; init; }

    /// <summary>What executed it.</summary>
    public required string Engine { get; init; }

    /// <summary>Guest instructions of one run.</summary>
    public required ulong Instructions { get; init; }

    /// <summary>Host seconds of the best run (HostClock).</summary>
    public required double Seconds { get; init; }

    /// <summary>Millions of guest instructions a second in that run.</summary>
    public required double MillionsPerSecond { get; init; }

    /// <summary>Seconds of the same C code as a native program, best run; null without gcc -m32.</summary>
    public double? NativeSeconds { get; init; }

    /// <summary>How many times slower than native; null without it.</summary>
    public double? Ratio => NativeSeconds is > 0 ? Seconds / NativeSeconds : null;
}

/// <summary>What one operation costs: a row of the guest nano on one engine.</summary>
internal sealed record NanoResult
{
    /// <summary>The row.</summary>
    public required string Row { get; init; }

    /// <summary>What executed it.</summary>
    public required string Engine { get; init; }

    /// <summary>Loops of the shorter run.</summary>
    public required uint Loops { get; init; }

    /// <summary>Operations in a loop.</summary>
    public required uint Operations { get; init; }

    /// <summary>Host nanoseconds for an operation; null when the runs were too short to tell.</summary>
    public double? Nanoseconds { get; init; }

    /// <summary>The same in a native process; null where it has no such operation, or without nasm and gcc -m32.</summary>
    public double? NativeNanoseconds { get; init; }

    /// <summary>How many times slower than native; null without it.</summary>
    public double? Ratio => NativeNanoseconds is > 0 ? Nanoseconds / NativeNanoseconds : null;
}

/// <summary>The means over all compute guests on one engine.</summary>
/// <param name="Engine">What executed them.</param>
/// <param name="MillionsPerSecond">The geometric mean of the speeds.</param>
/// <param name="Ratio">The geometric mean of the ratios to native; null without them.</param>
internal sealed record BenchMean(string Engine, double MillionsPerSecond, double? Ratio)
{
    /// <summary>Takes the means.</summary>
    public static BenchMean Of(string engine, IEnumerable<BenchResult> results)
    {
        BenchResult[] own = [.. results.Where(result => result.Engine == engine)];
        return new BenchMean(
            engine,
            Geometric(own.Select(result => result.MillionsPerSecond)) ?? 0,
            own.All(result => result.Ratio is not null) ? Geometric(own.Select(result => result.Ratio!.Value)) : null);
    }

    /// <summary>The geometric mean, or null of nothing.</summary>
    public static double? Geometric(IEnumerable<double> values)
    {
        double[] all = [.. values];
        return all.Length == 0 ? null : Math.Exp(all.Sum(Math.Log) / all.Length);
    }
}

/// <summary>The document that bench --json writes (docs/json.md).</summary>
internal sealed record BenchReport
{
    /// <summary>The version of the document.</summary>
    public int SchemaVersion { get; init; } = 1;

    /// <summary>The version of the tool.</summary>
    public required string ToolVersion { get; init; }

    /// <summary>What executed the guests; "all" for several engines.</summary>
    public required string Engine { get; init; }

    /// <summary>Runs for each guest, of which the best counts.</summary>
    public required int Repeat { get; init; }

    /// <summary>The compute guests, each on each engine.</summary>
    public required IReadOnlyList<BenchResult> Results { get; init; }

    /// <summary>The rows of nano, each on each engine.</summary>
    public required IReadOnlyList<NanoResult> Nano { get; init; }

    /// <summary>The means of the compute guests, by engine.</summary>
    public required IReadOnlyList<BenchMean> Means { get; init; }

    /// <summary>The geometric mean of the speeds; null with several engines.</summary>
    public double? GeometricMeanMillionsPerSecond => Means.Count == 1 ? Means[0].MillionsPerSecond : null;

    /// <summary>The geometric mean of the ratios to native; null without them, and with several engines.</summary>
    public double? GeometricMeanRatio => Means.Count == 1 ? Means[0].Ratio : null;

    /// <summary>Writes the document and a line end.</summary>
    public void Write(Stream stream) => JsonText.Write(stream, this, BenchReportContext.Default.BenchReport);
}

/// <summary>Serializers made at compile time.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(BenchReport))]
internal sealed partial class BenchReportContext : JsonSerializerContext;
