namespace ToyVmm.VirtualMachines.Scheduling;

/// <summary>When <see cref="Fleet.Run"/> ends although guests would go on.</summary>
public sealed record FleetLimits
{
    /// <summary>Slices, counted from this call.</summary>
    public ulong MaxSlices { get; init; } = ulong.MaxValue;

    /// <summary>Host time.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.MaxValue;
}

/// <summary>Why <see cref="Fleet.Run"/> ended.</summary>
public enum FleetStop
{
    /// <summary>All guests have stopped for good.</summary>
    AllStopped,

    /// <summary><see cref="FleetLimits.MaxSlices"/> is reached.</summary>
    SliceLimit,

    /// <summary><see cref="FleetLimits.Timeout"/> is reached.</summary>
    TimeLimit,

    /// <summary><see cref="Fleet.RequestStop"/> was called.</summary>
    Stopped,
}
