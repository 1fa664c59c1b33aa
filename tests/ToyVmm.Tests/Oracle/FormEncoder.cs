using Iced.Intel;
using ToyVmm.Tests.Properties;

namespace ToyVmm.Tests.Oracle;

/// <summary>
/// Makes random encodings of a form from raw bytes - redundant prefixes in any order, every ModR/M and SIB form with 16- and
/// 32-bit addresses, unusual displacement lengths - because an encoder only makes the encodings that compilers use. Iced then
/// decodes the bytes; an encoding that turns out to be something else (F3 90 is PAUSE, 66 90 is no XCHG) is thrown away.
/// </summary>
public sealed class FormEncoder(EdgeRandom random)
{
    private const int MaxInstructionLength = 15;
    private const int MaxAttempts = 1000;

    private readonly byte[] buffer = new byte[32];

    /// <summary>An encoding at a random address, with the place a branch goes to.</summary>
    /// <exception cref="InvalidOperationException">None was found: the form needs a rule that is missing here.</exception>
    public EncodedInstruction Encode(InstructionForm form)
    {
        for (int attempt = 0; attempt < MaxAttempts; attempt++)
        {
            if (TryEncode(form) is { } encoded)
            {
                return encoded;
            }
        }

        throw new InvalidOperationException($"No valid encoding of {form} in {MaxAttempts} attempts.");
    }

    private EncodedInstruction? TryEncode(InstructionForm form)
    {
        OpCodeInfo info = form.Info;
        bool address16 = info.AddressSize switch
        {
            16 => true,
            32 => false,
            _ => random.OneIn(4),
        };
        int length = 0;
        EmitPrefixes(form, address16, ref length);
        if (info.Table == OpCodeTableKind.T0F)
        {
            buffer[length++] = 0x0F;
        }

        bool registerInOpcode = form.Operands.Any(kind => kind is OpCodeOperandKind.r8_opcode or OpCodeOperandKind.r16_opcode or OpCodeOperandKind.r32_opcode);
        buffer[length++] = (byte)(info.OpCode + (registerInOpcode ? (uint)random.Below(8) : 0));
        if (form.HasModRm)
        {
            EmitModRm(form, address16, ref length);
        }

        int branchAt = -1;
        foreach (OpCodeOperandKind kind in form.Operands)
        {
            int size = ImmediateSize(kind, address16);
            if (kind is OpCodeOperandKind.br16_1 or OpCodeOperandKind.br32_1 or OpCodeOperandKind.br16_2 or OpCodeOperandKind.br32_4)
            {
                branchAt = length;
            }

            EmitImmediate(form, kind, size, ref length);
        }

        if (length > MaxInstructionLength)
        {
            return null;
        }

        // One in four crosses a page: fetch has its own ways to go wrong there.
        uint address = random.OneIn(4)
            ? 0x5000 - (uint)random.Below(length)
            : OracleLayout.CodeStart + 0x200 + (uint)random.Below((int)(OracleLayout.CodeEnd - OracleLayout.CodeStart) - 0x400);
        uint target = PickTarget(address, length, isShort: branchAt >= 0 && length - branchAt == 1);
        if (branchAt >= 0)
        {
            uint displacement = target - (address + (uint)length);
            for (int i = branchAt; i < length; i++)
            {
                buffer[i] = (byte)(displacement >> (8 * (i - branchAt)));
            }
        }

        byte[] code = buffer[..length];
        var decoder = Decoder.Create(32, code, address);
        decoder.Decode(out Instruction instruction);
        return instruction.Code == form.Code && instruction.Length == length ? EncodedInstruction.Create(form, instruction, code, address, target) : null;
    }

    // A place for an exit stub that overlaps neither the instruction nor the stub behind it.
    private uint PickTarget(uint address, int length, bool isShort)
    {
        uint end = address + (uint)length;
        if (isShort)
        {
            return random.OneIn(2)
                ? end + HostCpuThunk.StubSize + (uint)random.Below(128 - HostCpuThunk.StubSize)
                : end - (uint)(length + HostCpuThunk.StubSize) - (uint)random.Below(129 - length - HostCpuThunk.StubSize);
        }

        uint first = OracleLayout.CodeStart;
        uint last = OracleLayout.CodeEnd - HostCpuThunk.StubSize;
        while (true)
        {
            uint target = first + (uint)random.Below((int)(last - first));
            if (target + HostCpuThunk.StubSize <= address || target >= end + HostCpuThunk.StubSize)
            {
                return target;
            }
        }
    }

    private void EmitPrefixes(InstructionForm form, bool address16, ref int length)
    {
        Span<byte> prefixes = stackalloc byte[6];
        int count = 0;
        OpCodeInfo info = form.Info;
        if (info.OperandSize == 16 || (info.OperandSize == 0 && random.OneIn(16)))
        {
            prefixes[count++] = 0x66;
        }

        if (address16)
        {
            prefixes[count++] = 0x67;
        }

        if (info.CanUseLockPrefix && random.OneIn(3))
        {
            prefixes[count++] = 0xF0;
        }

        if (form.IsString)
        {
            if (random.Below(3) is var repeat && repeat > 0)
            {
                prefixes[count++] = (byte)(0xF1 + repeat); // F2 also where only F3 is meaningful: it repeats there too
            }
        }
        else if (info.Table == OpCodeTableKind.Normal && form.Mnemonic is not (Mnemonic.Loope or Mnemonic.Loopne) && random.OneIn(32))
        {
            // Reserved where nothing repeats, and ignored (SDM 2A 2.1.1) - but not by LOOPE and LOOPNE on AMD: there, the prefix
            // replaces the condition of the opcode (seen on Zen 5: F3 LOOPNE goes on while ZF is set, F2 LOOPE while it is clear).
            prefixes[count++] = random.OneIn(2) ? (byte)0xF2 : (byte)0xF3;
        }

        if (random.OneIn(6))
        {
            // ES CS SS DS. FS and GS have the host's bases: only where no memory is touched.
            ReadOnlySpan<byte> segments = form.Mnemonic == Mnemonic.Lea ? [0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65] : [0x26, 0x2E, 0x36, 0x3E];
            prefixes[count++] = random.Pick(segments);
        }

        // Any order is legal (SDM 2A 2.1.1).
        for (int i = count - 1; i >= 0; i--)
        {
            int j = random.Below(i + 1);
            (prefixes[i], prefixes[j]) = (prefixes[j], prefixes[i]);
        }

        prefixes[..count].CopyTo(buffer);
        length = count;
    }

    private void EmitModRm(InstructionForm form, bool address16, ref int length)
    {
        int reg = form.Info.GroupIndex >= 0 ? form.Info.GroupIndex : random.Below(8);
        bool isMemory = form.IsMemoryOnly || (form.CanBeMemory && random.Below(5) < 3);
        int mod = isMemory ? random.Below(3) : 3;
        int rm = random.Below(8);
        buffer[length++] = (byte)((mod << 6) | (reg << 3) | rm);
        if (!isMemory)
        {
            return;
        }

        bool isAbsolute = false;
        int displacement = mod switch { 0 => 0, 1 => 1, _ => address16 ? 2 : 4 };
        if (address16)
        {
            if (mod == 0 && rm == 6)
            {
                displacement = 2;
                isAbsolute = true;
            }
        }
        else
        {
            if (rm == 4)
            {
                int sib = random.Below(256);
                buffer[length++] = (byte)sib;
                if (mod == 0 && (sib & 7) == 5)
                {
                    displacement = 4;
                    isAbsolute = ((sib >> 3) & 7) == 4; // no index either
                }
            }
            else if (mod == 0 && rm == 5)
            {
                displacement = 4;
                isAbsolute = true;
            }
        }

        uint value = isAbsolute ? WindowAddress() : random.Below(4) switch
        {
            0 => random.Bits32(),
            1 => WindowAddress(),
            _ => (uint)(random.Below(129) - 64),
        };
        Emit(value, displacement, ref length);
    }

    private void EmitImmediate(InstructionForm form, OpCodeOperandKind kind, int size, ref int length)
    {
        uint value = random.UInt32();
        switch (form.Mnemonic)
        {
            case Mnemonic.Enter when kind == OpCodeOperandKind.imm16:
                value = random.OneIn(2) ? value & 0x3F : value & 0x3FFF; // the final ESP must stay in the segment (SDM 2A, ENTER)
                break;
            case Mnemonic.Enter:
                value = random.OneIn(2) ? value & 3 : value; // the level counts modulo 32
                break;
        }

        if (kind == OpCodeOperandKind.mem_offs)
        {
            value = WindowAddress();
        }

        Emit(value, size, ref length);
    }

    private uint WindowAddress() => OracleLayout.WindowAddress + (uint)random.Below(OracleLayout.WindowSize - 8);

    private void Emit(uint value, int size, ref int length)
    {
        for (int i = 0; i < size; i++)
        {
            buffer[length++] = (byte)(value >> (8 * i));
        }
    }

    private static int ImmediateSize(OpCodeOperandKind kind, bool address16) => kind switch
    {
        OpCodeOperandKind.imm8 or OpCodeOperandKind.imm8sex16 or OpCodeOperandKind.imm8sex32 or OpCodeOperandKind.br16_1 or OpCodeOperandKind.br32_1 => 1,
        OpCodeOperandKind.imm16 or OpCodeOperandKind.br16_2 => 2,
        OpCodeOperandKind.imm32 or OpCodeOperandKind.br32_4 => 4,
        OpCodeOperandKind.mem_offs => address16 ? 2 : 4,
        _ => 0,
    };
}
