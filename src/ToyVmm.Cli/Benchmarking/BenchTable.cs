using System.Globalization;
using ToyVmm.Cli.Hosting;

namespace ToyVmm.Cli.Benchmarking;

/// <summary>
/// Prints bench's tables, line by line as the measurements come in. With one engine the compute guests have their instruction counts; with several
/// there is a column for each engine, and the ratios behind them: each engine to native, and the first engine to each other.
/// </summary>
/// <param name="console">Where to.</param>
/// <param name="variants">The engines, in the order of the columns.</param>
internal sealed class BenchTable(HostConsole console, IReadOnlyList<EngineVariant> variants)
{
    private readonly Dictionary<string, List<double>> _ratios = [];
    private bool _second;

    private bool Single => variants.Count == 1;

    /// <summary>The head of the table of compute guests.</summary>
    public void ComputeHead()
    {
        if (Single)
        {
            Line("GUEST", "INSTRUCTIONS", "SECONDS", "M INSTR/S", "NATIVE S", "RATIO");
            return;
        }

        console.Output.WriteLine("Seconds for a guest's work, and ratios of them:");
        Head("GUEST");
    }

    /// <summary>A compute guest: its results in the order of the engines.</summary>
    public void Compute(IReadOnlyList<BenchResult> results)
    {
        BenchResult first = results[0];
        if (Single)
        {
            Line(first.Name, Number(first.Instructions, "N0"), Number(first.Seconds, "0.000"), Number(first.MillionsPerSecond, "0.0"),
                Number(first.NativeSeconds, "0.000"), Number(first.Ratio, "0.0"));
            return;
        }

        Row(first.Name, [.. results.Select(result => (double?)result.Seconds)], first.NativeSeconds, "0.000");
    }

    /// <summary>The means below the compute guests.</summary>
    public void ComputeMeans(IReadOnlyList<BenchMean> means)
    {
        _second = true;
        if (Single)
        {
            Line("geometric mean", "", "", Number(means[0].MillionsPerSecond, "0.0"), "", Number(means[0].Ratio, "0.0"));
            return;
        }

        Means();
    }

    /// <summary>The head of the table of nano.</summary>
    public void NanoHead()
    {
        if (_second)
        {
            console.Output.WriteLine();
        }

        console.Output.WriteLine("Nanoseconds for one operation, and ratios of them:");
        Head("ROW");
    }

    /// <summary>A row of nano: its results in the order of the engines.</summary>
    public void Nano(IReadOnlyList<NanoResult> results) =>
        Row(results[0].Row, [.. results.Select(result => result.Nanoseconds)], results[0].NativeNanoseconds, "0.00");

    /// <summary>The geometric means of the columns of ratios, each over the rows that have that ratio.</summary>
    public void Means()
    {
        List<string> cells = [.. Enumerable.Repeat("", variants.Count + 1)];
        foreach (string head in RatioHeads())
        {
            cells.Add(Number(_ratios.TryGetValue(head, out List<double>? all) ? BenchMean.Geometric(all) : null, "0.00"));
        }

        Cells("geometric mean", cells);
        _ratios.Clear();
    }

    /// <summary>What the numbers are, below the tables.</summary>
    /// <param name="engine">The engine's name, or all.</param>
    /// <param name="repeat">How many runs.</param>
    /// <param name="notes">What could not be measured, and why; empty notes are left out.</param>
    public void Foot(string engine, int repeat, IEnumerable<string> notes)
    {
        console.Output.WriteLine(Single
            ? $"Engine {engine}, best of {repeat} runs each; the ratio is how many times slower than native."
            : $"Engines {string.Join(", ", variants.Select(variant => variant.Name))}, best of {repeat} runs each.");
        foreach (string note in notes.Where(note => note.Length > 0).Distinct())
        {
            console.Output.WriteLine(note);
        }

        console.Flush();
    }

    private IEnumerable<string> RatioHeads() =>
        variants.Select(variant => $"{variant.Short}/native")
            .Concat(variants.Skip(1).Select(variant => $"{variants[0].Short}/{variant.Short}"));

    private void Head(string name)
    {
        _ratios.Clear();
        Cells(name, [.. variants.Select(variant => variant.Name.ToUpperInvariant()), "NATIVE", .. RatioHeads().Select(head => head.ToUpperInvariant())]);
    }

    private void Row(string name, double?[] values, double? native, string format)
    {
        List<string> cells = [.. values.Select(value => Number(value, format)), Number(native, format)];
        double?[] ratios = [.. values.Select(value => value / native), .. values.Skip(1).Select(value => values[0] / value)];
        foreach ((string head, double? ratio) in RatioHeads().Zip(ratios))
        {
            cells.Add(Number(ratio, "0.00"));
            if (ratio is { } known)
            {
                if (!_ratios.TryGetValue(head, out List<double>? all))
                {
                    _ratios[head] = all = [];
                }

                all.Add(known);
            }
        }

        Cells(name, cells);
    }

    private static string Number(IFormattable? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "-";

    private void Cells(string name, IReadOnlyList<string> cells)
    {
        console.Output.WriteLine($"{name,-18}{string.Concat(cells.Select(cell => $"{cell,12}"))}".TrimEnd());
        console.Flush();
    }

    private void Line(string name, string instructions, string seconds, string speed, string native, string ratio)
    {
        console.Output.WriteLine($"{name,-20} {instructions,16} {seconds,9} {speed,10} {native,9} {ratio,7}".TrimEnd());
        console.Flush();
    }
}
