using System.Text.Json;
using System.Text.Json.Serialization;
using ToyVmm.Cli.Advising;
using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;
using ToyVmm.Debugging.Autopsies;
using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Tracing;

namespace ToyVmm.Cli.Running;

/// <summary>The document that --json writes. The names are stable: docs/json.md describes them, and a test holds them.</summary>
internal sealed record RunReport
{
    /// <summary>The version of the document: grows when a field changes its meaning, not when one is added.</summary>
    public int SchemaVersion { get; init; } = 1;

    /// <summary>The version of the tool.</summary>
    public required string ToolVersion { get; init; }

    /// <summary>The image as named on the command line.</summary>
    public required string Image { get; init; }

    /// <summary>What it was loaded as.</summary>
    public required string Format { get; init; }

    /// <summary>What executed it.</summary>
    public required string Engine { get; init; }

    /// <summary>Why the run ended.</summary>
    public required StopReport Stop { get; init; }

    /// <summary>The exit status of the process.</summary>
    public required int ExitStatus { get; init; }

    /// <summary>Guest instructions retired.</summary>
    public required ulong Instructions { get; init; }

    /// <summary>Of these, executed on the host CPU in emitted code; an interpreter executes none so.</summary>
    public ulong IdentityInstructions { get; init; }

    /// <summary>Exits from the engine to the monitor, by reason.</summary>
    public required IReadOnlyDictionary<string, ulong> Exits { get; init; }

    /// <summary>Interrupts and exceptions, by vector.</summary>
    public required IReadOnlyDictionary<string, ulong> Traps { get; init; }

    /// <summary>Faults of shadow page tables that the guest never saw.</summary>
    public ulong HiddenFaults { get; init; }

    /// <summary>Page faults that the guest's own tables demand.</summary>
    public required ulong TrueFaults { get; init; }

    /// <summary>Blocks of guest code that were translated to host code.</summary>
    public ulong BlocksTranslated { get; init; }

    /// <summary>Guest time that passed, in seconds.</summary>
    public required double GuestSeconds { get; init; }

    /// <summary>Of it, time in which the CPU slept.</summary>
    public required double IdleSeconds { get; init; }

    /// <summary>Host time of the run.</summary>
    public required double WallMilliseconds { get; init; }

    /// <summary>Where the host time went, with --stats.</summary>
    public CostsReport? Costs { get; init; }

    /// <summary>What the guest left its code for and what would spare it, with --advise.</summary>
    public AdviceDocument? Advice { get; init; }

    /// <summary>What works here and not on hardware, with --strict.</summary>
    public StrictReport? Strict { get; init; }

    /// <summary>The fingerprint of the run, with --trace-hash.</summary>
    public string? TraceHash { get; init; }

    /// <summary>Fills the report from a run.</summary>
    public static RunReport From(Verdict verdict, ImageSource image, TraceHash? hash, AutopsyReport? autopsy)
    {
        VirtualMachine vm = verdict.Machine;
        RunStatistics statistics = vm.Statistics;
        Dictionary<string, ulong> exits = [];
        foreach ((ExitReason reason, ulong count) in statistics.Exits)
        {
            exits[Name(reason)] = count;
        }

        Dictionary<string, ulong> traps = [];
        foreach ((int vector, ulong count) in statistics.Traps)
        {
            traps[vector.ToString(System.Globalization.CultureInfo.InvariantCulture)] = count;
        }

        double ticks = vm.Machine.Clock.Frequency;
        return new RunReport
        {
            ToolVersion = ToolVersionText.Value,
            Image = image.Name,
            Format = Name(vm.Image.Format),
            Engine = vm.EngineName,
            Stop = StopReport.From(verdict.Stop, autopsy),
            ExitStatus = verdict.Status,
            Instructions = vm.InstructionsRetired,
            IdentityInstructions = vm.Vcpu.Translation?.HostInstructions ?? 0,
            Exits = exits,
            Traps = traps,
            HiddenFaults = vm.Vcpu.Translation?.HiddenFaults ?? 0,
            BlocksTranslated = vm.Vcpu.Translation?.BlocksTranslated ?? 0,
            TrueFaults = statistics.Traps.TryGetValue(Vector.PageFault, out ulong faults) ? faults : 0,
            GuestSeconds = vm.Machine.Clock.Now / ticks,
            IdleSeconds = statistics.IdleTicks / ticks,
            WallMilliseconds = Math.Round(verdict.Elapsed.TotalMilliseconds, 3),
            Costs = statistics.Costs is { } costs ? CostsReport.From(costs) : null,
            TraceHash = hash is null ? null : $"{hash.Value:x16}",
        };
    }

    /// <summary>Writes the document and a line end.</summary>
    public void Write(Stream stream) => JsonText.Write(stream, this, RunReportContext.Default.RunReport);

    /// <summary>An exit reason's name in documents.</summary>
    public static string Name(ExitReason reason) => JsonNamingPolicy.SnakeCaseLower.ConvertName(reason.ToString());

    private static string Name(Enum value) => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());
}

/// <summary>Why a run ended.</summary>
internal sealed record StopReport
{
    /// <summary>The kind: "power_off", "debug_exit", "hypercall_exit", "halted_forever", "triple_fault", ...</summary>
    public required string Reason { get; init; }

    /// <summary>What the guest passed.</summary>
    public required uint Code { get; init; }

    /// <summary>One sentence.</summary>
    public required string Detail { get; init; }

    /// <summary>For a triple fault: the chain of faults, first cause first.</summary>
    public IReadOnlyList<FaultReport>? Autopsy { get; init; }

    /// <summary>For a bad end: why, in plain words.</summary>
    public AutopsyReport? Explanation { get; init; }

    /// <summary>Fills the report.</summary>
    public static StopReport From(StopReason stop, AutopsyReport? explanation = null) => new()
    {
        Reason = JsonNamingPolicy.SnakeCaseLower.ConvertName(stop.Kind.ToString()),
        Code = stop.Code,
        Detail = stop.Detail,
        Autopsy = stop.Autopsy is null ? null : [.. stop.Autopsy.Chain.Select(FaultReport.From)],
        Explanation = explanation,
    };
}

/// <summary>One fault of a triple fault's chain.</summary>
internal sealed record FaultReport
{
    /// <summary>0-255.</summary>
    public required int Vector { get; init; }

    /// <summary>The error code; 0 where the vector has none.</summary>
    public required uint ErrorCode { get; init; }

    /// <summary>CR2, for a page fault.</summary>
    public required uint FaultAddress { get; init; }

    /// <summary>CS.</summary>
    public required int CodeSelector { get; init; }

    /// <summary>EIP.</summary>
    public required uint Eip { get; init; }

    /// <summary>What the CPU was doing.</summary>
    public required string Cause { get; init; }

    /// <summary>Instructions retired before it.</summary>
    public required ulong Instructions { get; init; }

    /// <summary>Fills the report.</summary>
    public static FaultReport From(AutopsyFault fault) => new()
    {
        Vector = fault.Trap.Vector,
        ErrorCode = fault.Trap.ErrorCode,
        FaultAddress = fault.Trap.FaultAddress,
        CodeSelector = fault.CodeSelector,
        Eip = fault.Eip,
        Cause = fault.Cause,
        Instructions = fault.Instructions,
    };
}

/// <summary>Serializers made at compile time: reflection would cost tens of milliseconds.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(RunReport))]
internal sealed partial class RunReportContext : JsonSerializerContext;
