namespace ToyVmm.Engines.Interpretation.FloatingPoint;

/// <summary>Addition, subtraction, multiplication, division and square root: correctly rounded (IEEE 754), under precision control.</summary>
internal static class Arithmetic80
{
    /// <summary>a + b.</summary>
    public static Float80 Add(Float80 a, Float80 b, ref FloatEnvironment env) => AddSigned(a, b, b.Sign, ref env);

    /// <summary>a - b.</summary>
    public static Float80 Subtract(Float80 a, Float80 b, ref FloatEnvironment env) => AddSigned(a, b, !b.Sign, ref env);

    /// <summary>a * b.</summary>
    public static Float80 Multiply(Float80 a, Float80 b, ref FloatEnvironment env)
    {
        if (Operands80.IsInvalidOrNaN(a, b, ref env, out Float80 special))
        {
            return special;
        }

        bool sign = a.Sign != b.Sign;
        if ((a.IsInfinity && b.IsZero) || (a.IsZero && b.IsInfinity))
        {
            return env.Invalid();
        }

        Operands80.NoteDenormal(a, b, ref env);
        if (a.IsInfinity || b.IsInfinity)
        {
            return Float80.Infinity(sign);
        }

        if (a.IsZero || b.IsZero)
        {
            return Float80.SignedZero(sign);
        }

        Unpacked80 x = a.Unpack();
        Unpacked80 y = b.Unpack();
        ulong high = Math.BigMul(x.Significand, y.Significand, out ulong low);
        int exponent = x.Exponent + y.Exponent - Float80.Bias + 1;
        if ((high & Float80.IntegerBit) == 0)
        {
            high = (high << 1) | (low >> 63);
            low <<= 1;
            exponent--;
        }

        return Rounding80.ToExtended(sign, exponent, high, low, env.Precision, ref env);
    }

    /// <summary>a / b.</summary>
    public static Float80 Divide(Float80 a, Float80 b, ref FloatEnvironment env)
    {
        if (Operands80.IsInvalidOrNaN(a, b, ref env, out Float80 special))
        {
            return special;
        }

        bool sign = a.Sign != b.Sign;
        if ((a.IsInfinity && b.IsInfinity) || (a.IsZero && b.IsZero))
        {
            return env.Invalid();
        }

        if (b.IsZero && !a.IsInfinity)
        {
            env.Raise(FloatException.DivideByZero);
            return Float80.Infinity(sign);
        }

        Operands80.NoteDenormal(a, b, ref env);
        if (a.IsInfinity)
        {
            return Float80.Infinity(sign);
        }

        if (a.IsZero || b.IsInfinity)
        {
            return Float80.SignedZero(sign);
        }

        Unpacked80 x = a.Unpack();
        Unpacked80 y = b.Unpack();
        int exponent = x.Exponent - y.Exponent + Float80.Bias;
        UInt128 dividend = new(x.Significand, 0);
        if (x.Significand >= y.Significand)
        {
            dividend >>= 1;
        }
        else
        {
            exponent--;
        }

        // 64 bits of quotient, then 64 more to round by.
        UInt128 high = dividend / y.Significand;
        UInt128 rest = (dividend - (high * y.Significand)) << 64;
        UInt128 low = rest / y.Significand;
        bool sticky = low * y.Significand != rest;
        return Rounding80.ToExtended(sign, exponent, (ulong)high, (ulong)low | (sticky ? 1u : 0u), env.Precision, ref env);
    }

    /// <summary>The square root.</summary>
    public static Float80 SquareRoot(Float80 a, ref FloatEnvironment env)
    {
        if (Operands80.IsInvalidOrNaN(a, ref env, out Float80 special))
        {
            return special;
        }

        if (a.IsZero)
        {
            return a;
        }

        if (a.Sign)
        {
            return env.Invalid();
        }

        Operands80.NoteDenormal(a, ref env);
        if (a.IsInfinity)
        {
            return a;
        }

        Unpacked80 x = a.Unpack();
        int power = x.Exponent - Float80.Bias;
        UInt128 radicand = new UInt128(x.Significand, 0) >> ((power & 1) == 0 ? 1 : 0);
        ulong root = IntegerSquareRoot(radicand);

        // (root + 1/2)^2 is never an integer, so the remainder tells on which side of it the radicand lies.
        UInt128 rest = radicand - ((UInt128)root * root);
        ulong low = rest == 0 ? 0 : rest > root ? 0xC000_0000_0000_0000 : 0x4000_0000_0000_0000;
        return Rounding80.ToExtended(false, (power >> 1) + Float80.Bias, root, low, env.Precision, ref env);
    }

    /// <summary>The largest integer whose square does not exceed a value of at least 2^126, bit by bit.</summary>
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

    private static Float80 AddSigned(Float80 a, Float80 b, bool signB, ref FloatEnvironment env)
    {
        if (Operands80.IsInvalidOrNaN(a, b, ref env, out Float80 special))
        {
            return special;
        }

        if (a.IsInfinity && b.IsInfinity && a.Sign != signB)
        {
            return env.Invalid();
        }

        Operands80.NoteDenormal(a, b, ref env);
        if (a.IsInfinity)
        {
            return a;
        }

        if (b.IsInfinity)
        {
            return Float80.Infinity(signB);
        }

        if (a.IsZero && b.IsZero)
        {
            return Float80.SignedZero(a.Sign == signB ? a.Sign : env.Rounding == RoundingMode.Down);
        }

        if (a.IsZero || b.IsZero)
        {
            // Precision control and denormalisation apply although nothing is added.
            Unpacked80 only = (a.IsZero ? b.WithSign(signB) : a).Unpack();
            return Rounding80.ToExtended(only.Sign, only.Exponent, only.Significand, 0, env.Precision, ref env);
        }

        Unpacked80 x = a.Unpack();
        Unpacked80 y = b.WithSign(signB).Unpack();
        if (x.Exponent < y.Exponent || (x.Exponent == y.Exponent && x.Significand < y.Significand))
        {
            (x, y) = (y, x);
        }

        return x.Sign == y.Sign ? AddMagnitudes(x, y, ref env) : SubtractMagnitudes(x, y, ref env);
    }

    // |x| >= |y|.
    private static Float80 AddMagnitudes(Unpacked80 x, Unpacked80 y, ref FloatEnvironment env)
    {
        ulong addend = y.Significand;
        ulong low = 0;
        Rounding80.ShiftRightSticky(ref addend, ref low, x.Exponent - y.Exponent);
        ulong high = x.Significand + addend;
        int exponent = x.Exponent;
        if (high < addend)
        {
            low = (low >> 1) | (low & 1) | (high << 63);
            high = (high >> 1) | Float80.IntegerBit;
            exponent++;
        }

        return Rounding80.ToExtended(x.Sign, exponent, high, low, env.Precision, ref env);
    }

    // |x| >= |y|; equal ones cancel to a zero whose sign only rounding down makes negative (IEEE 754 6.3).
    private static Float80 SubtractMagnitudes(Unpacked80 x, Unpacked80 y, ref FloatEnvironment env)
    {
        ulong subtrahend = y.Significand;
        ulong low = 0;
        Rounding80.ShiftRightSticky(ref subtrahend, ref low, x.Exponent - y.Exponent);
        UInt128 difference = new UInt128(x.Significand, 0) - new UInt128(subtrahend, low);
        if (difference == 0)
        {
            return Float80.SignedZero(env.Rounding == RoundingMode.Down);
        }

        int shift = (int)UInt128.LeadingZeroCount(difference);
        difference <<= shift;
        return Rounding80.ToExtended(x.Sign, x.Exponent - shift, (ulong)(difference >> 64), (ulong)difference, env.Precision, ref env);
    }
}
