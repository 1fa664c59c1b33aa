namespace ToyVmm.Hardware.Buses;

/// <summary>An access that no device answered: reads gave all-ones, writes were lost.</summary>
/// <param name="Address">The port, or the guest-physical address.</param>
/// <param name="Width">Bytes.</param>
/// <param name="IsWrite">True for OUT or a store.</param>
/// <param name="Value">What was written; all-ones for a read.</param>
public readonly record struct UnmappedAccess(ulong Address, int Width, bool IsWrite, ulong Value);
