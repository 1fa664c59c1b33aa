using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>MOVs with an MMX register: MOVD MOVQ MOVNTQ MASKMOVQ MOVQ2DQ MOVDQ2Q (SDM 1 9.4.1).</summary>
internal static unsafe class MmxMoves
{
    /// <summary>The handler of MOVD.</summary>
    public static Handler DoubleWord(in Instruction x) =>
        x.Op0Register.IsMM() ? x.Op1Kind == OpKind.Memory ? &LoadDouble : &FromGeneral
        : x.Op0Kind == OpKind.Memory ? &StoreDouble : &ToGeneral;

    /// <summary>The handler of MOVQ and MOVNTQ.</summary>
    public static Handler Quad(in Instruction x) => x.Op0Kind == OpKind.Memory ? &StoreQuad : &LoadQuad;

    /// <summary>MASKMOVQ.</summary>
    public static nint Masked(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsMmxReady(s))
        {
            return VectorUnit.RefuseMmx(s, i, cpu);
        }

        ulong value = VectorUnit.Mmx(s, i->Destination);
        ulong bits = VectorUnit.Mmx(s, i->Source);
        uint mask = 0;
        for (int n = 0; n < 8; n++)
        {
            mask |= (uint)((bits >> ((8 * n) + 7)) & 1) << n;
        }

        if (!VectorMoves.StoreMasked(s, i, cpu, (byte*)&value, mask, sizeof(ulong), out bool goOn))
        {
            return Flow.StopHere(i, cpu);
        }

        VectorUnit.EnterMmx(s);
        return Flow.NextIf(goOn, s, i, cpu);
    }

    /// <summary>MOVQ2DQ: to the low half of an XMM register; the rest is cleared.</summary>
    public static nint ToXmm(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsBothReady(s))
        {
            return VectorUnit.RefuseBoth(s, i, cpu);
        }

        VectorUnit.EnterMmx(s);
        s->XmmRegisters[2 * i->Destination] = VectorUnit.Mmx(s, i->Source);
        s->XmmRegisters[(2 * i->Destination) + 1] = 0;
        return Flow.Next(s, i, cpu);
    }

    /// <summary>MOVDQ2Q: from the low half of an XMM register.</summary>
    public static nint FromXmm(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        VectorUnit.IsBothReady(s) ? Set(s, i, cpu, s->XmmRegisters[2 * i->Source]) : VectorUnit.RefuseBoth(s, i, cpu);

    private static nint LoadDouble(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsMmxReady(s))
        {
            return VectorUnit.RefuseMmx(s, i, cpu);
        }

        byte* source = VectorUnit.Read(s, i, cpu, sizeof(uint));
        return source != null ? Set(s, i, cpu, *(uint*)source) : Flow.StopHere(i, cpu);
    }

    private static nint LoadQuad(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsMmxReady(s))
        {
            return VectorUnit.RefuseMmx(s, i, cpu);
        }

        return VectorUnit.TryMmxSource(s, i, cpu, out ulong source) ? Set(s, i, cpu, source) : Flow.StopHere(i, cpu);
    }

    private static nint FromGeneral(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        VectorUnit.IsMmxReady(s) ? Set(s, i, cpu, Operand.Register<uint>(s, i->Source)) : VectorUnit.RefuseMmx(s, i, cpu);

    private static nint ToGeneral(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsMmxReady(s))
        {
            return VectorUnit.RefuseMmx(s, i, cpu);
        }

        VectorUnit.EnterMmx(s);
        Operand.SetRegister<uint>(s, i->Destination, (uint)VectorUnit.Mmx(s, i->Source));
        return Flow.Next(s, i, cpu);
    }

    private static nint StoreDouble(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Store(s, i, cpu, sizeof(uint));

    private static nint StoreQuad(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Store(s, i, cpu, sizeof(ulong));

    private static nint Store(CpuState* s, DecodedInstruction* i, Interpreter cpu, int size)
    {
        if (!VectorUnit.IsMmxReady(s))
        {
            return VectorUnit.RefuseMmx(s, i, cpu);
        }

        byte* target = cpu.BeginSegmentWrite(i->Segment, Segmented.Effective(s, i), size);
        if (target == null)
        {
            return Flow.StopHere(i, cpu);
        }

        new ReadOnlySpan<byte>(&s->FpuRegisters[2 * i->Destination], size).CopyTo(new Span<byte>(target, size));
        VectorUnit.EnterMmx(s);
        return Flow.NextIf(cpu.CommitWrite(target), s, i, cpu);
    }

    private static nint Set(CpuState* s, DecodedInstruction* i, Interpreter cpu, ulong value)
    {
        VectorUnit.EnterMmx(s);
        VectorUnit.SetMmx(s, i->Destination, value);
        return Flow.Next(s, i, cpu);
    }
}
