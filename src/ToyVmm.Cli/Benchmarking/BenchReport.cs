using System.Text.Json;
using System.Text.Json.Serialization;

namespace ToyVmm.Cli.Benchmarking;

/// <summary>One guest's measurement.</summary>
internal sealed record BenchResult
{
    /// <summary>The guest.</summary>
    public required string Name { get; init; }

    /// <summary>Guest instructions of one run.</summary>
    public required ulong Instructions { get; init; }

    /// <summary>Host seconds of the best run.</summary>
    public required double Seconds { get; init; }

    /// <summary>Millions of guest instructions a second in that run.</summary>
    public required double MillionsPerSecond { get; init; }

    /// <summary>Seconds of the same C code as a native program, best run; null without gcc -m32.</summary>
    public double? NativeSeconds { get; init; }

    /// <summary>How many times slower than native; null without it.</summary>
    public double? Ratio => NativeSeconds is > 0 ? Seconds / NativeSeconds : null;
}

/// <summary>The document that bench --json writes (docs/json.md).</summary>
internal sealed record BenchReport
{
    /// <summary>The version of the document.</summary>
    public int SchemaVersion { get; init; } = 1;

    /// <summary>The version of the tool.</summary>
    public required string ToolVersion { get; init; }

    /// <summary>What executed the guests.</summary>
    public required string Engine { get; init; }

    /// <summary>Runs for each guest, of which the best counts.</summary>
    public required int Repeat { get; init; }

    /// <summary>The guests.</summary>
    public required IReadOnlyList<BenchResult> Results { get; init; }

    /// <summary>The geometric mean of the speeds.</summary>
    public double GeometricMeanMillionsPerSecond => GeometricMean(Results.Select(result => result.MillionsPerSecond));

    /// <summary>The geometric mean of the ratios to native; null without them.</summary>
    public double? GeometricMeanRatio => Results.All(result => result.Ratio is not null) && Results.Count > 0
        ? GeometricMean(Results.Select(result => result.Ratio!.Value)) : null;

    /// <summary>Writes the document and a line end.</summary>
    public void Write(Stream stream)
    {
        stream.Write(JsonSerializer.SerializeToUtf8Bytes(this, BenchReportContext.Default.BenchReport));
        stream.Write("\n"u8);
    }

    private static double GeometricMean(IEnumerable<double> values)
    {
        double[] all = [.. values];
        return all.Length == 0 ? 0 : Math.Exp(all.Sum(Math.Log) / all.Length);
    }
}

/// <summary>Serializers made at compile time.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(BenchReport))]
internal sealed partial class BenchReportContext : JsonSerializerContext;
