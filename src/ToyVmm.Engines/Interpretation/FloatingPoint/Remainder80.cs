namespace ToyVmm.Engines.Interpretation.FloatingPoint;

/// <summary>FPREM, FPREM1, FSCALE and FXTRACT (SDM 2A).</summary>
internal static class Remainder80
{
    /// <summary>What a partial remainder tells beside its value.</summary>
    /// <param name="IsComplete">False when the operands' exponents are 64 and more apart: the instruction is to be repeated (C2).</param>
    /// <param name="Quotient">The low bits of the quotient.</param>
    public readonly record struct Progress(bool IsComplete, uint Quotient);

    /// <summary>The remainder of a / b, the quotient truncated (FPREM) or rounded to even (FPREM1). Without operands that have one there is no progress.</summary>
    public static Float80 Remainder(Float80 a, Float80 b, bool toNearest, ref FloatEnvironment env, out Progress? progress)
    {
        progress = null;
        if (Operands80.IsInvalidOrNaN(a, b, ref env, out Float80 special))
        {
            return special;
        }

        if (a.IsInfinity || b.IsZero)
        {
            return env.Invalid();
        }

        Operands80.NoteDenormal(a, b, ref env);
        if (env.IsAborted)
        {
            return a;
        }

        progress = new Progress(true, 0);
        if (a.IsZero)
        {
            return a;
        }

        if (b.IsInfinity)
        {
            // A denormal is brought to the register's form by going through the operation.
            Unpacked80 whole = a.Unpack();
            return Rounding80.ToExtended(whole.Sign, whole.Exponent, whole.Significand, 0, 64, ref env);
        }

        Unpacked80 x = a.Unpack();
        Unpacked80 y = b.Unpack();
        int distance = x.Exponent - y.Exponent;
        if (distance >= 64)
        {
            // Take off as many bits as bring the distance below 64 in steps of 32 to 63; the quotient's bits are not told.
            int step = 32 + (distance & 31);
            progress = new Progress(false, 0);
            ulong part = Reduce(x.Significand, y.Significand, step, out _);
            return Pack(a.Sign, part, y.Exponent + distance - step, ref env);
        }

        if (distance < -1 || (distance < 0 && !toNearest))
        {
            return Rounding80.ToExtended(x.Sign, x.Exponent, x.Significand, 0, 64, ref env);
        }

        if (distance == -1)
        {
            return RemainderOfHalf(x, y, ref env, out progress);
        }

        ulong rest = Reduce(x.Significand, y.Significand, distance, out ulong quotient);
        bool sign = a.Sign;
        if (toNearest)
        {
            ulong other = y.Significand - rest;
            if (rest > other || (rest == other && (quotient & 1) != 0))
            {
                rest = other;
                sign = !sign;
                quotient++;
            }
        }

        progress = new Progress(true, (uint)quotient & 7);
        return rest == 0 ? Float80.SignedZero(a.Sign) : Pack(sign, rest, y.Exponent, ref env);
    }

    /// <summary>a * 2^trunc(b).</summary>
    public static Float80 Scale(Float80 a, Float80 b, ref FloatEnvironment env)
    {
        if (Operands80.IsInvalidOrNaN(a, b, ref env, out Float80 special))
        {
            return special;
        }

        if (b.IsInfinity && (b.Sign ? a.IsInfinity : a.IsZero))
        {
            return env.Invalid();
        }

        Operands80.NoteDenormal(a, b, ref env);
        if (env.IsAborted || a.IsZero || a.IsInfinity)
        {
            return a;
        }

        if (b.IsInfinity)
        {
            return b.Sign ? Float80.SignedZero(a.Sign) : Float80.Infinity(a.Sign);
        }

        // Beyond 2^16 every result over- or underflows, even with its exponent adjusted.
        int magnitude = b.Exponent < Float80.Bias ? 0
            : b.Exponent > Float80.Bias + 16 ? 1 << 17
            : (int)(b.Significand >> (Float80.Bias + 63 - b.Exponent));
        Unpacked80 x = a.Unpack();
        return Rounding80.ToExtended(x.Sign, x.Exponent + (b.Sign ? -magnitude : magnitude), x.Significand, 0, 64, ref env);
    }

    /// <summary>Splits a value into exponent and significand.</summary>
    /// <returns>The exponent as a number, and the significand with the exponent of 1.0.</returns>
    public static (Float80 Exponent, Float80 Significand) Extract(Float80 a, ref FloatEnvironment env)
    {
        if (Operands80.IsInvalidOrNaN(a, ref env, out Float80 special))
        {
            return (special, special);
        }

        if (a.IsZero)
        {
            env.Raise(FloatException.DivideByZero);
            return (Float80.Infinity(true), a);
        }

        if (a.IsInfinity)
        {
            return (Float80.Infinity(false), a);
        }

        Operands80.NoteDenormal(a, ref env);
        Unpacked80 x = a.Unpack();
        return (IntegerConversions.FromInteger(x.Exponent - Float80.Bias), new Float80(x.Sign, Float80.Bias, x.Significand));
    }

    // |a| in [b/2, b) by exponents: only rounding to nearest can take one b off.
    private static Float80 RemainderOfHalf(Unpacked80 x, Unpacked80 y, ref FloatEnvironment env, out Progress? progress)
    {
        // In units of x's last bit, b is 2 * y.Significand, and half of it y.Significand: a tie goes to the even quotient, 0.
        if (x.Significand <= y.Significand)
        {
            progress = new Progress(true, 0);
            return Rounding80.ToExtended(x.Sign, x.Exponent, x.Significand, 0, 64, ref env);
        }

        progress = new Progress(true, 1);
        UInt128 rest = ((UInt128)y.Significand << 1) - x.Significand;
        return Pack(!x.Sign, (ulong)rest, x.Exponent, ref env);
    }

    // (a * 2^shift) mod b, for normalised significands: one quotient bit a step.
    private static ulong Reduce(ulong a, ulong b, int shift, out ulong quotient)
    {
        ulong rest = a;
        quotient = 0;
        if (rest >= b)
        {
            rest -= b;
            quotient = 1;
        }

        for (; shift > 0; shift--)
        {
            bool carry = (rest >> 63) != 0;
            rest <<= 1;
            quotient <<= 1;
            if (carry || rest >= b)
            {
                rest -= b;
                quotient |= 1;
            }
        }

        return rest;
    }

    private static Float80 Pack(bool sign, ulong significand, int exponent, ref FloatEnvironment env)
    {
        if (significand == 0)
        {
            return Float80.SignedZero(sign);
        }

        int shift = System.Numerics.BitOperations.LeadingZeroCount(significand);
        return Rounding80.ToExtended(sign, exponent - shift, significand << shift, 0, 64, ref env);
    }
}
