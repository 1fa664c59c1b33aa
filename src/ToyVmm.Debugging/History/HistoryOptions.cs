namespace ToyVmm.Debugging.History;

/// <summary>How a history is kept.</summary>
public sealed record HistoryOptions
{
    /// <summary>The share of host time that checkpoints may take while the guest runs.</summary>
    public double Cost { get; init; } = 0.03;

    /// <summary>Bytes of host memory that checkpoints may take; beyond that the history begins later.</summary>
    public ulong MostBytes { get; init; } = 512ul << 20;

    /// <summary>Host time between two checkpoints, at least.</summary>
    public TimeSpan LeastDistance { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Host time between two checkpoints near the present, where <see cref="Cost"/> allows it: as long may a step back take.</summary>
    public TimeSpan Distance { get; init; } = TimeSpan.FromMilliseconds(200);
}
