using System.Runtime.Intrinsics;

namespace ToyVmm.Engines.Interpretation.Instructions;

// SSSE3 (SDM 1 12.5): the operations on bytes, words and double-words that MMX and SSE2 left out.

/// <summary>PSHUFB: bytes of the destination, by the low four bits of each index; zero where its bit 7 is set.</summary>
internal readonly struct ShuffleBytes : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => Vector128.Shuffle(d, s & Vector128.Create((byte)0x8F));
}

/// <summary>PSHUFB on MMX registers: three bits of index.</summary>
internal readonly struct ShuffleBytes64 : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => Vector128.Shuffle(d, s & Vector128.Create((byte)0x87));
}

/// <summary>PHADDW: sums of neighbours, the destination's first.</summary>
internal readonly struct HorizontalAddWords : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => Vector128.Narrow(Sums(d), Sums(s)).AsByte();

    /// <summary>The sums of neighbouring signed words.</summary>
    public static Vector128<int> Sums(Vector128<byte> value) => ((value.AsInt32() << 16) >> 16) + (value.AsInt32() >> 16);
}

/// <summary>PHADDSW: saturated.</summary>
internal readonly struct HorizontalAddWordsSaturated : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) =>
        Vector128.NarrowWithSaturation(HorizontalAddWords.Sums(d), HorizontalAddWords.Sums(s)).AsByte();
}

/// <summary>PHADDD.</summary>
internal readonly struct HorizontalAddDoubles : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s)
    {
        Vector128<uint> a = d.AsUInt32();
        Vector128<uint> b = s.AsUInt32();
        return Vector128.Create(a[0] + a[1], a[2] + a[3], b[0] + b[1], b[2] + b[3]).AsByte();
    }
}

/// <summary>PHSUBW: the lower neighbour minus the higher.</summary>
internal readonly struct HorizontalSubtractWords : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => Vector128.Narrow(Differences(d), Differences(s)).AsByte();

    /// <summary>The differences of neighbouring signed words.</summary>
    public static Vector128<int> Differences(Vector128<byte> value) => ((value.AsInt32() << 16) >> 16) - (value.AsInt32() >> 16);
}

/// <summary>PHSUBSW: saturated.</summary>
internal readonly struct HorizontalSubtractWordsSaturated : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) =>
        Vector128.NarrowWithSaturation(HorizontalSubtractWords.Differences(d), HorizontalSubtractWords.Differences(s)).AsByte();
}

/// <summary>PHSUBD.</summary>
internal readonly struct HorizontalSubtractDoubles : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s)
    {
        Vector128<uint> a = d.AsUInt32();
        Vector128<uint> b = s.AsUInt32();
        return Vector128.Create(a[0] - a[1], a[2] - a[3], b[0] - b[1], b[2] - b[3]).AsByte();
    }
}

/// <summary>PMADDUBSW: unsigned bytes of the destination times signed bytes of the source; neighbouring products, which fit in words, add up saturated.</summary>
internal readonly struct PackedMultiplyAddBytes : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s)
    {
        Vector128<short> even = (d.AsInt16() & Vector128.Create((short)0xFF)) * ((s.AsInt16() << 8) >> 8);
        Vector128<short> odd = (d.AsInt16() >>> 8) * (s.AsInt16() >> 8);
        return Vector128.AddSaturate(even, odd).AsByte();
    }
}

/// <summary>PMULHRSW: bits 15-30 of the products, rounded by bit 14.</summary>
internal readonly struct PackedMultiplyHighRounded : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s)
    {
        Vector128<int> even = Scale(((d.AsInt32() << 16) >> 16) * ((s.AsInt32() << 16) >> 16));
        Vector128<int> odd = Scale((d.AsInt32() >> 16) * (s.AsInt32() >> 16));
        return ((even & Vector128.Create(0xFFFF)) | (odd << 16)).AsByte();
    }

    private static Vector128<int> Scale(Vector128<int> products) => ((products >> 14) + Vector128<int>.One) >> 1;
}

/// <summary>PSIGNB: the destination, negated where the source is negative, zero where it is zero.</summary>
internal readonly struct PackedSignBytes : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s)
    {
        Vector128<sbyte> negative = s.AsSByte() >> 7;
        return Vector128.AndNot((d.AsSByte() ^ negative) - negative, Vector128.Equals(s.AsSByte(), Vector128<sbyte>.Zero)).AsByte();
    }
}

/// <summary>PSIGNW.</summary>
internal readonly struct PackedSignWords : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s)
    {
        Vector128<short> negative = s.AsInt16() >> 15;
        return Vector128.AndNot((d.AsInt16() ^ negative) - negative, Vector128.Equals(s.AsInt16(), Vector128<short>.Zero)).AsByte();
    }
}

/// <summary>PSIGND.</summary>
internal readonly struct PackedSignDoubles : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s)
    {
        Vector128<int> negative = s.AsInt32() >> 31;
        return Vector128.AndNot((d.AsInt32() ^ negative) - negative, Vector128.Equals(s.AsInt32(), Vector128<int>.Zero)).AsByte();
    }
}

/// <summary>PABSB: of the source. The most negative number stays.</summary>
internal readonly struct PackedAbsoluteBytes : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s)
    {
        Vector128<sbyte> negative = s.AsSByte() >> 7;
        return ((s.AsSByte() ^ negative) - negative).AsByte();
    }
}

/// <summary>PABSW.</summary>
internal readonly struct PackedAbsoluteWords : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s)
    {
        Vector128<short> negative = s.AsInt16() >> 15;
        return ((s.AsInt16() ^ negative) - negative).AsByte();
    }
}

/// <summary>PABSD.</summary>
internal readonly struct PackedAbsoluteDoubles : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s)
    {
        Vector128<int> negative = s.AsInt32() >> 31;
        return ((s.AsInt32() ^ negative) - negative).AsByte();
    }
}

/// <summary>PALIGNR: 16 of the 32 bytes of destination and source, from byte n of the source on.</summary>
internal readonly struct AlignRight : IVectorShuffle
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s, uint control)
    {
        UInt128 high = new(d.AsUInt64()[1], d.AsUInt64()[0]);
        UInt128 low = new(s.AsUInt64()[1], s.AsUInt64()[0]);
        int bits = 8 * (int)(byte)control;
        UInt128 result = bits switch
        {
            0 => low,
            < 128 => (low >> bits) | (high << (128 - bits)),
            < 256 => high >> (bits - 128),
            _ => 0,
        };
        return Vector128.Create((ulong)result, (ulong)(result >> 64)).AsByte();
    }
}

/// <summary>PALIGNR on MMX registers: 8 of 16 bytes.</summary>
internal readonly struct AlignRight64 : IVectorShuffle
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s, uint control)
    {
        UInt128 both = new(d.AsUInt64()[0], s.AsUInt64()[0]);
        int bytes = (byte)control;
        return Vector128.CreateScalar(bytes < 16 ? (ulong)(both >> (8 * bytes)) : 0).AsByte();
    }
}

/// <summary>MOVSHDUP: the odd singles, twice each (SSE3).</summary>
internal readonly struct DuplicateOddSingles : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s)
    {
        Vector128<ulong> odd = s.AsUInt64() >>> 32;
        return (odd | (odd << 32)).AsByte();
    }
}

/// <summary>MOVSLDUP: the even singles, twice each (SSE3).</summary>
internal readonly struct DuplicateEvenSingles : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s)
    {
        Vector128<ulong> even = s.AsUInt64() & Vector128.Create(0xFFFF_FFFFul);
        return (even | (even << 32)).AsByte();
    }
}
