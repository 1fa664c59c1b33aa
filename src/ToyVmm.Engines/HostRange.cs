namespace ToyVmm.Engines;

/// <summary>A range of host addresses that emitted code was given to reach: what it may find there is known, and the host can be asked.</summary>
/// <param name="Kind">What for.</param>
/// <param name="First">The first address.</param>
/// <param name="Length">Bytes.</param>
public readonly record struct HostRange(HostRangeKind Kind, nint First, ulong Length);

/// <summary>What a range of host addresses is for.</summary>
public enum HostRangeKind
{
    /// <summary>A window that mirrors the guest's linear addresses, with its guards: RAM of the guest, never executable, or nothing.</summary>
    View,

    /// <summary>A window's first and last part, where an access that leaves it ends: nothing.</summary>
    Guard,

    /// <summary>Emitted code: executable and never writable.</summary>
    Code,
}
