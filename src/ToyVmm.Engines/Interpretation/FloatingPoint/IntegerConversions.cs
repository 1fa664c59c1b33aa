using System.Numerics;

namespace ToyVmm.Engines.Interpretation.FloatingPoint;

/// <summary>Integers, two's complement and packed decimal (SDM 1 4.2.1, 4.7), to and from the register format; rounding to an integer.</summary>
internal static class IntegerConversions
{
    private const ulong LargestDecimal = 999_999_999_999_999_999;

    /// <summary>Widens an integer; exact.</summary>
    public static Float80 FromInteger(long value) => FromMagnitude(value < 0, value < 0 ? (ulong)-value : (ulong)value);

    /// <summary>Reads 18 packed decimal digits. Digits beyond 9 are undefined (SDM 2A, FBLD); they count by their weight, as processors do.</summary>
    /// <param name="digits">Bytes 0-7, the low sixteen digits.</param>
    /// <param name="top">Bytes 8 and 9: two digits, and the sign in bit 15.</param>
    public static Float80 FromDecimal(ulong digits, ushort top)
    {
        ulong value = 0;
        for (int shift = 4; shift >= 0; shift -= 4)
        {
            value = (value * 10) + ((ulong)(top >> shift) & 15);
        }

        for (int shift = 60; shift >= 0; shift -= 4)
        {
            value = (value * 10) + ((digits >> shift) & 15);
        }

        return FromMagnitude((top & 0x8000) != 0, value);
    }

    /// <summary>Rounds to a signed integer.</summary>
    /// <param name="a">The value.</param>
    /// <param name="bits">16, 32 or 64.</param>
    /// <param name="env">The environment. Out of range, NaN and infinity are invalid, and the result is the most negative integer.</param>
    public static long ToInteger(Float80 a, int bits, ref FloatEnvironment env)
    {
        ulong limit = 1ul << (bits - 1);
        if (!TryRound(a, ref env, out bool sign, out ulong magnitude, out bool inexact, out bool up) || magnitude > (sign ? limit : limit - 1))
        {
            _ = env.Invalid();
            return long.MinValue >> (64 - bits);
        }

        env.Raise(inexact ? FloatException.Precision : 0);
        env.RoundedUp = up;
        return sign ? -(long)magnitude : (long)magnitude;
    }

    /// <summary>Rounds to 18 packed decimal digits.</summary>
    /// <param name="a">The value.</param>
    /// <param name="env">The environment. Out of range, NaN and infinity are invalid, and the result is the decimal indefinite.</param>
    /// <returns>Bytes 0-7 and bytes 8-9.</returns>
    public static (ulong Digits, ushort Top) ToDecimal(Float80 a, ref FloatEnvironment env)
    {
        if (!TryRound(a, ref env, out bool sign, out ulong magnitude, out bool inexact, out bool up) || magnitude > LargestDecimal)
        {
            _ = env.Invalid();
            return (0xC000_0000_0000_0000, 0xFFFF);
        }

        env.Raise(inexact ? FloatException.Precision : 0);
        env.RoundedUp = up;
        ulong digits = 0;
        for (int shift = 0; shift < 64; shift += 4)
        {
            digits |= (magnitude % 10) << shift;
            magnitude /= 10;
        }

        ulong top = (magnitude % 10) | (magnitude / 10 << 4) | (sign ? 0x8000u : 0);
        return (digits, (ushort)top);
    }

    /// <summary>FRNDINT: rounds to an integer in the register format.</summary>
    public static Float80 RoundToInteger(Float80 a, ref FloatEnvironment env)
    {
        if (Operands80.IsInvalidOrNaN(a, ref env, out Float80 special))
        {
            return special;
        }

        Operands80.NoteDenormal(a, ref env);
        if (env.IsAborted || a.IsZero || a.Exponent >= Float80.Bias + 63)
        {
            return a;
        }

        // Below 2^63 nothing is out of range.
        _ = TryRound(a, ref env, out bool sign, out ulong magnitude, out bool inexact, out bool up);
        env.Raise(inexact ? FloatException.Precision : 0);
        env.RoundedUp = up;
        return FromMagnitude(sign, magnitude);
    }

    // False for what has no 64-bit magnitude.
    private static bool TryRound(Float80 a, ref FloatEnvironment env, out bool sign, out ulong magnitude, out bool inexact, out bool up)
    {
        sign = a.Sign;
        magnitude = 0;
        inexact = up = false;
        if (a.IsUnsupported || a.Exponent > Float80.Bias + 63)
        {
            return false;
        }

        if (a.IsZero)
        {
            return true;
        }

        ulong high = a.Significand;
        ulong low = 0;
        Rounding80.ShiftRightSticky(ref high, ref low, Float80.Bias + 63 - Math.Max(a.Exponent, 1));
        bool carry = Rounding80.RoundSignificand(sign, ref high, low, 64, env.Rounding, out inexact, out up);
        magnitude = high;
        return !carry;
    }

    private static Float80 FromMagnitude(bool sign, ulong magnitude)
    {
        if (magnitude == 0)
        {
            return Float80.SignedZero(sign);
        }

        int shift = BitOperations.LeadingZeroCount(magnitude);
        return new Float80(sign, Float80.Bias + 63 - shift, magnitude << shift);
    }
}
