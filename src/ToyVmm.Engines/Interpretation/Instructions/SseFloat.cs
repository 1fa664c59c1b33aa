using System.Numerics;
using ToyVmm.Engines.Interpretation.FloatingPoint;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>
/// Patterns of an SSE format: what they are, and the correct rounding of exact results to them, with the exceptions of SDM 1 11.5.2.
/// Nothing here depends on the host's floating-point unit.
/// </summary>
internal static class SseFloat<TFormat>
    where TFormat : struct, ISseFormat
{
    /// <summary>The exponent of 1.0.</summary>
    public static int Bias => TFormat.SpecialExponent >> 1;

    /// <summary>Bits of the significand.</summary>
    public static int Precision => TFormat.FractionBits + 1;

    /// <summary>The sign.</summary>
    public static ulong SignBit => ((ulong)TFormat.SpecialExponent + 1) << TFormat.FractionBits;

    /// <summary>+infinity.</summary>
    public static ulong Infinity => (ulong)TFormat.SpecialExponent << TFormat.FractionBits;

    /// <summary>The bit that tells a quiet NaN from a signalling one.</summary>
    public static ulong QuietBit => 1ul << (TFormat.FractionBits - 1);

    /// <summary>The QNaN that answers an invalid operation (SDM 1 4.8.3.7).</summary>
    public static ulong Indefinite => SignBit | Infinity | QuietBit;

    /// <summary>The smallest normal number.</summary>
    public static ulong SmallestNormal => 1ul << TFormat.FractionBits;

    /// <summary>The pattern without its sign.</summary>
    public static ulong Magnitude(ulong a) => a & (SignBit - 1);

    /// <summary>True for a minus sign.</summary>
    public static bool Sign(ulong a) => (a & SignBit) != 0;

    /// <summary>True for NaNs.</summary>
    public static bool IsNaN(ulong a) => Magnitude(a) > Infinity;

    /// <summary>True for NaNs that raise the invalid-operation exception.</summary>
    public static bool IsSignaling(ulong a) => IsNaN(a) && (a & QuietBit) == 0;

    /// <summary>Plus or minus infinity.</summary>
    public static bool IsInfinity(ulong a) => Magnitude(a) == Infinity;

    /// <summary>Plus or minus zero.</summary>
    public static bool IsZero(ulong a) => Magnitude(a) == 0;

    /// <summary>Neither zero nor normal, but finite.</summary>
    public static bool IsDenormal(ulong a) => Magnitude(a) - 1 < SmallestNormal - 1;

    /// <summary>Zero, or a normal number.</summary>
    public static bool IsOrdinary(ulong a) => IsZero(a) || IsNormal(a);

    /// <summary>A finite number that is neither denormal nor zero.</summary>
    public static bool IsNormal(ulong a) => Magnitude(a) - SmallestNormal < Infinity - SmallestNormal;

    /// <summary>The operand that DAZ leaves: a zero of the same sign instead of a denormal.</summary>
    public static ulong Operand(ulong a, in SseEnvironment env) => env.IgnoresDenormals && IsDenormal(a) ? a & SignBit : a;

    /// <summary>If an operand is a NaN, the result: the first one that is, quiet (SDM 1 table 4-7); IE for a signalling one.</summary>
    public static bool IsNaNResult(ulong a, ulong b, ref SseEnvironment env, out ulong result)
    {
        result = (IsNaN(a) ? a : b) | QuietBit;
        if (!IsNaN(a) && !IsNaN(b))
        {
            return false;
        }

        env.Raise(IsSignaling(a) || IsSignaling(b) ? FloatException.Invalid : 0);
        return true;
    }

    /// <summary>Notes denormal operands.</summary>
    public static void NoteDenormal(ulong a, ulong b, ref SseEnvironment env) =>
        env.Raise(IsDenormal(a) || IsDenormal(b) ? FloatException.Denormal : 0);

    /// <summary>The masked response to an invalid operation.</summary>
    public static ulong Invalid(ref SseEnvironment env)
    {
        env.Raise(FloatException.Invalid);
        return Indefinite;
    }

    /// <summary>A finite, non-zero number with its significand normalised to 64 bits; the exponent may be zero or below.</summary>
    public static Unpacked80 Unpack(ulong a)
    {
        int exponent = (int)(Magnitude(a) >> TFormat.FractionBits);
        ulong significand = a << (63 - TFormat.FractionBits);
        if (exponent != 0)
        {
            return new Unpacked80(Sign(a), exponent, significand | Float80.IntegerBit);
        }

        significand &= long.MaxValue;
        int shift = BitOperations.LeadingZeroCount(significand);
        return new Unpacked80(Sign(a), 1 - shift, significand << shift);
    }

    /// <summary>Rounds an exact result.</summary>
    /// <param name="sign">True for minus.</param>
    /// <param name="exponent">The biased exponent of the top bit; unbounded.</param>
    /// <param name="high">The significand, bit 63 set.</param>
    /// <param name="low">The bits behind it; the lowest also stands for all that follow.</param>
    /// <param name="env">The environment. Where more than the inexact exception is unmasked, the result does not matter.</param>
    public static ulong Round(bool sign, int exponent, ulong high, ulong low, ref SseEnvironment env)
    {
        // Tiny: below the smallest normal number, rounded as if the exponent had no bound (SDM 1 4.9.1.5).
        if (exponent <= 0 && Rounding80.IsTinyAfterRounding(sign, exponent, high, low, Precision, env.Rounding))
        {
            return RoundTiny(sign, exponent, high, low, ref env);
        }

        bool carry = Rounding80.RoundSignificand(sign, ref high, low, Precision, env.Rounding, out bool inexact, out _);
        if (carry)
        {
            high = Float80.IntegerBit;
            exponent++;
        }

        if (exponent < TFormat.SpecialExponent)
        {
            env.Raise(inexact ? FloatException.Precision : 0);
            return Pack(sign, exponent, high);
        }

        // Unmasked, PE tells whether the significand was rounded; masked, the result is infinity or the largest number, which is inexact.
        env.Raise(FloatException.Overflow | (inexact || env.IsMasked(FloatException.Overflow) ? FloatException.Precision : 0));
        bool infinite = env.Rounding == RoundingMode.Nearest || env.Rounding == (sign ? RoundingMode.Down : RoundingMode.Up);
        return (sign ? SignBit : 0) | (infinite ? Infinity : Infinity - 1);
    }

    private static ulong RoundTiny(bool sign, int exponent, ulong high, ulong low, ref SseEnvironment env)
    {
        if (!env.IsMasked(FloatException.Underflow))
        {
            _ = Rounding80.RoundSignificand(sign, ref high, low, Precision, env.Rounding, out bool rounded, out _);
            env.Raise(FloatException.Underflow | (rounded ? FloatException.Precision : 0));
            return 0;
        }

        if (env.FlushesResults)
        {
            env.Raise(FloatException.Underflow | FloatException.Precision);
            return sign ? SignBit : 0;
        }

        Rounding80.ShiftRightSticky(ref high, ref low, 1 - exponent);
        _ = Rounding80.RoundSignificand(sign, ref high, low, Precision, env.Rounding, out bool inexact, out _);
        env.Raise(inexact ? FloatException.Underflow | FloatException.Precision : 0);

        // Rounding may reach the smallest normal number, whose integer bit is the exponent's lowest.
        return Pack(sign, (int)(high >> 63), high);
    }

    private static ulong Pack(bool sign, int exponent, ulong significand) =>
        (sign ? SignBit : 0) | ((ulong)exponent << TFormat.FractionBits) | ((significand & long.MaxValue) >> (63 - TFormat.FractionBits));
}
