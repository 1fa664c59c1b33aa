using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>
/// The x87 opcodes D8-DF on a processor without x87. CR0.EM and CR0.TS make all of them #NM. Otherwise the four with which
/// software asks whether there is a coprocessor (Intel AP-485, "detecting a floating-point unit") behave as on a bus where
/// nobody answers - FNINIT and FNCLEX do nothing, FNSTSW and FNSTCW store all-ones - and the others are #UD.
/// </summary>
internal static unsafe class Coprocessor
{
    /// <summary>The handler of FNSTSW and FNSTCW.</summary>
    public static Handler StoreWord(in Instruction x) => x.Op0Kind == OpKind.Memory ? &StoreWordMemory : &StoreWordRegister;

    /// <summary>FNINIT, FNCLEX.</summary>
    public static nint Ignored(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        IsOff(s) ? Flow.Raise(i, cpu, Vector.DeviceNotAvailable) : Flow.Next(s, i, cpu);

    /// <summary>All the others.</summary>
    public static nint Absent(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        Flow.Raise(i, cpu, IsOff(s) ? Vector.DeviceNotAvailable : Vector.InvalidOpcode);

    private static nint StoreWordRegister(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (IsOff(s))
        {
            return Flow.Raise(i, cpu, Vector.DeviceNotAvailable);
        }

        Operand.SetRegister<ushort>(s, i->Destination, 0xFFFF);
        return Flow.Next(s, i, cpu);
    }

    private static nint StoreWordMemory(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (IsOff(s))
        {
            return Flow.Raise(i, cpu, Vector.DeviceNotAvailable);
        }

        byte* target = Segmented.Write(s, i, cpu, sizeof(ushort));
        if (target == null)
        {
            return Flow.StopHere(i, cpu);
        }

        Operand.Store<ushort>(target, 0xFFFF);
        return Flow.NextIf(cpu.CommitWrite(target), s, i, cpu);
    }

    private static bool IsOff(CpuState* s) => (s->Cr0 & (Cr0.EM | Cr0.TS)) != 0;
}
