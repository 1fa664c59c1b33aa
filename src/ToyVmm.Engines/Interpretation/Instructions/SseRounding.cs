using System.Runtime.Intrinsics;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation.FloatingPoint;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>ROUNDPS ROUNDPD ROUNDSS ROUNDSD: to an integer in the same format (SSE4.1, SDM 2B table 4-18).</summary>
internal static unsafe class SseRounding
{
    private const uint ModeFromControl = 1 << 2;
    private const uint SuppressPrecision = 1 << 3;

    /// <summary>ROUNDPS, ROUNDPD.</summary>
    public static nint Packed<TFormat>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TFormat : struct, ISseFormat
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        if (!VectorUnit.TrySource(s, i, cpu, out Vector128<byte> value))
        {
            return Flow.StopHere(i, cpu);
        }

        SseEnvironment env = new(s->Mxcsr);
        for (int n = 0; n < 16 / TFormat.Size; n++)
        {
            TFormat.Set(&value, n, Round<TFormat>(TFormat.Get(&value, n), i->Immediate, ref env));
        }

        if (!SseInstructions.TryReport(s, env))
        {
            return SseInstructions.Refuse(s, i, cpu);
        }

        *VectorUnit.Xmm(s, i->Destination) = value;
        return Flow.Next(s, i, cpu);
    }

    /// <summary>ROUNDSS, ROUNDSD: the other lanes stay.</summary>
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

        SseEnvironment env = new(s->Mxcsr);
        ulong result = Round<TFormat>(TFormat.Get(source, 0), i->Immediate, ref env);
        if (!SseInstructions.TryReport(s, env))
        {
            return SseInstructions.Refuse(s, i, cpu);
        }

        TFormat.Set(VectorUnit.Xmm(s, i->Destination), 0, result);
        return Flow.Next(s, i, cpu);
    }

    /// <summary>Rounds one number. A denormal operand is no exception, only inexact.</summary>
    /// <param name="a">The number.</param>
    /// <param name="control">The immediate: bits 0-1 the rounding mode, unless bit 2 says MXCSR's; bit 3 suppresses the inexact exception.</param>
    /// <param name="env">The environment.</param>
    public static ulong Round<TFormat>(ulong a, uint control, ref SseEnvironment env)
        where TFormat : struct, ISseFormat
    {
        a = SseFloat<TFormat>.Operand(a, env);
        if (SseFloat<TFormat>.IsNaNResult(a, a, ref env, out ulong nan))
        {
            return nan;
        }

        if (SseFloat<TFormat>.IsZero(a) || SseFloat<TFormat>.IsInfinity(a))
        {
            return a;
        }

        Unpacked80 x = SseFloat<TFormat>.Unpack(a);
        int power = x.Exponent - SseFloat<TFormat>.Bias;
        if (power >= TFormat.FractionBits)
        {
            return a;
        }

        RoundingMode mode = (control & ModeFromControl) != 0 ? env.Rounding : (RoundingMode)(control & 3);
        ulong integer = x.Significand;
        ulong rest = 0;
        Rounding80.ShiftRightSticky(ref integer, ref rest, 63 - power);
        _ = Rounding80.RoundSignificand(x.Sign, ref integer, rest, 64, mode, out bool inexact, out _);
        env.Raise(inexact && (control & SuppressPrecision) == 0 ? FloatException.Precision : 0);
        ulong sign = x.Sign ? SseFloat<TFormat>.SignBit : 0;
        if (integer == 0)
        {
            return sign;
        }

        int shift = System.Numerics.BitOperations.LeadingZeroCount(integer);
        ulong fraction = ((integer << shift) & long.MaxValue) >> (63 - TFormat.FractionBits);
        return sign | ((ulong)(SseFloat<TFormat>.Bias + 63 - shift) << TFormat.FractionBits) | fraction;
    }
}
