using L = ToyVmm.GuestTests.RandomPrograms.ProgramLayout;

namespace ToyVmm.GuestTests.RandomPrograms;

/// <summary>The descriptor tables, tasks and page tables of a random system program: a few that work, the rest at random.</summary>
/// <remarks>
/// What QEMU's TCG does not check is avoided: segments through which memory is accessed or code is fetched have base 0 and 4 GiB (it
/// checks no limits on accesses), and the T bit of a TSS stays clear (it raises no #DB at a task switch). 16-bit gates and TSSs are left
/// out because their targets would have to lie in the first 64 KiB. There is no TSS descriptor in the LDT (QEMU answers a transfer to
/// one with #TS, SDM 2A JMP with #GP), and no second descriptor for the program's own TSS (QEMU loads a task before it saves the old one).
/// </remarks>
internal static class ProgramTables
{
    private const ulong FlatCode = 0x00CF_9B00_0000_FFFF;
    private const ulong FlatData = 0x00CF_9300_0000_FFFF;
    private const ulong User = 0x0000_6000_0000_0000;
    private const ulong FlatLimit = 0x00CF_0000_0000_FFFF;
    private const uint Table = unchecked(L.MasterTables - L.Tables); // what a live address is to its master copy, modulo 2^32
    private const uint Page = unchecked(L.MasterPages - L.PageDirectory);

    /// <summary>Writes all of them.</summary>
    public static void Write(ProgramImage image, Random random, bool pae)
    {
        ulong[] known =
        [
            0, FlatCode, FlatData, FlatCode | User, FlatData | User, System(0x9, 0x77, L.Tasks), System(0x9, 0x67, L.Tasks + L.TaskStride),
            System(0x2, (L.LdtEntries * 8) - 1, L.Ldt), FlatCode | 0x0000_0400_0000_0000,
        ];
        ulong[] global = new ulong[L.GdtEntries];
        ulong[] local = new ulong[L.LdtEntries];
        for (int i = 0; i < global.Length; i++)
        {
            global[i] = i < known.Length ? known[i] : RandomDescriptor(random);
        }

        for (int i = 0; i < local.Length; i++)
        {
            local[i] = RandomDescriptor(random, local: true);
        }

        WriteTable(image, L.Gdt, global, global, local);
        WriteTable(image, L.Ldt, local, global, local);

        for (uint vector = 0; vector < L.IdtEntries; vector++)
        {
            image.Descriptor(unchecked(L.Idt + Table + (vector * 8)), InterruptGate(random, vector));
        }

        for (uint task = 0; task < 4; task++)
        {
            TaskState(image, random, unchecked(L.Tasks + Table + (task * L.TaskStride)), task);
        }

        if (pae)
        {
            PaeTables(image, random);
        }
        else
        {
            PageTables(image, random);
        }
    }

    // A call gate to a conforming segment is turned to another one: QEMU changes the stack for it (SDM 2A, CALL: the CPL stays). So is one
    // to a code segment that is not present: QEMU answers a JMP through it with #GP (SDM 2A, JMP: #NP).
    private static void WriteTable(ProgramImage image, uint table, ulong[] descriptors, ulong[] global, ulong[] local)
    {
        for (uint i = 0; i < descriptors.Length; i++)
        {
            ulong descriptor = descriptors[i];
            if ((descriptor >> 40 & 0x1F) == 0xC)
            {
                uint selector = (uint)(descriptor >> 16) & 0xFFFF;
                ulong[] targets = (selector & 4) != 0 ? local : global;
                ulong target = selector >> 3 < targets.Length ? targets[selector >> 3] : 0;
                bool isAbsentCode = (target >> 40 & 0x98) == 0x18;
                if ((target >> 40 & 0x1C) == 0x1C || isAbsentCode)
                {
                    descriptor = (descriptor & ~0xFFFF_0000ul) | ((ulong)L.Code0 << 16);
                }
            }

            image.Descriptor(unchecked(table + Table + (i * 8)), descriptor);
        }
    }

    private static ulong RandomDescriptor(Random random, bool local = false)
    {
        ulong dpl = (ulong)random.Next(4) << 45;
        ulong present = random.Next(8) == 0 ? 0 : 1ul << 47;
        ulong accessed = (ulong)random.Next(2) << 40;
        return dpl | present | random.Next(local ? 10 : 12) switch
        {
            // Code: readable or not, conforming or not; 32-bit, since in a 16-bit segment the handlers' own jumps would be cut to 16 bits
            // and lead into low memory, where each machine's firmware leaves something else.
            0 or 1 or 2 => FlatLimit | (0x18ul << 40) | ((ulong)random.Next(4) << 41) | accessed,

            // Read-only data: any limit, up or down.
            3 or 4 => (0x10ul << 40) | ((ulong)random.Next(2) << 42) | accessed | RandomLimit(random) | ((ulong)random.Next(2) << 54) | ((ulong)random.Next(0x1000) << 16),

            // Stacks and data, always present: QEMU reports a return to an outer stack that is not as #NP (SDM 2B, RET and IRET: #SS).
            5 or 6 => FlatLimit | (1ul << 47) | (0x12ul << 40) | accessed,
            7 or 8 => CallGate(random),
            9 => (ulong)Pick(random, L.OtherTask, L.MainTask, L.LocalTable, 0x50, 0x33) << 16 | (0x05ul << 40),
            10 => System(random.Next(4) == 0 ? 0xBu : 0x9u, random.Next(4) == 0 ? 0x66u : 0x67u, L.Tasks + (L.TaskStride * (uint)random.Next(1, 4))) & ~(0x80ul << 40),
            _ => ((ulong)Pick(random, 0x0, 0x2, 0x8, 0xA, 0xD, 0xE, 0xF) << 40) | RandomLimit(random) | (((ulong)L.Ldt & 0xFF_FFFF) << 16),
        };
    }

    private static ulong CallGate(Random random)
    {
        uint target = random.Next(3) == 0 ? L.GateReturn : L.GateLanding;
        ulong selector = Pick(random, L.Code0, L.Code0, L.Code3, (ushort)random.Next((int)L.GdtEntries * 8));
        return (target & 0xFFFF) | (selector << 16) | ((ulong)random.Next(4) << 32) | (0x0Cul << 40) | ((ulong)(target >> 16) << 48);
    }

    private static ulong InterruptGate(Random random, uint vector)
    {
        uint stub = ProgramRuntime.Stub(vector);
        ulong gate = (stub & 0xFFFF) | ((ulong)L.Code0 << 16) | ((ulong)(stub >> 16) << 48);
        switch (vector)
        {
            case < 0x20:
                return gate | (0x8Eul << 40);
            case L.EndVector or L.LandedVector or >= L.ReturningVector and < L.ReturningVector + 8:
                return gate | (vector % 2 == 0 ? 0xEEul << 40 : 0xEFul << 40);
            default:
                ulong selector = Pick(random, L.Code0, L.Code0, L.Conforming, L.Code3, 0, (ushort)random.Next((int)L.GdtEntries * 8));
                ulong type = Pick(random, 0xE, 0xE, 0xF, 0xF, 0x5, 0xC, 0x0, 0x9);
                if (type == 0x5)
                {
                    selector = Pick(random, L.OtherTask, L.MainTask, 0x50);
                }

                ulong access = ((random.Next(8) == 0 ? 0ul : 0x80) | ((ulong)random.Next(4) << 5) | type) << 40;
                return (gate & ~0xFFFF_0000ul) | (selector << 16) | access;
        }
    }

    // SDM 3A 7.2.1. The first is the program's own; the others are targets.
    private static void TaskState(ProgramImage image, Random random, uint at, uint task)
    {
        bool user = task != 0 && random.Next(2) == 0;
        uint flags = 2u | ((uint)random.Next(4) << 12) | (random.Next(4) == 0 ? 0x8D5u & (uint)random.Next(0x1000) : 0);
        uint stack = user ? L.Data3 : L.Data0;
        uint[] fields =
        [
            L.MainTask, L.InnerStack, L.Data0, L.InnerStack - 0x4000, 0, L.InnerStack - 0x8000, 0, L.PageDirectory, L.Landing, flags,
            (uint)random.Next(), (uint)random.Next(), (uint)random.Next(), (uint)random.Next(), L.TaskStack, (uint)random.Next(), (uint)random.Next(), (uint)random.Next(),
            stack, user ? L.Code3 : L.Code0, stack, stack, random.Next(4) == 0 ? 0 : stack, stack, task % 2 == 0 ? L.LocalTable : 0u, 0x0068_0000,
        ];
        for (uint i = 0; i < fields.Length; i++)
        {
            image.Word(at + (i * 4), fields[i]);
        }

        if (task == 0)
        {
            // The I/O permission bitmap of ports 0-0x6F, and the byte of ones behind it.
            for (uint i = 0; i < 3; i++)
            {
                image.Word(at + 0x68 + (i * 4), (uint)random.NextInt64(1L << 32));
            }

            image.Word(at + 0x74, 0xFFFF_0000 | (uint)random.Next(0x1_0000));
        }
    }

    private static void PageTables(ProgramImage image, Random random)
    {
        const uint PresentWritableUser = 7;
        const uint First = L.PageDirectory + 0x1000;
        uint directory = unchecked(L.PageDirectory + Page);
        image.Word(directory, First | PresentWritableUser);
        image.Word(directory + 4, L.WindowTable | PresentWritableUser);
        for (uint page = 0; page < 1024; page++)
        {
            image.Word(unchecked(First + Page) + (page * 4), (page << 12) | PresentWritableUser);
        }

        for (uint page = 0; page < L.WindowPages; page++)
        {
            uint flags = (uint)random.Next(8);
            image.Word(unchecked(L.WindowTable + Page) + (page * 4), (L.WindowPhysical + (page << 12)) | flags);
        }
    }

    // Pointers, one directory (two 2 MiB pages one to one, then the window's table), and the window's entries, a third of them with XD.
    private static void PaeTables(ProgramImage image, Random random)
    {
        const uint Present = 1;
        const uint PresentWritableUser = 7;
        const uint LargePage = 0x80;
        image.Descriptor(unchecked(L.PageDirectory + Page), L.PaeDirectory | Present);
        image.Descriptor(unchecked(L.PaeDirectory + Page), LargePage | PresentWritableUser);
        image.Descriptor(unchecked(L.PaeDirectory + Page) + 8, 0x20_0000 | LargePage | PresentWritableUser);
        image.Descriptor(unchecked(L.PaeWindowEntry + Page), L.WindowTable | PresentWritableUser);
        for (uint page = 0; page < L.WindowPages; page++)
        {
            ulong flags = (uint)random.Next(8) | (random.Next(3) == 0 ? 1ul << 63 : 0);
            image.Descriptor(unchecked(L.WindowTable + Page) + (page * 8), (L.WindowPhysical + (page << 12)) | flags);
        }
    }

    private static ulong RandomLimit(Random random)
    {
        ulong limit = random.Next(3) switch
        {
            0 => (ulong)random.Next(0x10_0000),
            1 => (ulong)random.Next(0x1000),
            _ => 0xF_FFFF,
        };
        return (limit & 0xFFFF) | ((limit >> 16) << 48) | ((ulong)random.Next(2) << 55);
    }

    private static ulong System(uint type, uint limit, uint address) =>
        (limit & 0xFFFF) | ((ulong)(address & 0xFF_FFFF) << 16) | ((ulong)(0x80 | type) << 40) | ((ulong)(address >> 24) << 56);

    private static ushort Pick(Random random, params ReadOnlySpan<ushort> values) => values[random.Next(values.Length)];
}
