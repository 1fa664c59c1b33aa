using ToyVmm.Debugging.Strict;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Verification.Programs;
using Xunit;

namespace ToyVmm.Tests.Debugging.Strict;

/// <summary>Looking changes nothing.</summary>
public sealed class StrictPropertyTests
{
    [Fact]
    public void A_strict_run_ends_where_a_run_without_does()
    {
        for (ulong seed = 1; seed <= 60; seed++)
        {
            byte[] image = new ProgramImage(ProgramGenerator.Generate(seed)).Bytes;
            Assert.True(Run(image, null) == Run(image, new StrictChecker()), $"seed {seed}");
        }
    }

    private static (StopKind Kind, ulong Retired, ulong Cpu, ulong Memory, ulong Tlb) Run(byte[] image, StrictChecker? strict)
    {
        using VirtualMachine vm = ProgramMachine.Create(image, EngineSetting.Interpreter, strict);
        strict?.Attach(vm);
        StopReason stop = vm.Run(new RunLimits { MaxInstructions = RandomProgram.MostInstructions });
        _ = strict?.Findings;
        return (stop.Kind, vm.InstructionsRetired, StateHash.OfCpu(vm.Vcpu), StateHash.OfMemory(vm.Machine.Memory), StateHash.OfTlb(vm.Vcpu.Mmu.Tlb, ProgramLayout.MappedEnd));
    }
}
