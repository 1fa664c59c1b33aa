using ToyVmm.Engines;

namespace ToyVmm.VirtualMachines.Scheduling;

/// <summary>
/// What a guest costs its host, counted: one unit is about the host time of one instruction, on the engine that runs it, and everything else has its worth in
/// instructions. The weights are measured once (docs/fleet.md), not at run time: the charge is a function of counts, and therefore the same every time.
/// </summary>
public static class WorkMeter
{
    /// <summary>Entering the machine for a slice and leaving it again.</summary>
    public const ulong Entry = 2_000;

    /// <summary>All work that a machine has done so far.</summary>
    public static unsafe ulong Of(VirtualMachine machine)
    {
        ArgumentNullException.ThrowIfNull(machine);
        ulong work = machine.InstructionsRetired;
        work += machine.Vcpu.Translation is { } translation
            ? Translated(machine, translation)
            : machine.ExitsHandled * 8;
        return work;
    }

    private static ulong Translated(VirtualMachine machine, TranslationStatistics translation)
    {
        ulong interpreted = machine.InstructionsRetired - translation.HostInstructions;
        return (interpreted * 15)
            + (machine.ExitsHandled * 60)
            + (translation.CallOuts * 300)
            + (translation.Lookups * 200)
            + (translation.Links * 1_000)
            + (translation.BlocksTranslated * 40_000)
            + (translation.HostFaults * 5_000)
            + (translation.PagesMapped * 100);
    }
}
