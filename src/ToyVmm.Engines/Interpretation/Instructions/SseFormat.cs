using ToyVmm.Engines.Interpretation.FloatingPoint;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>An IEEE 754 format of SSE (SDM 1 4.2.2): values are patterns in the low bits of a 64-bit integer.</summary>
internal unsafe interface ISseFormat
{
    /// <summary>Bytes.</summary>
    static abstract int Size { get; }

    /// <summary>Bits of the fraction: the significand without its integer bit.</summary>
    static abstract int FractionBits { get; }

    /// <summary>The exponent of infinities and NaNs.</summary>
    static abstract int SpecialExponent { get; }

    /// <summary>Lane n of a vector.</summary>
    static abstract ulong Get(void* vector, int n);

    /// <summary>Sets lane n of a vector.</summary>
    static abstract void Set(void* vector, int n, ulong value);

    /// <summary>The operation in the host's arithmetic, which is IEEE 754's, rounded to nearest.</summary>
    static abstract ulong Add(ulong a, ulong b);

    /// <summary>a - b, likewise.</summary>
    static abstract ulong Subtract(ulong a, ulong b);

    /// <summary>a * b, likewise.</summary>
    static abstract ulong Multiply(ulong a, ulong b);

    /// <summary>a / b, likewise.</summary>
    static abstract ulong Divide(ulong a, ulong b);

    /// <summary>The square root, likewise.</summary>
    static abstract ulong SquareRoot(ulong a);
}

/// <summary>Single precision.</summary>
internal readonly unsafe struct SseSingle : ISseFormat
{
    public static int Size => 4;

    public static int FractionBits => 23;

    public static int SpecialExponent => 255;

    public static ulong Get(void* vector, int n) => ((uint*)vector)[n];

    public static void Set(void* vector, int n, ulong value) => ((uint*)vector)[n] = (uint)value;

    public static ulong Add(ulong a, ulong b) => Pattern(Value(a) + Value(b));

    public static ulong Subtract(ulong a, ulong b) => Pattern(Value(a) - Value(b));

    public static ulong Multiply(ulong a, ulong b) => Pattern(Value(a) * Value(b));

    public static ulong Divide(ulong a, ulong b) => Pattern(Value(a) / Value(b));

    public static ulong SquareRoot(ulong a) => Pattern(MathF.Sqrt(Value(a)));

    private static float Value(ulong pattern) => BitConverter.UInt32BitsToSingle((uint)pattern);

    private static ulong Pattern(float value) => BitConverter.SingleToUInt32Bits(value);
}

/// <summary>Double precision.</summary>
internal readonly unsafe struct SseDouble : ISseFormat
{
    public static int Size => 8;

    public static int FractionBits => 52;

    public static int SpecialExponent => 2047;

    public static ulong Get(void* vector, int n) => ((ulong*)vector)[n];

    public static void Set(void* vector, int n, ulong value) => ((ulong*)vector)[n] = value;

    public static ulong Add(ulong a, ulong b) => Pattern(Value(a) + Value(b));

    public static ulong Subtract(ulong a, ulong b) => Pattern(Value(a) - Value(b));

    public static ulong Multiply(ulong a, ulong b) => Pattern(Value(a) * Value(b));

    public static ulong Divide(ulong a, ulong b) => Pattern(Value(a) / Value(b));

    public static ulong SquareRoot(ulong a) => Pattern(Math.Sqrt(Value(a)));

    private static double Value(ulong pattern) => BitConverter.UInt64BitsToDouble(pattern);

    private static ulong Pattern(double value) => BitConverter.DoubleToUInt64Bits(value);
}

/// <summary>What an SSE operation obeys (MXCSR, SDM 1 10.2.3) and the exceptions it meets, of all its lanes together.</summary>
internal struct SseEnvironment(uint mxcsr)
{
    private const uint DenormalsAreZeros = 1 << 6;
    private const uint FlushToZero = 1 << 15;
    private const int MaskShift = 7;
    private const int RoundingShift = 13;

    /// <summary>MXCSR.</summary>
    public readonly uint Control = mxcsr;

    /// <summary>The exceptions met, as flags of MXCSR.</summary>
    public uint Raised;

    /// <summary>MXCSR.RC.</summary>
    public readonly RoundingMode Rounding => (RoundingMode)((Control >> RoundingShift) & 3);

    /// <summary>MXCSR.DAZ: denormal operands are zeros.</summary>
    public readonly bool IgnoresDenormals => (Control & DenormalsAreZeros) != 0;

    /// <summary>MXCSR.FTZ, which works only while underflow is masked.</summary>
    public readonly bool FlushesResults => (Control & FlushToZero) != 0;

    /// <summary>
    /// True where the host's arithmetic tells all: rounding to nearest, and a lost bit tells nothing new, because PE is already set and
    /// masked. The usual case in a program's inner loops.
    /// </summary>
    public readonly bool IsPlain => (Control & ((3u << RoundingShift) | (FloatException.Precision << MaskShift) | FloatException.Precision))
        == ((FloatException.Precision << MaskShift) | FloatException.Precision);

    /// <summary>The exceptions met that are not masked.</summary>
    public readonly uint Unmasked => Raised & ~(Control >> MaskShift) & FloatException.All;

    /// <summary>True when an exception is masked.</summary>
    public readonly bool IsMasked(uint exception) => (Control & (exception << MaskShift)) != 0;

    /// <summary>Notes exceptions.</summary>
    public void Raise(uint exceptions) => Raised |= exceptions;
}
