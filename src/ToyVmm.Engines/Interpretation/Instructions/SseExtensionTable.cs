using Iced.Intel;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>SSE3, SSSE3, SSE4.1, SSE4.2 and POPCNT, one line each: mnemonic to handler. MONITOR and MWAIT are not there, and CPUID says so.</summary>
internal static unsafe class SseExtensionTable
{
    /// <summary>The handler of an instruction; null where it is none of these.</summary>
    public static Handler Select(in Instruction x) => x.Mnemonic switch
    {
        // SSE3 (FISTTP is in the x87 table)
        Mnemonic.Addsubps => &SseHorizontal.AddSubtract<SseSingle>,
        Mnemonic.Addsubpd => &SseHorizontal.AddSubtract<SseDouble>,
        Mnemonic.Haddps => &SseHorizontal.Neighbours<SseAdd, SseSingle>,
        Mnemonic.Haddpd => &SseHorizontal.Neighbours<SseAdd, SseDouble>,
        Mnemonic.Hsubps => &SseHorizontal.Neighbours<SseSubtract, SseSingle>,
        Mnemonic.Hsubpd => &SseHorizontal.Neighbours<SseSubtract, SseDouble>,
        Mnemonic.Movddup => &VectorWidening.Widen<DuplicateDouble>,
        Mnemonic.Movshdup => VectorInteger.Select<DuplicateOddSingles>(x),
        Mnemonic.Movsldup => VectorInteger.Select<DuplicateEvenSingles>(x),
        Mnemonic.Lddqu => VectorMoves.Unaligned(x),

        // SSSE3
        Mnemonic.Pshufb => VectorInteger.Select<ShuffleBytes, ShuffleBytes64>(x),
        Mnemonic.Phaddw => VectorInteger.Select<HorizontalAddWords, Packed64<HorizontalAddWords>>(x),
        Mnemonic.Phaddd => VectorInteger.Select<HorizontalAddDoubles, Packed64<HorizontalAddDoubles>>(x),
        Mnemonic.Phaddsw => VectorInteger.Select<HorizontalAddWordsSaturated, Packed64<HorizontalAddWordsSaturated>>(x),
        Mnemonic.Phsubw => VectorInteger.Select<HorizontalSubtractWords, Packed64<HorizontalSubtractWords>>(x),
        Mnemonic.Phsubd => VectorInteger.Select<HorizontalSubtractDoubles, Packed64<HorizontalSubtractDoubles>>(x),
        Mnemonic.Phsubsw => VectorInteger.Select<HorizontalSubtractWordsSaturated, Packed64<HorizontalSubtractWordsSaturated>>(x),
        Mnemonic.Pmaddubsw => VectorInteger.Select<PackedMultiplyAddBytes>(x),
        Mnemonic.Pmulhrsw => VectorInteger.Select<PackedMultiplyHighRounded>(x),
        Mnemonic.Psignb => VectorInteger.Select<PackedSignBytes>(x),
        Mnemonic.Psignw => VectorInteger.Select<PackedSignWords>(x),
        Mnemonic.Psignd => VectorInteger.Select<PackedSignDoubles>(x),
        Mnemonic.Pabsb => VectorInteger.Select<PackedAbsoluteBytes>(x),
        Mnemonic.Pabsw => VectorInteger.Select<PackedAbsoluteWords>(x),
        Mnemonic.Pabsd => VectorInteger.Select<PackedAbsoluteDoubles>(x),
        Mnemonic.Palignr => x.Op0Register.IsMM() ? &VectorShuffles.ShuffleMmx<AlignRight64> : &VectorShuffles.Shuffle<AlignRight>,

        // SSE4.1: packed integers
        Mnemonic.Pmuldq => VectorInteger.Select<PackedMultiplyDoubleSigned>(x),
        Mnemonic.Pmulld => VectorInteger.Select<PackedMultiplyLowDoubles>(x),
        Mnemonic.Pminsb => VectorInteger.Select<PackedMinimum<sbyte>>(x),
        Mnemonic.Pminuw => VectorInteger.Select<PackedMinimum<ushort>>(x),
        Mnemonic.Pminsd => VectorInteger.Select<PackedMinimum<int>>(x),
        Mnemonic.Pminud => VectorInteger.Select<PackedMinimum<uint>>(x),
        Mnemonic.Pmaxsb => VectorInteger.Select<PackedMaximum<sbyte>>(x),
        Mnemonic.Pmaxuw => VectorInteger.Select<PackedMaximum<ushort>>(x),
        Mnemonic.Pmaxsd => VectorInteger.Select<PackedMaximum<int>>(x),
        Mnemonic.Pmaxud => VectorInteger.Select<PackedMaximum<uint>>(x),
        Mnemonic.Pcmpeqq => VectorInteger.Select<PackedEqual<ulong>>(x),
        Mnemonic.Packusdw => VectorInteger.Select<PackUnsignedWords>(x),
        Mnemonic.Phminposuw => VectorInteger.Select<MinimumPosition>(x),
        Mnemonic.Mpsadbw => &VectorShuffles.Shuffle<MultipleSumsOfDifferences>,
        Mnemonic.Ptest => &VectorBlends.Test,
        Mnemonic.Movntdqa => VectorMoves.Aligned(x),

        // SSE4.1: widening
        Mnemonic.Pmovsxbw => &VectorWidening.Widen<SignedBytesToWords>,
        Mnemonic.Pmovsxbd => &VectorWidening.Widen<SignedBytesToDoubles>,
        Mnemonic.Pmovsxbq => &VectorWidening.Widen<SignedBytesToQuads>,
        Mnemonic.Pmovsxwd => &VectorWidening.Widen<SignedWordsToDoubles>,
        Mnemonic.Pmovsxwq => &VectorWidening.Widen<SignedWordsToQuads>,
        Mnemonic.Pmovsxdq => &VectorWidening.Widen<SignedDoublesToQuads>,
        Mnemonic.Pmovzxbw => &VectorWidening.Widen<BytesToWords>,
        Mnemonic.Pmovzxbd => &VectorWidening.Widen<BytesToDoubles>,
        Mnemonic.Pmovzxbq => &VectorWidening.Widen<BytesToQuads>,
        Mnemonic.Pmovzxwd => &VectorWidening.Widen<WordsToDoubles>,
        Mnemonic.Pmovzxwq => &VectorWidening.Widen<WordsToQuads>,
        Mnemonic.Pmovzxdq => &VectorWidening.Widen<DoublesToQuads>,

        // SSE4.1: blends and single elements (PINSRW, and PEXTRW to a register, are older)
        Mnemonic.Pblendw => &VectorShuffles.Shuffle<BlendWords>,
        Mnemonic.Blendps => &VectorShuffles.Shuffle<BlendSingles>,
        Mnemonic.Blendpd => &VectorShuffles.Shuffle<BlendDoubles>,
        Mnemonic.Pblendvb => &VectorBlends.Bytes,
        Mnemonic.Blendvps => &VectorBlends.Singles,
        Mnemonic.Blendvpd => &VectorBlends.Doubles,
        Mnemonic.Pextrb => VectorElements.Extract<byte>(x),
        Mnemonic.Pextrw => VectorElements.Extract<ushort>(x),
        Mnemonic.Pextrd or Mnemonic.Extractps => VectorElements.Extract<uint>(x),
        Mnemonic.Pinsrb => &VectorElements.Insert<byte>,
        Mnemonic.Pinsrd => &VectorElements.Insert<uint>,
        Mnemonic.Insertps => &VectorElements.InsertSingle,

        // SSE4.1: floating point
        Mnemonic.Roundps => &SseRounding.Packed<SseSingle>,
        Mnemonic.Roundpd => &SseRounding.Packed<SseDouble>,
        Mnemonic.Roundss => &SseRounding.Scalar<SseSingle>,
        Mnemonic.Roundsd => &SseRounding.Scalar<SseDouble>,
        Mnemonic.Dpps => &SseHorizontal.DotProduct<SseSingle>,
        Mnemonic.Dppd => &SseHorizontal.DotProduct<SseDouble>,

        // SSE4.2 and POPCNT
        Mnemonic.Pcmpgtq => VectorInteger.Select<PackedGreater<long>>(x),
        Mnemonic.Pcmpestri => &VectorStrings.ExplicitIndex,
        Mnemonic.Pcmpestrm => &VectorStrings.ExplicitMask,
        Mnemonic.Pcmpistri => &VectorStrings.ImplicitIndex,
        Mnemonic.Pcmpistrm => &VectorStrings.ImplicitMask,
        Mnemonic.Crc32 => BitCounting.Check(x),
        Mnemonic.Popcnt => BitCounting.Count(x),

        _ => null,
    };
}
