using ToyVmm.Engines;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Benchmarking;

/// <summary>What a run, or one operation, took: counts are exact, and the same from run to run of the same length.</summary>
/// <param name="Exits">Exits to the monitor, those because a slice of the run ended left out: no guest asks for them.</param>
/// <param name="Interventions">
/// Times that the VMM took part at all: call-outs to the interpreter, which most exits begin with, faults of the host in emitted code, and
/// interrupts that waited for the guest. Without the translator only exits are known.
/// </param>
/// <param name="Instructions">Guest instructions.</param>
internal sealed record KernelCounts(double Exits, double Interventions, double Instructions)
{
    /// <summary>Reads a machine's counters.</summary>
    public static KernelCounts Of(VirtualMachine vm)
    {
        IReadOnlyDictionary<ExitReason, ulong> exits = vm.Statistics.Exits;
        ulong slices = exits.GetValueOrDefault(ExitReason.BudgetSpent);
        ulong total = vm.Statistics.TotalExits - slices;
        double interventions = vm.Vcpu.Translation is { } translation
            ? translation.CallOuts + translation.HostFaults + (double)exits.GetValueOrDefault(ExitReason.InterruptWindow)
            : total;
        return new KernelCounts(total, interventions, vm.InstructionsRetired);
    }

    /// <summary>What one operation took: the difference of two runs, by the operations that one had more.</summary>
    public static KernelCounts PerOperation(KernelCounts shorter, KernelCounts longer, double operations) => new(
        (longer.Exits - shorter.Exits) / operations,
        (longer.Interventions - shorter.Interventions) / operations,
        (longer.Instructions - shorter.Instructions) / operations);
}
