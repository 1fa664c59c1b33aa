using System.Runtime.Intrinsics;
using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>A shift of every lane by one count, of which all 64 bits matter.</summary>
internal interface IVectorShift
{
    /// <summary>The new value.</summary>
    static abstract Vector128<byte> Shift(Vector128<byte> value, ulong count);
}

/// <summary>PSLLW: from 16 on, zero.</summary>
internal readonly struct ShiftLeftWords : IVectorShift
{
    public static Vector128<byte> Shift(Vector128<byte> value, ulong count) => count < 16 ? (value.AsUInt16() << (int)count).AsByte() : default;
}

/// <summary>PSLLD.</summary>
internal readonly struct ShiftLeftDoubles : IVectorShift
{
    public static Vector128<byte> Shift(Vector128<byte> value, ulong count) => count < 32 ? (value.AsUInt32() << (int)count).AsByte() : default;
}

/// <summary>PSLLQ.</summary>
internal readonly struct ShiftLeftQuads : IVectorShift
{
    public static Vector128<byte> Shift(Vector128<byte> value, ulong count) => count < 64 ? (value.AsUInt64() << (int)count).AsByte() : default;
}

/// <summary>PSRLW.</summary>
internal readonly struct ShiftRightWords : IVectorShift
{
    public static Vector128<byte> Shift(Vector128<byte> value, ulong count) => count < 16 ? (value.AsUInt16() >>> (int)count).AsByte() : default;
}

/// <summary>PSRLD.</summary>
internal readonly struct ShiftRightDoubles : IVectorShift
{
    public static Vector128<byte> Shift(Vector128<byte> value, ulong count) => count < 32 ? (value.AsUInt32() >>> (int)count).AsByte() : default;
}

/// <summary>PSRLQ.</summary>
internal readonly struct ShiftRightQuads : IVectorShift
{
    public static Vector128<byte> Shift(Vector128<byte> value, ulong count) => count < 64 ? (value.AsUInt64() >>> (int)count).AsByte() : default;
}

/// <summary>PSRAW: from 15 on, the sign.</summary>
internal readonly struct ShiftArithmeticWords : IVectorShift
{
    public static Vector128<byte> Shift(Vector128<byte> value, ulong count) => (value.AsInt16() >> (int)Math.Min(count, 15)).AsByte();
}

/// <summary>PSRAD.</summary>
internal readonly struct ShiftArithmeticDoubles : IVectorShift
{
    public static Vector128<byte> Shift(Vector128<byte> value, ulong count) => (value.AsInt32() >> (int)Math.Min(count, 31)).AsByte();
}

/// <summary>PSLLDQ: by bytes.</summary>
internal readonly struct ShiftLeftBytes : IVectorShift
{
    public static Vector128<byte> Shift(Vector128<byte> value, ulong count)
    {
        UInt128 bits = new(value.AsUInt64()[1], value.AsUInt64()[0]);
        bits = count < 16 ? bits << (8 * (int)count) : 0;
        return Vector128.Create((ulong)bits, (ulong)(bits >> 64)).AsByte();
    }
}

/// <summary>PSRLDQ.</summary>
internal readonly struct ShiftRightBytes : IVectorShift
{
    public static Vector128<byte> Shift(Vector128<byte> value, ulong count)
    {
        UInt128 bits = new(value.AsUInt64()[1], value.AsUInt64()[0]);
        bits = count < 16 ? bits >> (8 * (int)count) : 0;
        return Vector128.Create((ulong)bits, (ulong)(bits >> 64)).AsByte();
    }
}

/// <summary>PSLL PSRL PSRA, and PSLLDQ PSRLDQ: by an immediate, or by the low 64 bits of a register or memory.</summary>
internal static unsafe class VectorShifts
{
    /// <summary>The handler.</summary>
    public static Handler Select<TShift>(in Instruction x)
        where TShift : struct, IVectorShift
    {
        bool immediate = x.Op1Kind == OpKind.Immediate8;
        return x.Op0Register.IsMM()
            ? immediate ? &MmxByImmediate<TShift> : &Mmx<TShift>
            : immediate ? &XmmByImmediate<TShift> : &Xmm<TShift>;
    }

    private static nint MmxByImmediate<TShift>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TShift : struct, IVectorShift
        => VectorUnit.IsMmxReady(s) ? FinishMmx<TShift>(s, i, cpu, (byte)i->Immediate) : VectorUnit.RefuseMmx(s, i, cpu);

    private static nint Mmx<TShift>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TShift : struct, IVectorShift
    {
        if (!VectorUnit.IsMmxReady(s))
        {
            return VectorUnit.RefuseMmx(s, i, cpu);
        }

        return VectorUnit.TryMmxSource(s, i, cpu, out ulong count) ? FinishMmx<TShift>(s, i, cpu, count) : Flow.StopHere(i, cpu);
    }

    private static nint FinishMmx<TShift>(CpuState* s, DecodedInstruction* i, Interpreter cpu, ulong count)
        where TShift : struct, IVectorShift
    {
        Vector128<byte> value = Vector128.CreateScalar(VectorUnit.Mmx(s, i->Destination)).AsByte();
        VectorUnit.EnterMmx(s);
        VectorUnit.SetMmx(s, i->Destination, TShift.Shift(value, count).AsUInt64().ToScalar());
        return Flow.Next(s, i, cpu);
    }

    private static nint XmmByImmediate<TShift>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TShift : struct, IVectorShift
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        Vector128<byte>* destination = VectorUnit.Xmm(s, i->Destination);
        *destination = TShift.Shift(*destination, (byte)i->Immediate);
        return Flow.Next(s, i, cpu);
    }

    private static nint Xmm<TShift>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TShift : struct, IVectorShift
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        if (!VectorUnit.TrySource(s, i, cpu, out Vector128<byte> count))
        {
            return Flow.StopHere(i, cpu);
        }

        Vector128<byte>* destination = VectorUnit.Xmm(s, i->Destination);
        *destination = TShift.Shift(*destination, count.AsUInt64().ToScalar());
        return Flow.Next(s, i, cpu);
    }
}
