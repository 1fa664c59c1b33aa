using System.Globalization;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Running;

/// <summary>How a run ended.</summary>
/// <param name="Machine">The machine, stopped.</param>
/// <param name="Stop">Why it stopped.</param>
/// <param name="Elapsed">Host time of the run alone.</param>
/// <param name="Status">The exit status of the process.</param>
/// <param name="Before">Instructions that were retired before the run: a snapshot's.</param>
internal sealed record Verdict(VirtualMachine Machine, StopReason Stop, TimeSpan Elapsed, int Status, ulong Before = 0)
{
    /// <summary>Millions of guest instructions a second; 0 for a run too short to tell.</summary>
    public double MillionsPerSecond => Elapsed.TotalSeconds > 0 ? (Machine.InstructionsRetired - Before) / Elapsed.TotalSeconds / 1e6 : 0;

    /// <summary>The verdict line.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"toyvmm: {Stop.Detail} after {Machine.InstructionsRetired} instructions in {Time(Elapsed)} ({MillionsPerSecond:0.#} M/s), exit status {Status}");

    /// <summary>A length of time for people: "12 ms", "3.21 s".</summary>
    public static string Time(TimeSpan time) => time.TotalSeconds < 1
        ? string.Create(CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0.#} ms")
        : string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.00} s");
}
