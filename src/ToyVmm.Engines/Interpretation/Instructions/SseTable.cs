using Iced.Intel;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>SSE's and SSE2's floating-point instructions, one line each: mnemonic to handler.</summary>
internal static unsafe class SseTable
{
    /// <summary>The handler of an instruction; null where it is none of these.</summary>
    public static Handler Select(in Instruction x) => x.Mnemonic switch
    {
        // Arithmetic
        Mnemonic.Addps => &SseInstructions.Packed<SseAdd, SseSingle>,
        Mnemonic.Addpd => &SseInstructions.Packed<SseAdd, SseDouble>,
        Mnemonic.Addss => &SseInstructions.Scalar<SseAdd, SseSingle>,
        Mnemonic.Addsd => &SseInstructions.Scalar<SseAdd, SseDouble>,
        Mnemonic.Subps => &SseInstructions.Packed<SseSubtract, SseSingle>,
        Mnemonic.Subpd => &SseInstructions.Packed<SseSubtract, SseDouble>,
        Mnemonic.Subss => &SseInstructions.Scalar<SseSubtract, SseSingle>,
        Mnemonic.Subsd => &SseInstructions.Scalar<SseSubtract, SseDouble>,
        Mnemonic.Mulps => &SseInstructions.Packed<SseMultiply, SseSingle>,
        Mnemonic.Mulpd => &SseInstructions.Packed<SseMultiply, SseDouble>,
        Mnemonic.Mulss => &SseInstructions.Scalar<SseMultiply, SseSingle>,
        Mnemonic.Mulsd => &SseInstructions.Scalar<SseMultiply, SseDouble>,
        Mnemonic.Divps => &SseInstructions.Packed<SseDivide, SseSingle>,
        Mnemonic.Divpd => &SseInstructions.Packed<SseDivide, SseDouble>,
        Mnemonic.Divss => &SseInstructions.Scalar<SseDivide, SseSingle>,
        Mnemonic.Divsd => &SseInstructions.Scalar<SseDivide, SseDouble>,
        Mnemonic.Sqrtps => &SseInstructions.Packed<SseSquareRoot, SseSingle>,
        Mnemonic.Sqrtpd => &SseInstructions.Packed<SseSquareRoot, SseDouble>,
        Mnemonic.Sqrtss => &SseInstructions.Scalar<SseSquareRoot, SseSingle>,
        Mnemonic.Sqrtsd => &SseInstructions.Scalar<SseSquareRoot, SseDouble>,
        Mnemonic.Maxps => &SseInstructions.Packed<SseMaximum, SseSingle>,
        Mnemonic.Maxpd => &SseInstructions.Packed<SseMaximum, SseDouble>,
        Mnemonic.Maxss => &SseInstructions.Scalar<SseMaximum, SseSingle>,
        Mnemonic.Maxsd => &SseInstructions.Scalar<SseMaximum, SseDouble>,
        Mnemonic.Minps => &SseInstructions.Packed<SseMinimum, SseSingle>,
        Mnemonic.Minpd => &SseInstructions.Packed<SseMinimum, SseDouble>,
        Mnemonic.Minss => &SseInstructions.Scalar<SseMinimum, SseSingle>,
        Mnemonic.Minsd => &SseInstructions.Scalar<SseMinimum, SseDouble>,
        Mnemonic.Rcpps => &SseApproximations.Packed<SseReciprocal>,
        Mnemonic.Rcpss => &SseApproximations.Scalar<SseReciprocal>,
        Mnemonic.Rsqrtps => &SseApproximations.Packed<SseReciprocalSquareRoot>,
        Mnemonic.Rsqrtss => &SseApproximations.Scalar<SseReciprocalSquareRoot>,

        // Comparison (CMPSD is a mnemonic of strings too, which another table has)
        Mnemonic.Cmpps => &SseComparison.Packed<SseSingle>,
        Mnemonic.Cmppd => &SseComparison.Packed<SseDouble>,
        Mnemonic.Cmpss => &SseComparison.Scalar<SseSingle>,
        Mnemonic.Cmpsd => &SseComparison.Scalar<SseDouble>,
        Mnemonic.Comiss => &SseComparison.Flags<SseSingle>,
        Mnemonic.Comisd => &SseComparison.Flags<SseDouble>,
        Mnemonic.Ucomiss => &SseComparison.UnorderedFlags<SseSingle>,
        Mnemonic.Ucomisd => &SseComparison.UnorderedFlags<SseDouble>,

        // Conversion
        Mnemonic.Cvtdq2ps => &SseConversions.Packed<IntegerTo<SseSingle>>,
        Mnemonic.Cvtdq2pd => &SseConversions.Packed<IntegerTo<SseDouble>>,
        Mnemonic.Cvtps2dq => &SseConversions.Packed<RoundedFrom<SseSingle>>,
        Mnemonic.Cvtpd2dq => &SseConversions.Packed<RoundedFrom<SseDouble>>,
        Mnemonic.Cvttps2dq => &SseConversions.Packed<TruncatedFrom<SseSingle>>,
        Mnemonic.Cvttpd2dq => &SseConversions.Packed<TruncatedFrom<SseDouble>>,
        Mnemonic.Cvtps2pd => &SseConversions.Packed<FormatTo<SseSingle, SseDouble>>,
        Mnemonic.Cvtpd2ps => &SseConversions.Packed<FormatTo<SseDouble, SseSingle>>,
        Mnemonic.Cvtss2sd => &SseConversions.Scalar<FormatTo<SseSingle, SseDouble>>,
        Mnemonic.Cvtsd2ss => &SseConversions.Scalar<FormatTo<SseDouble, SseSingle>>,
        Mnemonic.Cvtsi2ss => &SseConversions.FromGeneral<IntegerTo<SseSingle>>,
        Mnemonic.Cvtsi2sd => &SseConversions.FromGeneral<IntegerTo<SseDouble>>,
        Mnemonic.Cvtss2si => &SseConversions.ToGeneral<RoundedFrom<SseSingle>>,
        Mnemonic.Cvtsd2si => &SseConversions.ToGeneral<RoundedFrom<SseDouble>>,
        Mnemonic.Cvttss2si => &SseConversions.ToGeneral<TruncatedFrom<SseSingle>>,
        Mnemonic.Cvttsd2si => &SseConversions.ToGeneral<TruncatedFrom<SseDouble>>,
        Mnemonic.Cvtpi2ps => SseConversions.FromMmx<IntegerTo<SseSingle>>(x),
        Mnemonic.Cvtpi2pd => SseConversions.FromMmx<IntegerTo<SseDouble>>(x),
        Mnemonic.Cvtps2pi => &SseConversions.ToMmx<RoundedFrom<SseSingle>>,
        Mnemonic.Cvtpd2pi => &SseConversions.ToMmx<RoundedFrom<SseDouble>>,
        Mnemonic.Cvttps2pi => &SseConversions.ToMmx<TruncatedFrom<SseSingle>>,
        Mnemonic.Cvttpd2pi => &SseConversions.ToMmx<TruncatedFrom<SseDouble>>,

        _ => SseState.Select(x),
    };
}
