using Iced.Intel;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>Every MMX, SSE and SSE2 instruction that moves or computes with bits and integers, one line each: mnemonic to handler.</summary>
internal static unsafe class VectorTable
{
    /// <summary>The handler of an instruction; null where it is none of these.</summary>
    public static Handler Select(in Instruction x) => x.Mnemonic switch
    {
        // Moves
        Mnemonic.Movd => HasMmx(x) ? MmxMoves.DoubleWord(x) : VectorMoves.DoubleWord(x),
        Mnemonic.Movq => HasMmx(x) ? MmxMoves.Quad(x) : VectorMoves.Quad(x),
        Mnemonic.Movntq => MmxMoves.Quad(x),
        Mnemonic.Maskmovq => &MmxMoves.Masked,
        Mnemonic.Movq2dq => &MmxMoves.ToXmm,
        Mnemonic.Movdq2q => &MmxMoves.FromXmm,
        Mnemonic.Movaps or Mnemonic.Movapd or Mnemonic.Movdqa or Mnemonic.Movntps or Mnemonic.Movntpd or Mnemonic.Movntdq => VectorMoves.Aligned(x),
        Mnemonic.Movups or Mnemonic.Movupd or Mnemonic.Movdqu => VectorMoves.Unaligned(x),
        Mnemonic.Movss => VectorMoves.Single(x),
        Mnemonic.Movsd => VectorMoves.Double(x),
        Mnemonic.Movlps or Mnemonic.Movlpd => VectorMoves.Low(x),
        Mnemonic.Movhps or Mnemonic.Movhpd => VectorMoves.High(x),
        Mnemonic.Movhlps => &VectorMoves.HighToLow,
        Mnemonic.Movlhps => &VectorMoves.LowToHigh,
        Mnemonic.Movnti => &VectorMoves.StoreGeneral,
        Mnemonic.Maskmovdqu => &VectorMoves.Masked,

        // Packed integers
        Mnemonic.Paddb => VectorInteger.Select<PackedAdd<byte>>(x),
        Mnemonic.Paddw => VectorInteger.Select<PackedAdd<ushort>>(x),
        Mnemonic.Paddd => VectorInteger.Select<PackedAdd<uint>>(x),
        Mnemonic.Paddq => VectorInteger.Select<PackedAdd<ulong>>(x),
        Mnemonic.Paddsb => VectorInteger.Select<PackedAddSaturated<sbyte>>(x),
        Mnemonic.Paddsw => VectorInteger.Select<PackedAddSaturated<short>>(x),
        Mnemonic.Paddusb => VectorInteger.Select<PackedAddSaturated<byte>>(x),
        Mnemonic.Paddusw => VectorInteger.Select<PackedAddSaturated<ushort>>(x),
        Mnemonic.Psubb => VectorInteger.Select<PackedSubtract<byte>>(x),
        Mnemonic.Psubw => VectorInteger.Select<PackedSubtract<ushort>>(x),
        Mnemonic.Psubd => VectorInteger.Select<PackedSubtract<uint>>(x),
        Mnemonic.Psubq => VectorInteger.Select<PackedSubtract<ulong>>(x),
        Mnemonic.Psubsb => VectorInteger.Select<PackedSubtractSaturated<sbyte>>(x),
        Mnemonic.Psubsw => VectorInteger.Select<PackedSubtractSaturated<short>>(x),
        Mnemonic.Psubusb => VectorInteger.Select<PackedSubtractSaturated<byte>>(x),
        Mnemonic.Psubusw => VectorInteger.Select<PackedSubtractSaturated<ushort>>(x),
        Mnemonic.Pmullw => VectorInteger.Select<PackedMultiplyLow>(x),
        Mnemonic.Pmulhw => VectorInteger.Select<PackedMultiplyHigh>(x),
        Mnemonic.Pmulhuw => VectorInteger.Select<PackedMultiplyHighUnsigned>(x),
        Mnemonic.Pmaddwd => VectorInteger.Select<PackedMultiplyAdd>(x),
        Mnemonic.Pmuludq => VectorInteger.Select<PackedMultiplyDouble>(x),
        Mnemonic.Psadbw => VectorInteger.Select<PackedSumOfDifferences>(x),
        Mnemonic.Pavgb => VectorInteger.Select<PackedAverageBytes>(x),
        Mnemonic.Pavgw => VectorInteger.Select<PackedAverageWords>(x),
        Mnemonic.Pmaxub => VectorInteger.Select<PackedMaximum<byte>>(x),
        Mnemonic.Pmaxsw => VectorInteger.Select<PackedMaximum<short>>(x),
        Mnemonic.Pminub => VectorInteger.Select<PackedMinimum<byte>>(x),
        Mnemonic.Pminsw => VectorInteger.Select<PackedMinimum<short>>(x),
        Mnemonic.Pcmpeqb => VectorInteger.Select<PackedEqual<byte>>(x),
        Mnemonic.Pcmpeqw => VectorInteger.Select<PackedEqual<ushort>>(x),
        Mnemonic.Pcmpeqd => VectorInteger.Select<PackedEqual<uint>>(x),
        Mnemonic.Pcmpgtb => VectorInteger.Select<PackedGreater<sbyte>>(x),
        Mnemonic.Pcmpgtw => VectorInteger.Select<PackedGreater<short>>(x),
        Mnemonic.Pcmpgtd => VectorInteger.Select<PackedGreater<int>>(x),
        Mnemonic.Emms => &VectorInteger.EmptyMmx,

        // Bits, of any type
        Mnemonic.Pand or Mnemonic.Andps or Mnemonic.Andpd => VectorInteger.Select<PackedAnd>(x),
        Mnemonic.Pandn or Mnemonic.Andnps or Mnemonic.Andnpd => VectorInteger.Select<PackedAndNot>(x),
        Mnemonic.Por or Mnemonic.Orps or Mnemonic.Orpd => VectorInteger.Select<PackedOr>(x),
        Mnemonic.Pxor or Mnemonic.Xorps or Mnemonic.Xorpd => VectorInteger.Select<PackedXor>(x),

        // Packing, unpacking, shuffling
        Mnemonic.Packsswb => VectorInteger.Select<PackSignedBytes, Packed64<PackSignedBytes>>(x),
        Mnemonic.Packssdw => VectorInteger.Select<PackSignedWords, Packed64<PackSignedWords>>(x),
        Mnemonic.Packuswb => VectorInteger.Select<PackUnsignedBytes, Packed64<PackUnsignedBytes>>(x),
        Mnemonic.Punpcklbw => VectorInteger.Select<UnpackLowBytes>(x),
        Mnemonic.Punpcklwd => VectorInteger.Select<UnpackLowWords>(x),
        Mnemonic.Punpckldq or Mnemonic.Unpcklps => VectorInteger.Select<UnpackLowDoubles>(x),
        Mnemonic.Punpcklqdq or Mnemonic.Unpcklpd => VectorInteger.Select<UnpackLowQuads>(x),
        Mnemonic.Punpckhbw => VectorInteger.Select<UnpackHighBytes, High64<UnpackLowBytes>>(x),
        Mnemonic.Punpckhwd => VectorInteger.Select<UnpackHighWords, High64<UnpackLowWords>>(x),
        Mnemonic.Punpckhdq or Mnemonic.Unpckhps => VectorInteger.Select<UnpackHighDoubles, High64<UnpackLowDoubles>>(x),
        Mnemonic.Punpckhqdq or Mnemonic.Unpckhpd => VectorInteger.Select<UnpackHighQuads>(x),
        Mnemonic.Pshufw => &VectorShuffles.ShuffleMmx<ShuffleLowWords>,
        Mnemonic.Pshufd => &VectorShuffles.Shuffle<ShuffleDoubles>,
        Mnemonic.Pshuflw => &VectorShuffles.Shuffle<ShuffleLowWords>,
        Mnemonic.Pshufhw => &VectorShuffles.Shuffle<ShuffleHighWords>,
        Mnemonic.Shufps => &VectorShuffles.Shuffle<ShuffleSingles>,
        Mnemonic.Shufpd => &VectorShuffles.Shuffle<ShuffleDoublePrecision>,
        Mnemonic.Pextrw when x.Op0Kind == OpKind.Register && x.Code is Code.Pextrw_r32_mm_imm8 or Code.Pextrw_r32_xmm_imm8 => VectorShuffles.Extract(x),
        Mnemonic.Pinsrw => VectorShuffles.Insert(x),
        Mnemonic.Pmovmskb => VectorShuffles.ByteMask(x),
        Mnemonic.Movmskps => &VectorShuffles.SingleMask,
        Mnemonic.Movmskpd => &VectorShuffles.DoubleMask,

        // Shifts
        Mnemonic.Psllw => VectorShifts.Select<ShiftLeftWords>(x),
        Mnemonic.Pslld => VectorShifts.Select<ShiftLeftDoubles>(x),
        Mnemonic.Psllq => VectorShifts.Select<ShiftLeftQuads>(x),
        Mnemonic.Psrlw => VectorShifts.Select<ShiftRightWords>(x),
        Mnemonic.Psrld => VectorShifts.Select<ShiftRightDoubles>(x),
        Mnemonic.Psrlq => VectorShifts.Select<ShiftRightQuads>(x),
        Mnemonic.Psraw => VectorShifts.Select<ShiftArithmeticWords>(x),
        Mnemonic.Psrad => VectorShifts.Select<ShiftArithmeticDoubles>(x),
        Mnemonic.Pslldq => VectorShifts.Select<ShiftLeftBytes>(x),
        Mnemonic.Psrldq => VectorShifts.Select<ShiftRightBytes>(x),

        _ => SseTable.Select(x),
    };

    private static bool HasMmx(in Instruction x) => x.Op0Register.IsMM() || x.Op1Register.IsMM();
}
