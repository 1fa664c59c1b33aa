using Iced.Intel;
using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Interpretation;

/// <summary>Every instruction that Iced knows of the 8086 to the P6, of MMX, of SSE to SSE4.2, and POPCNT runs: none is #UD, but those on a short list with a reason.</summary>
public sealed unsafe class InstructionCoverageTests
{
    // As the engine decodes (a P6 has no MPX, no CET, no TZCNT, no WBNOINVD).
    private const DecoderOptions P6Options =
        DecoderOptions.NoMPFX_0FBC | DecoderOptions.NoMPFX_0FBD | DecoderOptions.NoWbnoinvd | DecoderOptions.ForceReservedNop;

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

    [Fact]
    public void There_are_hundreds_of_them() => Assert.InRange(Codes.Count, 1000, 1100);

    [Theory]
    [MemberData(nameof(Codes))]
    public void Runs(Code code)
    {
        using TestCpu cpu = new();
        bool found = false;
        foreach (byte[] bytes in Encodings(code))
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

    // Up to one register and one memory form.
    private static IEnumerable<byte[]> Encodings(Code code)
    {
        OpCodeInfo info = code.ToOpCode();
        byte[] table = info.Table switch
        {
            OpCodeTableKind.T0F => [0x0F],
            OpCodeTableKind.T0F38 => [0x0F, 0x38],
            OpCodeTableKind.T0F3A => [0x0F, 0x3A],
            _ => [],
        };
        byte[] opcode = info.OpCodeLength == 2 ? [(byte)(info.OpCode >> 8), (byte)info.OpCode] : [(byte)info.OpCode];
        byte[][] prefixes = [[], [0x66], [0x67], [0x66, 0x67], [0xF3], [0xF2], [0xF3, 0x66], [0xF2, 0x66]];

        // 90 is NOP, so XCHG with the accumulator starts at 91.
        if (code is Code.Xchg_r16_AX or Code.Xchg_r32_EAX)
        {
            opcode[0]++;
        }

        foreach (int mod in (int[])[0, 3])
        {
            byte[]? first = null;
            foreach (byte[] prefix in prefixes)
            {
                for (int reg = 0; reg < 8 && first == null; reg++)
                {
                    byte modRm = (byte)((mod << 6) | (reg << 3) | (mod == 0 ? prefix.Contains((byte)0x67) ? 6 : 5 : 1));
                    byte[] bytes = [.. prefix, .. table, .. opcode, modRm, 0, 0x80, 0, 0, 0, 0];
                    Decoder decoder = Decoder.Create(32, bytes, P6Options);
                    decoder.IP = TestCpu.Origin;
                    decoder.Decode(out Instruction x);
                    first = x.Code == code ? bytes : null;
                }
            }

            if (first != null)
            {
                yield return first;
            }
        }
    }
}
