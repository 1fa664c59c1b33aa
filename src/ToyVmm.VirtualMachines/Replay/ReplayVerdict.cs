using System.Globalization;

namespace ToyVmm.VirtualMachines.Replay;

/// <summary>How a replay went.</summary>
/// <param name="Stop">Why it ended: as the recorded run did, or <see cref="StopKind.ReplayDiverged"/>, or for a reason of the host's now.</param>
/// <param name="MarksPassed">How many marks agreed.</param>
/// <param name="IsComplete">True where the replay came to the recorded end, and everything agreed.</param>
/// <param name="Difference">Null where everything agreed as far as the replay came.</param>
public sealed record ReplayVerdict(StopReason Stop, int MarksPassed, bool IsComplete, ReplayDifference? Difference);

/// <summary>Where a replay left the way of the recorded run.</summary>
/// <param name="AgreedAt">Instructions retired where the two were last the same.</param>
/// <param name="DiffersAt">Instructions retired where they differ.</param>
/// <param name="What">What differs, in words.</param>
public sealed record ReplayDifference(ulong AgreedAt, ulong DiffersAt, string What)
{
    /// <summary>For people.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"the replay differs from the recorded run between instructions {AgreedAt} and {DiffersAt}: {What}");
}
