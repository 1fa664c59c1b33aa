namespace ToyVmm.VirtualMachines.Scheduling;

/// <summary>A guest of a fleet as it stood after one of its slices: values that belong together, for whoever looks on from another thread.</summary>
/// <param name="State">What it did.</param>
/// <param name="Instructions">Instructions retired, over all its lives.</param>
/// <param name="Exits">Exits handled, over all its lives.</param>
/// <param name="Work">What it was charged, in units of <see cref="FleetOptions.Accounting"/>.</param>
/// <param name="HostTime">Host time in which it ran.</param>
/// <param name="Slices">Slices it has had.</param>
/// <param name="Restarts">How often it was started again.</param>
/// <param name="DiskBytesWritten">Bytes written to disks, over all its lives.</param>
/// <param name="SerialBytes">Bytes sent through COM1, over all its lives.</param>
/// <param name="MemoryBytes">Host memory that its RAM takes.</param>
/// <param name="LongestWait">The most slices of others between its becoming ready and its running.</param>
/// <param name="TimesThrottled">Periods in which it has used up a cap.</param>
public sealed record GuestStatus(
    FleetGuestState State,
    ulong Instructions,
    ulong Exits,
    ulong Work,
    TimeSpan HostTime,
    ulong Slices,
    uint Restarts,
    ulong DiskBytesWritten,
    ulong SerialBytes,
    ulong MemoryBytes,
    ulong LongestWait,
    ulong TimesThrottled);
