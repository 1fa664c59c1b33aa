namespace ToyVmm.VirtualMachines.Scheduling;

/// <summary>How a fleet shares its host.</summary>
public sealed record FleetOptions
{
    /// <summary>The length of a slice, in units of <see cref="Accounting"/>. At most <see cref="LongestSlice"/>.</summary>
    public ulong Slice { get; init; } = 1_000_000;

    /// <summary>The longest <see cref="Slice"/>.</summary>
    public const ulong LongestSlice = 1_000_000_000;

    /// <summary>How many guests run at the same time, each on a thread of the host. With one the order in which guests run is the same every time.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>What guests are charged for.</summary>
    public FleetAccounting Accounting { get; init; } = FleetAccounting.Work;

    /// <summary>Units of <see cref="Accounting"/> that make a second of the fleet's clock.</summary>
    public ulong Frequency { get; init; } = 1_000_000_000;

    /// <summary>True: while all guests sleep so does the host, until its own clock has caught up. False: the fleet's clock jumps to the first guest that wakes.</summary>
    public bool Pace { get; init; }

    /// <summary>
    /// Bytes of host memory that the guests' RAM may take together; null for no bound. Their RAM may be larger (over-commit): who holds more than its share is asked
    /// to give it back through its balloon, and where that does not help the guest furthest above its share ends.
    /// </summary>
    public ulong? HostMemory { get; init; }

    /// <summary>Told of every slice behind it, from the thread that ran it, one at a time.</summary>
    public Action<FleetSlice>? SliceObserver { get; init; }
}

/// <summary>What shares are measured in, and what the fleet's clock counts.</summary>
public enum FleetAccounting
{
    /// <summary>
    /// Instructions, and for what costs the host more than an instruction its worth in instructions (<see cref="WorkMeter"/>). Counted, not measured: the
    /// same fleet on the same engine is charged the same every time.
    /// </summary>
    Work,

    /// <summary>Instructions alone: exact shares of instructions, the same on every engine; but a guest whose instructions are expensive takes more of the host.</summary>
    Instructions,

    /// <summary>Host time in nanoseconds, as measured: exact shares of the host, and no two runs are the same.</summary>
    HostTime,
}

/// <summary>One slice, when it is over.</summary>
/// <param name="Number">Slices before it, in the whole fleet.</param>
/// <param name="Guest">Who ran.</param>
/// <param name="StartedAt">The fleet's clock at its start.</param>
/// <param name="Work">What it was charged.</param>
/// <param name="Instructions">Instructions retired in it.</param>
/// <param name="Exits">Exits handled in it.</param>
/// <param name="Waited">Slices that began between the guest's becoming ready and this one.</param>
/// <param name="State">What the guest does now.</param>
public readonly record struct FleetSlice(ulong Number, FleetGuest Guest, ulong StartedAt, ulong Work, ulong Instructions, ulong Exits, ulong Waited, FleetGuestState State)
{
    /// <summary>Host time between the guest's becoming ready and this slice. Unlike all else it differs from run to run.</summary>
    public TimeSpan WaitedTime { get; init; }

    /// <summary>True for the first slice after the guest has slept.</summary>
    public bool Woken { get; init; }
}
