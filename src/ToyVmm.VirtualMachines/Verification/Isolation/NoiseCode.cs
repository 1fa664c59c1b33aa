
namespace ToyVmm.VirtualMachines.Verification.Isolation;

/// <summary>
/// Structured noise: machine code in which the instructions that a VMM must get right (system registers, segments, gates, frames,
/// strings across page edges, stores into code and tables) are far more frequent than chance would make them.
/// </summary>
public sealed partial class NoiseCode(EdgeRandom random, bool code32)
{
    private const byte OperandSize = 0x66;
    private const byte Lock = 0xF0;

    private readonly List<byte> _bytes = [];

    private static ReadOnlySpan<byte> SystemOpcodes =>
    [
        0x00, 0x01, 0x02, 0x03, 0x06, 0x08, 0x09, 0x0B, 0x20, 0x21, 0x22, 0x23, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x40, 0x4F, 0x77, 0x84,
        0x90, 0xA0, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA8, 0xA9, 0xAA, 0xAB, 0xAC, 0xAD, 0xAF, 0xB0, 0xB1, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xBA, 0xBB,
        0xBC, 0xBF, 0xC0, 0xC1, 0xC7, 0xC8, 0xFF,
    ];

    private static ReadOnlySpan<byte> Prefixes => [0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3];

    private static ReadOnlySpan<byte> StringOpcodes => [0xA4, 0xA5, 0xA6, 0xA7, 0xAA, 0xAB, 0xAC, 0xAD, 0xAE, 0xAF, 0x6C, 0x6D, 0x6E, 0x6F];

    private static ReadOnlySpan<ushort> Msrs => [0x10, 0x1B, 0x174, 0x175, 0x176, 0x17A, 0x250, 0x277, 0x2FF, 0xFFFF];

    /// <summary>Appends pieces until there are at least so many bytes.</summary>
    public byte[] Generate(int length)
    {
        while (_bytes.Count < length)
        {
            Piece();
        }

        return _bytes.GetRange(0, length).ToArray();
    }

    /// <summary>An address at which something lies, or nothing.</summary>
    public static uint Address(EdgeRandom random) => random.Below(16) switch
    {
        0 => HostileLayout.Gdt + (uint)random.Below(0x200),
        1 => HostileLayout.Idt + (uint)random.Below(0x200),
        2 => HostileLayout.Tasks + (uint)random.Below(0x400),
        3 => HostileLayout.PageDirectory + (uint)random.Below(0x3000),
        4 or 5 => HostileLayout.Code + (uint)random.Below(0x2000),
        6 => HostileLayout.Stack - (uint)random.Below(0x100),
        7 => HostileLayout.Rom - 8 + (uint)random.Below(16),
        8 => HostileLayout.MemorySize - 8 + (uint)random.Below(16),
        9 => ((uint)random.Below(64) << 12) - 8 + (uint)random.Below(16),
        10 => 0xFFFF_FFF0 + (uint)random.Below(16),
        11 => 0xFFF0 + (uint)random.Below(0x20),
        12 => random.UInt32(),
        _ => HostileLayout.Data + (uint)random.Below(0x2000),
    };

    /// <summary>A selector: mostly one that the tables know.</summary>
    public static ushort Selector(EdgeRandom random) => random.Below(8) switch
    {
        0 => random.UInt16(),
        1 => (ushort)(4 | (random.Below(16) << 3) | random.Below(4)),
        _ => (ushort)((random.Below(20) << 3) | random.Below(4)),
    };

    /// <summary>An EFLAGS image.</summary>
    public static uint Flags(EdgeRandom random) => random.Below(4) switch
    {
        0 => random.UInt32(),
        1 => 0x202u ^ (1u << random.Below(22)),
        2 => 0x0002_3202,
        _ => 0x202u | (random.Bits32() & 0x7DD5),
    };

    private void Piece()
    {
        switch (random.Below(30))
        {
            case 0:
                Noise(1 + random.Below(15));
                break;
            case 1:
                Repeat(1 + random.Below(15), () => Byte(random.Pick(Prefixes)));
                Noise(2);
                break;
            case 2 or 3:
                Byte(0x0F);
                Byte(random.Pick(SystemOpcodes));
                ModRm();
                break;
            case 4:
                ChangeControlRegister();
                break;
            case 5:
                ChangeDebugRegister();
                break;
            case 6:
                ModelSpecificRegister();
                break;
            case 7:
                FarTransfer();
                break;
            case 8:
                InterruptReturn();
                break;
            case 9:
                Byte(random.Pick<byte>([0xCC, 0xCE, 0xF1, 0xCD, 0xCD, 0xCD]));
                Byte((byte)random.Below(random.OneIn(4) ? 256 : 32));
                break;
            case 10 or 11:
                LoadSegment();
                break;
            case 12:
                TableRegister();
                break;
            case 13 or 14:
                StringInstruction();
                break;
            case 15:
                Store(HostileLayout.Code + (uint)random.Below((int)(HostileLayout.CodeEnd - HostileLayout.Code)));
                break;
            case 16:
                Store(Address(random));
                break;
            case 17 or 18:
                PushImmediate(Flags(random));
                OptionalPrefix();
                Byte(0x9D);
                break;
            case 19:
                Byte(random.Pick<byte>([0xFA, 0xFB, 0xF4, 0xFB, 0x17, 0x9C, 0x9D, 0xCF, 0x9B, 0x61, 0x60, 0xC9, 0xC3, 0xCB]));
                break;
            case 20:
                Byte(random.Pick<byte>([0xE4, 0xE5, 0xE6, 0xE7, 0xEC, 0xED, 0xEE, 0xEF]));
                Byte(random.Byte());
                break;
            case 21:
                Load(4, Address(random));
                Byte(random.Pick<byte>([0x60, 0x61, 0xC8, 0xC9, 0x50, 0x58]));
                Noise(random.Below(4));
                break;
            case 22:
                // Jumps within a page, mostly back; LOOP and JCXZ too.
                Byte(random.Pick<byte>([0xEB, 0x74, 0x75, 0xE2, 0xE0, 0xE3, 0xEB]));
                Byte((byte)(random.Below(64) - 48));
                break;
            case 23:
                Selectors();
                break;
            case 24:
                // The coprocessor's opcodes, and those of MMX and SSE.
                Byte(random.OneIn(2) ? (byte)(0xD8 + random.Below(8)) : (byte)0x0F);
                Byte(random.Byte());
                ModRm();
                break;
            case 25:
                Byte(Lock);
                Byte(random.Byte());
                ModRm();
                break;
            case 26:
                Byte(0x0F);
                Byte(0x01);
                Byte((byte)(0xC0 + random.Below(64)));
                break;
            default:
                OptionalPrefix();
                Byte(random.Byte());
                ModRm();
                break;
        }
    }

    private void Store(uint address)
    {
        if (random.OneIn(2))
        {
            StoreAt(address, random.UInt32());
            return;
        }

        // MOV byte [address], imm8
        Byte(0xC6);
        Byte(code32 ? (byte)0x05 : (byte)0x06);
        Immediate(address);
        Byte(random.Byte());
    }

    private void StoreAt(uint address, uint value)
    {
        Wide();
        Byte(0xC7);
        Byte(code32 ? (byte)0x05 : (byte)0x06);
        Immediate(address);
        Word(value);
    }

    private void PushImmediate(uint value)
    {
        Byte(0x68);
        Immediate(value);
    }

    private void Load(int register, uint value)
    {
        Wide();
        Byte((byte)(0xB8 + register));
        Word(value);
    }

    // ModRM, SIB and displacement whose length fits more often than not; what is left over is one more instruction.
    private void ModRm()
    {
        if (random.OneIn(3))
        {
            Byte((byte)(0xC0 | random.Bits32()));
            return;
        }

        if (random.OneIn(2))
        {
            Byte((byte)((random.Byte() & 0x38) | (code32 ? 5 : 6)));
            Immediate(Address(random));
            return;
        }

        Byte((byte)(random.Byte() & 0xBF));
        Noise(random.Below(5));
    }

    private void OptionalPrefix()
    {
        if (random.OneIn(5))
        {
            Byte(random.Pick(Prefixes));
        }
    }

    // A 32-bit operand follows.
    private void Wide()
    {
        if (!code32)
        {
            Byte(OperandSize);
        }
    }

    private void Immediate(uint value)
    {
        if (code32)
        {
            Word(value);
        }
        else
        {
            Half((ushort)value);
        }
    }

    private void Noise(int count) => Repeat(count, () => Byte((byte)random.Bits32()));

    private static void Repeat(int count, Action action)
    {
        for (int i = 0; i < count; i++)
        {
            action();
        }
    }

    private void Byte(byte value) => _bytes.Add(value);

    private void Half(ushort value)
    {
        _bytes.Add((byte)value);
        _bytes.Add((byte)(value >> 8));
    }

    private void Word(uint value)
    {
        Half((ushort)value);
        Half((ushort)(value >> 16));
    }
}
