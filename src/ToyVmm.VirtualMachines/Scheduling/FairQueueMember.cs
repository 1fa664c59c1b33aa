namespace ToyVmm.VirtualMachines.Scheduling;

/// <summary>A member of a <see cref="FairQueue"/>.</summary>
public sealed class FairQueueMember
{
    /// <summary>The largest weight.</summary>
    public const uint LargestWeight = 10_000;

    internal const int WeightBits = 16;

    /// <summary>Makes a member that does not want to run yet.</summary>
    /// <param name="weight">Its share, in proportion to the others' weights: 1 to <see cref="LargestWeight"/>.</param>
    public FairQueueMember(uint weight)
    {
        ArgumentOutOfRangeException.ThrowIfZero(weight);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(weight, LargestWeight);
        Weight = weight;
        Share = (ulong)weight << WeightBits;
    }

    /// <summary>Its share, in proportion to the others' weights.</summary>
    public uint Weight { get; }

    /// <summary>True while it wants to run, and while it runs.</summary>
    public bool IsActive { get; internal set; }

    /// <summary>True between <see cref="FairQueue.Take"/> and <see cref="FairQueue.Charge"/>.</summary>
    public bool IsRunning { get; internal set; }

    /// <summary>How long its next slice is to be: a whole one, or less where it has just come back.</summary>
    public ulong RequestedWork { get; internal set; }

    // In 2^-24 of a unit of work for weight 1.
    internal UInt128 VirtualTime { get; set; }

    // What it had not got when it left, at most a slice.
    internal UInt128 Owed { get; set; }

    // When its request has to be fulfilled.
    internal UInt128 Deadline { get; set; }

    // The weight, cut to one processor, in 2^-16.
    internal ulong Share { get; set; }

    // Among equals, who has waited longest.
    internal ulong Order { get; set; }

    internal bool IsBefore(FairQueueMember other) => Deadline != other.Deadline ? Deadline < other.Deadline : Order < other.Order;
}
