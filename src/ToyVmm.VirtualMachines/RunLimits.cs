namespace ToyVmm.VirtualMachines;

/// <summary>When a run ends although the guest would go on.</summary>
public sealed record RunLimits
{
    /// <summary>No limits.</summary>
    public static RunLimits None { get; } = new();

    /// <summary>Retired instructions, counted from this call; the run stops at exactly this many.</summary>
    public ulong MaxInstructions { get; init; } = ulong.MaxValue;

    /// <summary>True where the hypercall <c>yield</c> ends the run (<see cref="StopKind.Yielded"/>): others wait for the host.</summary>
    public bool EndsAtYield { get; init; }

    /// <summary>Host time.</summary>
    public TimeSpan Timeout { get; init; } = System.Threading.Timeout.InfiniteTimeSpan;
}
