namespace ToyVmm.VirtualMachines.Verification.Isolation;

/// <summary>
/// Code that attacks by way of devices, hypercalls, string instructions or the code cache: each piece is well-formed, so that the attack
/// gets as far as it can, and what it asks for makes no sense. Between the pieces there is <see cref="NoiseCode"/>.
/// </summary>
public sealed class AttackCode(EdgeRandom random, IsolationKind kind, bool code32)
{
    private const byte Rep = 0xF3;
    private const byte OperandSize = 0x66;
    private const byte AddressSize = 0x67;
    private const int Eax = 0;
    private const int Ecx = 1;
    private const int Edx = 2;
    private const int Ebx = 3;
    private const int Esi = 6;
    private const int Edi = 7;

    private readonly List<byte> _bytes = [];

    private static ReadOnlySpan<ushort> Ports =>
    [
        0x00, 0x08, 0x0B, 0x0C, 0x20, 0x21, 0x40, 0x41, 0x42, 0x43, 0x60, 0x61, 0x64, 0x70, 0x71, 0x80, 0x81, 0x8F, 0x92, 0xA0, 0xA1, 0xC0, 0xD6, 0xE9, 0xF0, 0x170, 0x177, 0x1F0, 0x1F7,
        0x376, 0x3B4, 0x3BA, 0x3C0, 0x3C1, 0x3C2, 0x3C4, 0x3C5, 0x3C7, 0x3C8, 0x3C9, 0x3CE, 0x3CF, 0x3D4, 0x3D5, 0x3DA, 0x3F6, 0x3F8, 0x3F9, 0x3FA, 0x3FB, 0x3FC, 0x3FD, 0x3FF, 0x4D0, 0x4D1,
        0x600, 0x604, 0x608, 0xCF8, 0xCFA, 0xCFC, 0xCFE, 0xFFFF,
    ];

    // An index port, its data port and how many indices there are.
    private static readonly (ushort Port, ushort Data, int Indices)[] s_indexedPorts =
        [(0x3C4, 0x3C5, 5), (0x3CE, 0x3CF, 9), (0x3D4, 0x3D5, 25), (0x3C0, 0x3C0, 21), (0x70, 0x71, 128)];

    private static ReadOnlySpan<uint> MemoryRegisters =>
    [
        0xFEE0_0020, 0xFEE0_0080, 0xFEE0_00B0, 0xFEE0_00D0, 0xFEE0_00E0, 0xFEE0_00F0, 0xFEE0_0280, 0xFEE0_0300, 0xFEE0_0310, 0xFEE0_0320, 0xFEE0_0350, 0xFEE0_0360, 0xFEE0_0370, 0xFEE0_0380,
        0xFEE0_03E0, 0xFEE0_0FFD, 0xFEC0_0000, 0xFEC0_0010, 0xFEC0_0FFF, 0xA_0000, 0xA_FFFF, 0xB_8000, 0xB_FFFE, 0xC_0000, 0xF_FFF0, 0xFFFF_FFFC, 0xFFFF_F000, 0xE000_0000, 0x8000_0000,
    ];

    private static ReadOnlySpan<byte> AtaCommands => [0x20, 0x24, 0x30, 0x34, 0x40, 0x91, 0xA0, 0xA1, 0xC4, 0xC5, 0xC6, 0xE0, 0xE7, 0xEC, 0xEF, 0xF8, 0x08, 0x90];

    private static ReadOnlySpan<byte> StringOpcodes => [0xA4, 0xA5, 0xA6, 0xA7, 0xAA, 0xAB, 0xAC, 0xAD, 0xAE, 0xAF];

    /// <summary>So many bytes of it.</summary>
    public byte[] Generate(int length)
    {
        if (kind == IsolationKind.Spray)
        {
            Spray(length);
        }

        while (_bytes.Count < length)
        {
            Piece();
        }

        return _bytes.GetRange(0, length).ToArray();
    }

    private void Piece()
    {
        if (random.OneIn(24))
        {
            _bytes.AddRange(new NoiseCode(random, code32).Generate(8 + random.Below(24)));
            return;
        }

        switch (kind)
        {
            case IsolationKind.Hypercalls:
                Hypercall();
                break;
            case IsolationKind.Strings:
                HugeString();
                break;
            default:
                Device();
                break;
        }
    }

    private void Device()
    {
        switch (random.Below(8))
        {
            case 0:
                DiskCommand();
                break;
            case 1 or 2:
                (ushort index, ushort data, int indices) = s_indexedPorts[random.Below(s_indexedPorts.Length)];
                Out(index, random.OneIn(8) ? random.Byte() : (byte)random.Below(indices));
                Out(data, random.Byte());
                break;
            case 3:
                // Counter 0 to 2, access mode and mode; then a count, most often a small one.
                Out(0x43, random.Byte());
                Out((ushort)(0x40 + random.Below(3)), random.OneIn(2) ? (byte)random.Below(3) : random.Byte());
                break;
            case 4 or 5:
                MemoryAccess();
                break;
            case 6:
                Configuration();
                break;
            default:
                PortAccess();
                break;
        }
    }

    private void PortAccess()
    {
        ushort port = (ushort)(random.Pick(Ports) + (random.OneIn(8) ? random.Below(4) : 0));
        if (port is 0x64 or 0x92 or 0x604 or 0xF4 or 0xCF9 && !random.OneIn(32))
        {
            port = 0x60; // a reset or the end of the machine, more often than not
        }

        Load(Edx, port);
        Load(Eax, random.UInt32());
        if (random.OneIn(8))
        {
            Load(Ecx, (uint)random.Below(random.OneIn(4) ? 600 : 8));
            Load(Edi, NoiseCode.Address(random));
            Load(Esi, NoiseCode.Address(random));
            _bytes.Add(Rep);
            _bytes.Add(random.Pick<byte>([0x6C, 0x6D, 0x6E, 0x6F]));
            return;
        }

        _bytes.AddRange(random.Pick<byte[]>([[0xEE], [0xEE], [0xEE], [0xEF], [0x66, 0xEF], [0xEC], [0xED], [0x66, 0xED], [0xFB, 0xEC]]));
    }

    // The task file, a command, and data that may or may not be wanted.
    private void DiskCommand()
    {
        ushort first = random.OneIn(2) ? (ushort)0x1F0 : (ushort)0x170;
        if (random.OneIn(6))
        {
            Out((ushort)(first + 0x206), random.Byte());
        }

        for (ushort register = 1; register < 7; register++)
        {
            if (!random.OneIn(3))
            {
                Out((ushort)(first + register), register == 6 ? (byte)(0xA0 | random.Byte()) : random.OneIn(2) ? (byte)random.Below(4) : random.Byte());
            }
        }

        Out((ushort)(first + 7), random.OneIn(6) ? random.Byte() : random.Pick(AtaCommands));
        if (!random.OneIn(3))
        {
            Load(Edx, first);
            Load(Ecx, (uint)random.Below(300));
            Load(Edi, NoiseCode.Address(random));
            Load(Esi, NoiseCode.Address(random));
            _bytes.AddRange(random.Pick<byte[]>([[Rep, 0x6D], [Rep, 0x6F], [0xED], [0xEF]]));
        }
    }

    private void Configuration()
    {
        Load(Edx, 0xCF8);
        Load(Eax, 0x8000_0000 | ((uint)random.Below(4) << 11) | ((uint)random.Below(2) << 8) | ((uint)random.Below(64) << 2));
        Wide();
        _bytes.Add(0xEF);
        Load(Edx, (ushort)(0xCFC + random.Below(4)));
        Load(Eax, random.UInt32());
        _bytes.AddRange(random.Pick<byte[]>([[0xEE], [0xEF], [0x66, 0xEF], [0xED]]));
    }

    private void MemoryAccess()
    {
        uint address = random.Below(4) switch
        {
            0 => random.UInt32(),
            1 => IsolationCase.MemorySize - 8 + (uint)random.Below(16),
            _ => random.Pick(MemoryRegisters) + (random.OneIn(3) ? (uint)random.Below(16) : 0),
        };
        Load(Eax, random.UInt32());
        Load(Ebx, code32 ? address : address & 0xFFFF);
        if (!code32)
        {
            // MOV DS, AX with a segment from A000 on: the adapter's memory, BIOS, and what lies beyond 1 MiB.
            Load(Ecx, (uint)(0xA000 + random.Below(0x6000)));
            _bytes.AddRange([0x8E, 0xD9]);
            _bytes.Add(AddressSize);
        }

        _bytes.AddRange(random.Pick<byte[]>(
        [
            [0x89, 0x03], [0x88, 0x03], [0x66, 0x89, 0x03], [0x8B, 0x03], [0x8A, 0x03], [0x01, 0x03], [0xFF, 0x33], [0x0F, 0xC1, 0x03], [0x87, 0x03], [0xFF, 0x23], [0x0F, 0x7F, 0x03], [0xDD, 0x33], [0x0F, 0xAE, 0x03],
        ]));
    }

    // EAX: a call that exists, mostly. EBX and ECX: where and how much.
    private void Hypercall()
    {
        Load(Eax, random.OneIn(8) ? random.UInt32() : (uint)random.Below(16));
        Load(Ebx, Wild());
        Load(Ecx, random.OneIn(3) ? random.UInt32() : (uint)random.Below(64));
        Load(Edx, Wild());
        Load(Esi, Wild());
        if (!random.OneIn(6))
        {
            // 2 is the call that ends the guest.
            _bytes.AddRange([0x3C, 0x02, 0x75, 0x02, 0xB0, 0x01]);
        }

        _bytes.AddRange(random.OneIn(16) ? [0x0F, 0x01, (byte)(0xC0 + random.Below(8))] : [0x0F, 0x01, 0xC1]);
    }

    private void HugeString()
    {
        Load(Ecx, random.Below(4) switch { 0 => uint.MaxValue, 1 => random.UInt32(), 2 => (uint)random.Below(0x2000), _ => 0x8000_0000 });
        Load(Esi, Wild());
        Load(Edi, Wild());
        Load(Eax, random.UInt32());
        _bytes.Add(random.OneIn(2) ? (byte)0xFD : (byte)0xFC);
        if (!code32 && random.OneIn(2))
        {
            _bytes.Add(AddressSize);
        }

        _bytes.Add(random.OneIn(4) ? (byte)0xF2 : Rep);
        _bytes.Add(random.Pick(StringOpcodes));
    }

    // Writes functions one behind the other, or one over the other, calls each and begins again when memory ends.
    //   MOV EDI, first / again: store the function / CALL EDI / ADD EDI, step / CMP EDI, end / JB again / JMP first
    private void Spray(int length)
    {
        if (!code32)
        {
            return; // emitted code is for 32-bit guests
        }

        uint first = HostileLayout.Data + (uint)random.Below(0x100);
        uint step = random.Pick<uint>([0, 1, 3, 8, 16, 64, 4096]);
        uint end = Math.Min(first + (step * (uint)(1 + random.Below(4096))), HostileLayout.Rom);
        int start = _bytes.Count;
        Load(Edi, first);
        int again = _bytes.Count;
        _bytes.AddRange([0xC6, 0x07, 0xB8, 0x89, 0x47, 0x01]);                     // MOV byte [EDI], B8; MOV [EDI+1], EAX: MOV EAX, EAX's value
        _bytes.AddRange([0xC7, 0x47, 0x05, .. random.Pick<byte[]>([[0x40, 0x43, 0xC3, 0xC3], [0x83, 0xC0, 0x07, 0xC3], [0xF7, 0xD8, 0x48, 0xC3], [0x0F, 0xA2, 0xC3, 0x90]])]);
        _bytes.AddRange([0xFF, 0xD7, 0x81, 0xC7]);                                 // CALL EDI; ADD EDI, step
        Word(step);
        _bytes.AddRange([0x81, 0xFF]);                                             // CMP EDI, end
        Word(end);
        _bytes.AddRange([0x72, (byte)(again - (_bytes.Count + 2))]);               // JB again
        if (random.OneIn(2))
        {
            _bytes.AddRange([0xFF, 0x05]);                                         // INC dword [its own code]
            Word(HostileLayout.Code + (uint)random.Below(_bytes.Count + 4));
        }

        _bytes.AddRange([0xE9]);
        Word((uint)(start - (_bytes.Count + 4)));
    }

    private uint Wild() => random.Below(4) switch
    {
        0 => random.UInt32(),
        1 => random.Pick(MemoryRegisters),
        2 => IsolationCase.MemorySize - (uint)random.Below(64),
        _ => NoiseCode.Address(random),
    };

    private void Out(ushort port, byte value)
    {
        Load(Edx, port);
        _bytes.AddRange([0xB0, value, 0xEE]);
    }

    private void Load(int register, uint value)
    {
        Wide();
        _bytes.Add((byte)(0xB8 + register));
        Word(value);
    }

    private void Wide()
    {
        if (!code32)
        {
            _bytes.Add(OperandSize);
        }
    }

    private void Word(uint value)
    {
        for (int shift = 0; shift < 32; shift += 8)
        {
            _bytes.Add((byte)(value >> shift));
        }
    }
}
