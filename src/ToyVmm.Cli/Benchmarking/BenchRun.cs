namespace ToyVmm.Cli.Benchmarking;

/// <summary>One run of bench: every guest and row that was asked for, on every engine, and natively.</summary>
/// <param name="variants">The engines.</param>
/// <param name="repeat">Runs of each, of which the best counts.</param>
/// <param name="scale">How much work, or null for each guest's own measure.</param>
/// <param name="table">Where results are printed as they come in, or null.</param>
/// <param name="progress">Told what is being measured; empty text: nothing.</param>
internal sealed class BenchRun(IReadOnlyList<EngineVariant> variants, int repeat, ulong? scale, BenchTable? table, Action<string> progress)
{
    /// <summary>Measures.</summary>
    /// <param name="selection">What.</param>
    /// <param name="native">Also natively, where that can be done.</param>
    /// <param name="engine">What the report calls the engines.</param>
    /// <param name="note">What the table's foot has to say besides.</param>
    /// <exception cref="UserErrorException">A guest fails: its numbers would mean nothing.</exception>
    public BenchReport Measure(BenchSelection selection, bool native, string engine, string note)
    {
        string why = "";
        using NativeBenchmark? natively = native ? NativeBenchmark.Create(out why) : null;
        string whyNano = "";
        List<BenchResult> results = [.. MeasureCompute(selection.Guests, natively)];
        BenchMean[] means = selection.Guests.Count == 0 ? [] : [.. variants.Select(variant => BenchMean.Of(variant.Name, results))];
        if (means.Length > 0)
        {
            table?.ComputeMeans(means);
        }

        List<NanoResult> nano = selection.Rows.Count == 0 ? [] : [.. MeasureNano(selection.Rows, natively, out whyNano)];
        table?.Foot(engine, repeat, [note, why, whyNano]);
        return new BenchReport { ToolVersion = ToolVersionText.Value, Engine = engine, Repeat = repeat, Results = results, Nano = nano, Means = means };
    }

    private List<BenchResult> MeasureCompute(IReadOnlyList<string> guests, NativeBenchmark? natively)
    {
        List<BenchResult> results = [];
        if (guests.Count > 0)
        {
            table?.ComputeHead();
        }

        foreach (string name in guests)
        {
            List<BenchResult> row = [.. variants.Select(variant =>
                GuestBenchmark.Measure(variant, name, repeat, scale, run => progress($"{name}, {variant.Name}: run {run} of {repeat}")))];
            progress($"{name}: natively");
            double? seconds = natively?.Measure(name, repeat, scale);
            progress("");
            row = [.. row.Select(result => result with { NativeSeconds = seconds })];
            table?.Compute(row);
            results.AddRange(row);
        }

        return results;
    }

    private List<NanoResult> MeasureNano(IReadOnlyList<string> rows, NativeBenchmark? natively, out string why)
    {
        why = "";
        IReadOnlyList<string> nativeRows = natively?.BuildNano(out why) ?? [];
        uint? loops = (uint?)scale;
        List<NanoResult> results = [];
        table?.NanoHead();
        foreach (string name in rows)
        {
            uint operations = NanoBenchmark.OperationsOf(name);
            List<NanoResult> row = [];
            foreach (EngineVariant variant in variants)
            {
                progress($"{name}, {variant.Name}");
                row.Add(NanoBenchmark.Measure(variant, name, operations, repeat, loops));
            }

            progress($"{name}: natively");
            double? nanoseconds = nativeRows.Contains(name) ? natively!.MeasureNano(name, operations, repeat, loops) : null;
            progress("");
            row = [.. row.Select(result => result with { NativeNanoseconds = nanoseconds })];
            table?.Nano(row);
            results.AddRange(row);
        }

        table?.Means();
        return results;
    }
}
