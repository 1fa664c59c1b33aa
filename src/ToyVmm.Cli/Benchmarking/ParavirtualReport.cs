using System.Text.Json;
using System.Text.Json.Serialization;
using ToyVmm.Cli.Hosting;

namespace ToyVmm.Cli.Benchmarking;

/// <summary>One operation on one machine.</summary>
/// <param name="Loops">Loops of the shorter run.</param>
/// <param name="Counts">Exits, interventions and instructions of one operation; null on QEMU.</param>
/// <param name="Nanoseconds">Host nanoseconds for one; null when the runs were too short to tell.</param>
internal sealed record ParavirtualCell(uint Loops, KernelCounts? Counts, double? Nanoseconds);

/// <summary>One operation on each machine.</summary>
internal sealed record ParavirtualRow
{
    // An exit in fifty operations is a timer's, or an accident of the warm-up; nothing that the operation asks for.
    private const double LeastExits = 0.02;

    // What two runs of the same take may differ by, on a host with other work.
    private const double Noise = 1.1;

    /// <summary>The row.</summary>
    public required string Row { get; init; }

    /// <summary>Operations in a loop.</summary>
    public required uint Operations { get; init; }

    /// <summary>Fully virtualized.</summary>
    public required ParavirtualCell Full { get; init; }

    /// <summary>By hypercalls.</summary>
    public required ParavirtualCell Paravirtual { get; init; }

    /// <summary>On QEMU; null where it is not installed.</summary>
    public ParavirtualCell? Qemu { get; init; }

    /// <summary>How many times fewer exits hypercalls leave; null where there are none to speak of.</summary>
    public double? ExitRatio => Ratio(Full.Counts!.Exits, Paravirtual.Counts!.Exits);

    /// <summary>The same for interventions.</summary>
    public double? InterventionRatio => Ratio(Full.Counts!.Interventions, Paravirtual.Counts!.Interventions);

    /// <summary>How many times faster hypercalls are; null where it could not be told.</summary>
    public double? TimeRatio => Full.Nanoseconds / Paravirtual.Nanoseconds;

    /// <summary>True where the operation needs the VMM, and hypercalls need it at most half as often.</summary>
    public bool? MeetsInterventionBar => InterventionRatio is { } ratio ? ratio >= 2 : null;

    /// <summary>True where hypercalls are not slower.</summary>
    public bool? MeetsTimeBar => TimeRatio is { } ratio ? ratio * Noise >= 1 : null;

    private static double? Ratio(double full, double paravirtual) => full < LeastExits ? null : full / Math.Max(paravirtual, LeastExits / 10);
}

/// <summary>The document that bench paravirt --json writes (docs/json.md).</summary>
internal sealed record ParavirtualReport
{
    /// <summary>The version of the document.</summary>
    public int SchemaVersion { get; init; } = 1;

    /// <summary>The version of the tool.</summary>
    public required string ToolVersion { get; init; }

    /// <summary>What executed the guest here.</summary>
    public required string Engine { get; init; }

    /// <summary>QEMU's version; null where it is not installed.</summary>
    public string? Qemu { get; init; }

    /// <summary>Runs of each length, of which the best counts.</summary>
    public required int Repeat { get; init; }

    /// <summary>The operations.</summary>
    public required IReadOnlyList<ParavirtualRow> Rows { get; init; }

    /// <summary>How many times cheaper a page-table entry is in a batch of 64 than alone, by hypercalls; null where not both were measured.</summary>
    public double? BatchRatio => NanosecondsOf("table-1") / NanosecondsOf("table-64");

    /// <summary>Writes the document and a line end.</summary>
    public void Write(Stream stream) => JsonText.Write(stream, this, ParavirtualReportContext.Default.ParavirtualReport);

    private double? NanosecondsOf(string name) => Rows.FirstOrDefault(row => row.Row == name)?.Paravirtual.Nanoseconds;
}

/// <summary>Serializers made at compile time.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(ParavirtualReport))]
internal sealed partial class ParavirtualReportContext : JsonSerializerContext;
