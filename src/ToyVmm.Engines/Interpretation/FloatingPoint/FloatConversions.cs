using System.Numerics;

namespace ToyVmm.Engines.Interpretation.FloatingPoint;

/// <summary>Single and double precision (SDM 1 4.2.2) to and from the register format.</summary>
internal static class FloatConversions
{
    private static readonly Format s_single = new(Precision: 24, ExponentBits: 8);
    private static readonly Format s_double = new(Precision: 53, ExponentBits: 11);

    /// <summary>Widens a single. Exact; a NaN keeps its payload and its kind, and a denormal is only noted.</summary>
    public static Float80 FromSingle(uint bits, ref FloatEnvironment env) => Widen(bits, s_single, ref env);

    /// <summary>Widens a double, likewise.</summary>
    public static Float80 FromDouble(ulong bits, ref FloatEnvironment env) => Widen(bits, s_double, ref env);

    /// <summary>Rounds to single precision. Where more than the inexact exception is unmasked, nothing is to be stored.</summary>
    public static uint ToSingle(Float80 a, ref FloatEnvironment env) => (uint)Narrow(a, s_single, ref env);

    /// <summary>Rounds to double precision, likewise.</summary>
    public static ulong ToDouble(Float80 a, ref FloatEnvironment env) => Narrow(a, s_double, ref env);

    private static Float80 Widen(ulong bits, Format format, ref FloatEnvironment env)
    {
        bool sign = ((bits >> format.SignBit) & 1) != 0;
        int exponent = (int)(bits >> format.FractionBits) & format.SpecialExponent;
        ulong fraction = (bits << (64 - format.FractionBits)) >> 1;
        if (exponent == format.SpecialExponent)
        {
            return new Float80(sign, Float80.SpecialExponent, Float80.IntegerBit | fraction);
        }

        if (exponent != 0)
        {
            return new Float80(sign, exponent - format.Bias + Float80.Bias, Float80.IntegerBit | fraction);
        }

        if (fraction == 0)
        {
            return Float80.SignedZero(sign);
        }

        env.DenormalSource = true;
        int shift = BitOperations.LeadingZeroCount(fraction);
        return new Float80(sign, 1 - format.Bias + Float80.Bias - shift, fraction << shift);
    }

    private static ulong Narrow(Float80 a, Format format, ref FloatEnvironment env)
    {
        if (a.IsUnsupported)
        {
            _ = env.Invalid();
            return Pack(true, format.SpecialExponent, Float80.Indefinite.Significand, format);
        }

        if (a.IsNaN)
        {
            env.Raise(a.IsSignalingNaN ? FloatException.Invalid : 0);
            return Pack(a.Sign, format.SpecialExponent, a.Quieted().Significand, format);
        }

        if (a.IsInfinity)
        {
            return Pack(a.Sign, format.SpecialExponent, 0, format);
        }

        if (a.IsZero)
        {
            return Pack(a.Sign, 0, 0, format);
        }

        Unpacked80 x = a.Unpack();
        return Round(x, x.Exponent - Float80.Bias + format.Bias, format, ref env);
    }

    // An unmasked overflow or underflow leaves memory alone (SDM 1 8.5.4-8.5.5), so the value returned then does not matter.
    private static ulong Round(Unpacked80 x, int exponent, Format format, ref FloatEnvironment env)
    {
        ulong high = x.Significand;
        ulong low = 0;
        bool tiny = exponent <= 0 && Rounding80.IsTinyAfterRounding(x.Sign, exponent, high, 0, format.Precision, env.Rounding);
        if (tiny)
        {
            if (!env.IsMasked(FloatException.Underflow))
            {
                env.Raise(FloatException.Underflow);
                return 0;
            }

            Rounding80.ShiftRightSticky(ref high, ref low, 1 - exponent);
            exponent = 0;
        }

        bool carry = Rounding80.RoundSignificand(x.Sign, ref high, low, format.Precision, env.Rounding, out bool inexact, out bool up);
        if (tiny)
        {
            env.Raise(inexact ? FloatException.Underflow | FloatException.Precision : 0);
            env.RoundedUp = up;
            return Pack(x.Sign, (int)(high >> 63), high, format);
        }

        if (carry)
        {
            high = Float80.IntegerBit;
            exponent++;
        }

        if (exponent < format.SpecialExponent)
        {
            env.Raise(inexact ? FloatException.Precision : 0);
            env.RoundedUp = up;
            return Pack(x.Sign, exponent, high, format);
        }

        env.Raise(FloatException.Overflow);
        if (!env.IsMasked(FloatException.Overflow))
        {
            return 0;
        }

        bool infinite = env.Rounding == RoundingMode.Nearest || env.Rounding == (x.Sign ? RoundingMode.Down : RoundingMode.Up);
        env.Raise(FloatException.Precision);
        env.RoundedUp = infinite;
        return infinite ? Pack(x.Sign, format.SpecialExponent, 0, format) : Pack(x.Sign, format.SpecialExponent - 1, ulong.MaxValue, format);
    }

    private static ulong Pack(bool sign, int exponent, ulong significand, Format format) =>
        (sign ? 1ul << format.SignBit : 0)
        | ((ulong)exponent << format.FractionBits)
        | ((significand & long.MaxValue) >> (63 - format.FractionBits));

    /// <summary>An IEEE 754 interchange format.</summary>
    private readonly record struct Format(int Precision, int ExponentBits)
    {
        public int FractionBits => Precision - 1;

        public int SignBit => FractionBits + ExponentBits;

        public int SpecialExponent => (1 << ExponentBits) - 1;

        public int Bias => SpecialExponent >> 1;
    }
}
