using System.Globalization;
using ToyVmm.Engines.Decoding;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Verification.Programs;

namespace ToyVmm.VirtualMachines.Verification.Equivalence;

/// <summary>Where two engine settings part on a program, found by bisection on machines of their own.</summary>
/// <param name="Instruction">The first instruction count at which they differ.</param>
/// <param name="Text">That instruction, and the fields that differ.</param>
public sealed record FirstDivergence(ulong Instruction, string Text)
{
    /// <summary>Looks for it.</summary>
    /// <param name="image">The program.</param>
    /// <param name="reference">One engine.</param>
    /// <param name="other">The other.</param>
    /// <param name="retired">Instructions behind which they differ.</param>
    /// <returns>Null where machines that have run nothing else do not differ.</returns>
    public static FirstDivergence? Find(ProgramImage image, EngineSetting reference, EngineSetting other, ulong retired)
    {
        ArgumentNullException.ThrowIfNull(image);
        if (Compare(image, reference, other, retired) is null)
        {
            return null;
        }

        // Equal behind `same` instructions, different behind `differs`.
        ulong same = 0;
        ulong differs = retired;
        while (differs - same > 1)
        {
            ulong middle = same + ((differs - same) / 2);
            if (Compare(image, reference, other, middle) is null)
            {
                same = middle;
            }
            else
            {
                differs = middle;
            }
        }

        using VirtualMachine before = At(image, reference, same);
        DisassembledInstruction next = new Disassembler().DisassembleNext(before.Vcpu, stackalloc byte[Disassembler.MaxInstructionLength]);
        string where = string.Create(
            CultureInfo.InvariantCulture, $"instruction {differs}, at {before.Cpu.Cs.Selector:x4}:{before.Cpu.Eip:x8}: {next.Text}\n");
        return new FirstDivergence(differs, where + Compare(image, reference, other, differs));
    }

    private static VirtualMachine At(ProgramImage image, EngineSetting setting, ulong instructions)
    {
        VirtualMachine machine = ProgramMachine.Create(image.Bytes, setting);
        ulong step = setting.Slice == 0 ? instructions : setting.Slice;
        StopReason? stop = null;
        while (machine.InstructionsRetired < instructions && (stop is null || stop.Kind == StopKind.InstructionLimit))
        {
            stop = machine.Run(new RunLimits { MaxInstructions = Math.Min(step, instructions - machine.InstructionsRetired) });
        }

        return machine;
    }

    private static string? Compare(ProgramImage image, EngineSetting reference, EngineSetting other, ulong instructions)
    {
        using VirtualMachine first = At(image, reference, instructions);
        using VirtualMachine second = At(image, other, instructions);
        string? cpus = StateDifference.OfCpus(first.Vcpu, second.Vcpu);
        string? memories = StateDifference.OfMemories(first.Machine.Memory, second.Machine.Memory);
        bool sameTlb = StateHash.OfTlb(first.Vcpu.Mmu.Tlb, ProgramLayout.MappedEnd) == StateHash.OfTlb(second.Vcpu.Mmu.Tlb, ProgramLayout.MappedEnd);
        string? tlbs = sameTlb ? null : StateDifference.OfTlbs(first.Vcpu.Mmu.Tlb, second.Vcpu.Mmu.Tlb);
        return cpus is null && memories is null && tlbs is null ? null : cpus + memories + tlbs;
    }
}
