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
        double ticks = verdict.Machine.Machine.Clock.Frequency;
        Line(output, "guest time", Verdict.Time(TimeSpan.FromSeconds(verdict.Machine.Machine.Clock.Now / ticks)));
        Line(output, "of it idle", Verdict.Time(TimeSpan.FromSeconds(statistics.IdleTicks / ticks)));
        Line(output, "exits", Number(statistics.TotalExits));
        foreach ((ExitReason reason, ulong count) in statistics.Exits)
        {
            Line(output, "  " + RunReport.Name(reason), Number(count));
        }

        foreach ((int vector, ulong count) in statistics.Traps)
        {
            Line(output, vector < 32 ? $"trap {vector} ({Vector.Name(vector)})" : $"trap {vector}", Number(count));
        }
    }

    private static void Line(TextWriter output, string what, string value) => output.WriteLine($"  {what,-24} {value,18}");

    private static string Number(ulong value) => value.ToString("N0", CultureInfo.InvariantCulture);
}
