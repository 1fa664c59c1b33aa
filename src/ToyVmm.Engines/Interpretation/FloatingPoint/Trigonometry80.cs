namespace ToyVmm.Engines.Interpretation.FloatingPoint;

/// <summary>
/// Sine, cosine and tangent (SDM 1 8.3.8) and the arc tangent. An argument is reduced exactly, by the 66-bit pi that x87 units have in
/// place of pi (SDM 1 8.3.8, "pi"); the rest are Taylor series in 128 bits, so that results are those of the reduced argument to within
/// half a unit in the last place and a 2^-40th of it.
/// </summary>
internal static class Trigonometry80
{
    // Exponent of the first argument that is out of range: 2^63.
    private const int OutOfRange = Float80.Bias + 63;

    // The series end where the next term is below 2^-130: (pi/4)^36 / 36!, and tan(pi/8)^103 / 103.
    private const int LastSineTerm = 36;
    private const int LastArcTerm = 103;

    /// <summary>pi in units of 2^-64; half of it in units of 2^-65.</summary>
    private static UInt128 Pi66 => new(3, 0x243F_6A88_85A3_08D3);

    /// <summary>True where the instructions leave their operand alone and set C2.</summary>
    public static bool IsOutOfRange(Float80 a) => a.Exponent is >= OutOfRange and < Float80.SpecialExponent && !a.IsUnsupported;

    /// <summary>FSIN.</summary>
    public static Float80 Sine(Float80 a, ref FloatEnvironment env)
    {
        if (IsSpecial(a, ref env, out Float80 special))
        {
            return special;
        }

        return a.IsZero || env.IsAborted ? a : Compute(a).Sine.ToExtended(ref env);
    }

    /// <summary>FCOS.</summary>
    public static Float80 Cosine(Float80 a, ref FloatEnvironment env)
    {
        if (IsSpecial(a, ref env, out Float80 special))
        {
            return special;
        }

        return a.IsZero || env.IsAborted ? Float80.One : Compute(a).Cosine.ToExtended(ref env);
    }

    /// <summary>FPTAN's first result; the second one is 1.</summary>
    public static Float80 Tangent(Float80 a, ref FloatEnvironment env)
    {
        if (IsSpecial(a, ref env, out Float80 special))
        {
            return special;
        }

        if (a.IsZero || env.IsAborted)
        {
            return a;
        }

        (WideFloat sine, WideFloat cosine) = Compute(a);
        return (sine / cosine).ToExtended(ref env);
    }

    /// <summary>FPATAN: the angle of the point (x, y), in all four quadrants.</summary>
    public static Float80 ArcTangent(Float80 y, Float80 x, ref FloatEnvironment env)
    {
        if (Operands80.IsInvalidOrNaN(y, x, ref env, out Float80 special))
        {
            return special;
        }

        Operands80.NoteDenormal(y, x, ref env);
        if (env.IsAborted)
        {
            return y;
        }

        WideFloat angle;
        if (y.IsZero || (x.IsInfinity && !y.IsInfinity))
        {
            if (!x.Sign)
            {
                return Float80.SignedZero(y.Sign);
            }

            angle = WideFloat.Pi;
        }
        else if (y.IsInfinity)
        {
            // pi/2, or on the diagonals pi/4 and 3pi/4.
            WideFloat quarter = WideFloat.Pi with { Exponent = -1 };
            WideFloat half = WideFloat.Pi with { Exponent = 0 };
            angle = !x.IsInfinity ? half : x.Sign ? half + quarter : quarter;
        }
        else if (x.IsZero)
        {
            angle = WideFloat.Pi with { Exponent = 0 };
        }
        else
        {
            angle = Angle(WideFloat.From(y.WithSign(false)), WideFloat.From(x.WithSign(false)));
            angle = x.Sign ? WideFloat.Pi - angle : angle;
        }

        return (angle with { Sign = y.Sign }).ToExtended(ref env);
    }

    private static bool IsSpecial(Float80 a, ref FloatEnvironment env, out Float80 result)
    {
        if (Operands80.IsInvalidOrNaN(a, ref env, out result))
        {
            return true;
        }

        if (a.IsInfinity)
        {
            result = env.Invalid();
            return true;
        }

        Operands80.NoteDenormal(a, ref env);
        return false;
    }

    private static (WideFloat Sine, WideFloat Cosine) Compute(Float80 a)
    {
        WideFloat rest = Reduce(a.WithSign(false), out int quadrant);
        WideFloat sine = SineOf(rest);
        WideFloat cosine = CosineOf(rest);
        (sine, cosine) = quadrant switch
        {
            0 => (sine, cosine),
            1 => (cosine, -sine),
            2 => (-sine, -cosine),
            _ => (-cosine, sine),
        };
        return (a.Sign ? -sine : sine, cosine);
    }

    // x = quadrant * pi/2 + rest, |rest| <= pi/4; exact, since every x beyond pi/4 is a multiple of 2^-65, as half of Pi66 is.
    private static WideFloat Reduce(Float80 a, out int quadrant)
    {
        Unpacked80 x = a.Unpack();
        int power = x.Exponent - Float80.Bias;
        quadrant = 0;
        if (power < -1)
        {
            return WideFloat.From(a);
        }

        (UInt128 quotient, UInt128 rest) = UInt128.DivRem((UInt128)x.Significand << (power + 2), Pi66);
        bool negative = rest > Pi66 - rest;
        quadrant = (int)((ulong)quotient + (negative ? 1u : 0)) & 3;
        return WideFloat.From(negative, negative ? Pi66 - rest : rest, -65);
    }

    // x - x^3/3! + x^5/5! ..., by Horner's rule.
    private static WideFloat SineOf(WideFloat x)
    {
        WideFloat square = x * x;
        WideFloat sum = WideFloat.One;
        for (int n = LastSineTerm; n > 0; n -= 2)
        {
            sum = WideFloat.One - (square * sum / (n * (n + 1)));
        }

        return x * (sum == WideFloat.One ? sum.TowardZero() : sum);
    }

    // 1 - x^2/2! + x^4/4! ...
    private static WideFloat CosineOf(WideFloat x)
    {
        WideFloat square = x * x;
        WideFloat sum = WideFloat.One;
        for (int n = LastSineTerm; n > 0; n -= 2)
        {
            sum = WideFloat.One - (square * sum / (n * (n - 1)));
        }

        return sum == WideFloat.One ? sum.TowardZero() : sum;
    }

    // The angle of a point in the first quadrant.
    private static WideFloat Angle(WideFloat y, WideFloat x)
    {
        bool steep = y.Exponent > x.Exponent || (y.Exponent == x.Exponent && y.Significand > x.Significand);
        WideFloat slope = steep ? x / y : y / x;
        WideFloat angle;
        if (slope.Exponent < -2)
        {
            angle = ArcOf(slope);
        }
        else
        {
            // atan(t) = pi/4 + atan((t - 1) / (t + 1)).
            WideFloat turned = (slope - WideFloat.One) / (slope + WideFloat.One);
            angle = (WideFloat.Pi with { Exponent = -1 }) + ArcOf(turned);
        }

        return steep ? (WideFloat.Pi with { Exponent = 0 }) - angle : angle;
    }

    // x - x^3/3 + x^5/5 ...
    private static WideFloat ArcOf(WideFloat x)
    {
        WideFloat square = x * x;
        WideFloat sum = WideFloat.One / LastArcTerm;
        for (int n = LastArcTerm - 2; n > 0; n -= 2)
        {
            sum = (WideFloat.One / n) - (square * sum);
        }

        return x * (sum == WideFloat.One ? sum.TowardZero() : sum);
    }
}
