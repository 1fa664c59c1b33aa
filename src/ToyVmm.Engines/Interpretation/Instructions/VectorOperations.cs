using System.Runtime.Intrinsics;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>
/// An operation on packed integers, or on bits. MMX instructions use the same ones on the low half, except where lanes move: see
/// <see cref="Packed64{TOp}"/> and <see cref="High64{TOp}"/>. .NET computes vectors alike whether the host has instructions for them or not.
/// </summary>
internal interface IVectorOperation
{
    /// <summary>The destination's new value.</summary>
    static abstract Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s);
}

/// <summary>MMX's form of an operation that packs both operands into one: 32 bits of result from each.</summary>
internal readonly struct Packed64<TOp> : IVectorOperation
    where TOp : struct, IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s)
    {
        Vector128<byte> both = Vector128.Create(d.GetLower(), s.GetLower());
        return TOp.Apply(both, both);
    }
}

/// <summary>MMX's PUNPCKH: the high half of what the low halves interleave to.</summary>
internal readonly struct High64<TOp> : IVectorOperation
    where TOp : struct, IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) =>
        Vector128.Create(TOp.Apply(d, s).GetUpper(), Vector64<byte>.Zero);
}

/// <summary>PADD.</summary>
internal readonly struct PackedAdd<T> : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => (d.As<byte, T>() + s.As<byte, T>()).AsByte();
}

/// <summary>PSUB.</summary>
internal readonly struct PackedSubtract<T> : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => (d.As<byte, T>() - s.As<byte, T>()).AsByte();
}

/// <summary>PADDS, PADDUS.</summary>
internal readonly struct PackedAddSaturated<T> : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => Vector128.AddSaturate(d.As<byte, T>(), s.As<byte, T>()).AsByte();
}

/// <summary>PSUBS, PSUBUS.</summary>
internal readonly struct PackedSubtractSaturated<T> : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => Vector128.SubtractSaturate(d.As<byte, T>(), s.As<byte, T>()).AsByte();
}

/// <summary>PCMPEQ.</summary>
internal readonly struct PackedEqual<T> : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => Vector128.Equals(d.As<byte, T>(), s.As<byte, T>()).AsByte();
}

/// <summary>PCMPGT.</summary>
internal readonly struct PackedGreater<T> : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => Vector128.GreaterThan(d.As<byte, T>(), s.As<byte, T>()).AsByte();
}

/// <summary>PMAX.</summary>
internal readonly struct PackedMaximum<T> : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => Vector128.Max(d.As<byte, T>(), s.As<byte, T>()).AsByte();
}

/// <summary>PMIN.</summary>
internal readonly struct PackedMinimum<T> : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => Vector128.Min(d.As<byte, T>(), s.As<byte, T>()).AsByte();
}

/// <summary>PAND, ANDPS, ANDPD.</summary>
internal readonly struct PackedAnd : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => d & s;
}

/// <summary>PANDN, ANDNPS, ANDNPD: the destination is inverted.</summary>
internal readonly struct PackedAndNot : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => ~d & s;
}

/// <summary>POR, ORPS, ORPD.</summary>
internal readonly struct PackedOr : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => d | s;
}

/// <summary>PXOR, XORPS, XORPD.</summary>
internal readonly struct PackedXor : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => d ^ s;
}

/// <summary>PAVGB: (a + b + 1) / 2, without the ninth bit: a + b is (a | b) + (a &amp; b).</summary>
internal readonly struct PackedAverageBytes : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => (d | s) - ((d ^ s) >>> 1);
}

/// <summary>PAVGW.</summary>
internal readonly struct PackedAverageWords : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => ((d | s).AsUInt16() - ((d ^ s).AsUInt16() >>> 1)).AsByte();
}

/// <summary>PMULLW.</summary>
internal readonly struct PackedMultiplyLow : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => (d.AsUInt16() * s.AsUInt16()).AsByte();
}

/// <summary>PMULHW: the even words' products from the low halves of the double-words, the odd ones' from the high halves.</summary>
internal readonly struct PackedMultiplyHigh : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s)
    {
        Vector128<int> even = ((d.AsInt32() << 16) >> 16) * ((s.AsInt32() << 16) >> 16);
        Vector128<int> odd = (d.AsInt32() >> 16) * (s.AsInt32() >> 16);
        return ((even >>> 16) | (odd & Vector128.Create(unchecked((int)0xFFFF_0000)))).AsByte();
    }
}

/// <summary>PMULHUW.</summary>
internal readonly struct PackedMultiplyHighUnsigned : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s)
    {
        Vector128<uint> low = Vector128.Create(0xFFFFu);
        Vector128<uint> even = (d.AsUInt32() & low) * (s.AsUInt32() & low);
        Vector128<uint> odd = (d.AsUInt32() >>> 16) * (s.AsUInt32() >>> 16);
        return ((even >>> 16) | (odd & ~low)).AsByte();
    }
}

/// <summary>PMADDWD: the sums of neighbouring products; only (-32768)^2 twice wraps.</summary>
internal readonly struct PackedMultiplyAdd : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) =>
        ((((d.AsInt32() << 16) >> 16) * ((s.AsInt32() << 16) >> 16)) + ((d.AsInt32() >> 16) * (s.AsInt32() >> 16))).AsByte();
}

/// <summary>PMULUDQ: the even double-words.</summary>
internal readonly struct PackedMultiplyDouble : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s)
    {
        Vector128<ulong> low = Vector128.Create(0xFFFF_FFFFul);
        return ((d.AsUInt64() & low) * (s.AsUInt64() & low)).AsByte();
    }
}

/// <summary>PSADBW: the sum of the eight differences of each half.</summary>
internal readonly struct PackedSumOfDifferences : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s)
    {
        Vector128<byte> difference = Vector128.Max(d, s) - Vector128.Min(d, s);
        Vector128<ulong> words = (difference.AsUInt64() & Vector128.Create(0x00FF_00FF_00FF_00FFul))
            + ((difference.AsUInt64() >>> 8) & Vector128.Create(0x00FF_00FF_00FF_00FFul));
        Vector128<ulong> pairs = words + (words >>> 32);
        return ((pairs + (pairs >>> 16)) & Vector128.Create(0xFFFFul)).AsByte();
    }
}

/// <summary>PACKSSWB.</summary>
internal readonly struct PackSignedBytes : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => Vector128.NarrowWithSaturation(d.AsInt16(), s.AsInt16()).AsByte();
}

/// <summary>PACKSSDW.</summary>
internal readonly struct PackSignedWords : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => Vector128.NarrowWithSaturation(d.AsInt32(), s.AsInt32()).AsByte();
}

/// <summary>PACKUSWB: signed words to unsigned bytes.</summary>
internal readonly struct PackUnsignedBytes : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => Vector128.Narrow(Clamp(d), Clamp(s));

    private static Vector128<ushort> Clamp(Vector128<byte> words) =>
        Vector128.Min(Vector128.Max(words.AsInt16(), Vector128<short>.Zero), Vector128.Create((short)255)).AsUInt16();
}

/// <summary>PUNPCKLBW: the destination's lanes come first.</summary>
internal readonly struct UnpackLowBytes : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => (Vector128.WidenLower(d) | (Vector128.WidenLower(s) << 8)).AsByte();
}

/// <summary>PUNPCKLWD.</summary>
internal readonly struct UnpackLowWords : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) =>
        (Vector128.WidenLower(d.AsUInt16()) | (Vector128.WidenLower(s.AsUInt16()) << 16)).AsByte();
}

/// <summary>PUNPCKLDQ, UNPCKLPS.</summary>
internal readonly struct UnpackLowDoubles : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) =>
        (Vector128.WidenLower(d.AsUInt32()) | (Vector128.WidenLower(s.AsUInt32()) << 32)).AsByte();
}

/// <summary>PUNPCKLQDQ, UNPCKLPD.</summary>
internal readonly struct UnpackLowQuads : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => Vector128.Create(d.GetLower(), s.GetLower());
}

/// <summary>PUNPCKHBW.</summary>
internal readonly struct UnpackHighBytes : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => (Vector128.WidenUpper(d) | (Vector128.WidenUpper(s) << 8)).AsByte();
}

/// <summary>PUNPCKHWD.</summary>
internal readonly struct UnpackHighWords : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) =>
        (Vector128.WidenUpper(d.AsUInt16()) | (Vector128.WidenUpper(s.AsUInt16()) << 16)).AsByte();
}

/// <summary>PUNPCKHDQ, UNPCKHPS.</summary>
internal readonly struct UnpackHighDoubles : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) =>
        (Vector128.WidenUpper(d.AsUInt32()) | (Vector128.WidenUpper(s.AsUInt32()) << 32)).AsByte();
}

/// <summary>PUNPCKHQDQ, UNPCKHPD.</summary>
internal readonly struct UnpackHighQuads : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => Vector128.Create(d.GetUpper(), s.GetUpper());
}
