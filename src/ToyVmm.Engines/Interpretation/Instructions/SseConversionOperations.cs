using System.Numerics;
using ToyVmm.Engines.Interpretation.FloatingPoint;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>A conversion of one lane.</summary>
internal interface ISseConversion
{
    /// <summary>Bytes of what is converted.</summary>
    static abstract int SourceSize { get; }

    /// <summary>Bytes of the result.</summary>
    static abstract int ResultSize { get; }

    /// <summary>Converts.</summary>
    static abstract ulong Convert(ulong source, ref SseEnvironment env);
}

/// <summary>A signed double-word to a float.</summary>
internal readonly struct IntegerTo<TFormat> : ISseConversion
    where TFormat : struct, ISseFormat
{
    public static int SourceSize => 4;

    public static int ResultSize => TFormat.Size;

    public static ulong Convert(ulong source, ref SseEnvironment env)
    {
        int value = (int)source;
        if (value == 0)
        {
            return 0;
        }

        ulong magnitude = (ulong)Math.Abs((long)value);
        int shift = BitOperations.LeadingZeroCount(magnitude);
        return SseFloat<TFormat>.Round(value < 0, SseFloat<TFormat>.Bias + 63 - shift, magnitude << shift, 0, ref env);
    }
}

/// <summary>A float to a signed double-word, rounded as MXCSR says.</summary>
internal readonly struct RoundedFrom<TFormat> : ISseConversion
    where TFormat : struct, ISseFormat
{
    public static int SourceSize => TFormat.Size;

    public static int ResultSize => 4;

    public static ulong Convert(ulong source, ref SseEnvironment env) => SseConversion.ToInteger<TFormat>(source, env.Rounding, ref env);
}

/// <summary>A float to a signed double-word, truncated.</summary>
internal readonly struct TruncatedFrom<TFormat> : ISseConversion
    where TFormat : struct, ISseFormat
{
    public static int SourceSize => TFormat.Size;

    public static int ResultSize => 4;

    public static ulong Convert(ulong source, ref SseEnvironment env) => SseConversion.ToInteger<TFormat>(source, RoundingMode.Zero, ref env);
}

/// <summary>A float to the other format.</summary>
internal readonly struct FormatTo<TFrom, TTo> : ISseConversion
    where TFrom : struct, ISseFormat
    where TTo : struct, ISseFormat
{
    public static int SourceSize => TFrom.Size;

    public static int ResultSize => TTo.Size;

    public static ulong Convert(ulong source, ref SseEnvironment env)
    {
        ulong a = SseFloat<TFrom>.Operand(source, env);
        ulong sign = SseFloat<TFrom>.Sign(a) ? SseFloat<TTo>.SignBit : 0;
        if (SseFloat<TFrom>.IsNaN(a))
        {
            // The payload's highest bits are kept.
            env.Raise(SseFloat<TFrom>.IsSignaling(a) ? FloatException.Invalid : 0);
            ulong payload = (a << (64 - TFrom.FractionBits)) >> (64 - TTo.FractionBits);
            return sign | SseFloat<TTo>.Infinity | SseFloat<TTo>.QuietBit | payload;
        }

        if (SseFloat<TFrom>.IsInfinity(a))
        {
            return sign | SseFloat<TTo>.Infinity;
        }

        if (SseFloat<TFrom>.IsZero(a))
        {
            return sign;
        }

        SseFloat<TFrom>.NoteDenormal(a, a, ref env);
        Unpacked80 x = SseFloat<TFrom>.Unpack(a);
        return SseFloat<TTo>.Round(x.Sign, x.Exponent - SseFloat<TFrom>.Bias + SseFloat<TTo>.Bias, x.Significand, 0, ref env);
    }
}

/// <summary>Floats to integers.</summary>
internal static class SseConversion
{
    /// <summary>The answer where the integer cannot hold the value: the "integer indefinite" (SDM 1 table 4-4).</summary>
    private const ulong Indefinite = 0x8000_0000;

    /// <summary>Rounds a float to a signed double-word. A denormal operand is no exception here (SDM 1 11.5.2.2), only inexact.</summary>
    public static ulong ToInteger<TFormat>(ulong source, RoundingMode mode, ref SseEnvironment env)
        where TFormat : struct, ISseFormat
    {
        ulong a = SseFloat<TFormat>.Operand(source, env);
        if (SseFloat<TFormat>.IsZero(a))
        {
            return 0;
        }

        // NaNs and infinities have the largest exponent, so they end here too.
        Unpacked80 x = SseFloat<TFormat>.Unpack(a);
        int power = x.Exponent - SseFloat<TFormat>.Bias;
        if (power > 31)
        {
            env.Raise(FloatException.Invalid);
            return Indefinite;
        }

        // The integer in 64 bits, what is behind the point in 64 more.
        ulong integer = x.Significand;
        ulong rest = 0;
        Rounding80.ShiftRightSticky(ref integer, ref rest, 63 - power);
        _ = Rounding80.RoundSignificand(x.Sign, ref integer, rest, 64, mode, out bool inexact, out _);
        if (integer > (x.Sign ? 0x8000_0000u : 0x7FFF_FFFFu))
        {
            env.Raise(FloatException.Invalid);
            return Indefinite;
        }

        env.Raise(inexact ? FloatException.Precision : 0);
        return (uint)(x.Sign ? 0 - integer : integer);
    }
}
