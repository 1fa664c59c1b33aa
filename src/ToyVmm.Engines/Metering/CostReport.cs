namespace ToyVmm.Engines.Metering;

/// <summary>Where the host time of a run went: parts that add up to <see cref="Total"/>.</summary>
/// <param name="Total">Host time between the starts and the stops of the meter.</param>
/// <param name="MeterTime">Of it, what the meter itself took: the parts are without it.</param>
/// <param name="Parts">What was done by the engine, those that happened.</param>
/// <param name="Exits">What exits to the monitor cost: from there to the first guest instruction behind; those that happened.</param>
public sealed record CostReport(
    TimeSpan Total,
    TimeSpan MeterTime,
    IReadOnlyDictionary<CostKind, CostPart> Parts,
    IReadOnlyDictionary<ExitReason, CostPart> Exits);

/// <summary>One part of the host time.</summary>
/// <param name="Count">How often it was entered; exact, and the same from run to run.</param>
/// <param name="Time">How long it took altogether.</param>
public readonly record struct CostPart(ulong Count, TimeSpan Time)
{
    /// <summary>Nanoseconds each; 0 where there were none.</summary>
    public double MeanNanoseconds => Count == 0 ? 0 : Time.TotalNanoseconds / Count;
}
