using ToyVmm.Hardware.Cpu;

namespace ToyVmm.VirtualMachines.Verification.Isolation;

/// <summary>Descriptor tables, task states and page tables, as they should be or damaged.</summary>
internal sealed unsafe partial class HostileGuestBuilder
{
    private void ProtectedTables(bool damaged)
    {
        // 32-bit handlers: [ADD ESP, 4;] INC dword [ESP]; IRET.
        const uint Handler = HostileLayout.Handlers + 0x20;
        Put(Handler, [0x83, 0xC4, 0x04, 0xFF, 0x04, 0x24, 0xCF]);
        ulong[] descriptors =
        [
            0, FlatCode, FlatData, FlatCode | UserBits, FlatData | UserBits,
            System(0x9, 0x67, HostileLayout.Tasks), System(0x9, 0x67, HostileLayout.Tasks + 0x100), System(0x2, 0x7F, HostileLayout.Ldt),
            FlatCode ^ 0x0040_0000_0000_0000, FlatData ^ 0x0040_0000_0000_0000, System(0x1, 0x2B, HostileLayout.Tasks + 0x200),
            Gate(0xEC, Code0, Handler), Gate(0xE5, Task + 8, 0), FlatCode | 0x0000_0400_0000_0000, FlatData | 0x0000_0400_0000_0000,
            Gate(0xE4, Code0, Handler), (FlatData & ~0x000F_0000_0000_FFFFul) | 0xFFF, FlatCode & ~0x0000_8000_0000_0000ul,
        ];
        for (int i = 0; i < 64; i++)
        {
            Long(HostileLayout.Gdt + ((uint)i * 8), i < descriptors.Length ? descriptors[i] : RandomDescriptor());
            if (i < 16)
            {
                Long(HostileLayout.Ldt + ((uint)i * 8), _random.OneIn(2) ? descriptors[i] : RandomDescriptor());
            }
        }

        for (uint vector = 0; vector < Vectors; vector++)
        {
            uint handler = vector is 8 or (>= 10 and <= 14) or 17 ? Handler : Handler + 3;
            byte type = _random.Pick<byte>([0xEE, 0xEE, 0xEF, 0x8E, 0xEE, 0xEE]);
            Long(HostileLayout.Idt + (vector * 8), _random.Below(24) switch
            {
                0 when damaged => Gate(0xE5, (ushort)(Task + (8 * _random.Below(6))), 0),
                1 when damaged => Gate(_random.Byte(), NoiseCode.Selector(_random), NoiseCode.Address(_random)),
                2 when damaged => Gate(0xE6, 0x40, handler),
                3 when damaged => Gate(type, 0x68, handler),
                _ => Gate(type, Code0, handler),
            });
        }

        TaskStates();
        PageTables(damaged);
        if (damaged)
        {
            for (int hits = _random.Below(24); hits > 0; hits--)
            {
                guest.Memory[(int)HostileLayout.Gdt + _random.Below(0x6000)] ^= (byte)(1 << _random.Below(8));
            }
        }
    }

    private void TaskStates()
    {
        for (uint task = 0; task < 2; task++)
        {
            uint at = HostileLayout.Tasks + (task * 0x100);
            uint[] fields =
            [
                _random.OneIn(2) ? 0u : NoiseCode.Selector(_random), HostileLayout.Stack + 0x800, Data0, HostileLayout.Stack + 0x400, 0x11, HostileLayout.Stack + 0x600, 0x12,
                HostileLayout.PageDirectory, HostileLayout.Code + (uint)_random.Below(0x1000), NoiseCode.Flags(_random),
                _random.UInt32(), _random.UInt32(), _random.UInt32(), _random.UInt32(), HostileLayout.Stack, 0, NoiseCode.Address(_random), NoiseCode.Address(_random),
                Data0, Code0, Data0, Data0, Data0, Data0, _random.OneIn(2) ? 0 : (uint)LocalTable, 0x0068_0000u | (_random.OneIn(8) ? 1u : 0),
            ];
            for (int i = 0; i < fields.Length; i++)
            {
                Word(at + ((uint)i * 4), _random.OneIn(40) ? NoiseCode.Selector(_random) : fields[i]);
            }

            Fill(at + 0x68, 8); // part of an I/O permission bitmap
        }

        Fill(HostileLayout.Tasks + 0x200, 0x2C);
    }

    private void PageTables(bool damaged)
    {
        const uint First = HostileLayout.PageDirectory + 0x1000;
        Word(HostileLayout.PageDirectory, First | Presence | Writable | User);
        Word(HostileLayout.PageDirectory + 4, (First + 0x1000) | Presence | Writable | User);
        Word(HostileLayout.PageDirectory + 8, 0x83 | User);
        Word(HostileLayout.PageDirectory + 0xFFC, First | Presence | (uint)_random.Below(8));
        for (int i = 0; i < 8; i++)
        {
            Word(HostileLayout.PageDirectory + ((uint)(4 + _random.Below(1000)) * 4), _random.UInt32());
        }

        for (uint page = 0; page < 64; page++)
        {
            uint entry = (page << 12) | Presence | Writable | User;
            Word(First + (page * 4), damaged && _random.OneIn(24) ? entry ^ (1u << _random.Below(20)) : entry);
            Word(First + 0x1000 + (page * 4), _random.OneIn(4) ? _random.UInt32() : ((uint)_random.Below(64) << 12) | (uint)_random.Below(512));
        }
    }

    // In the same three pages: the four pointers, a directory, a table.
    private void PaeTables(CpuState* s)
    {
        const uint Table = HostileLayout.PageDirectory + 0x2000;
        const uint PaeDirectory = HostileLayout.PageDirectory + 0x1000;
        ulong[] pointers = [PaeDirectory | Presence, PaeDirectory | Presence, _random.OneIn(2) ? 0 : HostileLayout.Data | Presence, PaeDirectory | (ulong)_random.Below(2)];
        for (int n = 0; n < pointers.Length; n++)
        {
            s->PageDirectoryPointers[n] = pointers[n];
            Long(HostileLayout.PageDirectory + ((uint)n * 8), _random.OneIn(20) ? pointers[n] ^ (1ul << _random.Below(64)) : pointers[n]);
        }

        Long(PaeDirectory, Table | Presence | Writable | User);
        Long(PaeDirectory + 8, Table | Presence | (ulong)_random.Below(8) | NoExecute());
        Long(PaeDirectory + 16, 0x81 | (ulong)_random.Below(8) | NoExecute());
        Long(PaeDirectory + 24, _random.Bits64());
        Long(PaeDirectory + 0xFF8, Table | Presence | (ulong)_random.Below(8));
        for (uint page = 0; page < 64; page++)
        {
            ulong entry = (page << 12) | Presence | Writable | User;
            bool odd = page << 12 >= HostileLayout.Data && _random.OneIn(3);
            Long(Table + (page * 8), odd ? entry ^ (1ul << _random.Below(64)) ^ NoExecute() : entry);
        }
    }

    private ulong NoExecute() => _random.OneIn(2) ? 0 : 1ul << 63;

    private ulong RandomDescriptor()
    {
        ulong base32 = _random.OneIn(2) ? 0 : NoiseCode.Address(_random);
        ulong limit = _random.UInt32() & 0xF_FFFF;
        ulong access = (ulong)(_random.Byte() | (_random.OneIn(8) ? 0 : 0x80));
        ulong high = (ulong)_random.Below(16) << 52;
        return (limit & 0xFFFF) | ((limit >> 16) << 48) | ((base32 & 0xFF_FFFF) << 16) | ((base32 >> 24) << 56) | (access << 40) | high;
    }

    private static ulong System(uint type, uint limit, uint address) =>
        (limit & 0xFFFF) | ((ulong)(address & 0xFF_FFFF) << 16) | ((ulong)(0x80 | type) << 40) | ((ulong)(address >> 24) << 56);

    private static ulong Gate(byte access, ushort selector, uint offset) =>
        (offset & 0xFFFF) | ((ulong)selector << 16) | ((ulong)access << 40) | ((ulong)(offset >> 16) << 48);
}
