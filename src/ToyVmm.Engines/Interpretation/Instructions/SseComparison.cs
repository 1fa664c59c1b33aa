using System.Runtime.Intrinsics;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation.FloatingPoint;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>How two numbers compare.</summary>
internal enum SseOrder
{
    /// <summary>a &lt; b.</summary>
    Less,

    /// <summary>a == b; zeros of both signs are.</summary>
    Equal,

    /// <summary>a > b.</summary>
    Greater,

    /// <summary>One is a NaN.</summary>
    Unordered,
}

/// <summary>CMPPS CMPPD CMPSS CMPSD with their eight predicates; COMISS COMISD UCOMISS UCOMISD, which set EFLAGS.</summary>
internal static unsafe class SseComparison
{
    private const uint PredicateMask = 7;
    private const uint PredicateNot = 4;

    /// <summary>Compares.</summary>
    /// <param name="a">One; DAZ may make it a zero.</param>
    /// <param name="b">The other; likewise.</param>
    /// <param name="isQuiet">True where only signalling NaNs are invalid.</param>
    /// <param name="env">The environment.</param>
    public static SseOrder Compare<TFormat>(ref ulong a, ref ulong b, bool isQuiet, ref SseEnvironment env)
        where TFormat : struct, ISseFormat
    {
        a = SseFloat<TFormat>.Operand(a, env);
        b = SseFloat<TFormat>.Operand(b, env);
        if (SseFloat<TFormat>.IsNaN(a) || SseFloat<TFormat>.IsNaN(b))
        {
            bool invalid = !isQuiet || SseFloat<TFormat>.IsSignaling(a) || SseFloat<TFormat>.IsSignaling(b);
            env.Raise(invalid ? FloatException.Invalid : 0);
            return SseOrder.Unordered;
        }

        SseFloat<TFormat>.NoteDenormal(a, b, ref env);
        long x = Key<TFormat>(a);
        long y = Key<TFormat>(b);
        return x < y ? SseOrder.Less : x > y ? SseOrder.Greater : SseOrder.Equal;
    }

    /// <summary>CMPPS, CMPPD.</summary>
    public static nint Packed<TFormat>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TFormat : struct, ISseFormat
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        if (!VectorUnit.TrySource(s, i, cpu, out Vector128<byte> source))
        {
            return Flow.StopHere(i, cpu);
        }

        Vector128<byte> value = *VectorUnit.Xmm(s, i->Destination);
        SseEnvironment env = new(s->Mxcsr);
        for (int n = 0; n < 16 / TFormat.Size; n++)
        {
            TFormat.Set(&value, n, Holds<TFormat>(TFormat.Get(&value, n), TFormat.Get(&source, n), i->Immediate, ref env));
        }

        if (!SseInstructions.TryReport(s, env))
        {
            return SseInstructions.Refuse(s, i, cpu);
        }

        *VectorUnit.Xmm(s, i->Destination) = value;
        return Flow.Next(s, i, cpu);
    }

    /// <summary>CMPSS, CMPSD.</summary>
    public static nint Scalar<TFormat>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TFormat : struct, ISseFormat
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        byte* source = VectorUnit.Source(s, i, cpu, TFormat.Size);
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        void* destination = VectorUnit.Xmm(s, i->Destination);
        SseEnvironment env = new(s->Mxcsr);
        ulong result = Holds<TFormat>(TFormat.Get(destination, 0), TFormat.Get(source, 0), i->Immediate, ref env);
        if (!SseInstructions.TryReport(s, env))
        {
            return SseInstructions.Refuse(s, i, cpu);
        }

        TFormat.Set(destination, 0, result);
        return Flow.Next(s, i, cpu);
    }

    /// <summary>COMISS, COMISD: a quiet NaN is invalid too.</summary>
    public static nint Flags<TFormat>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TFormat : struct, ISseFormat
        => SetFlags<TFormat>(s, i, cpu, isQuiet: false);

    /// <summary>UCOMISS, UCOMISD.</summary>
    public static nint UnorderedFlags<TFormat>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TFormat : struct, ISseFormat
        => SetFlags<TFormat>(s, i, cpu, isQuiet: true);

    private static nint SetFlags<TFormat>(CpuState* s, DecodedInstruction* i, Interpreter cpu, bool isQuiet)
        where TFormat : struct, ISseFormat
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        byte* source = VectorUnit.Source(s, i, cpu, TFormat.Size);
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        SseEnvironment env = new(s->Mxcsr);
        ulong a = TFormat.Get(VectorUnit.Xmm(s, i->Destination), 0);
        ulong b = TFormat.Get(source, 0);
        SseOrder order = Compare<TFormat>(ref a, ref b, isQuiet, ref env);
        if (!SseInstructions.TryReport(s, env))
        {
            return SseInstructions.Refuse(s, i, cpu);
        }

        // SDM 2A table 3-7 ff.: OF, SF and AF are cleared.
        LazyFlags.Set(s, order switch
        {
            SseOrder.Less => Eflags.CF,
            SseOrder.Equal => Eflags.ZF,
            SseOrder.Greater => 0,
            _ => Eflags.ZF | Eflags.PF | Eflags.CF,
        });
        return Flow.Next(s, i, cpu);
    }

    // All ones where the predicate holds: EQ LT LE UNORD, and with bit 2 their opposites (SDM 2A table 3-1). LT, LE and their opposites
    // take quiet NaNs as invalid.
    private static ulong Holds<TFormat>(ulong a, ulong b, uint predicate, ref SseEnvironment env)
        where TFormat : struct, ISseFormat
    {
        predicate &= PredicateMask;
        uint kind = predicate & ~PredicateNot;
        SseOrder order = Compare<TFormat>(ref a, ref b, isQuiet: kind is 0 or 3, ref env);
        bool holds = kind switch
        {
            0 => order == SseOrder.Equal,
            1 => order == SseOrder.Less,
            2 => order is SseOrder.Less or SseOrder.Equal,
            _ => order == SseOrder.Unordered,
        };
        return holds != ((predicate & PredicateNot) != 0) ? ulong.MaxValue : 0;
    }

    // Integers in the order of the numbers; both zeros are 0.
    private static long Key<TFormat>(ulong a)
        where TFormat : struct, ISseFormat
    {
        long magnitude = (long)SseFloat<TFormat>.Magnitude(a);
        return SseFloat<TFormat>.Sign(a) ? -magnitude : magnitude;
    }
}
