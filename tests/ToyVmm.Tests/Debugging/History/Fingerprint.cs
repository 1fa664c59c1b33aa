using ToyVmm.Hardware.State;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Verification.Programs;

namespace ToyVmm.Tests.Debugging.History;

/// <summary>All of a machine that runs a random program, in a few numbers.</summary>
internal sealed record Fingerprint(ulong Cpu, ulong Memory, ulong Tlb, ulong Board, string Serial)
{
    public static Fingerprint Of(VirtualMachine vm)
    {
        StateTransfer board = StateTransfer.ForSaving();
        board.Section("machine"u8, 1, vm.Machine);
        return new Fingerprint(
            StateHash.OfCpu(vm.Vcpu), StateHash.OfMemory(vm.Machine.Memory), StateHash.OfTlb(vm.Vcpu.Mmu.Tlb, ProgramLayout.MappedEnd), StateHash.Of(board.Saved), vm.SerialOutput);
    }

    public string DifferenceFrom(Fingerprint other) => Cpu != other.Cpu ? "the CPU" : Memory != other.Memory ? "memory" : Tlb != other.Tlb ? "the TLB" : Board != other.Board ? "chips" : "serial output";
}
