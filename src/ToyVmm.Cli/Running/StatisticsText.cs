using System.Globalization;
using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Cli.Running;

/// <summary>The counts of a run, for people.</summary>
internal static class StatisticsText
{
    /// <summary>Writes the counts.</summary>
    public static void Write(TextWriter output, Verdict verdict)
    {
        VirtualMachines.RunStatistics statistics = verdict.Machine.Statistics;
        Line(output, "engine", verdict.Machine.EngineName);
        Line(output, "instructions", Number(verdict.Machine.InstructionsRetired));
        Line(output, "host time", Verdict.Time(verdict.Elapsed));
        Line(output, "speed", string.Create(CultureInfo.InvariantCulture, $"{verdict.MillionsPerSecond:0.#} M instructions/s"));
        if (verdict.Machine.Vcpu.Translation is { } translation)
        {
            Write(output, verdict, translation);
        }

        double ticks = verdict.Machine.Machine.Clock.Frequency;
        Line(output, "guest time", Verdict.Time(TimeSpan.FromSeconds(verdict.Machine.Machine.Clock.Now / ticks)));
        Line(output, "of it idle", Verdict.Time(TimeSpan.FromSeconds(statistics.IdleTicks / ticks)));
        Line(output, "exits", Number(statistics.TotalExits));
        foreach ((ExitReason reason, ulong count) in statistics.Exits)
        {
            Line(output, "  " + RunReport.Name(reason), Number(count));
            if (reason == ExitReason.PortIo && statistics.LatchAccesses > 0)
            {
                Line(output, "    by emitted code", Number(statistics.LatchAccesses));
            }
        }

        foreach ((int vector, ulong count) in statistics.Traps)
        {
            Line(output, vector < 32 ? $"trap {vector} ({Vector.Name(vector)})" : $"trap {vector}", Number(count));
        }

        if (statistics.Costs is { } costs)
        {
            CostText.Write(output, costs);
        }
    }

    private static void Write(TextWriter output, Verdict verdict, TranslationStatistics translation)
    {
        double share = 100.0 * translation.HostInstructions / Math.Max(verdict.Machine.InstructionsRetired, 1);
        Line(output, "identity instructions", Number(translation.HostInstructions));
        Line(output, "  of all instructions", string.Create(CultureInfo.InvariantCulture, $"{share:0.00} %"));
        Line(output, "  blocks translated", Number(translation.BlocksTranslated));
        Line(output, "  of them call-outs only", Number(translation.SensitiveBlocks));
        Line(output, "  of them with a base", Number(translation.BasedBlocks));
        Line(output, "  not: 16-bit code", Number(translation.NarrowBlocks));
        Line(output, "  not: small segments", Number(translation.SegmentedBlocks));
        double cost = translation.TranslationTime.TotalNanoseconds / Math.Max(translation.InstructionsTranslated, 1);
        Line(output, "  of an instruction each", string.Create(CultureInfo.InvariantCulture, $"{cost:N0} ns"));
        Line(output, "  cache flushes", Number(translation.CacheFlushes));
        Line(output, "  entries", Number(translation.Entries));
        Line(output, "  look-ups", Number(translation.Lookups));
        Line(output, "  links", Number(translation.Links));
        Line(output, "  call-outs", Number(translation.CallOuts));
        Line(output, "  x87 and SSE loads", Number(translation.FloatingPointLoads));
        Line(output, "  ends of the budget", Number(translation.BudgetEnds));
        Line(output, "  host faults", Number(translation.HostFaults));
        Line(output, "  of them hidden", Number(translation.HiddenFaults));
        Line(output, "  of them the guest's", Number(translation.TrueFaults));
        Line(output, "  adaptations", Number(translation.Adaptations));
        Line(output, "  pages mapped", Number(translation.PagesMapped));
        Line(output, "  views revalidated", Number(translation.Revalidations));
        Line(output, "  views evicted", Number(translation.ViewEvictions));
    }

    private static void Line(TextWriter output, string what, string value) => output.WriteLine($"  {what,-24} {value,18}");

    private static string Number(ulong value) => value.ToString("N0", CultureInfo.InvariantCulture);
}
