using Iced.Intel;

namespace ToyVmm.Engines.Decoding;

/// <summary>
/// Which instructions a CPU model has: asked once for each decoded instruction, when a block is built, so that the engines' hot paths never ask.
/// Iced knows what each form came with; what it does not know stands here.
/// </summary>
internal static class InstructionAvailability
{
    /// <summary>True where the model executes the instruction; otherwise it is #UD. An instruction of no known feature is left to the tables of handlers.</summary>
    public static bool Has(CpuModel model, in Instruction x)
    {
        foreach (CpuidFeature feature in x.Code.CpuidFeatures())
        {
            if (!Has(model, feature))
            {
                return false;
            }
        }

        return x.Mnemonic switch
        {
            Mnemonic.Mov when x.Op0Register == Register.CR4 || x.Op1Register == Register.CR4 => model.HasCr4,

            // Iced counts it as MMX's, but it came with SSE2 (SDM 2B, PADDD/PADDQ).
            Mnemonic.Paddq => model.Has(CpuFeatures.Sse2),
            _ => true,
        };
    }

    private static bool Has(CpuModel model, CpuidFeature feature) => feature switch
    {
        CpuidFeature.INTEL486 => model.Generation >= CpuGeneration.I486,
        CpuidFeature.MULTIBYTENOP or CpuidFeature.RDPMC => model.Generation >= CpuGeneration.P6,
        CpuidFeature.CPUID => model.HasCpuid,
        CpuidFeature.TSC => model.Has(CpuFeatures.Tsc),
        CpuidFeature.MSR => model.Has(CpuFeatures.Msr),
        CpuidFeature.CX8 => model.Has(CpuFeatures.Cx8),
        CpuidFeature.SEP => model.Has(CpuFeatures.Sep),
        CpuidFeature.CMOV => model.Has(CpuFeatures.Cmov),
        CpuidFeature.CLFSH => model.Has(CpuFeatures.Clfsh),
        CpuidFeature.MMX => model.Has(CpuFeatures.Mmx),
        CpuidFeature.FXSR => model.Has(CpuFeatures.Fxsr),
        CpuidFeature.SSE => model.Has(CpuFeatures.Sse),
        CpuidFeature.SSE2 => model.Has(CpuFeatures.Sse2),
        CpuidFeature.SSE3 => model.Has(CpuFeatures.Sse3),
        CpuidFeature.SSSE3 => model.Has(CpuFeatures.Ssse3),
        CpuidFeature.SSE4_1 => model.Has(CpuFeatures.Sse41),
        CpuidFeature.SSE4_2 => model.Has(CpuFeatures.Sse42),
        CpuidFeature.POPCNT => model.Has(CpuFeatures.Popcnt),

        // The 8086 to the 386 with its 387, PAUSE (F3 90, a NOP before it had a name), and VMCALL, which belongs to the monitor.
        _ => true,
    };
}
