namespace ToyVmm.Cli.Benchmarking;

/// <summary>One run of bench paravirt: every row on every machine, one beside the other.</summary>
/// <param name="variant">What executes the guest here.</param>
/// <param name="repeat">Runs of each length.</param>
/// <param name="loops">Loops of the shorter run, or null to find out how many last long enough.</param>
/// <param name="table">Where results are printed as they come in, or null.</param>
/// <param name="progress">Told what is being measured; empty text: nothing.</param>
internal sealed class ParavirtualRun(EngineVariant variant, int repeat, uint? loops, ParavirtualTable? table, Action<string> progress)
{
    /// <summary>Measures.</summary>
    /// <param name="names">The rows; none: all of them.</param>
    /// <param name="withQemu">On QEMU too, where it is installed.</param>
    /// <exception cref="UserErrorException">There is no such row, or the guest fails.</exception>
    public ParavirtualReport Measure(IReadOnlyList<string> names, bool withQemu)
    {
        IReadOnlyList<(string Name, uint Operations)> known = ParavirtualBenchmark.Rows();
        foreach (string name in names)
        {
            if (!known.Any(row => row.Name == name))
            {
                throw UserErrorException.File($"{ParavirtualBenchmark.Name} has no row '{name}'; there are {string.Join(", ", known.Select(row => row.Name))}");
            }
        }

        string why = "";
        using QemuProgram? qemu = withQemu ? QemuProgram.Find(out why) : null;
        List<ParavirtualRow> rows = [];
        table?.Head();
        foreach ((string name, uint operations) in known.Where(row => names.Count == 0 || names.Contains(row.Name)))
        {
            ParavirtualRow row = new()
            {
                Row = name,
                Operations = operations,
                Full = MeasureHere(KernelMachine.Full, name, operations),
                Paravirtual = MeasureHere(KernelMachine.Paravirtual, name, operations),
                Qemu = qemu is null ? null : MeasureThere(qemu, name, operations),
            };
            progress("");
            table?.Row(row);
            rows.Add(row);
        }

        ParavirtualReport report = new() { ToolVersion = ToolVersionText.Value, Engine = variant.Name, Qemu = qemu?.Version, Repeat = repeat, Rows = rows };
        table?.Foot(report, why);
        return report;
    }

    private ParavirtualCell MeasureHere(KernelMachine machine, string row, uint operations)
    {
        progress($"{row}, {(machine == KernelMachine.Full ? "fully virtualized" : "by hypercalls")}");
        return ParavirtualBenchmark.Measure(variant, machine, row, operations, repeat, loops);
    }

    private ParavirtualCell MeasureThere(QemuProgram qemu, string row, uint operations)
    {
        progress($"{row}, on QEMU");
        return ParavirtualBenchmark.Measure(qemu, row, operations, repeat, loops);
    }
}
