using System.Runtime.Intrinsics;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>An operation that fills an XMM register from the low bytes of another, or from a memory operand of that size.</summary>
internal interface IVectorWidening
{
    /// <summary>Bytes of the memory operand, which need not be aligned.</summary>
    static abstract int SourceSize { get; }

    /// <summary>The destination's new value; only the source's low bytes matter.</summary>
    static abstract Vector128<byte> Apply(Vector128<byte> s);
}

/// <summary>MOVDDUP: the low double, twice (SSE3).</summary>
internal readonly struct DuplicateDouble : IVectorWidening
{
    public static int SourceSize => 8;

    public static Vector128<byte> Apply(Vector128<byte> s) => Vector128.Create(s.GetLower(), s.GetLower());
}

/// <summary>PMOVSXBW, and the first step of the others.</summary>
internal readonly struct SignedBytesToWords : IVectorWidening
{
    public static int SourceSize => 8;

    public static Vector128<byte> Apply(Vector128<byte> s) => Vector128.WidenLower(s.AsSByte()).AsByte();
}

/// <summary>PMOVSXBD.</summary>
internal readonly struct SignedBytesToDoubles : IVectorWidening
{
    public static int SourceSize => 4;

    public static Vector128<byte> Apply(Vector128<byte> s) => SignedWordsToDoubles.Apply(SignedBytesToWords.Apply(s));
}

/// <summary>PMOVSXBQ.</summary>
internal readonly struct SignedBytesToQuads : IVectorWidening
{
    public static int SourceSize => 2;

    public static Vector128<byte> Apply(Vector128<byte> s) => SignedDoublesToQuads.Apply(SignedBytesToDoubles.Apply(s));
}

/// <summary>PMOVSXWD.</summary>
internal readonly struct SignedWordsToDoubles : IVectorWidening
{
    public static int SourceSize => 8;

    public static Vector128<byte> Apply(Vector128<byte> s) => Vector128.WidenLower(s.AsInt16()).AsByte();
}

/// <summary>PMOVSXWQ.</summary>
internal readonly struct SignedWordsToQuads : IVectorWidening
{
    public static int SourceSize => 4;

    public static Vector128<byte> Apply(Vector128<byte> s) => SignedDoublesToQuads.Apply(SignedWordsToDoubles.Apply(s));
}

/// <summary>PMOVSXDQ.</summary>
internal readonly struct SignedDoublesToQuads : IVectorWidening
{
    public static int SourceSize => 8;

    public static Vector128<byte> Apply(Vector128<byte> s) => Vector128.WidenLower(s.AsInt32()).AsByte();
}

/// <summary>PMOVZXBW, and the first step of the others.</summary>
internal readonly struct BytesToWords : IVectorWidening
{
    public static int SourceSize => 8;

    public static Vector128<byte> Apply(Vector128<byte> s) => Vector128.WidenLower(s).AsByte();
}

/// <summary>PMOVZXBD.</summary>
internal readonly struct BytesToDoubles : IVectorWidening
{
    public static int SourceSize => 4;

    public static Vector128<byte> Apply(Vector128<byte> s) => WordsToDoubles.Apply(BytesToWords.Apply(s));
}

/// <summary>PMOVZXBQ.</summary>
internal readonly struct BytesToQuads : IVectorWidening
{
    public static int SourceSize => 2;

    public static Vector128<byte> Apply(Vector128<byte> s) => DoublesToQuads.Apply(BytesToDoubles.Apply(s));
}

/// <summary>PMOVZXWD.</summary>
internal readonly struct WordsToDoubles : IVectorWidening
{
    public static int SourceSize => 8;

    public static Vector128<byte> Apply(Vector128<byte> s) => Vector128.WidenLower(s.AsUInt16()).AsByte();
}

/// <summary>PMOVZXWQ.</summary>
internal readonly struct WordsToQuads : IVectorWidening
{
    public static int SourceSize => 4;

    public static Vector128<byte> Apply(Vector128<byte> s) => DoublesToQuads.Apply(WordsToDoubles.Apply(s));
}

/// <summary>PMOVZXDQ.</summary>
internal readonly struct DoublesToQuads : IVectorWidening
{
    public static int SourceSize => 8;

    public static Vector128<byte> Apply(Vector128<byte> s) => Vector128.WidenLower(s.AsUInt32()).AsByte();
}

/// <summary>PMOVSX PMOVZX (SSE4.1, SDM 2B PMOVSX) and MOVDDUP (SSE3).</summary>
internal static unsafe class VectorWidening
{
    /// <summary>The handler of all of them.</summary>
    public static nint Widen<TWidening>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TWidening : struct, IVectorWidening
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        byte* source = VectorUnit.Source(s, i, cpu, TWidening.SourceSize);
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        ulong value = TWidening.SourceSize switch
        {
            2 => *(ushort*)source,
            4 => *(uint*)source,
            _ => *(ulong*)source,
        };
        *VectorUnit.Xmm(s, i->Destination) = TWidening.Apply(Vector128.CreateScalar(value).AsByte());
        return Flow.Next(s, i, cpu);
    }
}
