namespace ToyVmm.VirtualMachines.Scheduling;

/// <summary>What a guest has used over its lives.</summary>
internal sealed class GuestUsage
{
    public ulong Instructions { get; private set; }

    public ulong Exits { get; private set; }

    public TimeSpan HostTime { get; private set; }

    public ulong Work { get; set; }

    /// <summary>Of the lives that are over.</summary>
    public ulong DiskBytes { get; set; }

    /// <summary>Of the lives that are over.</summary>
    public ulong SerialBytes { get; set; }

    public void Add(ulong instructions, ulong exits, TimeSpan hostTime)
    {
        Instructions += instructions;
        Exits += exits;
        HostTime += hostTime;
    }
}

/// <summary>What a slice came to.</summary>
/// <param name="Charge">In units of the fleet's accounting.</param>
/// <param name="Instructions">Instructions retired.</param>
/// <param name="Exits">Exits handled.</param>
/// <param name="Yielded">The guest gave the rest away.</param>
internal readonly record struct SliceResult(ulong Charge, ulong Instructions, ulong Exits, bool Yielded)
{
    public SliceResult Plus(ulong charge, ulong instructions, ulong exits, bool yielded) => new(Charge + charge, Instructions + instructions, Exits + exits, yielded);
}
