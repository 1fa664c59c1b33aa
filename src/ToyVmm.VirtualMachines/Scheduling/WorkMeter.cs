using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.VirtualMachines.Scheduling;

/// <summary>
/// What a guest costs its host, counted. The unit is a third of a nanosecond, in which the translator runs an instruction of a guest that computes; all
/// else has its worth in such instructions. The weights were measured once (docs/fleet.md), on one host, and are never measured
/// at run time: the charge is a function of counts, and therefore the same every time.
/// </summary>
/// <remarks>
/// What is not counted and so is not charged: the elements of a string instruction that touches memory only. A guest that lives on long ones gets more of
/// the host than its share, as does one whose instructions miss the host's caches; <see cref="FleetAccounting.HostTime"/> is for those.
/// </remarks>
public static class WorkMeter
{
    /// <summary>Entering the machine for a slice, and leaving it again.</summary>
    public const ulong Entry = 2_000;

    // Both engines.
    private const ulong PortOrMemoryExit = 150;         // 50 ns
    private const ulong Trap = 150;                     // an interrupt or exception delivered
    private const ulong PageFault = 1_400;              // more, for what follows in the guest's tables
    private const ulong StringPause = 3_000_000;        // millions of elements of one string instruction
    private const ulong DiskRead = 3_000;               // a sector
    private const ulong DiskWrite = 5_000;
    private const ulong DiskFlush = 6_000_000;          // waiting for the host's disk: 0.2 to 3 ms
    private const ulong HypercallUnit = 300;            // 0.1 us: 64 of them for a page that the balloon moves, with the fault that follows
    private const ulong BlockDecoded = 9_000;           // 3 us

    // The interpreter alone.
    private const ulong InterpretedAlone = 10;          // an instruction, from decoded blocks

    // The translator.
    private const ulong Interpreted = 60;               // an instruction of a cold block, or of a call-out
    private const ulong Latch = 6;                      // a port that emitted code reaches itself
    private const ulong CallOut = 165;
    private const ulong Lookup = 120;
    private const ulong Link = 50;
    private const ulong FloatingPointLoad = 150;
    private const ulong BlockTranslated = 10_000;
    private const ulong HostFault = 15_000;             // 5 us: the signal, and the mapping
    private const ulong PageMapped = 150;
    private const ulong Revalidation = 600;
    private const ulong ViewEviction = 300_000;
    private const ulong CacheFlush = 3_000_000;

    /// <summary>All work that a machine has done so far.</summary>
    public static ulong Of(VirtualMachine machine)
    {
        ArgumentNullException.ThrowIfNull(machine);
        RunStatistics statistics = machine.Statistics;
        ulong work = (statistics.TotalTraps * Trap)
            + (statistics.CountOfTrap(Vector.PageFault) * PageFault)
            + (statistics.CountOf(ExitReason.Cancelled) * StringPause)
            + ((machine.ExitsHandled - statistics.LatchAccesses) * PortOrMemoryExit)
            + (machine.DiskSectorsRead * DiskRead)
            + (machine.DiskBytesWritten / 512 * DiskWrite)
            + (machine.DiskFlushes * DiskFlush)
            + (machine.HypercallUnits * HypercallUnit)
            + (machine.Vcpu.BlocksDecoded * BlockDecoded);
        return work + (machine.Vcpu.Translation is { } translation ? OfTranslator(machine, translation) : machine.InstructionsRetired * InterpretedAlone);
    }

    private static ulong OfTranslator(VirtualMachine machine, TranslationStatistics translation) =>
        translation.HostInstructions
        + ((machine.InstructionsRetired - translation.HostInstructions) * Interpreted)
        + (machine.Statistics.LatchAccesses * Latch)
        + (translation.CallOuts * CallOut)
        + (translation.Lookups * Lookup)
        + (translation.Links * Link)
        + (translation.FloatingPointLoads * FloatingPointLoad)
        + (translation.BlocksTranslated * BlockTranslated)
        + (translation.HostFaults * HostFault)
        + (translation.PagesMapped * PageMapped)
        + (translation.Revalidations * Revalidation)
        + (translation.ViewEvictions * ViewEviction)
        + (translation.CacheFlushes * CacheFlush);
}
