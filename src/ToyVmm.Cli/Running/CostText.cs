using System.Globalization;
using ToyVmm.Engines;
using ToyVmm.Engines.Metering;

namespace ToyVmm.Cli.Running;

/// <summary>Where the host time of a run went, for people: a line for each part, and their sum.</summary>
internal static class CostText
{
    /// <summary>Writes the table.</summary>
    public static void Write(TextWriter output, CostReport costs)
    {
        Row(output, "what it cost", "count", "time in ms", "mean in ns", "share");
        foreach ((CostKind kind, CostPart part) in costs.Parts)
        {
            Row(output, "  " + Name(kind), part, costs.Total);
        }

        foreach ((ExitReason reason, CostPart part) in costs.Exits)
        {
            Row(output, "  exit " + RunReport.Name(reason), part, costs.Total);
        }

        Row(output, "  measuring this", "", Milliseconds(costs.MeterTime), "", Share(costs.MeterTime, costs.Total));
        Row(output, "  sum", "", Milliseconds(costs.Total), "", Share(costs.Total, costs.Total));
    }

    private static string Name(CostKind kind) => kind switch
    {
        CostKind.GuestCode => "guest code",
        CostKind.Interpretation => "blocks interpreted",
        CostKind.Decoding => "blocks decoded",
        CostKind.Translation => "blocks translated",
        CostKind.Lookup => "look-ups",
        CostKind.Link => "links",
        CostKind.CallOut => "call-outs",
        CostKind.FloatingPointLoad => "x87 and SSE loads",
        CostKind.BudgetEnd => "ends of the budget",
        CostKind.HiddenFault => "hidden faults",
        CostKind.TrueFault => "the guest's page faults",
        CostKind.OtherFault => "other host faults",
        CostKind.Monitor => "starts of the monitor",
        _ => "sleeps of the host",
    };

    private static void Row(TextWriter output, string what, CostPart part, TimeSpan total) => Row(
        output,
        what,
        part.Count.ToString("N0", CultureInfo.InvariantCulture),
        Milliseconds(part.Time),
        part.MeanNanoseconds.ToString("N0", CultureInfo.InvariantCulture),
        Share(part.Time, total));

    private static void Row(TextWriter output, string what, string count, string time, string mean, string share) =>
        output.WriteLine($"  {what,-26} {count,16} {time,12} {mean,12} {share,8}");

    private static string Milliseconds(TimeSpan time) => time.TotalMilliseconds.ToString("N3", CultureInfo.InvariantCulture);

    private static string Share(TimeSpan part, TimeSpan total) =>
        string.Create(CultureInfo.InvariantCulture, $"{100 * part / (total > TimeSpan.Zero ? total : TimeSpan.FromTicks(1)):0.0} %");
}
