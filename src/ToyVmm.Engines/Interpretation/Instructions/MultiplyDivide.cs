using System.Runtime.CompilerServices;
using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>A multiplication or division of the accumulator (AX, DX:AX, EDX:EAX) by one operand.</summary>
internal unsafe interface IAccumulatorOperation
{
    /// <summary>Sets the accumulator and the flags. False, with nothing changed, for #DE.</summary>
    static abstract bool Apply<T>(CpuState* s, uint operand)
        where T : unmanaged;
}

/// <summary>MUL, IMUL, DIV, IDIV (SDM 2A).</summary>
internal static unsafe class MultiplyDivide
{
    /// <summary>The handler of MUL, DIV, IDIV and the one-operand form of IMUL.</summary>
    public static Handler Accumulator<TOp>(in Instruction x, AddressForm form)
        where TOp : struct, IAccumulatorOperation
        => Width.Of(x) switch
        {
            1 => Accumulator<TOp, byte>(x, form),
            2 => Accumulator<TOp, ushort>(x, form),
            _ => Accumulator<TOp, uint>(x, form),
        };

    /// <summary>The handler of IMUL in its three forms.</summary>
    public static Handler SignedMultiply(in Instruction x, AddressForm form) => (x.OpCount, Width.Of(x)) switch
    {
        (1, _) => Accumulator<Imul>(x, form),
        (2, 2) => Truncating<ushort, SourceIsRegister>(x, form),
        (2, _) => Truncating<uint, SourceIsRegister>(x, form),
        (_, 2) => Truncating<ushort, SourceIsImmediate>(x, form),
        _ => Truncating<uint, SourceIsImmediate>(x, form),
    };

    private static Handler Accumulator<TOp, T>(in Instruction x, AddressForm form)
        where TOp : struct, IAccumulatorOperation
        where T : unmanaged
        => x.Op0Kind == OpKind.Register
            ? &AccumulatorRegister<TOp, T>
            : form switch
            {
                AddressForm.FlatBase => &AccumulatorMemory<TOp, T, FlatBase>,
                AddressForm.FlatIndexed => &AccumulatorMemory<TOp, T, FlatIndexed>,
                _ => &AccumulatorMemory<TOp, T, Segmented>,
            };

    private static Handler Truncating<T, TFactor>(in Instruction x, AddressForm form)
        where T : unmanaged
        where TFactor : struct, IFactor
        => x.Op1Kind == OpKind.Register
            ? &TruncatingRegister<T, TFactor>
            : form switch
            {
                AddressForm.FlatBase => &TruncatingMemory<T, TFactor, FlatBase>,
                AddressForm.FlatIndexed => &TruncatingMemory<T, TFactor, FlatIndexed>,
                _ => &TruncatingMemory<T, TFactor, Segmented>,
            };

    private static nint AccumulatorRegister<TOp, T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IAccumulatorOperation
        where T : unmanaged
        => TOp.Apply<T>(s, Operand.Register<T>(s, i->Destination))
            ? Flow.Next(s, i, cpu)
            : Flow.Raise(i, cpu, Vector.DivideError);

    private static nint AccumulatorMemory<TOp, T, TAddress>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IAccumulatorOperation
        where T : unmanaged
        where TAddress : struct, IAddress
    {
        byte* source = TAddress.Read(s, i, cpu, sizeof(T));
        if (source == null)
        {
            return TAddress.IsDirect ? AccumulatorMemory<TOp, T, Segmented>(s, i, cpu) : Flow.StopHere(i, cpu);
        }

        return TOp.Apply<T>(s, Operand.Load<T>(source))
            ? Flow.Next(s, i, cpu)
            : Flow.Raise(i, cpu, Vector.DivideError);
    }

    private static nint TruncatingRegister<T, TFactor>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        where TFactor : struct, IFactor
    {
        Multiply<T>(s, i, TFactor.Of<T>(s, i), Operand.Register<T>(s, i->Source));
        return Flow.Next(s, i, cpu);
    }

    private static nint TruncatingMemory<T, TFactor, TAddress>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        where TFactor : struct, IFactor
        where TAddress : struct, IAddress
    {
        byte* source = TAddress.Read(s, i, cpu, sizeof(T));
        if (source == null)
        {
            return TAddress.IsDirect ? TruncatingMemory<T, TFactor, Segmented>(s, i, cpu) : Flow.StopHere(i, cpu);
        }

        Multiply<T>(s, i, TFactor.Of<T>(s, i), Operand.Load<T>(source));
        return Flow.Next(s, i, cpu);
    }

    // CF and OF tell that the product did not fit; the other flags are undefined, and stay as on AMD.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Multiply<T>(CpuState* s, DecodedInstruction* i, uint a, uint b)
        where T : unmanaged
    {
        long product = (long)(int)Operand.SignExtend<T>(a) * (int)Operand.SignExtend<T>(b);
        bool lost = product != (int)Operand.SignExtend<T>((uint)product);
        FlagSetters.CarryAndOverflow(s, lost, lost);
        Operand.SetRegister<T>(s, i->Destination, (uint)product);
    }

    /// <summary>The factor beside the register or memory operand.</summary>
    private interface IFactor
    {
        static abstract uint Of<T>(CpuState* s, DecodedInstruction* i)
            where T : unmanaged;
    }

    private readonly struct SourceIsRegister : IFactor
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static uint Of<T>(CpuState* s, DecodedInstruction* i)
            where T : unmanaged
            => Operand.Register<T>(s, i->Destination);
    }

    private readonly struct SourceIsImmediate : IFactor
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static uint Of<T>(CpuState* s, DecodedInstruction* i)
            where T : unmanaged
            => i->Immediate;
    }
}

internal readonly unsafe struct Mul : IAccumulatorOperation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Apply<T>(CpuState* s, uint operand)
        where T : unmanaged
    {
        ulong product = (ulong)Accumulators.Low<T>(s) * operand;
        bool wide = product >> Operand.Bits<T>() != 0;
        FlagSetters.CarryAndOverflow(s, wide, wide);
        Accumulators.SetDouble<T>(s, product);
        return true;
    }
}

internal readonly unsafe struct Imul : IAccumulatorOperation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Apply<T>(CpuState* s, uint operand)
        where T : unmanaged
    {
        long product = (long)(int)Operand.SignExtend<T>(s->Eax) * (int)Operand.SignExtend<T>(operand);
        bool wide = product != (int)Operand.SignExtend<T>((uint)product);
        FlagSetters.CarryAndOverflow(s, wide, wide);
        Accumulators.SetDouble<T>(s, (ulong)product);
        return true;
    }
}

internal readonly unsafe struct Div : IAccumulatorOperation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Apply<T>(CpuState* s, uint operand)
        where T : unmanaged
    {
        ulong dividend = Accumulators.Double<T>(s);
        if (operand == 0)
        {
            return false;
        }

        ulong quotient = dividend / operand;
        if (quotient > Operand.Mask<T>())
        {
            return false;
        }

        Accumulators.SetQuotient<T>(s, (uint)quotient, (uint)(dividend - (quotient * operand)));
        return true;
    }
}

internal readonly unsafe struct Idiv : IAccumulatorOperation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Apply<T>(CpuState* s, uint operand)
        where T : unmanaged
    {
        long dividend = Accumulators.SignedDouble<T>(s);
        int divisor = (int)Operand.SignExtend<T>(operand);

        // The one quotient that does not fit 64 bits would be an exception of the host.
        if (divisor == 0 || (divisor == -1 && dividend == long.MinValue))
        {
            return false;
        }

        long quotient = dividend / divisor;
        if (quotient != (int)Operand.SignExtend<T>((uint)quotient))
        {
            return false;
        }

        Accumulators.SetQuotient<T>(s, (uint)quotient, (uint)(dividend - (quotient * divisor)));
        return true;
    }
}

/// <summary>AL, AX and EAX, and the pairs AH:AL, DX:AX and EDX:EAX.</summary>
internal static unsafe class Accumulators
{
    /// <summary>AL, AX or EAX.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Low<T>(CpuState* s)
        where T : unmanaged
        => s->Eax & Operand.Mask<T>();

    /// <summary>The pair, unsigned.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong Double<T>(CpuState* s)
        where T : unmanaged
        => sizeof(T) switch
        {
            1 => (ushort)s->Eax,
            2 => (s->Edx << 16) | (ushort)s->Eax,
            _ => ((ulong)s->Edx << 32) | s->Eax,
        };

    /// <summary>The pair, signed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long SignedDouble<T>(CpuState* s)
        where T : unmanaged
        => sizeof(T) switch
        {
            1 => (short)s->Eax,
            2 => (int)((s->Edx << 16) | (ushort)s->Eax),
            _ => (long)(((ulong)s->Edx << 32) | s->Eax),
        };

    /// <summary>Sets the pair.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetDouble<T>(CpuState* s, ulong value)
        where T : unmanaged
    {
        if (sizeof(T) == 1)
        {
            *(ushort*)&s->Eax = (ushort)value;
        }
        else
        {
            Operand.Store<T>((byte*)&s->Eax, (uint)value);
            Operand.Store<T>((byte*)&s->Edx, (uint)(value >> Operand.Bits<T>()));
        }
    }

    /// <summary>Quotient and remainder. All flags are undefined: on AMD CF and OF stay, PF, ZF and SF are 0, AF is 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetQuotient<T>(CpuState* s, uint quotient, uint remainder)
        where T : unmanaged
    {
        SetDouble<T>(s, (quotient & Operand.Mask<T>()) | ((ulong)remainder << Operand.Bits<T>()));
        s->FlagsResult = 1;
        s->FlagsCarries = (s->FlagsCarries & 0xC000_0000) | 8;
    }
}
