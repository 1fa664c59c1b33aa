using Iced.Intel;

namespace ToyVmm.Tests.Interpretation;

/// <summary>Bytes that decode to a form of Iced's, found by trying prefixes and ModRM bytes.</summary>
internal static class CodeEncodings
{
    // As the engine decodes (a P6 has no MPX, no CET, no TZCNT, no WBNOINVD).
    private const DecoderOptions P6Options =
        DecoderOptions.NoMPFX_0FBC | DecoderOptions.NoMPFX_0FBD | DecoderOptions.NoWbnoinvd | DecoderOptions.ForceReservedNop;

    /// <summary>Up to one register and one memory form.</summary>
    /// <param name="code">The instruction form.</param>
    public static IEnumerable<byte[]> Of(Code code)
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
