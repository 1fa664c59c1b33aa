using System.Globalization;
using System.Text.Json;
using ToyVmm.VirtualMachines.Advising;

namespace ToyVmm.Cli.Advising;

/// <summary>What a guest left its code for, for people: a table of the costliest, and the calls that would save something.</summary>
internal static class AdviceText
{
    private const int MostRows = 20;

    /// <summary>Writes both.</summary>
    public static void Write(TextWriter output, AdviceReport report)
    {
        if (report.Rows.Count == 0)
        {
            output.WriteLine("the guest never left its code: there is nothing to advise");
            return;
        }

        Row(output, "left its code in", "for", "count", "time in ms", "share", "would be spared by");
        foreach (AdviceRow row in report.Rows.Take(MostRows))
        {
            Row(output, Place(row), row.Detail, Number(row.Count), Milliseconds(row.Time), Share(row.Time, report.Total), Remedy(row));
        }

        if (report.Rows.Count > MostRows)
        {
            AdviceRow[] rest = [.. report.Rows.Skip(MostRows)];
            TimeSpan time = rest.Aggregate(TimeSpan.Zero, (sum, row) => sum + row.Time);
            Row(output, $"{rest.Length} more rows", "", Number(rest.Aggregate(0UL, (sum, row) => sum + row.Count)), Milliseconds(time), Share(time, report.Total), "");
        }

        if (report.Calls.Count == 0)
        {
            output.WriteLine("no paravirtual call would save anything of it");
            return;
        }

        output.WriteLine("what a guest that knows ToyVmm could save (docs/advise.md):");
        foreach (CallAdvice call in report.Calls)
        {
            output.WriteLine($"  {Name(call.Call),-16} {Balance(call)}: {call.Reason}");
        }
    }

    /// <summary>A call's name, as the guest's headers have it.</summary>
    public static string Name(ParavirtualCall call) => call == ParavirtualCall.LeaveOut ? "no call" : JsonNamingPolicy.SnakeCaseLower.ConvertName(call.ToString());

    private static string Balance(CallAdvice call) => call switch
    {
        { Spared: 0 } => "saves no exits",
        { IsBound: true } => $"saves up to {Number(call.Saved)}",
        { Calls: 0 } => $"saves {Number(call.Saved)}",
        _ => $"saves {Number(call.Saved)} ({Number(call.Spared)} fewer, {Number(call.Calls)} {(call.Calls == 1 ? "call" : "calls")} instead)",
    };

    private static string Place(AdviceRow row) => row.Symbol
        ?? (row.Address == 0 ? "(other addresses)" : string.Create(CultureInfo.InvariantCulture, $"0x{row.Address:x8}"));

    private static string Remedy(AdviceRow row) =>
        row.Call == ParavirtualCall.None ? "-"
        : row.Spared == row.Count && !row.IsBound ? Name(row.Call)
        : row.Spared == 0 ? $"({Name(row.Call)})"
        : $"{Name(row.Call)}, {(row.IsBound ? "up to " : "")}{Number(row.Spared)} of them";

    private static void Row(TextWriter output, string place, string what, string count, string time, string share, string remedy) =>
        output.WriteLine($"  {Cut(place, 28),-28} {Cut(what, 30),-30} {count,12} {time,10} {share,7}  {remedy}".TrimEnd());

    private static string Cut(string text, int most) => text.Length <= most ? text : text[..(most - 1)] + "…";

    private static string Number(ulong value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Milliseconds(TimeSpan time) => time.TotalMilliseconds.ToString("N3", CultureInfo.InvariantCulture);

    private static string Share(TimeSpan part, TimeSpan total) =>
        string.Create(CultureInfo.InvariantCulture, $"{100 * part / (total > TimeSpan.Zero ? total : TimeSpan.FromTicks(1)):0.0} %");
}
