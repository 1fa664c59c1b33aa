using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;
using Xunit;

namespace ToyVmm.Tests.Interpretation.Events;

/// <summary>PAE and NX as instructions see them: when the PDPTEs are loaded, EFER, fetches, cached blocks, addresses above 4 GiB.</summary>
public sealed unsafe class PaePagingTests : IDisposable
{
    private const uint Pointers = 0x10_0000;
    private const uint OtherPointers = 0x10_0020;
    private const uint LowDirectory = 0x10_1000;
    private const uint WindowTable = 0x10_2000;
    private const uint WindowDirectory = 0x10_3000;
    private const uint Window = 0x4000_0000;
    private const uint Frame = 0x20_0000;
    private const ulong NoExecute = 1ul << 63;

    private readonly CpuBench _bench = new();

    public void Dispose() => _bench.Dispose();

    public static TheoryData<int, uint, bool> ControlBits() => new()
    {
        { 0, Cr0.MP, false }, { 0, Cr0.TS, false }, { 0, Cr0.WP, false }, { 0, Cr0.AM, false }, { 0, Cr0.CD, true }, { 0, Cr0.CD | Cr0.NW, true },
        { 4, Cr4.TSD, false }, { 4, Cr4.DE, false }, { 4, Cr4.OSFXSR, false }, { 4, Cr4.PSE, true }, { 4, Cr4.PGE, true }, { 4, Cr4.PSE | Cr4.PGE, true },
    };

    [Theory]
    [MemberData(nameof(ControlBits))]
    public void Control_register_writes_load_the_pointers_when_these_bits_change(int register, uint bits, bool loads)
    {
        Start(0x0F, 0x22, (byte)(0xC0 | (register << 3))); // mov cr, eax
        Write64(Pointers + 16, WindowDirectory | 1);
        _bench.State->Eax = (register == 0 ? _bench.State->Cr0 : _bench.State->Cr4) ^ bits;
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(loads ? WindowDirectory | 1 : 0ul, _bench.State->PageDirectoryPointers[2]);
        Assert.Equal(_bench.State->Eax, register == 0 ? _bench.State->Cr0 : _bench.State->Cr4);
    }

    [Theory]
    [MemberData(nameof(ControlBits))]
    public void Control_register_writes_that_would_load_bad_pointers_change_nothing(int register, uint bits, bool loads)
    {
        Start(0x0F, 0x22, (byte)(0xC0 | (register << 3)));
        Write64(Pointers + 24, WindowDirectory | 3);
        (uint cr0, uint cr4) = (_bench.State->Cr0, _bench.State->Cr4);
        _bench.State->Eax = (register == 0 ? cr0 : cr4) ^ bits;
        Assert.Equal(loads ? Vector.GeneralProtection : -1, _bench.Step());
        Assert.Equal(loads ? cr0 : cr0 ^ (register == 0 ? bits : 0), _bench.State->Cr0);
        Assert.Equal(loads ? cr4 : cr4 ^ (register == 4 ? bits : 0), _bench.State->Cr4);
        Assert.Equal(0ul, _bench.State->PageDirectoryPointers[3]);
    }

    [Fact]
    public void Each_reserved_bit_of_a_present_pointer_refuses_MOV_CR3()
    {
        for (int bit = 1; bit < 64; bit++)
        {
            Start(0x0F, 0x22, 0xD8); // mov cr3, eax
            bool reserved = bit is 1 or 2 or (>= 5 and <= 8) or >= PaeWalker.PhysicalAddressBits;
            Write64(OtherPointers, LowDirectory | 1);
            Write64(OtherPointers + 8, 1 | (1ul << bit));
            _bench.State->Eax = OtherPointers;
            Assert.Equal((bit, reserved ? Vector.GeneralProtection : -1), (bit, _bench.Step()));
            Assert.Equal(reserved ? Pointers : OtherPointers, _bench.State->Cr3);
            Assert.Equal(reserved ? WindowDirectory | 1 : 1 | (1ul << bit), _bench.State->PageDirectoryPointers[1]);

            // Not present, it may hold anything.
            Write64(OtherPointers + 8, 1ul << bit);
            Start(0x0F, 0x22, 0xD8);
            _bench.State->Eax = OtherPointers;
            Assert.Equal(-1, _bench.Step());
        }
    }

    [Fact]
    public void Walks_use_the_registers_and_not_the_table_of_pointers()
    {
        Start(0xA1, 0, 0, 0, 0x40); // mov eax, [Window]
        Map(0, Frame | 3);
        _bench.Write32(Frame, 0x1234_5678);
        Write64(Pointers + 8, 0);
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(0x1234_5678u, _bench.State->Eax);
    }

    [Theory]
    [InlineData(OtherPointers, true, true)]
    [InlineData(OtherPointers, false, false)]
    [InlineData(Pointers, false, true)]
    public void A_task_switch_loads_the_pointers_when_it_changes_CR3(uint cr3, bool valid, bool switches)
    {
        const uint TaskCode = 0x18000;
        Start(0xEA, 0, 0, 0, 0, CpuBench.OtherTssSelector, 0);
        uint[] fields =
        [
            0, CpuBench.Ring0Stack - 0x2000, CpuBench.DataSelector(0), 0, 0, 0, 0, cr3, TaskCode, 2, 0, 0, 0, 0, 0x28000, 0, 0, 0,
            CpuBench.DataSelector(0), CpuBench.CodeSelector(0), CpuBench.DataSelector(0), CpuBench.DataSelector(0), 0, 0, 0, 0,
        ];
        for (int n = 0; n < fields.Length; n++)
        {
            _bench.Write32(CpuBench.OtherTss + ((uint)n * 4), fields[n]);
        }

        Write64(OtherPointers, LowDirectory | 1);
        Write64(cr3 + 16, valid ? LowDirectory | 1 : LowDirectory | 3);
        int result = _bench.Step();
        Assert.Equal(CpuBench.OtherTssSelector, _bench.State->Tr.Selector);
        Assert.Equal(valid ? LowDirectory | 1 : 0ul, _bench.State->PageDirectoryPointers[2]);
        Assert.Equal(switches ? cr3 : Pointers, _bench.State->Cr3);
        if (switches)
        {
            Assert.Equal((-1, TaskCode), (result, _bench.State->Eip));
        }
        else
        {
            // The #GP is the new task's, and comes before its SS is loaded: without a task gate there is no stack to deliver it on.
            AutopsyFault first = _bench.Cpu.Autopsy!.Chain[0];
            Assert.Equal((Vector.GeneralProtection, 0u, TaskCode), (first.Trap.Vector, first.Trap.ErrorCode, first.Eip));
        }
    }

    [Fact]
    public void Efer_takes_NXE_and_refuses_the_bits_of_long_mode()
    {
        for (int bit = 0; bit < 64; bit++)
        {
            Start(0x0F, 0x30, 0x0F, 0x32); // wrmsr; rdmsr
            _bench.State->Efer = 0;
            _bench.State->Ecx = 0xC000_0080;
            (_bench.State->Eax, _bench.State->Edx) = (bit < 32 ? 1u << bit : 0, bit < 32 ? 0 : 1u << (bit - 32));
            Assert.Equal((bit, bit == 11 ? -1 : Vector.GeneralProtection), (bit, _bench.Step()));
            Assert.Equal(bit == 11 ? Efer.NXE : 0, _bench.State->Efer);
        }

        Start(0x0F, 0x32);
        (_bench.State->Ecx, _bench.State->Edx) = (0xC000_0080, 1);
        Assert.Equal(-1, _bench.Step());
        Assert.Equal((Efer.NXE, 0u), (_bench.State->Eax, _bench.State->Edx));
    }

    [Fact]
    public void A_change_of_NXE_flushes_what_was_cached()
    {
        Start(0xA1, 0, 0, 0, 0x40, 0x0F, 0x30, 0xA1, 0, 0, 0, 0x40); // mov eax, [Window]; wrmsr; mov eax, [Window]
        Map(0, Frame | 3 | NoExecute);
        Assert.Equal(-1, _bench.Step());
        (_bench.State->Ecx, _bench.State->Eax, _bench.State->Edx) = (0xC000_0080, 0, 0);
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(Vector.PageFault, _bench.Step());
        Assert.Equal(9u, _bench.Stack32(0));
    }

    [Theory]
    [InlineData(true, 0x11u)]
    [InlineData(false, 0x9u)]
    public void A_fetch_from_an_XD_page_faults_and_says_so(bool nxe, uint error)
    {
        Start(0xB8, 0, 0, 0, 0x40, 0xFF, 0xE0); // mov eax, Window; jmp eax
        Map(0, Frame | 7 | NoExecute);
        _bench.State->Efer = nxe ? Efer.NXE : 0;
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(Vector.PageFault, _bench.Step());
        Assert.Equal((error, Window), (_bench.Stack32(0), _bench.Stack32(1)));
        Assert.Equal(Window, _bench.State->Cr2);
        Assert.Equal(0ul, _bench.Read32(WindowTable) & 0x20u);
    }

    /// <summary>A loop that has run, and whose blocks are decoded and linked, stops at the first fetch behind the flush.</summary>
    [Fact]
    public void A_cached_block_does_not_run_once_its_page_must_not()
    {
        Start();
        Map(0, Frame | 3);
        Code(Frame, 0x40, 0x4B, 0x75, 0xFC, 0x0F, 0x01, 0x38, 0x40); // inc eax; dec ebx; jnz -4; invlpg [eax]; inc eax
        (_bench.State->Eip, _bench.State->Eax, _bench.State->Ebx) = (Window, Window, 40);
        Assert.Equal(ExitReason.BudgetSpent, _bench.Run(120).Reason);
        Assert.Equal(Window + 4, _bench.State->Eip);
        Map(0, Frame | 3 | NoExecute);

        // Until INVLPG the old right may be used, and an infinite TLB does.
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(Window + 7, _bench.State->Eip);
        Assert.Equal(Vector.PageFault, _bench.Step());
        Assert.Equal((0x11u, Window + 7), (_bench.Stack32(0), _bench.Stack32(1)));
    }

    /// <summary>A store finds D clear, walks again and brings XD into the TLB: the next instruction of the very block that stored faults.</summary>
    [Fact]
    public void A_block_loses_its_right_in_the_middle()
    {
        for (int warm = 0; warm < 2; warm++)
        {
            Start();
            Map(0, Frame | 3);
            Code(Frame, 0x40, 0x89, 0x18, 0x42, 0x42); // inc eax; mov [eax], ebx; inc edx; inc edx
            (_bench.State->Eip, _bench.State->Eax, _bench.State->Edx) = (Window, Window + 0x7FF, 0);
            Assert.Equal(ExitReason.BudgetSpent, _bench.Run(1).Reason);
            Map(0, Frame | 3 | NoExecute);
            Assert.Equal(ExitReason.BudgetSpent, _bench.Run(2).Reason);
            Assert.Equal(Vector.PageFault, _bench.VectorAtEip());
            Assert.Equal((0x11u, Window + 3, 0u), (_bench.Stack32(0), _bench.Stack32(1), _bench.State->Edx));
        }
    }

    [Fact]
    public void Addresses_above_4_GiB_reach_the_bus_whole_and_never_wrap()
    {
        const ulong High = 0xA_0020_0000;
        Start(0xA1, 8, 0, 0, 0x40, 0xA3, 0x0C, 0, 0, 0x40); // mov eax, [Window + 8]; mov [Window + 12], eax
        Map(0, High | 3);
        Assert.Equal(new VmExit(ExitReason.Mmio, false, 4, High + 8), _bench.Run(1));
        _bench.Cpu.CompleteRead(0x1122_3344);
        Assert.Equal(ExitReason.BudgetSpent, _bench.Run(1).Reason);
        Assert.Equal(0x1122_3344u, _bench.State->Eax);
        Assert.Equal(new VmExit(ExitReason.Mmio, true, 4, High + 12, 0x1122_3344), _bench.Run(1));
        Assert.Equal(0u, _bench.Read32(Frame + 12));
    }

    [Fact]
    public void Code_above_4_GiB_is_all_ones_and_no_alias()
    {
        Start();
        Map(0, 0x8_0020_0000ul | 3);
        Map(1, Frame | 3);
        Code(Frame, 0x90);
        _bench.State->Eip = Window + 8;
        Assert.Equal(Vector.InvalidOpcode, _bench.Step());
        Assert.Equal(Window + 8, _bench.Stack32(0));

        // FF from nowhere, C0 from the next page: INC EAX.
        Code(Frame, 0xC0);
        Start();
        (_bench.State->Eip, _bench.State->Eax) = (Window + 0xFFF, 5);
        Assert.Equal(-1, _bench.Step());
        Assert.Equal((6u, Window + 0x1001), (_bench.State->Eax, _bench.State->Eip));
    }

    /// <summary>Address 0 is a place for a table like any other: its entry gets A and D, and not the directory's.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_table_at_physical_address_0_has_accessed_and_dirty_bits(bool pae)
    {
        using GuestMemory memory = new(1 << 20);
        using Vcpu cpu = new(memory);
        cpu.State->Cr0 |= Cr0.PE | Cr0.PG;
        cpu.State->Cr3 = 0x1000;
        Put(0, 0x5003);
        Put(0x1000, 3);
        if (pae)
        {
            cpu.State->Cr4 = Cr4.PAE;
            Put(0x1000, 0x2001);
            Put(0x2000, 3);
            Assert.True(cpu.Mmu.TryLoadPointers(0x1000));
        }

        Assert.True(cpu.Mmu.Translate(0x123, PageAccess.Write, out ulong physical, out _, out _));
        Assert.Equal(0x5123ul, physical);
        Assert.Equal(0x5063u, memory.ReadUInt32(new GuestPhysicalAddress(0)));
        Assert.Equal(0x23u, memory.ReadUInt32(new GuestPhysicalAddress(pae ? 0x2000u : 0x1000)));

        void Put(uint address, uint value) => Assert.True(memory.TryWrite(new GuestPhysicalAddress(address), BitConverter.GetBytes(value)));
    }

    [Fact]
    public void CPUID_tells_of_PAE_NX_and_36_address_bits()
    {
        Assert.NotEqual(0u, CpuModels.Default.Query(1).Edx & (1 << 6));
        Assert.Equal(0x8000_0008u, CpuModels.Default.Query(0x8000_0000).Eax);
        Assert.NotEqual(0u, CpuModels.Default.Query(0x8000_0001).Edx & (1 << 20));
        Assert.Equal(0x2024u, CpuModels.Default.Query(0x8000_0008).Eax);
    }

    [Fact]
    public void The_autopsy_shows_the_pointer_and_the_64_bit_entries()
    {
        Start(0xB8, 0, 0, 0, 0x40, 0xFF, 0xE0);
        Map(0, Frame | 3 | NoExecute);
        _bench.State->IdtLimit = 0;
        Assert.Equal(ExitReason.Shutdown, _bench.Run(3).Reason);
        Autopsy autopsy = Assert.IsType<Autopsy>(_bench.Cpu.Autopsy);
        Assert.Equal(
            "supervisor fetch from 40000000: the page's rights forbid it (PDPTE 1 0000000000103001, PDE 0000000000102027 at 00103000, PTE 8000000000200003 at 00102000)",
            autopsy.Chain[0].Cause);
        Assert.Contains(autopsy.Tables, line => line.StartsWith("PDPTEs 0000000000101001 0000000000103001", StringComparison.Ordinal));
    }

    // Ring 0, flat, PAE and NX on: the first 4 MiB one to one, and a window whose table the test fills.
    private void Start(params ReadOnlySpan<byte> code)
    {
        _ = _bench.Protected(0).Program(code);
        Write64(Pointers, LowDirectory | 1);
        Write64(Pointers + 8, WindowDirectory | 1);
        Write64(Pointers + 16, 0);
        Write64(Pointers + 24, 0);
        Write64(LowDirectory, 0x83);
        Write64(LowDirectory + 8, 0x20_0083);
        Write64(WindowDirectory, WindowTable | 0x27);
        CpuState* s = _bench.State;
        s->Cr3 = Pointers;
        s->Cr4 = Cr4.PAE;
        s->Efer = Efer.NXE;
        s->Cr0 = (s->Cr0 | Cr0.PG) & ~(Cr0.CD | Cr0.NW);
        Assert.True(_bench.Cpu.Mmu.TryLoadPointers(Pointers));
        _bench.FlushTlb();
        _bench.Cpu.NotifyStateChanged();
    }

    private void Map(uint page, ulong entry) => Write64(WindowTable + (page * 8), entry);

    private void Code(uint address, params ReadOnlySpan<byte> code) => _bench.Write(address, code);

    private void Write64(uint address, ulong value) => _bench.Write(address, BitConverter.GetBytes(value));
}
