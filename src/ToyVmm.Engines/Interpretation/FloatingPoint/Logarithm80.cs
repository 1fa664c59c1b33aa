namespace ToyVmm.Engines.Interpretation.FloatingPoint;

/// <summary>
/// F2XM1, FYL2X and FYL2XP1 (SDM 1 8.3.9), by series in 128 bits: results are within half a unit in the last place and a 2^-40th of it.
/// </summary>
internal static class Logarithm80
{
    // The series end where the next term is below 2^-130: ln(2)^34 / 34!, and for |s| <= 0.1716 s^52 / 53.
    private const int LastExponentialTerm = 34;
    private const int LastAreaTerm = 53;

    // The significand of the square root of 1/2, and of 2.
    private const ulong RootSignificand = 0xB504_F333_F9DE_6484;

    /// <summary>2^x - 1, for |x| up to 1; beyond, where the instruction is undefined, the operand itself, as AMD's processors answer.</summary>
    public static Float80 ExponentialMinusOne(Float80 x, ref FloatEnvironment env)
    {
        if (Operands80.IsInvalidOrNaN(x, ref env, out Float80 special))
        {
            return special;
        }

        if (x.IsInfinity)
        {
            return x.Sign ? Float80.One.Negated() : x;
        }

        Operands80.NoteDenormal(x, ref env);
        if (x.IsZero || env.IsAborted)
        {
            return x;
        }

        if (x.Exponent >= Float80.Bias)
        {
            // Reported as inexact whatever it is.
            env.Raise(FloatException.Precision);
            bool isOne = x.Exponent == Float80.Bias && x.Significand == Float80.IntegerBit;
            return isOne && x.Sign ? new Float80(true, Float80.Bias - 1, Float80.IntegerBit) : x;
        }

        // e^t - 1 = t (1 + t/2 (1 + t/3 (...))).
        WideFloat t = WideFloat.From(x) * WideFloat.Ln2;
        WideFloat sum = WideFloat.One;
        for (int n = LastExponentialTerm; n > 1; n--)
        {
            sum = WideFloat.One + (t * sum / n);
        }

        return (t * sum).ToExtended(ref env);
    }

    /// <summary>y * log2(x).</summary>
    public static Float80 YLog2X(Float80 y, Float80 x, ref FloatEnvironment env)
    {
        if (Operands80.IsInvalidOrNaN(x, y, ref env, out Float80 special))
        {
            return special;
        }

        if (x.IsZero)
        {
            if (y.IsZero)
            {
                return env.Invalid();
            }

            env.Raise(y.IsInfinity ? 0 : FloatException.DivideByZero);
            return Float80.Infinity(!y.Sign);
        }

        bool isOne = x.Exponent == Float80.Bias && x.Significand == Float80.IntegerBit;
        if (x.Sign || (y.IsInfinity && isOne) || (x.IsInfinity && y.IsZero))
        {
            return env.Invalid();
        }

        Operands80.NoteDenormal(x, y, ref env);
        if (env.IsAborted)
        {
            return x;
        }

        bool sign = y.Sign != x.Exponent < Float80.Bias;
        if (x.IsInfinity || y.IsInfinity)
        {
            return Float80.Infinity(sign);
        }

        if (isOne || y.IsZero)
        {
            return Float80.SignedZero(sign);
        }

        Unpacked80 parts = x.Unpack();
        int power = parts.Exponent - Float80.Bias;
        return parts.Significand == Float80.IntegerBit
            ? TimesInteger(y, power, ref env)
            : (WideFloat.From(y) * Log2(parts.Significand, power)).ToExtended(ref env);
    }

    /// <summary>y * log2(x + 1).</summary>
    public static Float80 YLog2XPlusOne(Float80 y, Float80 x, ref FloatEnvironment env)
    {
        if (Operands80.IsInvalidOrNaN(x, y, ref env, out Float80 special))
        {
            return special;
        }

        bool belowMinusOne = x.Sign && x.Exponent >= Float80.Bias;
        if ((x.IsInfinity && (x.Sign || y.IsZero)) || (y.IsInfinity && x.IsZero))
        {
            return env.Invalid();
        }

        Operands80.NoteDenormal(x, y, ref env);
        if (env.IsAborted)
        {
            return x;
        }

        bool sign = y.Sign != x.Sign;
        if (x.IsInfinity || y.IsInfinity)
        {
            return Float80.Infinity(sign);
        }

        if (x.IsZero || y.IsZero)
        {
            return Float80.SignedZero(sign);
        }

        if (belowMinusOne)
        {
            // Undefined; AMD's processors answer with the operand.
            env.Raise(FloatException.Precision);
            return x;
        }

        WideFloat wide = WideFloat.From(x);
        WideFloat sum = wide + WideFloat.One;
        WideFloat logarithm = x.Exponent < Float80.Bias - 1
            ? Area(wide / (sum + WideFloat.One)) * WideFloat.Log2E
            : Log2((ulong)(sum.Significand >> 64), sum.Exponent, (ulong)sum.Significand);
        return (WideFloat.From(y) * logarithm).ToExtended(ref env);
    }

    // log2(significand * 2^power), the significand between 1 and 2.
    private static WideFloat Log2(ulong significand, int power, ulong low = 0)
    {
        // To between the square roots of 1/2 and 2, where the series converges fast and nothing cancels.
        bool large = significand > RootSignificand;
        WideFloat value = new(false, large ? -1 : 0, new UInt128(significand, low));
        WideFloat argument = (value - WideFloat.One) / (value + WideFloat.One);
        return WideFloat.From(large ? power + 1 : power) + (Area(argument) * WideFloat.Log2E);
    }

    // ln((1 + s) / (1 - s)) = 2 (s + s^3/3 + s^5/5 ...).
    private static WideFloat Area(WideFloat s)
    {
        WideFloat square = s * s;
        WideFloat sum = WideFloat.One / LastAreaTerm;
        for (int n = LastAreaTerm - 2; n > 0; n -= 2)
        {
            sum = (WideFloat.One / n) + (square * sum);
        }

        WideFloat result = s * sum;
        return result with { Exponent = result.Exponent + 1 };
    }

    // The logarithm of a power of two is exact, and so may the product be; the processor calls it inexact all the same.
    private static Float80 TimesInteger(Float80 y, int factor, ref FloatEnvironment env)
    {
        FloatEnvironment inner = new(env.Control | 0x300);
        Float80 result = Arithmetic80.Multiply(y, IntegerConversions.FromInteger(factor), ref inner);
        env.Raise(inner.Raised | FloatException.Precision | (result.IsDenormal ? FloatException.Underflow : 0));
        env.RoundedUp = inner.RoundedUp;
        return result;
    }
}
