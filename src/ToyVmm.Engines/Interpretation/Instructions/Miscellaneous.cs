using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>XLAT and BOUND, which have no brothers.</summary>
internal static unsafe class Miscellaneous
{
    /// <summary>The handler of BOUND.</summary>
    public static Handler Bound(in Instruction x) => Width.Of(x) == 2 ? &Bound<ushort> : &Bound<uint>;

    /// <summary>XLAT: AL = [(E)BX + AL], the sum modulo the address size.</summary>
    public static nint Translate(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        uint offset = s->Ebx + (byte)s->Eax;
        byte* source = cpu.BeginSegmentRead(i->Segment, (i->Flags & InstructionFlags.Address32) != 0 ? offset : (ushort)offset, 1);
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        *(byte*)&s->Eax = *source;
        return Flow.Next(s, i, cpu);
    }

    // Signed bounds, both inclusive: #BR when the register lies outside (SDM 2A, BOUND).
    private static nint Bound<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* source = Segmented.Read(s, i, cpu, sizeof(T));
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        int lower = (int)Operand.SignExtend<T>(Operand.Load<T>(source));
        uint offset = Segmented.Effective(s, i) + (uint)sizeof(T);
        source = cpu.BeginSegmentRead(i->Segment, (i->Flags & InstructionFlags.Address32) != 0 ? offset : (ushort)offset, sizeof(T));
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        int upper = (int)Operand.SignExtend<T>(Operand.Load<T>(source));
        int index = (int)Operand.SignExtend<T>(Operand.Register<T>(s, i->Destination));
        return index < lower || index > upper ? Flow.Raise(i, cpu, Vector.BoundRange) : Flow.Next(s, i, cpu);
    }
}
