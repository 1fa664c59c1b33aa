using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;
using ToyVmm.Debugging.History;
using ToyVmm.Engines;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;

namespace ToyVmm.Cli.Benchmarking;

/// <summary>
/// bench timetravel: what it costs to be able to go back, and how long that takes. Each compute guest runs a number of instructions without a history and with one, in turn; then
/// it goes back from there: by steps, and to the last time that something happened long ago.
/// </summary>
/// <param name="console">Where the table goes.</param>
/// <param name="engine">What executes the guests.</param>
/// <param name="repeat">How many runs of each, of which the best counts.</param>
/// <param name="millions">How many millions of instructions.</param>
internal sealed class TimeTravelBenchmark(HostConsole console, EngineKind engine, int repeat, ulong millions)
{
    /// <summary>What it is called on the command line.</summary>
    public const string Name = "timetravel";

    /// <summary>How many millions of instructions.</summary>
    public const ulong DefaultMillions = 1000;

    private const int Steps = 9;

    /// <summary>Measures everything.</summary>
    /// <param name="progress">Told what is measured.</param>
    /// <param name="print">True for a table.</param>
    public TimeTravelReport Measure(Action<string> progress, bool print)
    {
        List<TimeTravelResult> results = [];
        if (print)
        {
            Line("guest", "M instr/s", "recorded", "cost", "checkpoints", "KiB", "first step", "steps", "found at 1 %");
        }

        foreach (string guest in BenchSelection.Of([], everything: false).Guests)
        {
            progress(guest);
            TimeTravelResult result = Measure(guest);
            results.Add(result);
            progress("");
            if (print)
            {
                Line(
                    result.Guest,
                    Text(result.MillionsPerSecond, "0"),
                    Text(result.RecordedMillionsPerSecond, "0"),
                    Text(result.Cost * 100, "0.0") + " %",
                    Text(result.Checkpoints, "0"),
                    Text(result.Bytes / 1024.0, "0"),
                    Text(result.FirstStepMilliseconds, "0.0") + " ms",
                    Text(result.StepMilliseconds, "0.00") + " ms",
                    Text(result.FindMilliseconds, "0") + " ms");
            }
        }

        return new TimeTravelReport { ToolVersion = ToolVersionText.Value, Engine = engine.ToString().ToLowerInvariant(), Results = results };
    }

    private TimeTravelResult Measure(string guest)
    {
        double plain = double.MaxValue;
        double recorded = double.MaxValue;
        TimeTravelResult result = new() { Guest = guest };
        for (int run = 0; run < repeat; run++)
        {
            using (VirtualMachine vm = Create(guest))
            {
                plain = Math.Min(plain, Seconds(() => _ = vm.Run(new RunLimits { MaxInstructions = millions * 1_000_000 })));
            }

            using VirtualMachine other = Create(guest);
            using ExecutionHistory history = new(other);
            recorded = Math.Min(recorded, Seconds(() => _ = history.Run(new RunLimits { MaxInstructions = millions * 1_000_000 })));
            if (run == repeat - 1)
            {
                result = GoBack(result with { Checkpoints = history.Checkpoints, Bytes = history.Bytes, Instructions = other.InstructionsRetired }, other, history);
            }
        }

        double instructions = result.Instructions / 1e6;
        return result with { MillionsPerSecond = instructions / plain, RecordedMillionsPerSecond = instructions / recorded, Cost = (recorded / plain) - 1 };
    }

    private static TimeTravelResult GoBack(TimeTravelResult result, VirtualMachine vm, ExecutionHistory history)
    {
        List<double> steps = [];
        for (int step = 0; step < Steps; step++)
        {
            steps.Add(1000 * Elapsed(() => _ = history.StepBack()));
        }

        // A breakpoint that was met once, long ago: by its instruction count, so that it is the same for every guest; beside one that never is.
        ExecutionPoint wanted = new(vm.InstructionsRetired / 100, 0);
        vm.Stops = new StopSet { Linear = new HashSet<uint> { 0xFFFF_FFFF } };
        double find = 1000 * Elapsed(() => _ = history.FindLast((end, countsHere) =>
        {
            bool isThere = vm.Point < wanted && wanted <= end;
            _ = history.RunTo(isThere ? wanted : end);
            return isThere ? SearchStep.Found : SearchStep.NotFound;
        }));
        vm.Stops = null;
        return result with { FirstStepMilliseconds = steps[0], StepMilliseconds = steps.Skip(1).Order().ElementAt((Steps - 1) / 2), FindMilliseconds = find };
    }

    private VirtualMachine Create(string guest) => VirtualMachine.Create(
        BuiltInGuests.ReadImage(guest)!,
        new VirtualMachineOptions { Engine = engine, Load = new LoadOptions { CommandLine = "1000000" } });

    // Of the thread: what others do on the host does not count. Faults and system calls of the guest do.
    private static double Seconds(Action work)
    {
        double started = HostClock.ThreadSeconds();
        work();
        return HostClock.ThreadSeconds() - started;
    }

    private static double Elapsed(Action work)
    {
        long started = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private void Line(params ReadOnlySpan<string> cells)
    {
        string line = string.Create(
            CultureInfo.InvariantCulture, $"{cells[0],-18} {cells[1],9} {cells[2],9} {cells[3],7} {cells[4],12} {cells[5],8} {cells[6],11} {cells[7],9} {cells[8],13}");
        console.Output.WriteLine(line.TrimEnd());
        console.Flush();
    }
}

/// <summary>One guest.</summary>
internal sealed record TimeTravelResult
{
    /// <summary>The guest.</summary>
    public required string Guest { get; init; }

    /// <summary>Instructions of a run.</summary>
    public ulong Instructions { get; init; }

    /// <summary>Speed without a history.</summary>
    public double MillionsPerSecond { get; init; }

    /// <summary>Speed with one.</summary>
    public double RecordedMillionsPerSecond { get; init; }

    /// <summary>What a run takes longer with one, in parts of what it takes without.</summary>
    public double Cost { get; init; }

    /// <summary>Checkpoints at the end.</summary>
    public int Checkpoints { get; init; }

    /// <summary>Bytes that they take.</summary>
    public ulong Bytes { get; init; }

    /// <summary>The first step back from the end.</summary>
    public double FirstStepMilliseconds { get; init; }

    /// <summary>The median of the next ones.</summary>
    public double StepMilliseconds { get; init; }

    /// <summary>Back to what last happened when a hundredth of the run was over.</summary>
    public double FindMilliseconds { get; init; }
}

/// <summary>The document that bench timetravel --json writes (docs/json.md).</summary>
internal sealed record TimeTravelReport
{
    /// <summary>The version of the document.</summary>
    public int SchemaVersion { get; init; } = 1;

    /// <summary>The version of the tool.</summary>
    public required string ToolVersion { get; init; }

    /// <summary>What executed the guests.</summary>
    public required string Engine { get; init; }

    /// <summary>The guests.</summary>
    public required IReadOnlyList<TimeTravelResult> Results { get; init; }

    /// <summary>Writes the document and a line end.</summary>
    public void Write(Stream stream) => JsonText.Write(stream, this, TimeTravelReportContext.Default.TimeTravelReport);
}

/// <summary>Serializers made at compile time.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(TimeTravelReport))]
internal sealed partial class TimeTravelReportContext : JsonSerializerContext;
