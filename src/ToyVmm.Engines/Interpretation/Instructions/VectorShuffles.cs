using System.Runtime.Intrinsics;
using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>A shuffle that an immediate byte controls.</summary>
internal interface IVectorShuffle
{
    /// <summary>The destination's new value.</summary>
    static abstract Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s, uint control);
}

/// <summary>PSHUFD: four double-words of the source.</summary>
internal readonly struct ShuffleDoubles : IVectorShuffle
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s, uint control)
    {
        Vector128<uint> from = s.AsUInt32();
        return Vector128.Create(from[(int)control & 3], from[(int)(control >> 2) & 3], from[(int)(control >> 4) & 3], from[(int)(control >> 6) & 3]).AsByte();
    }
}

/// <summary>SHUFPS: two singles of the destination, two of the source.</summary>
internal readonly struct ShuffleSingles : IVectorShuffle
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s, uint control)
    {
        Vector128<uint> low = d.AsUInt32();
        Vector128<uint> high = s.AsUInt32();
        return Vector128.Create(low[(int)control & 3], low[(int)(control >> 2) & 3], high[(int)(control >> 4) & 3], high[(int)(control >> 6) & 3]).AsByte();
    }
}

/// <summary>SHUFPD: one double of each.</summary>
internal readonly struct ShuffleDoublePrecision : IVectorShuffle
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s, uint control) =>
        Vector128.Create(d.AsUInt64()[(int)control & 1], s.AsUInt64()[(int)(control >> 1) & 1]).AsByte();
}

/// <summary>PSHUFLW, and PSHUFW on MMX registers: the four low words.</summary>
internal readonly struct ShuffleLowWords : IVectorShuffle
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s, uint control) =>
        Vector128.Create(Words(s.AsUInt64()[0], control), s.AsUInt64()[1]).AsByte();

    /// <summary>Four words.</summary>
    public static ulong Words(ulong from, uint control)
    {
        ulong result = 0;
        for (int n = 0; n < 4; n++)
        {
            ulong word = (from >> (16 * (int)((control >> (2 * n)) & 3))) & 0xFFFF;
            result |= word << (16 * n);
        }

        return result;
    }
}

/// <summary>PSHUFHW: the four high words.</summary>
internal readonly struct ShuffleHighWords : IVectorShuffle
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s, uint control) =>
        Vector128.Create(s.AsUInt64()[0], ShuffleLowWords.Words(s.AsUInt64()[1], control)).AsByte();
}

/// <summary>PSHUFW PSHUFD PSHUFLW PSHUFHW SHUFPS SHUFPD, PEXTRW PINSRW, PMOVMSKB MOVMSKPS MOVMSKPD.</summary>
internal static unsafe class VectorShuffles
{
    /// <summary>The handler of PEXTRW with a register as its destination.</summary>
    public static Handler Extract(in Instruction x) => x.Op1Register.IsMM() ? &ExtractMmx : &ExtractXmm;

    /// <summary>The handler of PINSRW.</summary>
    public static Handler Insert(in Instruction x) => x.Op0Register.IsMM() ? &InsertMmx : &InsertXmm;

    /// <summary>The handler of PMOVMSKB.</summary>
    public static Handler ByteMask(in Instruction x) => x.Op1Register.IsMM() ? &ByteMaskMmx : &ByteMaskXmm;

    /// <summary>A shuffle of XMM registers.</summary>
    public static nint Shuffle<TShuffle>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TShuffle : struct, IVectorShuffle
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        if (!VectorUnit.TrySource(s, i, cpu, out Vector128<byte> source))
        {
            return Flow.StopHere(i, cpu);
        }

        Vector128<byte>* destination = VectorUnit.Xmm(s, i->Destination);
        *destination = TShuffle.Apply(*destination, source, i->Immediate);
        return Flow.Next(s, i, cpu);
    }

    /// <summary>A shuffle of MMX registers, as the low halves of XMM ones.</summary>
    public static nint ShuffleMmx<TShuffle>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TShuffle : struct, IVectorShuffle
    {
        if (!VectorUnit.IsMmxReady(s))
        {
            return VectorUnit.RefuseMmx(s, i, cpu);
        }

        if (!VectorUnit.TryMmxSource(s, i, cpu, out ulong source))
        {
            return Flow.StopHere(i, cpu);
        }

        Vector128<byte> destination = Vector128.CreateScalar(VectorUnit.Mmx(s, i->Destination)).AsByte();
        Vector128<byte> result = TShuffle.Apply(destination, Vector128.CreateScalar(source).AsByte(), i->Immediate);
        VectorUnit.EnterMmx(s);
        VectorUnit.SetMmx(s, i->Destination, result.AsUInt64().ToScalar());
        return Flow.Next(s, i, cpu);
    }

    /// <summary>MOVMSKPS.</summary>
    public static nint SingleMask(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        Operand.SetRegister<uint>(s, i->Destination, VectorUnit.Xmm(s, i->Source)->AsUInt32().ExtractMostSignificantBits());
        return Flow.Next(s, i, cpu);
    }

    /// <summary>MOVMSKPD.</summary>
    public static nint DoubleMask(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        Operand.SetRegister<uint>(s, i->Destination, VectorUnit.Xmm(s, i->Source)->AsUInt64().ExtractMostSignificantBits());
        return Flow.Next(s, i, cpu);
    }

    private static nint ByteMaskMmx(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsMmxReady(s))
        {
            return VectorUnit.RefuseMmx(s, i, cpu);
        }

        VectorUnit.EnterMmx(s);
        Operand.SetRegister<uint>(s, i->Destination, Vector64.CreateScalar(VectorUnit.Mmx(s, i->Source)).AsByte().ExtractMostSignificantBits());
        return Flow.Next(s, i, cpu);
    }

    private static nint ByteMaskXmm(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        Operand.SetRegister<uint>(s, i->Destination, VectorUnit.Xmm(s, i->Source)->ExtractMostSignificantBits());
        return Flow.Next(s, i, cpu);
    }

    private static nint ExtractMmx(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsMmxReady(s))
        {
            return VectorUnit.RefuseMmx(s, i, cpu);
        }

        VectorUnit.EnterMmx(s);
        Operand.SetRegister<uint>(s, i->Destination, (ushort)(VectorUnit.Mmx(s, i->Source) >> (16 * (int)(i->Immediate & 3))));
        return Flow.Next(s, i, cpu);
    }

    private static nint ExtractXmm(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        Operand.SetRegister<uint>(s, i->Destination, ((ushort*)VectorUnit.Xmm(s, i->Source))[i->Immediate & 7]);
        return Flow.Next(s, i, cpu);
    }

    private static nint InsertMmx(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsMmxReady(s))
        {
            return VectorUnit.RefuseMmx(s, i, cpu);
        }

        byte* source = WordSource(s, i, cpu);
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        ulong value = VectorUnit.Mmx(s, i->Destination);
        ((ushort*)&value)[i->Immediate & 3] = *(ushort*)source;
        VectorUnit.EnterMmx(s);
        VectorUnit.SetMmx(s, i->Destination, value);
        return Flow.Next(s, i, cpu);
    }

    private static nint InsertXmm(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        byte* source = WordSource(s, i, cpu);
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        ((ushort*)VectorUnit.Xmm(s, i->Destination))[i->Immediate & 7] = *(ushort*)source;
        return Flow.Next(s, i, cpu);
    }

    private static byte* WordSource(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        VectorUnit.IsMemory(i) ? VectorUnit.Read(s, i, cpu, sizeof(ushort)) : (byte*)s + i->Source;
}
