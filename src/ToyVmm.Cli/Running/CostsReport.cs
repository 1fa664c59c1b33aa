using System.Text.Json;
using ToyVmm.Engines.Metering;

namespace ToyVmm.Cli.Running;

/// <summary>Where the host time of a run went, as part of the document that --json writes.</summary>
internal sealed record CostsReport
{
    /// <summary>What the parts below and the measuring add up to.</summary>
    public required double TotalMilliseconds { get; init; }

    /// <summary>What the measuring itself took.</summary>
    public required double MeterMilliseconds { get; init; }

    /// <summary>What the engine spent time on, by kind.</summary>
    public required IReadOnlyDictionary<string, CostPartReport> Engine { get; init; }

    /// <summary>What exits to the monitor cost, by reason.</summary>
    public required IReadOnlyDictionary<string, CostPartReport> Exits { get; init; }

    /// <summary>Fills the report.</summary>
    public static CostsReport From(CostReport costs) => new()
    {
        TotalMilliseconds = costs.Total.TotalMilliseconds,
        MeterMilliseconds = costs.MeterTime.TotalMilliseconds,
        Engine = costs.Parts.ToDictionary(part => JsonNamingPolicy.SnakeCaseLower.ConvertName(part.Key.ToString()), part => CostPartReport.From(part.Value)),
        Exits = costs.Exits.ToDictionary(exit => RunReport.Name(exit.Key), exit => CostPartReport.From(exit.Value)),
    };
}

/// <summary>One part of the host time.</summary>
internal sealed record CostPartReport
{
    /// <summary>How often.</summary>
    public required ulong Count { get; init; }

    /// <summary>Altogether.</summary>
    public required double Milliseconds { get; init; }

    /// <summary>Each.</summary>
    public required double MeanNanoseconds { get; init; }

    /// <summary>Fills the report.</summary>
    public static CostPartReport From(CostPart part) => new()
    {
        Count = part.Count,
        Milliseconds = part.Time.TotalMilliseconds,
        MeanNanoseconds = Math.Round(part.MeanNanoseconds, 1),
    };
}
