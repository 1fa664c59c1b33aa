namespace ToyVmm.Engines.Interpretation.FloatingPoint;

/// <summary>
/// A number with 128 bits of significand, in which the transcendental instructions compute: twice what a register holds, so that
/// the few last bits that a series loses never reach the result. Operations truncate.
/// </summary>
/// <param name="Sign">True for minus.</param>
/// <param name="Exponent">The power of two of the top bit.</param>
/// <param name="Significand">Bit 127 set; zero for zero.</param>
internal readonly record struct WideFloat(bool Sign, int Exponent, UInt128 Significand)
{
    /// <summary>1.</summary>
    public static WideFloat One => new(false, 0, UInt128.One << 127);

    /// <summary>pi, to 128 bits.</summary>
    public static WideFloat Pi => new(false, 1, new UInt128(0xC90F_DAA2_2168_C234, 0xC4C6_628B_80DC_1CD1));

    /// <summary>The natural logarithm of 2.</summary>
    public static WideFloat Ln2 => new(false, -1, new UInt128(0xB172_17F7_D1CF_79AB, 0xC9E3_B398_03F2_F6AF));

    /// <summary>The binary logarithm of e.</summary>
    public static WideFloat Log2E => new(false, 0, new UInt128(0xB8AA_3B29_5C17_F0BB, 0xBE87_FED0_691D_3E88));

    /// <summary>True for zero.</summary>
    public bool IsZero => Significand == 0;

    /// <summary>A finite register value.</summary>
    public static WideFloat From(Float80 value)
    {
        if (value.IsZero)
        {
            return default;
        }

        Unpacked80 x = value.Unpack();
        return new WideFloat(x.Sign, x.Exponent - Float80.Bias, new UInt128(x.Significand, 0));
    }

    /// <summary>An integer times a power of two.</summary>
    public static WideFloat From(bool sign, UInt128 magnitude, int power)
    {
        int shift = (int)UInt128.LeadingZeroCount(magnitude);
        return magnitude == 0 ? default : new WideFloat(sign, 127 - shift + power, magnitude << shift);
    }

    /// <summary>An integer.</summary>
    public static WideFloat From(int value) => From(value < 0, (UInt128)Math.Abs((long)value), 0);

    /// <summary>The sum.</summary>
    public static WideFloat operator +(WideFloat a, WideFloat b)
    {
        if (a.IsZero || b.IsZero)
        {
            return a.IsZero ? b : a;
        }

        if (a.Exponent < b.Exponent || (a.Exponent == b.Exponent && a.Significand < b.Significand))
        {
            (a, b) = (b, a);
        }

        int distance = a.Exponent - b.Exponent;
        UInt128 addend = distance > 127 ? 0 : b.Significand >> distance;
        if (a.Sign != b.Sign)
        {
            return From(a.Sign, a.Significand - addend, a.Exponent - 127);
        }

        UInt128 sum = a.Significand + addend;
        return sum < addend
            ? new WideFloat(a.Sign, a.Exponent + 1, (sum >> 1) | (UInt128.One << 127))
            : a with { Significand = sum };
    }

    /// <summary>The difference.</summary>
    public static WideFloat operator -(WideFloat a, WideFloat b) => a + -b;

    /// <summary>The opposite.</summary>
    public static WideFloat operator -(WideFloat a) => a with { Sign = !a.Sign };

    /// <summary>The product.</summary>
    public static WideFloat operator *(WideFloat a, WideFloat b)
    {
        if (a.IsZero || b.IsZero)
        {
            return default;
        }

        (ulong ah, ulong al) = ((ulong)(a.Significand >> 64), (ulong)a.Significand);
        (ulong bh, ulong bl) = ((ulong)(b.Significand >> 64), (ulong)b.Significand);
        UInt128 high = (UInt128)ah * bh;
        UInt128 middle = ((UInt128)ah * bl >> 64) + ((UInt128)al * bh >> 64);
        UInt128 product = high + middle;
        return (product >> 127) != 0
            ? new WideFloat(a.Sign != b.Sign, a.Exponent + b.Exponent + 1, product)
            : new WideFloat(a.Sign != b.Sign, a.Exponent + b.Exponent, product << 1);
    }

    /// <summary>The quotient; the divisor is not zero.</summary>
    public static WideFloat operator /(WideFloat a, WideFloat b)
    {
        if (a.IsZero)
        {
            return default;
        }

        // Restoring division: the first bit says on which side of 1 the quotient of the significands lies.
        UInt128 rest = a.Significand;
        UInt128 quotient = 0;
        if (rest >= b.Significand)
        {
            rest -= b.Significand;
            quotient = 1;
        }

        int exponent = a.Exponent - b.Exponent - (quotient == 0 ? 1 : 0);
        int steps = quotient == 0 ? 128 : 127;
        for (; steps > 0; steps--)
        {
            bool carry = (rest >> 127) != 0;
            rest <<= 1;
            quotient <<= 1;
            if (carry || rest >= b.Significand)
            {
                rest -= b.Significand;
                quotient |= 1;
            }
        }

        return new WideFloat(a.Sign != b.Sign, exponent, quotient);
    }

    /// <summary>The quotient by a small positive integer.</summary>
    public static WideFloat operator /(WideFloat a, int divisor) => From(a.Sign, a.Significand / (UInt128)(uint)divisor, a.Exponent - 127);

    /// <summary>Rounds to a register. The exact value is never representable where this is used: a result that looks so is inexact all the same.</summary>
    public Float80 ToExtended(ref FloatEnvironment env) =>
        Rounding80.ToExtended(Sign, Exponent + Float80.Bias, (ulong)(Significand >> 64), (ulong)Significand | 1, 64, ref env);

    /// <summary>The next number toward zero, for a value whose distance from the exact one has fallen below the last bit.</summary>
    public WideFloat TowardZero() => From(Sign, Significand - 1, Exponent - 127);
}
