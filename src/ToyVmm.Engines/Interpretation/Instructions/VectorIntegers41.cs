using System.Runtime.Intrinsics;

namespace ToyVmm.Engines.Interpretation.Instructions;

// SSE4.1 (SDM 1 12.8): packed integers that the other files' operations do not cover.

/// <summary>PMULDQ: the even double-words, signed.</summary>
internal readonly struct PackedMultiplyDoubleSigned : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) =>
        (((d.AsInt64() << 32) >> 32) * ((s.AsInt64() << 32) >> 32)).AsByte();
}

/// <summary>PMULLD: the low halves of the products.</summary>
internal readonly struct PackedMultiplyLowDoubles : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => (d.AsUInt32() * s.AsUInt32()).AsByte();
}

/// <summary>PACKUSDW: signed double-words to unsigned words.</summary>
internal readonly struct PackUnsignedWords : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s) => Vector128.Narrow(Clamp(d), Clamp(s)).AsByte();

    private static Vector128<uint> Clamp(Vector128<byte> doubles) =>
        Vector128.Min(Vector128.Max(doubles.AsInt32(), Vector128<int>.Zero), Vector128.Create(0xFFFF)).AsUInt32();
}

/// <summary>PHMINPOSUW: the smallest word of the source, and behind it the place where it stands first.</summary>
internal readonly struct MinimumPosition : IVectorOperation
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s)
    {
        Vector128<ushort> words = s.AsUInt16();
        int place = 0;
        for (int n = 1; n < 8; n++)
        {
            place = words[n] < words[place] ? n : place;
        }

        return Vector128.CreateScalar(words[place] | ((uint)place << 16)).AsByte();
    }
}
