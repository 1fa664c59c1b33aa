namespace ToyVmm.VirtualMachines;

/// <summary>What a guest may use up over its whole life. What would go beyond does not happen: the run ends first, with a kind of its own.</summary>
public sealed record ResourceLimits
{
    /// <summary>So much is collected of a guest whose serial output nobody takes: 64 MiB.</summary>
    public const ulong CollectedSerialBytes = 64 << 20;

    /// <summary>Bytes written to all disks together, whole sectors; then <see cref="StopKind.DiskWriteLimit"/>.</summary>
    public ulong DiskWriteBytes { get; init; } = ulong.MaxValue;

    /// <summary>
    /// Bytes sent through COM1 and the console hypercall; then <see cref="StopKind.SerialLimit"/>. Where
    /// <see cref="VirtualMachineOptions.SerialOutput"/> is null it is never more than <see cref="CollectedSerialBytes"/>.
    /// </summary>
    public ulong SerialBytes { get; init; } = ulong.MaxValue;
}
