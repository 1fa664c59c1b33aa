using System.Globalization;
using ToyVmm.Cli.Running;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Scheduling;

namespace ToyVmm.Cli.Fleets;

/// <summary>What happens in a fleet, in words and columns.</summary>
internal static class FleetText
{
    /// <summary>A guest has stopped, for good or until its restart.</summary>
    public static string Stopped(FleetGuest guest)
    {
        StopReason stop = guest.Stop!;
        GuestStatus status = guest.Status;
        string again = status.State == FleetGuestState.Restarting ? $"; it starts again ({guest.Restarts + 1} of at most {guest.Options.Restart.Most})" : "";
        return string.Create(CultureInfo.InvariantCulture, $"toyvmm: {guest.Name}: {stop.Detail} after {status.Instructions} instructions, exit status {stop.ExitStatus}{again}");
    }

    /// <summary>The table at the end.</summary>
    public static void WriteSummary(TextWriter output, Fleet fleet, TimeSpan elapsed)
    {
        int name = Math.Max(5, fleet.Guests.Max(guest => guest.Name.Length));
        Row(output, name, "GUEST", "WEIGHT", "SHARE", "INSTRUCTIONS", "EXITS", "HOST MS", "SLICES", "RESTARTS", "STATUS", "WHY");
        ulong total = Math.Max(1, fleet.Guests.Aggregate(0ul, (sum, guest) => sum + guest.Status.Work));
        foreach (FleetGuest guest in fleet.Guests)
        {
            GuestStatus status = guest.Status;
            Row(
                output,
                name,
                guest.Name,
                Number(guest.Options.Weight),
                Share(status.Work, total),
                Number(status.Instructions),
                Number(status.Exits),
                status.HostTime.TotalMilliseconds.ToString("N1", CultureInfo.InvariantCulture),
                Number(status.Slices),
                Number(status.Restarts),
                guest.Stop is { } stop ? Number((ulong)stop.ExitStatus) : "",
                guest.Stop?.Detail ?? "");
        }

        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"toyvmm: {Count((ulong)fleet.Guests.Count, "guest")}, {fleet.Guests.Count(guest => guest.Succeeded)} succeeded, {Count(fleet.Slices, "slice")} in {Verdict.Time(elapsed)}"));
    }

    /// <summary>A part in percent.</summary>
    public static string Share(ulong part, ulong total) => string.Create(CultureInfo.InvariantCulture, $"{100.0 * part / total:0.0} %");

    /// <summary>A count with its thousands.</summary>
    public static string Number(ulong value) => value.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>What a guest does, for people.</summary>
    public static string State(FleetGuestState state) => state.ToString().ToLowerInvariant();

    private static string Count(ulong count, string what) => string.Create(CultureInfo.InvariantCulture, $"{count} {what}{(count == 1 ? "" : "s")}");

    private static void Row(TextWriter output, int name, params ReadOnlySpan<string> cells)
    {
        output.WriteLine($"{cells[0].PadRight(name)} {cells[1],7} {cells[2],8} {cells[3],16} {cells[4],12} {cells[5],10} {cells[6],8} {cells[7],8} {cells[8],6}  {cells[9]}".TrimEnd());
    }
}
