using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using ToyVmm.Engines.Interpretation.FloatingPoint;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>An operation of destination and source on one lane.</summary>
internal interface ISseOperation
{
    /// <summary>The destination's new value.</summary>
    static abstract ulong Apply<TFormat>(ulong a, ulong b, ref SseEnvironment env)
        where TFormat : struct, ISseFormat;
}

/// <summary>ADDPS ADDPD ADDSS ADDSD.</summary>
internal readonly struct SseAdd : ISseOperation
{
    public static ulong Apply<TFormat>(ulong a, ulong b, ref SseEnvironment env)
        where TFormat : struct, ISseFormat
    {
        if (env.IsPlain && SseFloat<TFormat>.IsOrdinary(a) && SseFloat<TFormat>.IsOrdinary(b))
        {
            ulong sum = TFormat.Add(a, b);
            if (SseFloat<TFormat>.IsOrdinary(sum))
            {
                // The smallest normal number is exact here: sums of normal numbers are multiples of the last place.
                return sum;
            }
        }

        return SseArithmetic<TFormat>.Add(a, b, 0, ref env);
    }
}

/// <summary>SUBPS SUBPD SUBSS SUBSD.</summary>
internal readonly struct SseSubtract : ISseOperation
{
    public static ulong Apply<TFormat>(ulong a, ulong b, ref SseEnvironment env)
        where TFormat : struct, ISseFormat
    {
        if (env.IsPlain && SseFloat<TFormat>.IsOrdinary(a) && SseFloat<TFormat>.IsOrdinary(b))
        {
            ulong difference = TFormat.Subtract(a, b);
            if (SseFloat<TFormat>.IsOrdinary(difference))
            {
                return difference;
            }
        }

        return SseArithmetic<TFormat>.Add(a, b, SseFloat<TFormat>.SignBit, ref env);
    }
}

/// <summary>MULPS MULPD MULSS MULSD.</summary>
internal readonly struct SseMultiply : ISseOperation
{
    public static ulong Apply<TFormat>(ulong a, ulong b, ref SseEnvironment env)
        where TFormat : struct, ISseFormat
    {
        if (env.IsPlain && SseFloat<TFormat>.IsOrdinary(a) && SseFloat<TFormat>.IsOrdinary(b))
        {
            ulong product = TFormat.Multiply(a, b);
            if (SseArithmetic<TFormat>.IsClearOfEdges(product) || SseFloat<TFormat>.IsZero(a) || SseFloat<TFormat>.IsZero(b))
            {
                return product;
            }
        }

        return SseArithmetic<TFormat>.Multiply(a, b, ref env);
    }
}

/// <summary>DIVPS DIVPD DIVSS DIVSD.</summary>
internal readonly struct SseDivide : ISseOperation
{
    public static ulong Apply<TFormat>(ulong a, ulong b, ref SseEnvironment env)
        where TFormat : struct, ISseFormat
    {
        if (env.IsPlain && SseFloat<TFormat>.IsOrdinary(a) && SseFloat<TFormat>.IsNormal(b))
        {
            ulong quotient = TFormat.Divide(a, b);
            if (SseArithmetic<TFormat>.IsClearOfEdges(quotient) || SseFloat<TFormat>.IsZero(a))
            {
                return quotient;
            }
        }

        return SseArithmetic<TFormat>.Divide(a, b, ref env);
    }
}

/// <summary>SQRTPS SQRTPD SQRTSS SQRTSD: of the source.</summary>
internal readonly struct SseSquareRoot : ISseOperation
{
    public static ulong Apply<TFormat>(ulong a, ulong b, ref SseEnvironment env)
        where TFormat : struct, ISseFormat
        => env.IsPlain && SseFloat<TFormat>.IsNormal(b) && !SseFloat<TFormat>.Sign(b)
            ? TFormat.SquareRoot(b)
            : SseArithmetic<TFormat>.SquareRoot(b, ref env);
}

/// <summary>MAXPS MAXPD MAXSS MAXSD: where the operands do not differ, or one is a NaN, the source as it is (SDM 2A, MAXPS).</summary>
internal readonly struct SseMaximum : ISseOperation
{
    public static ulong Apply<TFormat>(ulong a, ulong b, ref SseEnvironment env)
        where TFormat : struct, ISseFormat
        => SseComparison.Compare<TFormat>(ref a, ref b, isQuiet: false, ref env) == SseOrder.Greater ? a : b;
}

/// <summary>MINPS MINPD MINSS MINSD, likewise.</summary>
internal readonly struct SseMinimum : ISseOperation
{
    public static ulong Apply<TFormat>(ulong a, ulong b, ref SseEnvironment env)
        where TFormat : struct, ISseFormat
        => SseComparison.Compare<TFormat>(ref a, ref b, isQuiet: false, ref env) == SseOrder.Less ? a : b;
}

/// <summary>
/// RCPPS RCPSS where the host has no such instruction: 1/x rounded to 12 bits, which is inside the bound of 1.5 * 2^-12 that every processor reaches with a table of its own. Denormal
/// operands and results are zeros; there are no exceptions, and MXCSR does not matter (SDM 2B, RCPPS).
/// </summary>
internal readonly struct SseReciprocal : ISseApproximation
{
    /// <summary>How many bits of the fraction are not there.</summary>
    private const int MissingBits = 12;

    public static Vector128<float> OnHost(Vector128<float> value) => Sse.Reciprocal(value);

    public static ulong Apply<TFormat>(ulong a, ulong b, ref SseEnvironment env)
        where TFormat : struct, ISseFormat
    {
        if (SseFloat<TFormat>.IsNaN(b))
        {
            return b | SseFloat<TFormat>.QuietBit;
        }

        ulong sign = b & SseFloat<TFormat>.SignBit;
        if (SseFloat<TFormat>.IsInfinity(b))
        {
            return sign;
        }

        if (!SseFloat<TFormat>.IsNormal(b))
        {
            return sign | SseFloat<TFormat>.Infinity;
        }

        ulong quotient = Shorten(SseSingle.Divide(0x3F80_0000, b));
        return SseFloat<TFormat>.IsNormal(quotient) ? quotient : sign;
    }

    /// <summary>Rounds a single to 12 bits of significand; ties away from zero.</summary>
    public static ulong Shorten(ulong single) => (single + (1ul << (MissingBits - 1))) & ~((1ul << MissingBits) - 1);
}

/// <summary>RSQRTPS RSQRTSS: 1 over the square root, likewise.</summary>
internal readonly struct SseReciprocalSquareRoot : ISseApproximation
{
    public static Vector128<float> OnHost(Vector128<float> value) => Sse.ReciprocalSqrt(value);

    public static ulong Apply<TFormat>(ulong a, ulong b, ref SseEnvironment env)
        where TFormat : struct, ISseFormat
    {
        if (SseFloat<TFormat>.IsNaN(b))
        {
            return b | SseFloat<TFormat>.QuietBit;
        }

        if (SseFloat<TFormat>.IsZero(b) || SseFloat<TFormat>.IsDenormal(b))
        {
            return (b & SseFloat<TFormat>.SignBit) | SseFloat<TFormat>.Infinity;
        }

        if (SseFloat<TFormat>.Sign(b))
        {
            return SseFloat<TFormat>.Indefinite;
        }

        return SseFloat<TFormat>.IsInfinity(b) ? 0 : SseReciprocal.Shorten(SseSingle.Divide(0x3F80_0000, SseSingle.SquareRoot(b)));
    }
}
