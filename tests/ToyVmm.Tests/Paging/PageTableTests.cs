using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;
using ToyVmm.Tests.Interpretation.Events;
using Xunit;

namespace ToyVmm.Tests.Paging;

/// <summary>
/// Page tables as a guest sees them, one rule a test (SDM 3A 4.6-4.10), on the interpreter and - where there is one - the translator with its shadow.
/// <see cref="MmuPropertyTests"/> has their combinations.
/// </summary>
public sealed unsafe class PageTableTests : IDisposable
{
    private const uint Page = 0x1000;
    private const uint Directory = 0x100_000;
    private const uint Table = 0x101_000;
    private const uint Linear = 0x50_000;
    private const uint OldFrame = 0x60_000;
    private const uint NewFrame = 0x61_000;
    private const uint Entry = Table + (Linear / Page * 4);

    private const uint Present = 1;
    private const uint Writable = 2;
    private const uint User = 4;
    private const uint Accessed = 0x20;
    private const uint Dirty = 0x40;
    private const uint Large = 0x80;
    private const uint Global = 0x100;

    private readonly CpuBench _bench = new();

    private CpuState* State => _bench.State;

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Invlpg_shows_what_the_table_says_now()
    {
        Start(0);
        Rewrite([0x0F, 0x01, 0x3D, .. BitConverter.GetBytes(Linear)]);
        Assert.Equal((1u, 1u, 2u), (State->Eax, State->Ebx, State->Ecx));
    }

    [Fact]
    public void Invlpg_takes_out_a_global_page()
    {
        Start(Global);
        State->Cr4 |= Cr4.PGE;
        Rewrite([0x0F, 0x01, 0x3D, .. BitConverter.GetBytes(Linear)]);
        Assert.Equal((1u, 1u, 2u), (State->Eax, State->Ebx, State->Ecx));
    }

    [Theory]
    [InlineData(0u, 2u)]
    [InlineData(Global, 1u)]
    public void Mov_cr3_shows_it_too_but_for_global_pages(uint global, uint seen)
    {
        Start(global);
        State->Cr4 |= Cr4.PGE;
        Rewrite([0x0F, 0x20, 0xDA, 0x0F, 0x22, 0xDA]); // mov edx, cr3; mov cr3, edx
        Assert.Equal((1u, 1u, seen), (State->Eax, State->Ebx, State->Ecx));
    }

    [Fact]
    public void A_change_of_PGE_flushes_global_pages()
    {
        Start(Global);
        State->Cr4 |= Cr4.PGE;
        Rewrite([0x0F, 0x20, 0xE2, 0x80, 0xF2, 0x80, 0x0F, 0x22, 0xE2]); // mov edx, cr4; xor dl, 80h; mov cr4, edx
        Assert.Equal((1u, 1u, 2u), (State->Eax, State->Ebx, State->Ecx));
    }

    /// <summary>INVLPG of one half of a page of 4 MiB takes out the other half too.</summary>
    [Theory]
    [InlineData(0x40_0000u, 0x60_0000u)]
    [InlineData(0x60_0000u, 0x40_0000u)]
    public void Invlpg_takes_out_all_of_a_large_page(uint invalidated, uint looked)
    {
        Start(0);
        State->Cr4 |= Cr4.PSE;
        const uint LargeEntry = Directory + 4;
        _bench.Write32(LargeEntry, Large | Present | Writable);
        uint offset = looked + 0x1234;

        // mov eax, [both halves]; the entry goes; invlpg; mov ecx, [looked], a page fault whose handler halts
        Run([
            0xA1, .. BitConverter.GetBytes(invalidated), 0xA1, .. BitConverter.GetBytes(offset), .. Store(LargeEntry, 0),
            0x0F, 0x01, 0x3D, .. BitConverter.GetBytes(invalidated), 0x8B, 0x0D, .. BitConverter.GetBytes(offset), 0xF4]);
        Assert.Equal((CpuBench.Handler(Vector.PageFault) + 1, offset), (State->Eip, State->Cr2));
    }

    /// <summary>A page of 4 MiB has 22 bits of offset.</summary>
    [Fact]
    public void A_large_page_maps_all_of_its_4_mib()
    {
        Start(0);
        State->Cr4 |= Cr4.PSE;
        _bench.Write32(Directory + 4, Large | Present | Writable);
        _bench.Write32(0x21_0000, 0x1234);
        Run([0xA1, 0x00, 0x00, 0x61, 0x00, 0xF4]);
        Assert.Equal(0x1234u, State->Eax);
    }

    [Fact]
    public void A_read_sets_A_and_a_write_sets_D()
    {
        Start(0);
        Run([.. Load(0xA1), 0xF4]);
        Assert.Equal((OldFrame | Present | Writable | Accessed, Accessed), (_bench.Read32(Entry), _bench.Read32(Directory) & (Accessed | Dirty)));

        // The entry is in the TLB without D: the write walks again.
        Run([.. Load(0xA3), 0xF4]);
        Assert.Equal(OldFrame | Present | Writable | Accessed | Dirty, _bench.Read32(Entry));
    }

    /// <summary>In one go, so that a shadow filled by the read must not take the write.</summary>
    [Fact]
    public void A_write_behind_a_read_sets_D()
    {
        Start(0);
        Run([.. Load(0xA1), 0xEB, 0x00, .. Load(0xA3), 0xF4]);
        Assert.Equal(OldFrame | Present | Writable | Accessed | Dirty, _bench.Read32(Entry));
    }

    /// <summary>Rights of both levels together, and the error code (SDM 3A 4.7); -1: no fault.</summary>
    [Theory]
    [InlineData(3, "read", Present | Writable | User, Present | Writable | User, -1)]
    [InlineData(3, "read", Present | Writable | User, Present | Writable, 5)]
    [InlineData(3, "read", Present | Writable, Present | Writable | User, 5)]
    [InlineData(3, "write", Present | Writable | User, Present | User, 7)]
    [InlineData(3, "write", Present | User, Present | Writable | User, 7)]
    [InlineData(3, "read", Present | Writable | User, Writable | User, 4)]
    [InlineData(0, "read", Present | Writable | User, Writable, 0)]
    [InlineData(0, "write", Present | Writable | User, Writable, 2)]
    [InlineData(0, "write", Present | Writable | User, Present, -1)]
    [InlineData(0, "write, WP", Present | Writable | User, Present, 3)]
    [InlineData(0, "write, WP", Present | User, Present | Writable, 3)]
    [InlineData(0, "read", Present | Writable | User, Present, -1)]
    public void Rights_are_those_of_both_levels(uint ring, string access, uint directory, uint table, int error)
    {
        // Ring 3 needs its code, and a stack of ring 0 for the handler: the page lies below a directory entry of its own.
        const uint Far = 0x40_0000;
        const uint OwnTable = 0x103_000;
        Start(0, ring);
        _bench.Write32(Directory + 4, OwnTable | directory);
        _bench.Write32(OwnTable, OldFrame | table);
        State->Cr0 |= access.EndsWith("WP", StringComparison.Ordinal) ? Cr0.WP : 0;
        _ = _bench.Program([access == "read" ? (byte)0xA1 : (byte)0xA3, .. BitConverter.GetBytes(Far), 0x90]);
        Continue();
        for (int round = 0; round < 2; round++)
        {
            State->Eip = CpuBench.Code;
            int vector = _bench.Step();
            Assert.Equal(error < 0 ? -1 : Vector.PageFault, vector);
            if (error >= 0)
            {
                Assert.Equal((Far, (uint)error), (State->Cr2, _bench.Stack32(0)));
                return;
            }
        }
    }

    /// <summary>Reserved bits of a large page: P and RSVD in the error code.</summary>
    [Fact]
    public void A_large_page_with_a_reserved_bit_is_a_fault()
    {
        Start(0);
        State->Cr4 |= Cr4.PSE;
        _bench.Write32(Directory + 4, (1u << 13) | Large | Present | Writable);
        _ = _bench.Program(0xA1, 0x34, 0x02, 0x40, 0x00);
        Continue();
        Assert.Equal(Vector.PageFault, _bench.Step());
        Assert.Equal((0x40_0234u, 9u), (State->Cr2, _bench.Stack32(0)));
    }

    /// <summary>The fault takes the stale entry out: an entry that gave the right, was narrowed, and is asked again (SDM 3A 4.10.4.1).</summary>
    [Fact]
    public void A_page_fault_takes_the_page_out_of_the_TLB()
    {
        Start(0);
        State->Cr0 |= Cr0.WP;
        _bench.Write32(Entry, OldFrame | Present);
        Run([.. Load(0xA1), 0xF4]);

        // Read-only in the TLB; the table says another frame now. The write faults, and the read behind it walks.
        _bench.Write32(Entry, NewFrame | Present);
        _ = _bench.Program([.. Load(0xA3)]);
        State->Eip = CpuBench.Code;
        Continue();
        Assert.Equal(Vector.PageFault, _bench.Step());
        _bench.Write(CpuBench.Handler(Vector.PageFault), [.. Load(0xA1), 0xF4]);
        _ = _bench.Run(1);
        Assert.Equal(2u, State->Eax);
    }

    /// <summary>An instruction across a page edge whose second page is mapped elsewhere behind INVLPG (pitfall 5).</summary>
    [Fact]
    public void The_second_page_of_an_instruction_may_move()
    {
        Start(0);
        const uint Edge = Linear + Page;
        _bench.Write32(Table + (Edge / Page * 4), OldFrame | Present | Writable);
        _bench.Write(0x50_000 + Page - 1, 0xB8); // mov eax, imm32
        _bench.Write32(Entry, 0x50_000 | Present | Writable);
        _bench.Write(OldFrame + 4, 0xEB, 0x00);
        _bench.Write(NewFrame + 4, 0xEB, 0x00);
        for (uint round = 0; round < 2; round++)
        {
            State->Eip = Edge - 1;
            Continue();
            _ = _bench.Run(1);
            Assert.Equal(round + 1, State->Eax);
            _bench.Write32(Table + (Edge / Page * 4), NewFrame | Present | Writable);
            Run([0x0F, 0x01, 0x3D, .. BitConverter.GetBytes(Edge), 0xF4]);
        }
    }

    /// <summary>A20 off clears bit 20 of every address on the bus, with paging and without.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A20_off_wraps_at_1_mib(bool paging)
    {
        using GuestMemory memory = new(4 << 20);
        using Vcpu vcpu = new(memory);
        vcpu.State->Cr0 |= paging ? Cr0.PE | Cr0.PG : 0;
        vcpu.State->Cr3 = 0x1000;
        Assert.True(memory.TryWrite(new GuestPhysicalAddress(0x1000), BitConverter.GetBytes(0x2003u)));
        Assert.True(memory.TryWrite(new GuestPhysicalAddress(0x2000 + (0x123 * 4)), BitConverter.GetBytes(0x12_3003u)));
        vcpu.Mmu.PhysicalMask = ~(1ul << 20);
        Assert.True(vcpu.Mmu.Translate(0x12_3456, 0, out ulong physical, out _, out _));
        Assert.Equal(0x2_3456ul, physical);
        Assert.True(vcpu.Mmu.Translate(0x12_3456, PageAccess.Write, out physical, out _, out _));
        Assert.Equal(0x2_3456ul, physical);
    }

    // Ring 0 or 3, the first 4 MiB mapped to themselves for everybody; but for the page that is looked at.
    private void Start(uint flags, uint ring = 0)
    {
        _ = _bench.Protected(ring);
        _bench.Write32(Directory, Table | Present | Writable | User);
        for (uint linear = 0; linear < 0x400_000; linear += Page)
        {
            _bench.Write32(Table + (linear / Page * 4), linear | Present | Writable | User);
        }

        _bench.Write32(Entry, OldFrame | Present | Writable | flags);
        _bench.Write32(OldFrame, 1);
        _bench.Write32(NewFrame, 2);
        State->Cr3 = Directory;
        State->Cr0 |= Cr0.PG;
    }

    private void Continue() => _bench.Cpu.NotifyStateChanged();

    private void Run(byte[] code)
    {
        _ = _bench.Program(code);
        State->Eip = CpuBench.Code;
        Continue();
        Assert.Equal(ExitReason.Halt, _bench.Run(100).Reason);
        State->Halted = 0;
    }

    // mov eax, [page]; change the entry; mov ebx, [page]; flush; mov ecx, [page]: with a jump behind each, so that each is a block of the translator.
    private void Rewrite(byte[] flush)
    {
        uint entry = _bench.Read32(Entry);
        Run([
            .. Load(0xA1), 0xEB, 0x00, .. Store(Entry, (entry & 0xFFF) | NewFrame), 0x8B, 0x1D, .. BitConverter.GetBytes(Linear), 0xEB, 0x00,
            .. flush, 0x8B, 0x0D, .. BitConverter.GetBytes(Linear), 0xF4]);
    }

    // mov eax, [page] (A1) or mov [page], eax (A3).
    private static byte[] Load(byte opcode) => [opcode, .. BitConverter.GetBytes(Linear)];

    // mov dword [address], value
    private static byte[] Store(uint address, uint value) => [0xC7, 0x05, .. BitConverter.GetBytes(address), .. BitConverter.GetBytes(value)];
}
