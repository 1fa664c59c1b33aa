using ToyVmm.Hardware.State;
using ToyVmm.VirtualMachines.Comparing;

namespace ToyVmm.VirtualMachines.Replay;

/// <summary>
/// Hashes of a stopped machine's parts. Machines that went the same way have the same ones, whatever engine ran them, however the runs were cut, and
/// whatever waits in their input queues.
/// </summary>
/// <param name="Cpu">Registers (<see cref="StateHash.OfCpu"/>).</param>
/// <param name="Devices">Chips, clock and timers, the clock page, what was written to the drives, the run loop.</param>
/// <param name="Memory">RAM, which costs most; null where it was not hashed.</param>
public readonly record struct MachineFingerprint(ulong Cpu, ulong Devices, ulong? Memory)
{
    /// <summary>Looks at a machine.</summary>
    /// <param name="vm">The machine, not running.</param>
    /// <param name="withMemory">Whether RAM is hashed too: 64 MiB take some 5 ms, the rest some 50 us.</param>
    public static MachineFingerprint Of(VirtualMachine vm, bool withMemory)
    {
        ArgumentNullException.ThrowIfNull(vm);
        StateTransfer devices = StateTransfer.ForSaving();
        vm.TransferDeterministic(devices);
        return new MachineFingerprint(StateHash.OfCpu(vm.Vcpu), StateHash.Of(devices.Saved), withMemory ? StateHash.OfMemory(vm.Machine.Memory) : null);
    }

    /// <summary>Says which parts differ; null where none does. RAM counts where both have it.</summary>
    /// <param name="other">The other machine's.</param>
    public string? Differs(MachineFingerprint other)
    {
        List<string> parts = [];
        if (Cpu != other.Cpu)
        {
            parts.Add("the CPU");
        }

        if (Devices != other.Devices)
        {
            parts.Add("the devices");
        }

        if (Memory is { } own && other.Memory is { } others && own != others)
        {
            parts.Add("memory");
        }

        return parts.Count == 0 ? null : string.Join(", ", parts);
    }
}
