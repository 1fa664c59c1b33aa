namespace ToyVmm.Engines.Interpretation.FloatingPoint;

/// <summary>
/// A double-extended value exactly as an x87 register holds it (SDM 1 4.2.2): sign, 15 bits of exponent with bias 16383, and a
/// 64-bit significand whose integer bit is explicit. Every one of the 2^80 patterns is a value of this type, those too that
/// the 387 and its successors no longer support.
/// </summary>
/// <param name="SignExponent">Bit 15: sign; bits 0-14: biased exponent.</param>
/// <param name="Significand">Bit 63: the integer bit.</param>
internal readonly record struct Float80(ushort SignExponent, ulong Significand)
{
    /// <summary>The exponent of 1.0.</summary>
    public const int Bias = 16383;

    /// <summary>The exponent of infinities and NaNs.</summary>
    public const int SpecialExponent = 0x7FFF;

    /// <summary>The integer bit.</summary>
    public const ulong IntegerBit = 1ul << 63;

    /// <summary>The bit that tells a quiet NaN from a signalling one.</summary>
    public const ulong QuietBit = 1ul << 62;

    /// <summary>The QNaN that answers an invalid operation ("real indefinite", SDM 1 4.8.3.7).</summary>
    public static Float80 Indefinite => new(0xFFFF, IntegerBit | QuietBit);

    /// <summary>+0.</summary>
    public static Float80 Zero => default;

    /// <summary>+1.</summary>
    public static Float80 One => new(Bias, IntegerBit);

    /// <summary>Makes a value from its parts.</summary>
    public Float80(bool sign, int exponent, ulong significand)
        : this((ushort)(exponent | (sign ? 0x8000 : 0)), significand)
    {
    }

    /// <summary>True for a minus sign.</summary>
    public bool Sign => (SignExponent & 0x8000) != 0;

    /// <summary>The biased exponent.</summary>
    public int Exponent => SignExponent & 0x7FFF;

    /// <summary>Plus or minus zero.</summary>
    public bool IsZero => Exponent == 0 && Significand == 0;

    /// <summary>Denormals and pseudo-denormals (integer bit set).</summary>
    public bool IsDenormal => Exponent == 0 && Significand != 0;

    /// <summary>Plus or minus infinity.</summary>
    public bool IsInfinity => Exponent == SpecialExponent && Significand == IntegerBit;

    /// <summary>A supported NaN.</summary>
    public bool IsNaN => Exponent == SpecialExponent && Significand > IntegerBit;

    /// <summary>A NaN that raises the invalid-operation exception.</summary>
    public bool IsSignalingNaN => IsNaN && (Significand & QuietBit) == 0;

    /// <summary>Unnormals, pseudo-infinities and pseudo-NaNs: operands that are invalid as such (SDM 1 8.2.2).</summary>
    public bool IsUnsupported => Exponent != 0 && (Significand & IntegerBit) == 0;

    /// <summary>Plus or minus infinity.</summary>
    public static Float80 Infinity(bool sign) => new(sign, SpecialExponent, IntegerBit);

    /// <summary>Plus or minus zero.</summary>
    public static Float80 SignedZero(bool sign) => new(sign, 0, 0);

    /// <summary>The same NaN, quiet.</summary>
    public Float80 Quieted() => this with { Significand = Significand | QuietBit };

    /// <summary>The same magnitude with another sign.</summary>
    public Float80 WithSign(bool sign) => new(sign, Exponent, Significand);

    /// <summary>The same magnitude with the opposite sign.</summary>
    public Float80 Negated() => this with { SignExponent = (ushort)(SignExponent ^ 0x8000) };

    /// <summary>A finite, non-zero value with its significand normalised; the exponent may be zero or below.</summary>
    public Unpacked80 Unpack()
    {
        int shift = System.Numerics.BitOperations.LeadingZeroCount(Significand);
        return new Unpacked80(Sign, (Exponent == 0 ? 1 : Exponent) - shift, Significand << shift);
    }
}

/// <summary>A finite, non-zero number: (-1)^Sign * Significand * 2^(Exponent - 16383 - 63), bit 63 of the significand set.</summary>
/// <param name="Sign">True for minus.</param>
/// <param name="Exponent">Biased as in <see cref="Float80"/>, but not bounded.</param>
/// <param name="Significand">Normalised.</param>
internal readonly record struct Unpacked80(bool Sign, int Exponent, ulong Significand);
