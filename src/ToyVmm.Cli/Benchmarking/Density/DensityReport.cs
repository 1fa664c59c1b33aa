using System.Text.Json;
using System.Text.Json.Serialization;
using ToyVmm.Cli.Hosting;

namespace ToyVmm.Cli.Benchmarking.Density;

/// <summary>What one way to have a guest, or a process, costs: time for one, and memory for one more that idles.</summary>
internal sealed record DensityRow
{
    /// <summary>What was measured.</summary>
    public required string Name { get; init; }

    /// <summary>How often it was timed.</summary>
    public int Runs { get; init; }

    /// <summary>The median of the times in microseconds; null where nothing was timed.</summary>
    public double? Microseconds { get; init; }

    /// <summary>The least.</summary>
    public double? LeastMicroseconds { get; init; }

    /// <summary>The most.</summary>
    public double? MostMicroseconds { get; init; }

    /// <summary>How many were there at once when memory was measured.</summary>
    public int Instances { get; init; }

    /// <summary>Resident bytes of each, what they share counted once; null where memory was not measured.</summary>
    public long? ResidentBytes { get; init; }

    /// <summary>A row of times.</summary>
    public static DensityRow Of(string name, IReadOnlyList<double> microseconds)
    {
        double[] sorted = [.. microseconds.Order()];
        int middle = sorted.Length / 2;
        return new DensityRow
        {
            Name = name,
            Runs = sorted.Length,
            Microseconds = sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2,
            LeastMicroseconds = sorted[0],
            MostMicroseconds = sorted[^1],
        };
    }
}

/// <summary>The document that bench density --json writes (docs/json.md).</summary>
internal sealed record DensityReport
{
    /// <summary>The version of the document.</summary>
    public int SchemaVersion { get; init; } = 1;

    /// <summary>The version of the tool.</summary>
    public required string ToolVersion { get; init; }

    /// <summary>What executed the guest.</summary>
    public required string Engine { get; init; }

    /// <summary>The guest.</summary>
    public required string Guest { get; init; }

    /// <summary>Its RAM.</summary>
    public required uint GuestMemoryBytes { get; init; }

    /// <summary>What was measured.</summary>
    public required IReadOnlyList<DensityRow> Rows { get; init; }

    /// <summary>What the rows are, what the host permits, and what is missing.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>Writes the document and a line end.</summary>
    public void Write(Stream stream) => JsonText.Write(stream, this, DensityReportContext.Default.DensityReport);
}

/// <summary>Serializers made at compile time.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(DensityReport))]
internal sealed partial class DensityReportContext : JsonSerializerContext;
