using System.Globalization;
using ToyVmm.Cli.Hosting;

namespace ToyVmm.Cli.Benchmarking;

/// <summary>Prints the table of bench paravirt, a row as soon as it is measured.</summary>
/// <param name="console">Where to.</param>
internal sealed class ParavirtualTable(HostConsole console)
{
    // The first column is left-aligned.
    private static readonly int[] s_widths = [10, 9, 9, 8, 9, 9, 8, 10, 10, 11, 11, 11, 9, 9];

    /// <summary>The head.</summary>
    public void Head()
    {
        console.Output.WriteLine("One kernel: as on a real machine (full), by hypercalls (pv), and on QEMU. All numbers are for one operation.");
        Line("", "exits", "", "", "took part", "", "", "instr.", "", "ns", "", "", "", "");
        Line("ROW", "FULL", "PV", "RATIO", "FULL", "PV", "RATIO", "FULL", "PV", "FULL", "PV", "QEMU", "FULL/PV", "QEMU/PV");
        console.Flush();
    }

    /// <summary>An operation.</summary>
    public void Row(ParavirtualRow row)
    {
        KernelCounts full = row.Full.Counts!;
        KernelCounts paravirtual = row.Paravirtual.Counts!;
        Line(
            row.Row,
            Number(full.Exits, "0.00"), Number(paravirtual.Exits, "0.00"), Ratio(row.ExitRatio),
            Number(full.Interventions, "0.00"), Number(paravirtual.Interventions, "0.00"), Ratio(row.InterventionRatio),
            Number(full.Instructions, "0"), Number(paravirtual.Instructions, "0"),
            Number(row.Full.Nanoseconds, "0"), Number(row.Paravirtual.Nanoseconds, "0"), Number(row.Qemu?.Nanoseconds, "0"),
            Number(row.TimeRatio, "0.00"), Number(row.Qemu?.Nanoseconds / row.Paravirtual.Nanoseconds, "0.00"));
        console.Flush();
    }

    /// <summary>What the numbers are, and which bars were not met.</summary>
    /// <param name="report">All rows.</param>
    /// <param name="note">What could not be measured, and why; or empty.</param>
    public void Foot(ParavirtualReport report, string note)
    {
        console.Output.WriteLine($"Engine {report.Engine}, {report.Qemu ?? "no QEMU"}; best of {report.Repeat} runs of each length.");
        console.Output.WriteLine("Exits go to the monitor; took part: the VMM was needed, for an exit, or for an instruction or a page only (call-outs, host faults).");
        if (report.BatchRatio is { } batch)
        {
            console.Output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"A page-table entry in a batch of 64 is {batch:0.0} times cheaper than alone (the bar is 4)."));
        }

        Bar("The VMM takes part half as often or less", report.Rows, row => row.MeetsInterventionBar);
        Bar("Not slower by hypercalls", report.Rows, row => row.MeetsTimeBar);
        if (note.Length > 0)
        {
            console.Output.WriteLine(note);
        }

        console.Flush();
    }

    private void Bar(string what, IEnumerable<ParavirtualRow> rows, Func<ParavirtualRow, bool?> meets)
    {
        string[] missed = [.. rows.Where(row => meets(row) == false).Select(row => row.Row)];
        console.Output.WriteLine($"{what}: {(missed.Length == 0 ? "every row that has any" : "all but " + string.Join(", ", missed))}.");
    }

    // Next to nothing is left: how little is an accident.
    private static string Ratio(double? value) => value is > 999 ? "all" : Number(value, "0.0");

    private static string Number(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "-";

    private void Line(params string[] cells) =>
        console.Output.WriteLine(string.Concat(cells.Select((cell, n) => n == 0 ? cell.PadRight(s_widths[n]) : cell.PadLeft(s_widths[n]))).TrimEnd());
}
