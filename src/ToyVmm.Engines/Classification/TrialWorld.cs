using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Engines.Classification;

/// <summary>
/// What a trial's instruction finds: descriptor tables, a TSS, and code at the world's beginning; behind them the program's data and stacks, in
/// segments that hold nothing else. All addresses are offsets in segments, so that the whole world can lie somewhere else.
/// </summary>
internal static unsafe class TrialWorld
{
    /// <summary>Offset of the interrupt descriptor table (in real mode, of the interrupt vectors).</summary>
    public const uint Idt = 0;

    /// <summary>Offset of the global descriptor table: two equal sets of entries.</summary>
    public const uint Gdt = 0x800;

    /// <summary>Offset of the TSS in use; three more follow.</summary>
    public const uint Tss = 0x1000;

    /// <summary>Offset of the instruction, in the code segment too. Its page holds nothing else.</summary>
    public const uint Instruction = 0x2100;

    /// <summary>Offset of the first byte that belongs to the program, where data and stack segments begin.</summary>
    public const uint Program = 0x4000;

    /// <summary>Bytes that belong to the program.</summary>
    public const uint ProgramSize = 0x3000;

    /// <summary>Offset of the memory operand in the program.</summary>
    public const uint Operand = 0x10;

    /// <summary>Offset of the top of the stack in the program.</summary>
    public const uint Stack = 0x1800;

    /// <summary>Slots between the two sets of descriptors.</summary>
    public const int SecondSet = 16;

    /// <summary>The first of 32 vectors that user code may use.</summary>
    public const byte FirstUserVector = 32;

    private const uint InnerStack = 0x2800;
    private const uint Handler = 0x3000;
    private const uint TssSize = 0x68;

    // Slots of a set.
    private const int KernelCode = 1;
    private const int UserCode = 2;
    private const int ConformingCode = 3;
    private const int KernelData = 4;
    private const int UserData = 5;
    private const int CurrentTask = 6;
    private const int OtherTask = 7;
    private const int LocalTable = 8;
    private const int UserGate = 9;
    private const int KernelGate = 10;
    private const int OtherUserCode = 11;
    private const int OtherUserData = 12;
    private const int OtherKernelData = 13;
    private const int AbsentData = 14;

    private const uint Is32 = 0x0040_0000;

    /// <summary>A selector of one of the descriptors; in real and virtual-8086 mode also a paragraph of the world where it is not moved.</summary>
    public static ushort PickSelector(ref TrialRandom random)
    {
        // Half of them are what the one or the other ring can load, a quarter system descriptors.
        uint set = (uint)random.Below(2) * SecondSet;
        uint rpl = random.Below(2) == 0 ? 3u : 0;
        uint slot = random.Below(4) switch
        {
            0 => (uint)random.Below(SecondSet),
            1 => random.Pick<uint>([OtherTask, LocalTable, UserGate, KernelGate]),
            _ => rpl == 0 ? random.Pick<uint>([KernelCode, KernelData, OtherKernelData]) : random.Pick<uint>([UserCode, UserData, OtherUserData, OtherUserCode]),
        };
        return (ushort)(((slot + set) << 3) | rpl);
    }

    /// <summary>Builds the state and the memory of a trial.</summary>
    /// <param name="setup">Which.</param>
    /// <param name="vcpu">Receives the state; it was reset.</param>
    public static void Build(in TrialSetup setup, Vcpu vcpu)
    {
        byte* world = vcpu.Memory.RamBase + setup.Base;
        BuildTables(setup, world);
        TrialContents.Fill(setup, world, vcpu.State);
        CpuState* s = vcpu.State;
        (s->GdtBase, s->GdtLimit) = (setup.Base + Gdt, setup.Flip(SystemAspects.TableLimits) ? 0x17Fu : 0xFF);
        (s->IdtBase, s->IdtLimit) = (setup.Base + Idt, setup.Flip(SystemAspects.TableLimits) ? 0x81Fu : 0x7FF);
        BuildSystem(setup, vcpu);
        if (setup.Is32)
        {
            LoadProtected(setup, world, s);
        }
        else
        {
            LoadParagraphs(setup, world, s);
        }

        s->Eip = Instruction;
        vcpu.NotifyStateChanged();
    }

    private static ushort Selector(in TrialSetup setup, int slot, uint rpl = 0) => (ushort)(((slot + setup.FirstSlot) << 3) | (int)rpl);

    private static void BuildTables(in TrialSetup setup, byte* world)
    {
        uint at = setup.Base;
        uint* gdt = (uint*)(world + Gdt);
        for (int set = 0; set <= SecondSet; set += SecondSet)
        {
            uint* slots = gdt + (set * 2);
            Write(slots, KernelCode, at, 0xFFFF, 0x9B, Is32);
            Write(slots, UserCode, at, 0xFFFF, 0xFB, Is32);
            Write(slots, ConformingCode, at, 0xFFFF, 0x9F, Is32);
            Write(slots, KernelData, at + Program, ProgramSize - 1, 0x93, Is32);
            Write(slots, UserData, at + Program, ProgramSize - 1, 0xF3, Is32);
            Write(slots, OtherTask, at + Tss + 0x100, TssSize - 1, 0x89, 0);
            Write(slots, LocalTable, at + Tss + 0x300, 0x3F, 0x82, 0);
            Write(slots, OtherUserCode, at + 0x10, 0xFFFF, 0xFB, Is32);
            Write(slots, OtherUserData, at + Program + 0x10, ProgramSize - 0x11, 0xF3, Is32);
            Write(slots, OtherKernelData, at + Program + 0x10, ProgramSize - 0x11, 0x93, Is32);
            Write(slots, AbsentData, at + Program, ProgramSize - 1, 0x73, Is32);
            Write(slots, CurrentTask, at + Tss, TssSize - 1, 0x8B, 0);
            WriteGate(slots, UserGate, 8, Handler, 0xEC);
            WriteGate(slots, KernelGate, 8, Handler, 0x8C);
        }

        uint* idt = (uint*)(world + Idt);
        for (int vector = 0; vector < 256; vector++)
        {
            if (setup.Mode == ExecutionMode.Real)
            {
                idt[vector] = (at << 12) | Handler;
                continue;
            }

            bool open = vector is 3 or 4 || (vector >= FirstUserVector && vector < 2 * FirstUserVector);
            WriteGate(idt, vector, 8, Handler, open ? 0xEEu : 0x8E);
        }

        new Span<byte>(world + Tss, 0x400).Clear();
        foreach (uint offset in (ReadOnlySpan<uint>)[0, 0x100])
        {
            uint* tss = (uint*)(world + Tss + offset);
            for (int ring = 0; ring < 3; ring++)
            {
                (tss[1 + (ring * 2)], tss[2 + (ring * 2)]) = (InnerStack - ((uint)ring * 0x100), KernelData << 3);
            }

            // What a task switch loads: the kernel's segments.
            tss[8] = Handler;
            tss[9] = Eflags.Fixed;
            tss[14] = InnerStack;
            for (int segment = 0; segment < 6; segment++)
            {
                tss[18 + segment] = (uint)(segment == 1 ? KernelCode : KernelData) << 3;
            }

            // The I/O permission bitmap begins behind the limit: there is none (SDM 1 19.5.2).
            tss[25] = TssSize << 16;
        }
    }

    private static void Write(uint* table, int slot, uint address, uint limit, uint access, uint flags)
    {
        table[slot * 2] = (limit & 0xFFFF) | (address << 16);
        table[(slot * 2) + 1] = ((address >> 16) & 0xFF) | (access << 8) | (limit & 0xF0000) | flags | (address & 0xFF00_0000);
    }

    private static void WriteGate(uint* table, int slot, uint selector, uint offset, uint access)
    {
        table[slot * 2] = (offset & 0xFFFF) | (selector << 16);
        table[(slot * 2) + 1] = (offset & 0xFFFF_0000) | (access << 8);
    }

    // Every value of the system state is drawn, and so is its second value; a state has the one or the other.
    private static void BuildSystem(in TrialSetup setup, Vcpu vcpu)
    {
        CpuState* s = vcpu.State;
        TrialRandom random = new(setup.Seed ^ 0x5953_5445_4D00);
        uint interrupts = random.Word();
        s->OtherFlags = Eflags.Fixed | (random.Word() & (Eflags.DF | Eflags.ID));
        s->OtherFlags |= ((interrupts & 1) != 0) != setup.Flip(SystemAspects.InterruptFlag) ? Eflags.IF : 0;
        uint iopl = ((setup.Guards & Guards.Iopl) != 0) != setup.Flip(SystemAspects.IoPrivilege) ? 3u : 0;
        s->OtherFlags |= iopl << 12;
        s->Cr0 = Cr0.ET | (setup.Mode == ExecutionMode.Real ? 0 : Cr0.PE) | Cr0.NE | Cr0.MP;
        s->Cr0 |= (random.Below(8) == 0) != setup.Flip(SystemAspects.TaskSwitched) ? Cr0.TS : 0;
        s->Cr0 ^= setup.Flip(SystemAspects.Coprocessor) ? (1 + (uint)random.Below(7)) switch
        {
            1 => Cr0.MP,
            2 => Cr0.EM,
            3 => Cr0.NE,
            4 => Cr0.MP | Cr0.NE,
            5 => Cr0.EM | Cr0.MP,
            6 => Cr0.EM | Cr0.NE,
            _ => Cr0.MP | Cr0.EM | Cr0.NE,
        } : 0;
        s->Cr0 ^= setup.Flip(SystemAspects.Protection) ? Cr0.WP | Cr0.AM : 0;
        s->Cr2 = setup.Flip(SystemAspects.FaultAddress) ? 0x1234_5678u : 0x8765_4321;
        s->Cr3 = setup.Flip(SystemAspects.PageDirectory) ? 0x0000_9000u : 0x0000_7000;
        s->Cr4 = Cr4.OSFXSR | Cr4.OSXMMEXCPT;
        s->Cr4 |= (setup.Guards & Guards.TimeStampDisable) == 0 ? Cr4.TSD : 0;
        s->Cr4 |= (setup.Guards & Guards.PerformanceCounters) != 0 ? Cr4.PCE : 0;
        s->Cr4 ^= setup.Flip(SystemAspects.Cr4) ? random.Pick<uint>([Cr4.DE, Cr4.PSE, Cr4.PGE, Cr4.TSD, Cr4.PCE, Cr4.OSFXSR, Cr4.OSXMMEXCPT, Cr4.Writable & ~Cr4.PAE]) : 0;
        s->TscOffset = setup.Flip(SystemAspects.TimeStamp) ? 0x0000_0123_4567_89ABul : 0x7000;
        bool sysenter = setup.Flip(SystemAspects.Sysenter);
        (s->SysenterCs, s->SysenterEsp, s->SysenterEip) = sysenter ? (0x88u, InnerStack - 0x40, Handler + 0x40) : (8u, InnerStack, Handler);
        for (int n = 0; n < 4; n++)
        {
            s->BreakpointAddresses[n] = setup.Flip(SystemAspects.Debug) ? 0x1000u * (uint)n : 0x7000_0000;
        }

        s->Dr6 ^= setup.Flip(SystemAspects.Debug) ? 0xFu : 0;
        s->Efer = setup.Flip(SystemAspects.Efer) ? Efer.NXE : 0;
        vcpu.ApicBase ^= setup.Flip(SystemAspects.ApicBase) ? 0x800u : 0;
        (s->FpuInstructionSelector, s->FpuDataSelector) = setup.Flip(SystemAspects.CoprocessorPointers) ? ((ushort)0x1B, (ushort)0x23) : ((ushort)0x8, (ushort)0x10);
    }

    private static void LoadProtected(in TrialSetup setup, byte* world, CpuState* s)
    {
        uint cpl = setup.Cpl;
        s->Cpl = cpl;
        Load(&s->Cs, world, Selector(setup, cpl == 0 ? KernelCode : UserCode, cpl));
        Load(&s->Ss, world, Selector(setup, cpl == 0 ? KernelData : UserData, cpl));
        foreach (nint segment in (ReadOnlySpan<nint>)[(nint)(&s->Ds), (nint)(&s->Es), (nint)(&s->Fs), (nint)(&s->Gs)])
        {
            Load((SegmentCache*)segment, world, Selector(setup, UserData, 3));
        }

        LoadSystemSegments(setup, world, s);
    }

    private static void LoadParagraphs(in TrialSetup setup, byte* world, CpuState* s)
    {
        bool isVirtual = setup.Mode == ExecutionMode.Virtual8086;
        for (SegmentCache* segment = &s->Es; segment <= &s->Gs; segment++)
        {
            bool isCode = segment == &s->Cs;
            ushort paragraph = (ushort)((setup.Base + (isCode ? 0 : Program)) >> 4);
            if (isVirtual)
            {
                segment->LoadVirtual8086(paragraph);
            }
            else
            {
                segment->LoadReal(paragraph);
            }

            // No program of such a mode would find this limit, but it keeps the trial's accesses in the program.
            segment->Limit = isCode ? segment->Limit : ProgramSize - 1;
            segment->Highest = segment->Limit;
        }

        if (isVirtual)
        {
            s->Cpl = 3;
            s->OtherFlags |= Eflags.VM;
            LoadSystemSegments(setup, world, s);
        }
    }

    private static void LoadSystemSegments(in TrialSetup setup, byte* world, CpuState* s)
    {
        Load(&s->Tr, world, Selector(setup, CurrentTask));
        Load(&s->Ldtr, world, Selector(setup, LocalTable));
    }

    private static void Load(SegmentCache* cache, byte* world, ushort selector)
    {
        uint* entry = (uint*)(world + Gdt + (selector & 0xFFF8u));
        cache->LoadDescriptor(selector, entry[0], entry[1]);
    }
}
