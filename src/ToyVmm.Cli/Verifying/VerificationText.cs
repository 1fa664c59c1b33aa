using System.Globalization;

namespace ToyVmm.Cli.Verifying;

/// <summary>A campaign's outcome in a few lines.</summary>
internal static class VerificationText
{
    /// <summary>Writes it.</summary>
    public static void Write(TextWriter output, PropertyReport report)
    {
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{report.Property} {report.Result}: {report.Checked:N0} of {report.Cases:N0} cases in {report.Seconds:N1} s ({report.PerHour:N0} an hour), seed {report.Seed}"));
        foreach ((string name, ulong number) in report.Counts)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {name,-52} {number,16:N0}"));
        }

        foreach (WorstReport worst in report.Worst)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  most {worst.Measure,-47} {worst.Value,16:N0}   seed {worst.Seed}"));
        }

        if (report.Coverage.Count > 0)
        {
            output.WriteLine($"  {"instruction forms executed",-52} {report.Coverage.Count,16:N0}");
        }

        foreach (CounterexampleReport found in report.Counterexamples)
        {
            output.WriteLine($"  seed {found.Seed}: {found.Summary}");
            foreach (string line in found.Detail.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                output.WriteLine($"    {line}");
            }

            output.WriteLine($"    again: {found.Replay}");
        }
    }
}
