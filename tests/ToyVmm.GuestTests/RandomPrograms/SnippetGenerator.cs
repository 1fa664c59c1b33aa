using L = ToyVmm.GuestTests.RandomPrograms.ProgramLayout;

namespace ToyVmm.GuestTests.RandomPrograms;

/// <summary>Makes random snippets. Every one ends in an exception or in the vector that ends it.</summary>
internal sealed partial class SnippetGenerator(Random random, bool pae)
{
    private const uint FlagsOfSystem = 0x24_7FD5; // all but TF's neighbours RF and VM, VIF, VIP; TF has its own snippet

    private (string Name, int Weight, Action<Snippet> Write)[] Kinds =>
    [
        ("segment load", 12, SegmentLoad),
        ("far pointer load", 4, FarPointerLoad),
        ("far transfer", 12, FarTransfer),
        ("far return", 10, FarReturn),
        ("interrupt", 8, Interrupt),
        ("IRET", 12, InterruptReturn),
        ("selector question", 10, SelectorQuestion),
        ("flags", 8, Flags),
        ("single step", 4, SingleStep),
        ("privileged", 14, Privileged),
        ("system register", 6, SystemRegister),
        ("port", 6, Port),
        ("page", pae ? 32 : 16, pae ? PaePage : Page),
        ("string over a page edge", 6, StringOverEdge),
        ("exception", 6, ProgrammedException),
        ("task switch", 8, TaskSwitch),
        ("fast system call", 4, FastSystemCall),
        ("data breakpoint", 4, DataBreakpoint),
        ("virtual-8086", 16, Virtual8086),
    ];

    /// <summary>Makes one.</summary>
    public Snippet Next(int number)
    {
        (string Name, int Weight, Action<Snippet> Write)[] kinds = Kinds;
        int left = random.Next(kinds.Sum(k => k.Weight));
        int index = 0;
        while (left >= kinds[index].Weight)
        {
            left -= kinds[index++].Weight;
        }

        Snippet snippet = new(number, kinds[index].Name);
        for (int register = 0; register < 8; register++)
        {
            if (register != 4)
            {
                _ = snippet.Load(register, Bits());
            }
        }

        kinds[index].Write(snippet);
        _ = snippet.End();
        return snippet;
    }

    private uint Bits() => (uint)random.NextInt64(1L << 32);

    private bool OneIn(int n) => random.Next(n) == 0;

    private T Pick<T>(params ReadOnlySpan<T> values) => values[random.Next(values.Length)];

    private ushort Selector() => random.Next(6) switch
    {
        0 => (ushort)(4 | (random.Next((int)L.LdtEntries + 1) << 3) | random.Next(4)),
        1 => (ushort)random.Next(4),
        _ => (ushort)((random.Next((int)L.GdtEntries + 1) << 3) | random.Next(4)),
    };

    private void MaybeUser(Snippet s)
    {
        if (OneIn(2))
        {
            _ = s.EnterUser(2u | ((uint)random.Next(4) << 12));
        }
    }

    // The accessed bit and the busy bit are worth a look: the descriptor's second word goes to EAX.
    private static void ReadDescriptor(Snippet s, ushort selector)
    {
        uint table = (selector & 4) != 0 ? L.Ldt : L.Gdt;
        _ = s.Read(table + (selector & 0xFFF8u) + 4);
    }

    private void SegmentLoad(Snippet s)
    {
        MaybeUser(s);
        ushort selector = Selector();
        int register = Pick(0, 2, 2, 3, 4, 5);
        if (OneIn(3))
        {
            _ = s.Push(selector);
            _ = register < 4 ? s.Code((byte)(0x07 | (register << 3))) : s.Code(0x0F, register == 4 ? (byte)0xA1 : (byte)0xA9);
        }
        else
        {
            _ = s.Load(0, selector).Code(0x8E, (byte)(0xC0 | (register << 3)));
        }

        ReadDescriptorThroughCode(s, selector);
    }

    // With a CS override: DS may hold anything by now.
    private static void ReadDescriptorThroughCode(Snippet s, ushort selector)
    {
        _ = s.Code(0x2E);
        ReadDescriptor(s, selector);
    }

    private void FarPointerLoad(Snippet s)
    {
        ushort selector = Selector();
        _ = s.Store(L.Scratch, Bits()).Store(L.Scratch + 4, selector);
        MaybeUser(s);
        byte[] opcode = Pick<byte[]>([0xC4], [0xC5], [0x0F, 0xB4], [0x0F, 0xB5]);
        _ = s.Code(opcode).Code(0x1D).Word(L.Scratch);
        ReadDescriptorThroughCode(s, selector);
    }

    private void FarTransfer(Snippet s)
    {
        ushort selector = Selector();
        bool call = OneIn(2);
        if (OneIn(3))
        {
            _ = s.Store(L.Scratch, L.Landing).Store(L.Scratch + 4, selector);
            MaybeUser(s);
            _ = s.Push(Bits()).Push(Bits()).Code(0xFF, call ? (byte)0x1D : (byte)0x2D).Word(L.Scratch);
            return;
        }

        MaybeUser(s);
        _ = s.Push(Bits()).Push(Bits()).Code(call ? (byte)0x9A : (byte)0xEA).Word(L.Landing).Half(selector);
    }

    private void FarReturn(Snippet s)
    {
        MaybeUser(s);
        bool pops = OneIn(3);
        _ = s.Push(OneIn(3) ? Selector() : L.Data3).Push(L.UserStack - 0x100);
        if (pops)
        {
            _ = s.Push(Bits()).Push(Bits());
        }

        _ = s.Push(OneIn(3) ? L.Code3 : Selector()).Push(L.Landing);
        _ = pops ? s.Code(0xCA, 8, 0) : s.Code(0xCB);
    }

    private void Interrupt(Snippet s)
    {
        MaybeUser(s);
        _ = random.Next(6) switch
        {
            0 => s.Code(0xCC),
            1 => s.Code(0xCE),
            2 => s.Code(0xCD, (byte)(L.ReturningVector + random.Next(8))),
            3 => s.Code(0xCD, (byte)random.Next(256)),
            _ => s.Code(0xCD, (byte)random.Next((int)L.IdtEntries + 2)),
        };
    }

    private void InterruptReturn(Snippet s)
    {
        MaybeUser(s);
        uint flags = (Bits() & FlagsOfSystem & ~0x4000u) | 2;
        _ = s.Push(OneIn(3) ? Selector() : L.Data3).Push(L.UserStack - 0x200).Push(flags).Push(OneIn(3) ? L.Code3 : Selector()).Push(L.Landing).Code(0xCF);
    }

    private void SelectorQuestion(Snippet s)
    {
        MaybeUser(s);
        _ = s.Load(2, Selector());
        byte register = (byte)random.Next(2);
        _ = random.Next(5) switch
        {
            0 => s.Code(0x0F, 0x02, (byte)(0xC2 | (register << 3))),
            1 => s.Code(0x0F, 0x03, (byte)(0xC2 | (register << 3))),
            2 => s.Code(0x0F, 0x00, 0xE2),
            3 => s.Code(0x0F, 0x00, 0xEA),
            _ => s.Load(0, Selector()).Code(0x63, 0xD0),
        };
        _ = s.Code(0x9C, 0x5B); // PUSHF, POP EBX
    }

    private void Flags(Snippet s)
    {
        MaybeUser(s);
        for (int i = 0; i < 3; i++)
        {
            _ = random.Next(4) switch
            {
                0 => s.Code(0xFA),
                1 => s.Code(0xFB, 0x90),
                2 when OneIn(4) => s.Code(0x66, 0x68).Half(Bits() & FlagsOfSystem & 0xFFFF).Code(0x66, 0x9D),
                _ => s.Push(Bits() & (FlagsOfSystem | 0x1B_0000)).Code(0x9D),
            };
            _ = s.Code(0x9C, (byte)(0x58 + Pick(0, 1, 2, 3)));
        }
    }

    private void SingleStep(Snippet s)
    {
        MaybeUser(s);
        _ = s.Push(0x102).Code(0x9D);
        _ = random.Next(5) switch
        {
            0 => s.Code(0x90),
            1 => s.Code(0x8C, 0xD0, 0x8E, 0xD0, 0x90), // MOV SS puts it off
            2 => s.Code(0xCD, L.ReturningVector),
            3 => s.Load(1, 3).Code(0xF3, 0xAC),
            _ => s.Code(0x9C, 0x58),
        };
    }

    private void Privileged(Snippet s)
    {
        // HLT only where it faults: nothing wakes a halted program.
        if (OneIn(5))
        {
            _ = s.EnterUser(2).Code(0xF4);
            return;
        }

        MaybeUser(s);
        _ = random.Next(9) switch
        {
            0 => s.Code(0x0F, 0x06),
            1 => s.Code(0x0F, 0x09),
            2 => s.Code(0x0F, 0x01, 0x3D).Word(L.Scratch),
            3 => s.Code(0x0F, 0x01, 0x15).Word(L.GdtPointer),
            4 => s.Code(0x0F, 0x01, 0x1D).Word(L.IdtPointer),
            5 => s.Load(0, Bits() & 0xE | 0x21).Code(0x0F, 0x01, 0xF0),

            // LTR of a null selector is left out: QEMU loads it (SDM 2A, LTR: #GP(0)).
            6 => s.Load(0, Selector() | 8u).Code(0x0F, 0x00, OneIn(2) ? (byte)0xD0 : (byte)0xD8).Code(0x0F, 0x00, OneIn(2) ? (byte)0xC3 : (byte)0xCB),
            7 => s.Code(0x0F, 0x20, Pick<byte>(0xC0, 0xD0, 0xD8, 0xE0)),
            // The upper half of SYSENTER_CS is not used (SDM 4): QEMU drops it.
            _ => s.Load(0, Bits() & 0xFFFF).Load(1, 0x174u + (uint)random.Next(3)).Code(0x0F, 0x30, 0x0F, 0x32),
        };
    }

    private void SystemRegister(Snippet s)
    {
        MaybeUser(s);
        _ = random.Next(6) switch
        {
            0 => s.Code(0x0F, 0x00, (byte)(0xC0 | random.Next(4) | (random.Next(2) << 3))), // SLDT, STR
            1 => s.Code(0x0F, 0x01, 0xE3),
            2 => s.Code(0x0F, 0x01, 0x05).Word(L.Scratch).Read(L.Scratch + 2),
            3 => s.Code(0x0F, 0x01, 0x0D).Word(L.Scratch).Read(L.Scratch + 2),
            4 => s.Load(0, (1u << Pick(2, 3, 4, 7)) | (pae ? L.Cr4Pae : 0)).Code(0x0F, 0x22, 0xE0, 0x0F, 0x20, 0xE3),
            _ => s.Load(0, L.Cr0 ^ (1u << Pick(1, 2, 3, 16, 18))).Code(0x0F, 0x22, 0xC0, 0x0F, 0x20, 0xC3),
        };
    }

    // Output to ports that do nothing: POST, and the DMA page registers beside it that nobody uses.
    private void Port(Snippet s)
    {
        MaybeUser(s);
        _ = random.Next(3) switch
        {
            0 => s.Code(0xE6, 0x80),
            1 => s.Load(2, Pick(0x4Fu, 0x6Du, 0x6Eu, 0x6Fu, 0x50u, 0x58u, 0x30u, 0x3Fu)).Code(0xEE),
            _ => s.Load(2, Pick(0x4Eu, 0x6Cu, 0x6Eu, 0x68u, 0x50u)).Code(0x66, 0xEF),
        };
    }

    private void Page(Snippet s)
    {
        uint page = (uint)random.Next(L.WindowPages - 1);
        uint linear = L.Window + (page << 12);
        for (uint i = 0; i < 2; i++)
        {
            if (OneIn(2))
            {
                uint entry = (L.WindowPhysical + (uint)(random.Next(L.WindowPages) << 12)) | ((uint)random.Next(0x80) & 0x67);
                _ = s.Store(L.WindowTable + ((page + i) * 4), entry).Code(0x0F, 0x01, 0x3D).Word(linear + (i << 12));
            }
        }

        if (OneIn(4))
        {
            _ = s.Load(0, L.Cr0 ^ 0x1_0000).Code(0x0F, 0x22, 0xC0);
        }

        if (OneIn(6))
        {
            _ = s.Store(L.PageDirectory + 4, L.WindowTable | (uint)random.Next(8)).Load(0, L.PageDirectory).Code(0x0F, 0x22, 0xD8);
        }

        MaybeUser(s);
        PageAccess(s, linear + (OneIn(2) ? 0xFFCu + (uint)random.Next(8) : (uint)random.Next(0x1000)));
        _ = s.Code(0x2E, 0x8B, 0x0D).Word(L.WindowTable + (page * 4)).Code(0x2E, 0x8B, 0x15).Word(L.WindowTable + ((page + 1) * 4));
    }

    private void PageAccess(Snippet s, uint address)
    {
        int access = random.Next(9);

        // An instruction that reads and writes demands the write from the start, and its fault says so; QEMU reads first, and its fault
        // speaks of a read. A store before it settles whether there is a fault.
        _ = s.Load(6, address);
        _ = access >= 6 ? s.Code(0x89, 0x1E) : s;
        _ = access switch
        {
            0 => s.Code(0x8B, 0x1E),
            1 => s.Code(0x89, 0x1E),
            2 => s.Code(0x8A, 0x1E),
            3 => s.Code(0x88, 0x1E),
            4 => s.Code(0xFF, 0x36),
            5 => s.Code(0x89, 0x36, 0x03, 0x1E),
            6 => s.Code(0x01, 0x1E),
            7 => s.Code(0x87, 0x1E),
            _ => s.Code(0xF0, 0x0F, 0xB1, 0x1E),
        };
    }

    private void StringOverEdge(Snippet s)
    {
        MaybeUser(s);
        uint edge = L.Window + ((uint)random.Next(1, L.WindowPages - 1) << 12);
        uint other = L.Window + ((uint)random.Next(1, L.WindowPages - 1) << 12);
        byte opcode = Pick<byte>(0xA4, 0xA5, 0xA6, 0xA7, 0xAA, 0xAB, 0xAC, 0xAD, 0xAE, 0xAF);
        if (opcode is 0xA6 or 0xA7)
        {
            // Which of its two reads comes first is the processor's affair: only one of them may fault.
            other = L.Scratch + 0x800;
        }

        _ = s.Load(6, edge - (uint)random.Next(32)).Load(7, other - (uint)random.Next(32)).Load(1, (uint)random.Next(24));
        if (OneIn(4))
        {
            _ = s.Code(0xFD);
        }

        _ = s.Code(Pick<byte>(0xF3, 0xF2)).Code(opcode).Code(0xFC);
    }

    private void ProgrammedException(Snippet s)
    {
        MaybeUser(s);
        // Not INT1: QEMU makes it #UD (SDM 2A, INT n: it raises #DB).
        _ = random.Next(7) switch
        {
            0 => s.Code(0x0F, 0x0B),
            1 => s.Code(0xF0, 0x90),
            2 => s.Load(3, 0).Code(0xF7, 0xF3),
            3 => s.Code(0xD4, 0x00),
            4 => s.Store(L.Scratch, Bits()).Store(L.Scratch + 4, Bits()).Code(0x62, 0x05).Word(L.Scratch),
            5 => s.Push(0x802).Code(0x9D, 0xCE),
            _ => s.Code(0x8E, 0xC8),
        };
    }

    private void TaskSwitch(Snippet s)
    {
        bool user = OneIn(3);
        if (user)
        {
            _ = s.EnterUser(2u | ((uint)random.Next(4) << 12));
        }

        ushort selector = OneIn(4) ? Selector() : (ushort)(L.OtherTask | random.Next(4));
        _ = s.Code(OneIn(2) ? (byte)0x9A : (byte)0xEA).Word(L.Landing).Half(selector);
    }

    private void FastSystemCall(Snippet s)
    {
        // Not 1-3 in SYSENTER_CS: QEMU takes only 0 for null (SDM 2B, SYSENTER: bits 15-2).
        _ = s.Code(0x31, 0xD2);
        uint[] values = [OneIn(6) ? 0u : L.Code0, L.InnerStack - 0x400, L.Landing];
        for (uint i = 0; i < 3; i++)
        {
            _ = s.Load(1, 0x174 + i).Load(0, values[i]).Code(0x0F, 0x30);
        }

        MaybeUser(s);
        _ = OneIn(2) ? s.Code(0x0F, 0x34) : s.Load(1, L.UserStack - 0x300).Load(2, L.Landing).Code(0x0F, 0x35);
    }

    private void DataBreakpoint(Snippet s)
    {
        uint length = Pick(0u, 1u, 3u);
        uint address = (L.Scratch + 0x40 + (uint)random.Next(16)) & ~length;
        _ = s.Load(0, address).Code(0x0F, 0x23, 0xC0);
        _ = s.Load(0, 0x402u | (Pick(1u, 3u) << 16) | (length << 18)).Code(0x0F, 0x23, 0xF8);
        MaybeUser(s);

        // Aligned reads: QEMU has been seen to report one that began behind the watched byte.
        _ = OneIn(2) ? s.Code(0xA2).Word(L.Scratch + 0x40 + (uint)random.Next(16)) : s.Read(L.Scratch + 0x40 + ((uint)random.Next(4) * 4));
        _ = s.Code(0x90);
    }

    private void Virtual8086(Snippet s)
    {
        _ = s.EnterVirtual((OneIn(2) ? 0x3000u : (uint)random.Next(3) << 12) | (Bits() & 0x0004_08D5), 0x3000);
        _ = random.Next(16) switch
        {
            0 => s.Code(0xFA),
            1 => s.Code(0x9C, 0x58),
            2 => s.Code(0x68).Half(Bits() & 0x7ED5).Code(0x9D, 0x9C, 0x5B),
            3 => s.Code(0xCD, (byte)random.Next(64)),
            4 => s.Code(0xCC),
            5 => s.Code(0x68).Half(0x3202).Code(0x68).Half(s.VirtualSlot >> 4).Code(0x6A, 0x09, 0xCF),
            6 => s.Code(0xF4),
            7 => s.Code(0xE6, 0x80),
            8 => s.Code(0x0F, 0x20, 0xC0),
            9 => s.Code(0x8E, 0xD8, 0x8C, 0xD9),
            10 => s.Code(0x63, 0xD0),
            11 => s.Code(0x0F, 0x00, 0xC0),
            12 => s.Code(0x0F, 0x01, 0xE0),
            13 => s.Code(0x66, 0x9C, 0x66, 0x5B),
            14 => s.Code(0x68).Half(s.VirtualSlot >> 4).Code(0x6A, 0x06, 0xCB),
            _ => s.Code(0xBA).Half(Pick(0x4Fu, 0x6Eu, 0x50u)).Code(0xEE),
        };
    }
}
