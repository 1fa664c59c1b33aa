using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;
using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using ToyVmm.VirtualMachines.Scheduling;

namespace ToyVmm.Cli.Benchmarking;

/// <summary>
/// bench neighbour: what a bad neighbour takes. Two guests of one weight share a host: a victim that only computes, and in turn each storm of the guest
/// noisy. With each way of accounting: the victim's progress in a slice, its speed beside its speed alone, and the attacker's part of the host's time.
/// </summary>
/// <param name="console">Where the table goes.</param>
/// <param name="engine">What executes both.</param>
/// <param name="seconds">How long each pair runs.</param>
internal sealed class NeighbourBenchmark(HostConsole console, EngineKind engine, double seconds)
{
    /// <summary>What it is called on the command line.</summary>
    public const string Name = "neighbour";

    /// <summary>How long each pair runs, in tenths of a second.</summary>
    public const ulong DefaultTenths = 10;

    private const string Victim = "compute-mix";
    private const string Attacker = "noisy";
    private const int Crowd = 4;
    private const int DiskBytes = 1 << 20;
    private static readonly string[] s_attacks = ["none", "compute", "exits", "code", "tables", "disk"];

    /// <summary>Measures everything.</summary>
    public NeighbourReport Measure(Action<string> progress, bool print)
    {
        List<NeighbourResult> results = [];
        string disk = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(disk, new byte[DiskBytes]);
            if (print)
            {
                Head();
            }

            foreach (FleetAccounting accounting in Enum.GetValues<FleetAccounting>())
            {
                double alone = 0;
                foreach (string attack in s_attacks)
                {
                    progress($"{NameOf(accounting)} {attack}");
                    NeighbourResult result = Measure(accounting, attack, disk, alone);
                    alone = attack == "none" ? result.VictimPerSecond : alone;
                    result = attack == "none" ? result with { VictimSpeed = 1 } : result;
                    results.Add(result);
                    progress("");
                    if (print)
                    {
                        Row(result);
                    }
                }
            }

            List<LatencyResult> latencies = [];
            if (print)
            {
                LatencyHead();
            }

            foreach (string attack in s_attacks)
            {
                progress($"latency {attack}");
                LatencyResult latency = MeasureLatency(attack, disk);
                latencies.Add(latency);
                progress("");
                if (print)
                {
                    Row(latency);
                }
            }

            return new NeighbourReport { ToolVersion = ToolVersionText.Value, Engine = engine.ToString().ToLowerInvariant(), Seconds = seconds, Results = results, Latencies = latencies };
        }
        finally
        {
            File.Delete(disk);
        }
    }

    private NeighbourResult Measure(FleetAccounting accounting, string attack, string disk, double alone)
    {
        List<FleetGuestOptions> guests = [Guest("victim", Victim, "1000000", [])];
        if (attack == "compute")
        {
            guests.Add(Guest(attack, "compute-sieve", "1000000", []));
        }
        else if (attack != "none")
        {
            guests.Add(Guest(attack, Attacker, $"storm={attack} loops=0", attack == "disk" ? [new DiskConfig(disk)] : []));
        }

        using Fleet fleet = new(guests, new FleetOptions { Accounting = accounting });

        // What is compiled and translated first is not counted.
        _ = fleet.Run(new FleetLimits { Timeout = TimeSpan.FromSeconds(seconds / 4) });
        List<GuestStatus> before = [.. fleet.Guests.Select(guest => guest.Status)];
        long started = System.Diagnostics.Stopwatch.GetTimestamp();
        _ = fleet.Run(new FleetLimits { Timeout = TimeSpan.FromSeconds(seconds) });
        double elapsed = System.Diagnostics.Stopwatch.GetElapsedTime(started).TotalSeconds;
        GuestStatus victim = fleet.Guests[0].Status;
        double host = fleet.Guests.Select((guest, n) => (guest.Status.HostTime - before[n].HostTime).TotalSeconds).Sum();
        ulong instructions = victim.Instructions - before[0].Instructions;
        double perSecond = instructions / elapsed;
        GuestStatus? attacker = guests.Count > 1 ? fleet.Guests[1].Status : null;
        double attackerHost = attacker is null ? 0 : (attacker.HostTime - before[1].HostTime).TotalSeconds;
        return new NeighbourResult(
            NameOf(accounting),
            attack,
            (ulong)(instructions / (double)Math.Max(1, victim.Slices - before[0].Slices)),
            attacker is null ? 0 : (ulong)((attacker.Instructions - before[1].Instructions) / (double)Math.Max(1, attacker.Slices - before[1].Slices)),
            perSecond,
            alone > 0 ? perSecond / alone : 0,
            attackerHost / host,
            attacker is null ? 0 : Math.Round(attackerHost * 1000 / Math.Max(1, attacker.Slices - before[1].Slices), 3),
            (victim.Work - before[0].Work) / Math.Max(1, (victim.HostTime - before[0].HostTime).TotalNanoseconds),
            attacker is null ? 0 : (attacker.Work - before[1].Work) / Math.Max(1, attackerHost * 1e9));
    }

    // A guest that sleeps and is woken a thousand times a second, among four others.
    private LatencyResult MeasureLatency(string attack, string disk)
    {
        List<FleetGuestOptions> guests = [Guest("idle", Attacker, "storm=idle loops=0", [])];
        for (int n = 0; attack != "none" && n < Crowd; n++)
        {
            guests.Add(attack == "compute"
                ? Guest($"{attack}-{n}", "compute-sieve", "1000000", [])
                : Guest($"{attack}-{n}", Attacker, $"storm={attack} loops=0", attack == "disk" ? [new DiskConfig(disk, n == 0 ? DiskAccess.ReadWrite : DiskAccess.Snapshot)] : []));
        }

        List<double> waits = [];
        ulong most = 0;
        bool counts = false;
        using Fleet fleet = new(guests, new FleetOptions
        {
            SliceObserver = slice =>
            {
                if (counts && slice.Woken && slice.Guest.Number == 0)
                {
                    waits.Add(slice.WaitedTime.TotalMilliseconds);
                    most = Math.Max(most, slice.Waited);
                }
            },
        });
        _ = fleet.Run(new FleetLimits { Timeout = TimeSpan.FromSeconds(seconds / 4) });
        counts = true;
        _ = fleet.Run(new FleetLimits { Timeout = TimeSpan.FromSeconds(seconds) });
        waits.Sort();
        double At(double part) => waits.Count == 0 ? 0 : waits[(int)Math.Min(waits.Count - 1, waits.Count * part)];
        return new LatencyResult(attack, waits.Count, most, At(0.5), At(0.99), At(1));
    }

    private FleetGuestOptions Guest(string name, string image, string append, IReadOnlyList<DiskConfig> disks)
    {
        byte[] bytes = ImageSource.Open(image).Bytes!;
        VirtualMachineOptions options = new()
        {
            Engine = engine,
            Machine = new MachineConfig { Disks = disks },
            Load = new LoadOptions { CommandLine = append },
            SerialOutput = static _ => { },
        };
        return new FleetGuestOptions { Name = name, Create = seat => VirtualMachine.Create(bytes, seat.Apply(options)) };
    }

    private static string NameOf(FleetAccounting accounting) => accounting switch
    {
        FleetAccounting.Work => "work",
        FleetAccounting.Instructions => "instructions",
        _ => "host-time",
    };

    private void Head()
    {
        console.Output.WriteLine($"Two guests of one weight, {seconds.ToString("0.##", CultureInfo.InvariantCulture)} s each; the victim is {Victim}.");
        Line("ACCOUNT", "ATTACKER", "VICTIM/SLICE", "ATTACKER/SLICE", "VICTIM M/S", "OF ALONE", "ATTACKER'S HOST TIME", "ITS SLICE MS");
    }

    private void LatencyHead()
    {
        console.Output.WriteLine();
        console.Output.WriteLine($"A guest that sleeps, woken 1,000 times a second of the fleet's clock, among {Crowd} others of its weight: from waking to running.");
        Line("OTHERS", "WAKES", "MOST SLICES", "MEDIAN MS", "99 % MS", "LONGEST", "", "");
    }

    private void Row(LatencyResult result) => Line(
        result.Others,
        result.Wakes.ToString("N0", CultureInfo.InvariantCulture),
        result.MostSlices.ToString("N0", CultureInfo.InvariantCulture),
        result.MedianMilliseconds.ToString("0.000", CultureInfo.InvariantCulture),
        result.PercentileMilliseconds.ToString("0.000", CultureInfo.InvariantCulture),
        result.LongestMilliseconds.ToString("0.00", CultureInfo.InvariantCulture),
        "",
        "");

    private void Row(NeighbourResult result) => Line(
        result.Account,
        result.Attack,
        result.VictimPerSlice.ToString("N0", CultureInfo.InvariantCulture),
        result.AttackerPerSlice.ToString("N0", CultureInfo.InvariantCulture),
        (result.VictimPerSecond / 1e6).ToString("N0", CultureInfo.InvariantCulture),
        result.VictimSpeed.ToString("0.00", CultureInfo.InvariantCulture),
        (100 * result.AttackerHostShare).ToString("0.0", CultureInfo.InvariantCulture) + " %",
        result.AttackerSliceMilliseconds.ToString("0.00", CultureInfo.InvariantCulture));

    private void Line(params ReadOnlySpan<string> cells)
    {
        StringBuilder line = new();
        _ = line.Append(CultureInfo.InvariantCulture, $"{cells[0],-13} {cells[1],-9} {cells[2],12} {cells[3],15} {cells[4],11} {cells[5],9} {cells[6],21} {cells[7],13}");
        console.Output.WriteLine(line.ToString().TrimEnd());
        console.Flush();
    }
}

/// <summary>One pair of guests.</summary>
/// <param name="Account">What was charged.</param>
/// <param name="Attack">The storm; "none", "compute" for a second victim.</param>
/// <param name="VictimPerSlice">Instructions of the victim in a slice.</param>
/// <param name="AttackerPerSlice">Those of the attacker.</param>
/// <param name="VictimPerSecond">Instructions of the victim in a second of host time.</param>
/// <param name="VictimSpeed">That, in parts of what it is alone.</param>
/// <param name="AttackerHostShare">The attacker's part of the host time of both.</param>
/// <param name="AttackerSliceMilliseconds">How long its slices took.</param>
/// <param name="VictimUnitsPerNanosecond">What the victim was charged for a nanosecond.</param>
/// <param name="AttackerUnitsPerNanosecond">What the attacker was.</param>
internal sealed record NeighbourResult(
    string Account,
    string Attack,
    ulong VictimPerSlice,
    ulong AttackerPerSlice,
    double VictimPerSecond,
    double VictimSpeed,
    double AttackerHostShare,
    double AttackerSliceMilliseconds,
    double VictimUnitsPerNanosecond,
    double AttackerUnitsPerNanosecond);

/// <summary>How long a guest that sleeps waits for its turn.</summary>
/// <param name="Others">What the others do; "none" where there are none.</param>
/// <param name="Wakes">How often it was woken.</param>
/// <param name="MostSlices">The most slices of others between its waking and its running.</param>
/// <param name="MedianMilliseconds">Host time between them: the median.</param>
/// <param name="PercentileMilliseconds">What 99 of 100 stay below.</param>
/// <param name="LongestMilliseconds">The longest.</param>
internal sealed record LatencyResult(string Others, int Wakes, ulong MostSlices, double MedianMilliseconds, double PercentileMilliseconds, double LongestMilliseconds);

/// <summary>The document that bench neighbour --json writes (docs/json.md).</summary>
internal sealed record NeighbourReport
{
    /// <summary>The version of the document.</summary>
    public int SchemaVersion { get; init; } = 1;

    /// <summary>The version of the tool.</summary>
    public required string ToolVersion { get; init; }

    /// <summary>What executed the guests.</summary>
    public required string Engine { get; init; }

    /// <summary>How long each pair ran.</summary>
    public required double Seconds { get; init; }

    /// <summary>The pairs.</summary>
    public required IReadOnlyList<NeighbourResult> Results { get; init; }

    /// <summary>How long a guest that sleeps waits.</summary>
    public required IReadOnlyList<LatencyResult> Latencies { get; init; }

    /// <summary>Writes the document and a line end.</summary>
    public void Write(Stream stream) => JsonText.Write(stream, this, NeighbourReportContext.Default.NeighbourReport);
}

/// <summary>Serializers made at compile time.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(NeighbourReport))]
internal sealed partial class NeighbourReportContext : JsonSerializerContext;
