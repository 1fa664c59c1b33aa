using Iced.Intel;
using ToyVmm.Engines.Decoding;

namespace ToyVmm.Engines.Classification;

/// <summary>
/// Encodings of instruction forms for trials: every way to write the prefixes, with the operand in a register and in memory at
/// <see cref="TrialWorld.Operand"/>, and immediates that mean something (a vector, a selector, an address in the world).
/// </summary>
internal sealed class FormEncodings
{
    private static readonly byte[][] s_prefixes = [[], [0x66], [0x67], [0x66, 0x67], [0xF3], [0xF2], [0xF3, 0x66], [0xF2, 0x66], [0xF3, 0x67], [0xF0]];
    private readonly Dictionary<(Code, int), byte[][]> _heads = [];

    /// <summary>All forms that 32-bit processors of our models may execute: legacy encodings for 16- or 32-bit code.</summary>
    public static IEnumerable<Code> AllForms { get; } = [.. Enum.GetValues<Code>().Where(IsForm).Order()];

    /// <summary>An encoding.</summary>
    /// <param name="code">The form.</param>
    /// <param name="bitness">16 or 32: of the code segment.</param>
    /// <param name="random">Chooses.</param>
    /// <param name="bytes">Receives the instruction, at least 15 bytes.</param>
    /// <returns>Its length; 0 where the form has no encoding in such code.</returns>
    public int Encode(Code code, int bitness, ref TrialRandom random, Span<byte> bytes)
    {
        byte[][] heads = Heads(code, bitness);
        if (heads.Length == 0)
        {
            return 0;
        }

        byte[] head = heads[random.Below(heads.Length)];
        Span<byte> buffer = stackalloc byte[32];
        buffer.Clear();
        head.CopyTo(buffer);
        WriteImmediates(code, head.Length, ref random, buffer);
        if (Decode(buffer, bitness, out Instruction x) && x.Code == code)
        {
            buffer[..x.Length].CopyTo(bytes);
            return x.Length;
        }

        return 0;
    }

    /// <summary>Decodes as the engines do.</summary>
    public static bool Decode(ReadOnlySpan<byte> bytes, int bitness, out Instruction x)
    {
        Decoder decoder = Decoder.Create(bitness, new ByteArrayCodeReader(bytes[..Math.Min(bytes.Length, 15)].ToArray()), InstructionDecoder.P6Options);
        decoder.IP = TrialWorld.Instruction;
        decoder.Decode(out x);
        return !x.IsInvalid;
    }

    private static bool IsForm(Code code)
    {
        OpCodeInfo info = code.ToOpCode();
        return info.IsInstruction && (info.Mode32 || info.Mode16) && info.Encoding == EncodingKind.Legacy;
    }

    // Prefixes, opcode, ModR/M and displacement that decode to the form.
    private byte[][] Heads(Code code, int bitness)
    {
        if (_heads.TryGetValue((code, bitness), out byte[][]? known))
        {
            return known;
        }

        OpCodeInfo info = code.ToOpCode();
        byte[] table = info.Table switch
        {
            OpCodeTableKind.T0F => [0x0F],
            OpCodeTableKind.T0F38 => [0x0F, 0x38],
            OpCodeTableKind.T0F3A => [0x0F, 0x3A],
            _ => [],
        };
        byte[] opcode = info.OpCodeLength == 2 ? [(byte)(info.OpCode >> 8), (byte)info.OpCode] : [(byte)info.OpCode];
        if (code is Code.Xchg_r16_AX or Code.Xchg_r32_EAX)
        {
            // 90 is NOP.
            opcode[0]++;
        }

        List<byte[]> found = [];
        Span<byte> buffer = stackalloc byte[32];
        foreach (byte[] prefix in s_prefixes)
        {
            bool address16 = (bitness == 16) != prefix.Contains((byte)0x67);
            foreach (byte[] tail in HasModRm(info) ? ModRms(info, address16) : [[]])
            {
                byte[] head = [.. prefix, .. table, .. opcode, .. tail];
                buffer.Clear();
                head.CopyTo(buffer);
                if (Decode(buffer, bitness, out Instruction x) && x.Code == code && !IsOtherSegment(x))
                {
                    found.Add(head);
                }
            }
        }

        return _heads[(code, bitness)] = [.. found];
    }

    private static bool IsOtherSegment(in Instruction x) => x.SegmentPrefix != Register.None;

    // The register in every number, in a register or in memory; memory by its address alone.
    private static IEnumerable<byte[]> ModRms(OpCodeInfo info, bool address16)
    {
        for (int reg = 0; reg < 8; reg++)
        {
            if (info.GroupIndex >= 0 && reg != info.GroupIndex)
            {
                continue;
            }

            yield return address16
                ? [(byte)((reg << 3) | 6), unchecked((byte)TrialWorld.Operand), (byte)(TrialWorld.Operand >> 8)]
                : [(byte)((reg << 3) | 5), unchecked((byte)TrialWorld.Operand), (byte)(TrialWorld.Operand >> 8), 0, 0];
            foreach (int rm in (int[])[0, 1, 3])
            {
                yield return [(byte)(0xC0 | (reg << 3) | rm)];
            }
        }
    }

    private static bool HasModRm(OpCodeInfo info)
    {
        if (info.GroupIndex >= 0)
        {
            return true;
        }

        for (int n = 0; n < info.OpCount; n++)
        {
            string kind = info.GetOpKind(n).ToString();
            if (kind.EndsWith("_reg", StringComparison.Ordinal) || kind.EndsWith("_rm", StringComparison.Ordinal)
                || kind is "mem" or "sibmem" or "mem_mpx" or "mem_mib" || kind.EndsWith("_or_mem", StringComparison.Ordinal)
                || kind.EndsWith("_reg_mem", StringComparison.Ordinal))
            {
                return true;
            }
        }

        return info.ToOpCodeString().Contains("/r", StringComparison.Ordinal);
    }

    private static void WriteImmediates(Code code, int at, ref TrialRandom random, Span<byte> buffer)
    {
        OpCodeInfo info = code.ToOpCode();
        for (int n = 0; n < info.OpCount; n++)
        {
            switch (info.GetOpKind(n))
            {
                case OpCodeOperandKind.farbr2_2:
                    BitConverter.TryWriteBytes(buffer[at..], (ushort)TrialWorld.Instruction);
                    BitConverter.TryWriteBytes(buffer[(at + 2)..], TrialWorld.PickSelector(ref random));
                    at += 4;
                    break;
                case OpCodeOperandKind.farbr4_2:
                    BitConverter.TryWriteBytes(buffer[at..], TrialWorld.Instruction);
                    BitConverter.TryWriteBytes(buffer[(at + 4)..], TrialWorld.PickSelector(ref random));
                    at += 6;
                    break;
                case OpCodeOperandKind.mem_offs:
                    BitConverter.TryWriteBytes(buffer[at..], TrialWorld.Operand);
                    at += 4;
                    break;
                case OpCodeOperandKind.imm8 when info.Mnemonic == Mnemonic.Int:
                    buffer[at++] = random.Pick<byte>([3, 13, TrialWorld.FirstUserVector, TrialWorld.FirstUserVector + 9, 0x80]);
                    break;
                case OpCodeOperandKind.imm16 when info.Mnemonic == Mnemonic.Enter:
                    BitConverter.TryWriteBytes(buffer[at..], (ushort)(random.Below(4) * 4));
                    buffer[at + 2] = (byte)random.Below(3);
                    return;
                case OpCodeOperandKind.imm16 when info.Mnemonic is Mnemonic.Ret or Mnemonic.Retf:
                    BitConverter.TryWriteBytes(buffer[at..], (ushort)(random.Below(4) * 4));
                    return;
                case OpCodeOperandKind.br16_1 or OpCodeOperandKind.br32_1 or OpCodeOperandKind.br16_2 or OpCodeOperandKind.br32_4:
                    buffer[at] = (byte)random.Below(0x70);
                    return;
                case OpCodeOperandKind.imm8 or OpCodeOperandKind.imm8sex16 or OpCodeOperandKind.imm8sex32:
                    buffer[at++] = (byte)random.Word();
                    break;
                case OpCodeOperandKind.imm16:
                    BitConverter.TryWriteBytes(buffer[at..], (ushort)random.Word());
                    at += 2;
                    break;
                case OpCodeOperandKind.imm32:
                    BitConverter.TryWriteBytes(buffer[at..], random.Word());
                    at += 4;
                    break;
            }
        }
    }
}
