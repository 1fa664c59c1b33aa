using ToyVmm.Debugging.History;

namespace ToyVmm.Debugging;

/// <summary>How a session goes about it.</summary>
public sealed record DebugOptions
{
    /// <summary>Takes the lines of log points, from the thread that runs the guest; null drops them.</summary>
    public Action<string>? Log { get; init; }

    /// <summary>How the guest's history is kept.</summary>
    public HistoryOptions History { get; init; } = new();
}
