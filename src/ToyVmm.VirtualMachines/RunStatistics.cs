using ToyVmm.Engines;
using ToyVmm.Engines.Metering;

namespace ToyVmm.VirtualMachines;

/// <summary>What happened in a machine since it was made: counts, exact and the same from run to run.</summary>
public sealed class RunStatistics
{
    private readonly ulong[] _exits = new ulong[Enum.GetValues<ExitReason>().Length];
    private readonly ulong[] _traps = new ulong[256];

    /// <summary>Exits by reason, those that happened.</summary>
    public IReadOnlyDictionary<ExitReason, ulong> Exits =>
        Enum.GetValues<ExitReason>().Where(reason => _exits[(int)reason] > 0).ToDictionary(reason => reason, reason => _exits[(int)reason]);

    /// <summary>Interrupts and exceptions by vector, those that happened.</summary>
    public IReadOnlyDictionary<int, ulong> Traps =>
        Enumerable.Range(0, 256).Where(vector => _traps[vector] > 0).ToDictionary(vector => vector, vector => _traps[vector]);

    /// <summary>All exits together.</summary>
    public ulong TotalExits => _exits.Aggregate(0UL, (sum, count) => sum + count);

    /// <summary>All interrupts and exceptions together.</summary>
    public ulong TotalTraps { get; private set; }

    /// <summary>Guest time skipped while the CPU slept, in clock ticks.</summary>
    public ulong IdleTicks { get; internal set; }

    /// <summary>Of the exits for port I/O, those to latches that emitted code reached itself: nothing left it.</summary>
    public ulong LatchAccesses { get; private set; }

    /// <summary>Where the host time went; null without <see cref="VirtualMachineOptions.MeterCosts"/>. Unlike the counts times differ from run to run. Not while the machine runs.</summary>
    public CostReport? Costs => Meter?.Report();

    internal CostMeter? Meter { get; set; }

    internal void CountLatchAccesses(ulong accesses)
    {
        Count(ExitReason.PortIo, accesses);
        LatchAccesses += accesses;
    }

    internal void Count(ExitReason reason, ulong times = 1) => _exits[(int)reason] += times;

    /// <summary>Exits for one reason; without the work of making <see cref="Exits"/>.</summary>
    internal ulong CountOf(ExitReason reason) => _exits[(int)reason];

    /// <summary>Interrupts and exceptions of one vector.</summary>
    internal ulong CountOfTrap(int vector) => _traps[vector];

    internal void CountTrap(int vector)
    {
        _traps[vector & 0xFF]++;
        TotalTraps++;
    }
}
