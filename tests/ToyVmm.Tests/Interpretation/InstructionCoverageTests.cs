using Iced.Intel;
using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Interpretation;

/// <summary>Every instruction that Iced knows of the 8086 to the P6, of MMX, of SSE to SSE4.2, and POPCNT runs: none is #UD, but those on a short list with a reason.</summary>
public sealed unsafe class InstructionCoverageTests
{
    private static readonly HashSet<CpuidFeature> s_features =
    [
        CpuidFeature.INTEL8086, CpuidFeature.INTEL186, CpuidFeature.INTEL286, CpuidFeature.INTEL386, CpuidFeature.INTEL486,
        CpuidFeature.CX8, CpuidFeature.CMOV, CpuidFeature.MULTIBYTENOP, CpuidFeature.PAUSE, CpuidFeature.CPUID, CpuidFeature.TSC,
        CpuidFeature.MSR, CpuidFeature.RDPMC, CpuidFeature.SEP, CpuidFeature.SMM,
        CpuidFeature.MMX, CpuidFeature.SSE, CpuidFeature.SSE2, CpuidFeature.FXSR, CpuidFeature.CLFSH,
        CpuidFeature.SSE3, CpuidFeature.SSSE3, CpuidFeature.SSE4_1, CpuidFeature.SSE4_2, CpuidFeature.POPCNT,
    ];

    // #UD by design.
    private static readonly Dictionary<Mnemonic, string> s_invalid = new()
    {
        [Mnemonic.Ud0] = "UD0 raises #UD on purpose",
        [Mnemonic.Ud1] = "UD1 raises #UD on purpose",
        [Mnemonic.Ud2] = "UD2 raises #UD on purpose",
        [Mnemonic.Rsm] = "outside system-management mode RSM is #UD (SDM 2B, RSM), and there is no such mode",
    };

    // Names that Iced gives to encodings which the engine decodes otherwise.
    private static readonly Dictionary<Code, string> s_otherwise = new()
    {
        [Code.Ud0] = "the old form without ModR/M; the P6 form has one",
        [Code.Nop_rm16] = "0F 1F is one of the reserved NOPs of a P6",
        [Code.Nop_rm32] = "0F 1F is one of the reserved NOPs of a P6",
        [Code.Prefetchnta_m8] = "0F 18 is one of the reserved NOPs of a P6",
        [Code.Prefetcht0_m8] = "0F 18 is one of the reserved NOPs of a P6",
        [Code.Prefetcht1_m8] = "0F 18 is one of the reserved NOPs of a P6",
        [Code.Prefetcht2_m8] = "0F 18 is one of the reserved NOPs of a P6",
        [Code.Jmpe_disp16] = "IA-64",
        [Code.Jmpe_disp32] = "IA-64",
    };

    public static TheoryData<Code> Codes => [.. Enum.GetValues<Code>().Where(IsP6).Order()];

    /// <summary>Those of them that execute.</summary>
    internal static IEnumerable<Code> ExecutableCodes =>
        Enum.GetValues<Code>().Where(code => IsP6(code) && !s_otherwise.ContainsKey(code) && !s_invalid.ContainsKey(code.Mnemonic()));

    [Fact]
    public void There_are_hundreds_of_them() => Assert.InRange(Codes.Count, 1000, 1100);

    [Theory]
    [MemberData(nameof(Codes))]
    public void Runs(Code code)
    {
        using TestCpu cpu = new();
        bool found = false;
        foreach (byte[] bytes in CodeEncodings.Of(code))
        {
            found = true;
            Assert.True(Executes(cpu, bytes) || s_invalid.ContainsKey(code.Mnemonic()), $"{code.ToOpCode().ToInstructionString()}: {Convert.ToHexString(bytes)} is #UD");
        }

        Assert.True(found || s_otherwise.ContainsKey(code), $"{code.ToOpCode().ToInstructionString()}: no encoding found");
    }

    private static bool IsP6(Code code)
    {
        OpCodeInfo info = code.ToOpCode();
        return info.IsInstruction && info.Mode32 && code.Encoding() == EncodingKind.Legacy && info.Code.CpuidFeatures().All(s_features.Contains);
    }

    private static bool Executes(TestCpu cpu, byte[] bytes)
    {
        cpu.Reset();
        cpu.State->Ecx = 1;
        cpu.State->Cr4 |= Cr4.OSFXSR;
        cpu.Load(bytes);
        _ = cpu.Run();
        return cpu.FaultVector != Vector.InvalidOpcode;
    }
}
