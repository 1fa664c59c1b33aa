namespace ToyVmm.Engines.Interpretation.FloatingPoint;

/// <summary>
/// From an exact result to the format: rounding (SDM 1 4.8.4), and the numeric overflow, underflow and inexact exceptions with
/// their masked and unmasked responses (SDM 1 8.5.4-8.5.6).
/// </summary>
internal static class Rounding80
{
    /// <summary>By how much an unmasked overflow or underflow of a register result moves the exponent: 3 * 2^13.</summary>
    private const int ExponentAdjustment = 24576;

    /// <summary>Rounds to a register.</summary>
    /// <param name="sign">True for minus.</param>
    /// <param name="exponent">The biased exponent of <paramref name="high"/>'s top bit; unbounded.</param>
    /// <param name="high">The significand, bit 63 set.</param>
    /// <param name="low">The bits behind it; the lowest also stands for all that follow.</param>
    /// <param name="precision">24, 53 or 64.</param>
    /// <param name="env">The environment.</param>
    public static Float80 ToExtended(bool sign, int exponent, ulong high, ulong low, int precision, ref FloatEnvironment env)
    {
        if (env.IsAborted)
        {
            return Float80.Indefinite;
        }

        if (exponent <= 0 && IsTinyAfterRounding(sign, exponent, high, low, precision, env.Rounding))
        {
            if (env.IsMasked(FloatException.Underflow))
            {
                return Denormalize(sign, exponent, high, low, precision, ref env);
            }

            env.Raise(FloatException.Underflow);
            exponent += ExponentAdjustment;
            if (exponent <= 0)
            {
                // Only FSCALE gets so far: not even the adjusted exponent exists (SDM 1 8.5.5).
                env.Raise(FloatException.Precision);
                return Float80.SignedZero(sign);
            }
        }

        bool carry = RoundSignificand(sign, ref high, low, precision, env.Rounding, out bool inexact, out bool up);
        if (carry)
        {
            high = Float80.IntegerBit;
            exponent++;
        }

        if (exponent >= Float80.SpecialExponent)
        {
            env.Raise(FloatException.Overflow);
            if (env.IsMasked(FloatException.Overflow))
            {
                return Overflowed(sign, precision, ref env);
            }

            exponent -= ExponentAdjustment;
            if (exponent >= Float80.SpecialExponent)
            {
                // Only FSCALE gets so far: not even the adjusted exponent exists (SDM 1 8.5.4).
                env.Raise(FloatException.Precision);
                env.RoundedUp = true;
                return Float80.Infinity(sign);
            }
        }

        env.Raise(inexact ? FloatException.Precision : 0);
        env.RoundedUp = up;
        return new Float80(sign, exponent, high);
    }

    /// <summary>Rounds a significand in place.</summary>
    /// <param name="sign">True for minus: the directed modes need it.</param>
    /// <param name="high">The significand, of any magnitude.</param>
    /// <param name="low">The bits behind it, sticky.</param>
    /// <param name="precision">How many of the top bits stay: 1 to 64.</param>
    /// <param name="mode">The rounding mode.</param>
    /// <param name="inexact">Bits were lost.</param>
    /// <param name="up">The magnitude grew.</param>
    /// <returns>True when it grew to 2^64; <paramref name="high"/> is 0 then.</returns>
    public static bool RoundSignificand(
        bool sign, ref ulong high, ulong low, int precision, RoundingMode mode, out bool inexact, out bool up)
    {
        int drop = 64 - precision;
        ulong rest = low;
        if (drop > 0)
        {
            rest = (high << precision) | (low != 0 ? 1u : 0u);
            high = high >> drop << drop;
        }

        ulong unit = 1ul << drop;
        inexact = rest != 0;
        up = mode switch
        {
            RoundingMode.Nearest => rest > Float80.IntegerBit || (rest == Float80.IntegerBit && (high & unit) != 0),
            RoundingMode.Down => sign && inexact,
            RoundingMode.Up => !sign && inexact,
            _ => false,
        };
        if (!up)
        {
            return false;
        }

        high += unit;
        return high == 0;
    }

    /// <summary>Shifts 128 bits right; what falls out at the end stays in the lowest bit.</summary>
    public static void ShiftRightSticky(ref ulong high, ref ulong low, int count)
    {
        if (count <= 0)
        {
            return;
        }

        if (count < 64 && low == 0)
        {
            // The usual case: 64 bits of which none can fall out of 128.
            low = high << (64 - count);
            high >>= count;
            return;
        }

        if (count >= 128)
        {
            low = (high | low) != 0 ? 1u : 0u;
            high = 0;
            return;
        }

        UInt128 value = new(high, low);
        UInt128 shifted = value >> count;
        bool lost = shifted << count != value;
        high = (ulong)(shifted >> 64);
        low = (ulong)shifted | (lost ? 1u : 0u);
    }

    /// <summary>Tininess is detected after rounding, with an unbounded exponent (SDM 1 8.5.5): just below the border it may round away.</summary>
    public static bool IsTinyAfterRounding(bool sign, int exponent, ulong high, ulong low, int precision, RoundingMode mode) =>
        exponent < 0 || !RoundSignificand(sign, ref high, low, precision, mode, out _, out _);

    // The masked response to underflow; exact results are no underflow.
    private static Float80 Denormalize(bool sign, int exponent, ulong high, ulong low, int precision, ref FloatEnvironment env)
    {
        ShiftRightSticky(ref high, ref low, 1 - exponent);
        _ = RoundSignificand(sign, ref high, low, precision, env.Rounding, out bool inexact, out bool up);
        env.Raise(inexact ? FloatException.Underflow | FloatException.Precision : 0);
        env.RoundedUp = up;
        return new Float80(sign, (int)(high >> 63), high);
    }

    // The masked response to overflow: infinity, or the largest number where the mode rounds away from infinity.
    private static Float80 Overflowed(bool sign, int precision, ref FloatEnvironment env)
    {
        env.Raise(FloatException.Precision);
        bool infinite = env.Rounding == RoundingMode.Nearest || env.Rounding == (sign ? RoundingMode.Down : RoundingMode.Up);
        env.RoundedUp = infinite;
        return infinite
            ? Float80.Infinity(sign)
            : new Float80(sign, Float80.SpecialExponent - 1, ulong.MaxValue << (64 - precision));
    }
}
