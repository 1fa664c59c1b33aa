using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>CBW CWDE CWD CDQ: the accumulator's sign goes up. No flags.</summary>
internal static unsafe class Conversions
{
    /// <summary>CBW: AL to AX.</summary>
    public static nint ByteToWord(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        *(ushort*)&s->Eax = (ushort)(sbyte)s->Eax;
        return Flow.Next(s, i, cpu);
    }

    /// <summary>CWDE: AX to EAX.</summary>
    public static nint WordToDouble(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        s->Eax = (uint)(short)s->Eax;
        return Flow.Next(s, i, cpu);
    }

    /// <summary>CWD: AX to DX:AX.</summary>
    public static nint WordToPair(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        *(ushort*)&s->Edx = (ushort)((short)s->Eax >> 15);
        return Flow.Next(s, i, cpu);
    }

    /// <summary>CDQ: EAX to EDX:EAX.</summary>
    public static nint DoubleToPair(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        s->Edx = (uint)((int)s->Eax >> 31);
        return Flow.Next(s, i, cpu);
    }
}
