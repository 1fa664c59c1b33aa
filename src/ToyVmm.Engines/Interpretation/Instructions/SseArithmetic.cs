using ToyVmm.Engines.Interpretation.FloatingPoint;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>
/// Addition, multiplication, division and square root of an SSE format in integer arithmetic: every rounding mode, every exception. The
/// exact result goes to <see cref="SseFloat{TFormat}.Round"/> with 128 bits, the last of which is sticky.
/// </summary>
internal static class SseArithmetic<TFormat>
    where TFormat : struct, ISseFormat
{
    /// <summary>A normal number other than the smallest one, up to which a tiny product may have been rounded.</summary>
    public static bool IsClearOfEdges(ulong a) => SseFloat<TFormat>.IsNormal(a) && SseFloat<TFormat>.Magnitude(a) != SseFloat<TFormat>.SmallestNormal;

    /// <summary>a + b, or a - b where the flip is the sign bit.</summary>
    public static ulong Add(ulong a, ulong b, ulong flip, ref SseEnvironment env)
    {
        a = SseFloat<TFormat>.Operand(a, env);
        b = SseFloat<TFormat>.Operand(b, env);
        if (SseFloat<TFormat>.IsNaNResult(a, b, ref env, out ulong result))
        {
            return result;
        }

        b ^= flip;
        if (SseFloat<TFormat>.IsInfinity(a) && SseFloat<TFormat>.IsInfinity(b) && a != b)
        {
            return SseFloat<TFormat>.Invalid(ref env);
        }

        SseFloat<TFormat>.NoteDenormal(a, b, ref env);
        if (SseFloat<TFormat>.IsInfinity(a))
        {
            return a;
        }

        if (SseFloat<TFormat>.IsInfinity(b))
        {
            return b;
        }

        if (SseFloat<TFormat>.IsZero(a) || SseFloat<TFormat>.IsZero(b))
        {
            return AddZero(a, b, ref env);
        }

        Unpacked80 x = SseFloat<TFormat>.Unpack(a);
        Unpacked80 y = SseFloat<TFormat>.Unpack(b);
        if (x.Exponent < y.Exponent || (x.Exponent == y.Exponent && x.Significand < y.Significand))
        {
            (x, y) = (y, x);
        }

        // One bit of room for the carry.
        UInt128 larger = new UInt128(x.Significand, 0) >> 1;
        ulong high = y.Significand;
        ulong low = 0;
        Rounding80.ShiftRightSticky(ref high, ref low, x.Exponent - y.Exponent + 1);
        UInt128 smaller = new(high, low);
        UInt128 sum = x.Sign == y.Sign ? larger + smaller : larger - smaller;
        if (sum == 0)
        {
            // Only rounding down makes it negative (IEEE 754 6.3).
            return env.Rounding == RoundingMode.Down ? SseFloat<TFormat>.SignBit : 0;
        }

        int shift = (int)UInt128.LeadingZeroCount(sum);
        sum <<= shift;
        return SseFloat<TFormat>.Round(x.Sign, x.Exponent + 1 - shift, (ulong)(sum >> 64), (ulong)sum, ref env);
    }

    /// <summary>a * b.</summary>
    public static ulong Multiply(ulong a, ulong b, ref SseEnvironment env)
    {
        a = SseFloat<TFormat>.Operand(a, env);
        b = SseFloat<TFormat>.Operand(b, env);
        if (SseFloat<TFormat>.IsNaNResult(a, b, ref env, out ulong result))
        {
            return result;
        }

        ulong sign = (a ^ b) & SseFloat<TFormat>.SignBit;
        bool infinite = SseFloat<TFormat>.IsInfinity(a) || SseFloat<TFormat>.IsInfinity(b);
        bool zero = SseFloat<TFormat>.IsZero(a) || SseFloat<TFormat>.IsZero(b);
        if (infinite && zero)
        {
            return SseFloat<TFormat>.Invalid(ref env);
        }

        SseFloat<TFormat>.NoteDenormal(a, b, ref env);
        if (infinite || zero)
        {
            return sign | (infinite ? SseFloat<TFormat>.Infinity : 0);
        }

        Unpacked80 x = SseFloat<TFormat>.Unpack(a);
        Unpacked80 y = SseFloat<TFormat>.Unpack(b);
        ulong high = Math.BigMul(x.Significand, y.Significand, out ulong low);
        int exponent = x.Exponent + y.Exponent - SseFloat<TFormat>.Bias + 1;
        if ((high & Float80.IntegerBit) == 0)
        {
            high = (high << 1) | (low >> 63);
            low <<= 1;
            exponent--;
        }

        return SseFloat<TFormat>.Round(sign != 0, exponent, high, low, ref env);
    }

    /// <summary>a / b.</summary>
    public static ulong Divide(ulong a, ulong b, ref SseEnvironment env)
    {
        a = SseFloat<TFormat>.Operand(a, env);
        b = SseFloat<TFormat>.Operand(b, env);
        if (SseFloat<TFormat>.IsNaNResult(a, b, ref env, out ulong result))
        {
            return result;
        }

        ulong sign = (a ^ b) & SseFloat<TFormat>.SignBit;
        bool isInfinite = SseFloat<TFormat>.IsInfinity(a);
        bool byInfinity = SseFloat<TFormat>.IsInfinity(b);
        bool byZero = SseFloat<TFormat>.IsZero(b);
        if ((isInfinite && byInfinity) || (SseFloat<TFormat>.IsZero(a) && byZero))
        {
            return SseFloat<TFormat>.Invalid(ref env);
        }

        if (byZero && !isInfinite)
        {
            // Before DE in the order of SDM 1 11.5.2: a denormal dividend is not noted.
            env.Raise(FloatException.DivideByZero);
            return sign | SseFloat<TFormat>.Infinity;
        }

        SseFloat<TFormat>.NoteDenormal(a, b, ref env);
        if (isInfinite || byInfinity || SseFloat<TFormat>.IsZero(a))
        {
            return sign | (isInfinite ? SseFloat<TFormat>.Infinity : 0);
        }

        Unpacked80 x = SseFloat<TFormat>.Unpack(a);
        Unpacked80 y = SseFloat<TFormat>.Unpack(b);
        int exponent = x.Exponent - y.Exponent + SseFloat<TFormat>.Bias;
        UInt128 dividend = new(x.Significand, 0);
        if (x.Significand >= y.Significand)
        {
            dividend >>= 1;
        }
        else
        {
            exponent--;
        }

        // 64 bits of quotient are more than either format has; the remainder is sticky.
        (UInt128 quotient, UInt128 rest) = UInt128.DivRem(dividend, y.Significand);
        return SseFloat<TFormat>.Round(sign != 0, exponent, (ulong)quotient, rest != 0 ? 1u : 0u, ref env);
    }

    /// <summary>The square root.</summary>
    public static ulong SquareRoot(ulong a, ref SseEnvironment env)
    {
        a = SseFloat<TFormat>.Operand(a, env);
        if (SseFloat<TFormat>.IsNaNResult(a, a, ref env, out ulong result))
        {
            return result;
        }

        if (SseFloat<TFormat>.IsZero(a))
        {
            return a;
        }

        if (SseFloat<TFormat>.Sign(a))
        {
            return SseFloat<TFormat>.Invalid(ref env);
        }

        SseFloat<TFormat>.NoteDenormal(a, a, ref env);
        if (SseFloat<TFormat>.IsInfinity(a))
        {
            return a;
        }

        Unpacked80 x = SseFloat<TFormat>.Unpack(a);
        int power = x.Exponent - SseFloat<TFormat>.Bias;
        UInt128 radicand = new UInt128(x.Significand, 0) >> ((power & 1) == 0 ? 1 : 0);
        ulong root = IntegerSquareRoot(radicand);
        bool exact = (UInt128)root * root == radicand;
        return SseFloat<TFormat>.Round(false, (power >> 1) + SseFloat<TFormat>.Bias, root, exact ? 0u : 1u, ref env);
    }

    // One operand is zero: the other one, which is exact but may be denormal; both: the sign they share, or that of the rounding mode.
    private static ulong AddZero(ulong a, ulong b, ref SseEnvironment env)
    {
        if (SseFloat<TFormat>.IsZero(a) && SseFloat<TFormat>.IsZero(b))
        {
            return a == b ? a : env.Rounding == RoundingMode.Down ? SseFloat<TFormat>.SignBit : 0;
        }

        Unpacked80 only = SseFloat<TFormat>.Unpack(SseFloat<TFormat>.IsZero(a) ? b : a);
        return SseFloat<TFormat>.Round(only.Sign, only.Exponent, only.Significand, 0, ref env);
    }

    // The largest integer whose square does not exceed a value of at least 2^126, bit by bit.
    private static ulong IntegerSquareRoot(UInt128 value)
    {
        UInt128 rest = value;
        UInt128 root = 0;
        for (int bit = 126; bit >= 0; bit -= 2)
        {
            UInt128 trial = root + (UInt128.One << bit);
            root >>= 1;
            if (rest >= trial)
            {
                rest -= trial;
                root += UInt128.One << bit;
            }
        }

        return (ulong)root;
    }
}
