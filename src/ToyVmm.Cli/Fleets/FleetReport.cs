using System.Text.Json;
using System.Text.Json.Serialization;
using ToyVmm.Cli.Hosting;
using ToyVmm.Cli.Running;
using ToyVmm.VirtualMachines.Scheduling;
using ToyVmm.VirtualMachines.Tracing;

namespace ToyVmm.Cli.Fleets;

/// <summary>The document that run --json writes about several guests. The names are stable: docs/json.md describes them.</summary>
internal sealed record FleetReport
{
    /// <summary>The version of the document: grows when a field changes its meaning, not when one is added.</summary>
    public int SchemaVersion { get; init; } = 1;

    /// <summary>The version of the tool.</summary>
    public required string ToolVersion { get; init; }

    /// <summary>The exit status of the process.</summary>
    public required int ExitStatus { get; init; }

    /// <summary>What shares are measured in.</summary>
    public required string Accounting { get; init; }

    /// <summary>The length of a slice in that unit.</summary>
    public required ulong Slice { get; init; }

    /// <summary>Guests that run at the same time.</summary>
    public required int Threads { get; init; }

    /// <summary>Slices that have begun.</summary>
    public required ulong Slices { get; init; }

    /// <summary>The fleet's clock at the end.</summary>
    public required double FleetSeconds { get; init; }

    /// <summary>Host time of the run.</summary>
    public required double WallMilliseconds { get; init; }

    /// <summary>The fingerprint of the interleaving; null with several threads, where no two runs have the same.</summary>
    public string? ScheduleHash { get; init; }

    /// <summary>The guests, in their order.</summary>
    public required IReadOnlyList<FleetGuestReport> Guests { get; init; }

    /// <summary>Fills the report.</summary>
    public static FleetReport From(Fleet fleet, FleetPlan plan, IReadOnlyList<TraceHash?> hashes, int status, TimeSpan elapsed) => new()
    {
        ToolVersion = ToolVersionText.Value,
        ExitStatus = status,
        Accounting = JsonNamingPolicy.SnakeCaseLower.ConvertName(fleet.Options.Accounting.ToString()),
        Slice = fleet.Options.Slice,
        Threads = fleet.Options.Threads,
        Slices = fleet.Slices,
        FleetSeconds = (double)fleet.Now / fleet.Options.Frequency,
        WallMilliseconds = Math.Round(elapsed.TotalMilliseconds, 3),
        ScheduleHash = fleet.Options.Threads == 1 ? $"{fleet.ScheduleHash:x16}" : null,
        Guests = [.. fleet.Guests.Select(guest => FleetGuestReport.From(guest, plan.Members[guest.Number], hashes[guest.Number]))],
    };

    /// <summary>Writes the document and a line end.</summary>
    public void Write(Stream stream) => JsonText.Write(stream, this, FleetReportContext.Default.FleetReport);
}

/// <summary>One guest of the document.</summary>
internal sealed record FleetGuestReport
{
    /// <summary>What it is called.</summary>
    public required string Name { get; init; }

    /// <summary>Its image, as named.</summary>
    public required string Image { get; init; }

    /// <summary>What executed it.</summary>
    public required string? Engine { get; init; }

    /// <summary>Its weight.</summary>
    public required uint Weight { get; init; }

    /// <summary>Why it stopped, for the last time.</summary>
    public required StopReport? Stop { get; init; }

    /// <summary>Its exit status.</summary>
    public required int? ExitStatus { get; init; }

    /// <summary>True where that was expected.</summary>
    public required bool Succeeded { get; init; }

    /// <summary>How often it was started again.</summary>
    public required uint Restarts { get; init; }

    /// <summary>Instructions retired, over all its lives; so all counts.</summary>
    public required ulong Instructions { get; init; }

    /// <summary>Exits handled.</summary>
    public required ulong Exits { get; init; }

    /// <summary>What it was charged.</summary>
    public required ulong Work { get; init; }

    /// <summary>Slices it has had.</summary>
    public required ulong Slices { get; init; }

    /// <summary>The most slices of others between its becoming ready and its running.</summary>
    public required ulong LongestWaitSlices { get; init; }

    /// <summary>Periods in which it has used up a cap.</summary>
    public required ulong TimesThrottled { get; init; }

    /// <summary>Bytes written to disks.</summary>
    public required ulong DiskBytesWritten { get; init; }

    /// <summary>Bytes sent through COM1.</summary>
    public required ulong SerialBytes { get; init; }

    /// <summary>Host memory that its RAM took at the end.</summary>
    public required ulong MemoryBytes { get; init; }

    /// <summary>Host time in which it ran.</summary>
    public required double HostMilliseconds { get; init; }

    /// <summary>The fingerprint of its last life, with --trace-hash.</summary>
    public string? TraceHash { get; init; }

    /// <summary>Fills the report.</summary>
    public static FleetGuestReport From(FleetGuest guest, FleetMember member, TraceHash? hash)
    {
        GuestStatus status = guest.Status;
        return new FleetGuestReport
        {
            Name = guest.Name,
            Image = member.Image.Name,
            Engine = guest.Machine?.EngineName,
            Weight = guest.Options.Weight,
            Stop = guest.Stop is { } stop ? StopReport.From(stop) : null,
            ExitStatus = guest.Stop?.ExitStatus,
            Succeeded = guest.Succeeded,
            Restarts = status.Restarts,
            Instructions = status.Instructions,
            Exits = status.Exits,
            Work = status.Work,
            Slices = status.Slices,
            LongestWaitSlices = status.LongestWait,
            TimesThrottled = status.TimesThrottled,
            DiskBytesWritten = status.DiskBytesWritten,
            SerialBytes = status.SerialBytes,
            MemoryBytes = status.MemoryBytes,
            HostMilliseconds = Math.Round(status.HostTime.TotalMilliseconds, 3),
            TraceHash = hash is null ? null : $"{hash.Value:x16}",
        };
    }
}

/// <summary>Serializers made at compile time: reflection would cost tens of milliseconds.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(FleetReport))]
internal sealed partial class FleetReportContext : JsonSerializerContext;
