using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>Instructions on single flags: CLC STC CMC CLD STD LAHF SAHF SALC.</summary>
internal static unsafe class FlagBits
{
    private const uint InAh = Eflags.SF | Eflags.ZF | Eflags.AF | Eflags.PF | Eflags.CF;

    /// <summary>CLC.</summary>
    public static nint ClearCarry(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        FlagSetters.Carry(s, false);
        return Flow.Next(s, i, cpu);
    }

    /// <summary>STC.</summary>
    public static nint SetCarry(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        FlagSetters.Carry(s, true);
        return Flow.Next(s, i, cpu);
    }

    /// <summary>CMC.</summary>
    public static nint ComplementCarry(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        FlagSetters.Carry(s, !LazyFlags.Carry(s));
        return Flow.Next(s, i, cpu);
    }

    /// <summary>CLD.</summary>
    public static nint ClearDirection(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        s->OtherFlags &= ~Eflags.DF;
        return Flow.Next(s, i, cpu);
    }

    /// <summary>STD.</summary>
    public static nint SetDirection(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        s->OtherFlags |= Eflags.DF;
        return Flow.Next(s, i, cpu);
    }

    /// <summary>LAHF.</summary>
    public static nint LoadAh(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        ((byte*)&s->Eax)[1] = (byte)((LazyFlags.Get(s) & InAh) | Eflags.Fixed);
        return Flow.Next(s, i, cpu);
    }

    /// <summary>SAHF: OF stays.</summary>
    public static nint StoreAh(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        uint overflow = LazyFlags.Overflow(s) ? Eflags.OF : 0;
        LazyFlags.Set(s, ((s->Eax >> 8) & InAh) | overflow);
        return Flow.Next(s, i, cpu);
    }

    /// <summary>SALC (D6, in every processor and in no old manual): AL = CF ? FF : 0.</summary>
    public static nint SetAlFromCarry(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        *(byte*)&s->Eax = (byte)((int)s->FlagsCarries >> 31);
        return Flow.Next(s, i, cpu);
    }
}
