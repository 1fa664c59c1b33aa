using System.Globalization;
using System.Text;
using ToyVmm.Mutants.Running;

namespace ToyVmm.Mutants.Reporting;

/// <summary>The kill table as Markdown: which test killed which mutant, and how fast.</summary>
internal static class KillTable
{
    private const string Begin = "<!-- kill table: written by tools/ToyVmm.Mutants -->";
    private const string End = "<!-- end of the kill table -->";

    /// <summary>Writes the table into a file: between the marks of one that has them, else as the whole file.</summary>
    public static void Write(string path, IReadOnlyList<Verdict> verdicts)
    {
        string table = $"{Begin}\n\n{Text(verdicts)}\n{End}";
        string old = File.Exists(path) ? File.ReadAllText(path) : "";
        int begin = old.IndexOf(Begin, StringComparison.Ordinal);
        int end = old.IndexOf(End, StringComparison.Ordinal);
        bool hasMarks = begin >= 0 && end > begin;
        File.WriteAllText(path, hasMarks ? $"{old[..begin]}{table}{old[(end + End.Length)..]}" : table + "\n");
    }

    /// <summary>In one line: how many, and how it went.</summary>
    public static string Summary(IReadOnlyList<Verdict> verdicts)
    {
        int survivors = verdicts.Count(verdict => !verdict.IsKilled);
        TimeSpan slowest = verdicts.Count == 0 ? TimeSpan.Zero : verdicts.Max(verdict => verdict.Time);
        return $"{verdicts.Count} mutants: {verdicts.Count - survivors} killed, {survivors} survived; the slowest took {Seconds(slowest)} s.";
    }

    /// <summary>A time as the table has it.</summary>
    public static string Seconds(TimeSpan time) => time.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture);

    private static string Text(IReadOnlyList<Verdict> verdicts)
    {
        StringBuilder text = new();
        _ = text.Append(CultureInfo.InvariantCulture, $"{Summary(verdicts)}\n\n| area | mutant | killed by | seconds |\n|---|---|---|---|\n");
        foreach (Verdict verdict in verdicts.OrderBy(verdict => verdict.Mutant.Area, StringComparer.Ordinal))
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"| {verdict.Mutant.Area} | {verdict.Mutant.Name} | {verdict.Killer} | {Seconds(verdict.Time)} |\n");
        }

        return text.ToString();
    }
}
