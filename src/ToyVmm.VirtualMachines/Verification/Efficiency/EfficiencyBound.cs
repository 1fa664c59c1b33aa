using ToyVmm.Engines;

namespace ToyVmm.VirtualMachines.Verification.Efficiency;

/// <summary>
/// The bound of the efficiency property: how often the VMM may take part in the run of an innocuous program, by what the program touches and not by how
/// long it runs.
/// </summary>
/// <remarks>
/// A block is looked up when it is first reached and linked from each of its two exits; it may be translated again to suit what it met. While its
/// neighbours are still interpreted, a block with x87 or SSE instructions finds that the host does not hold the guest's registers: up to four times in all
/// programs that were looked at. A page costs a hidden fault for reading and one for writing. The rest is the prologue of the runtime, which is not innocuous:
/// it loads tables, selectors and control registers.
/// </remarks>
public static class EfficiencyBound
{
    /// <summary>Exits for each distinct block.</summary>
    public const int PerBlock = 8;

    /// <summary>Exits for each distinct page.</summary>
    public const int PerPage = 2;

    /// <summary>Exits for everything else.</summary>
    public const int Constant = 100;

    /// <summary>Interpreted instructions for each distinct instruction, beside the hotness: its block may be shorter or longer than the counted one.</summary>
    public const int InterpretedMargin = 4;

    /// <summary>Interpreted instructions for everything else: the runtime's.</summary>
    public const int InterpretedConstant = 2_000;

    /// <summary>Times that emitted code was left for the VMM, the ends of the VMM's own time slices aside.</summary>
    public static ulong Interventions(TranslationStatistics statistics)
    {
        ArgumentNullException.ThrowIfNull(statistics);
        return statistics.Lookups + statistics.Links + statistics.CallOuts + statistics.FloatingPointLoads + statistics.HostFaults;
    }

    /// <summary>The most interventions.</summary>
    public static ulong MostInterventions(int blocks, int pages) => (ulong)((PerBlock * blocks) + (PerPage * pages) + Constant);

    /// <summary>The most instructions that the interpreter runs.</summary>
    public static ulong MostInterpreted(int instructions, int hotness) => (ulong)((instructions * (hotness + InterpretedMargin)) + InterpretedConstant);
}
