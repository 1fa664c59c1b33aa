using System.Globalization;
using ToyVmm.Cli.Hosting;

namespace ToyVmm.Cli.Benchmarking.Density;

/// <summary>Prints bench density's table, line by line as the measurements come in.</summary>
internal sealed class DensityTable(HostConsole console)
{
    /// <summary>The head.</summary>
    public void Head() => Line("ONE MORE", "RUNS", "MEDIAN", "LEAST", "MOST", "AT ONCE", "KIB EACH");

    /// <summary>A row.</summary>
    public void Row(DensityRow row) => Line(
        row.Name,
        row.Runs > 0 ? row.Runs.ToString(CultureInfo.InvariantCulture) : "-",
        Time(row.Microseconds),
        Time(row.LeastMicroseconds),
        Time(row.MostMicroseconds),
        row.Instances > 0 ? row.Instances.ToString("N0", CultureInfo.InvariantCulture) : "-",
        row.ResidentBytes is { } bytes ? (bytes / 1024.0).ToString(bytes < 100 << 10 ? "N1" : "N0", CultureInfo.InvariantCulture) : "-");

    /// <summary>What the numbers are.</summary>
    public void Foot(DensityReport report)
    {
        console.Output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"Guest {report.Guest}, {report.GuestMemoryBytes >> 20} MiB of RAM, engine {report.Engine}. Times of one after the other, wall clock; memory is resident, shared pages counted once (PSS)."));
        foreach (string note in report.Notes)
        {
            console.Output.WriteLine(note);
        }

        console.Flush();
    }

    private static string Time(double? microseconds) => microseconds switch
    {
        null => "-",
        < 1000 => string.Create(CultureInfo.InvariantCulture, $"{microseconds:0.0} us"),
        < 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{microseconds / 1e3:0.00} ms"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{microseconds / 1e6:0.00} s"),
    };

    private void Line(string name, string runs, string median, string least, string most, string instances, string memory)
    {
        console.Output.WriteLine($"{name,-46} {runs,5} {median,10} {least,10} {most,10} {instances,8} {memory,9}");
        console.Flush();
    }
}
