using FsCheck.Xunit;
using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;
using ToyVmm.Hardware.State;
using ToyVmm.Tests.Properties;
using Xunit;

namespace ToyVmm.Tests.Paging;

/// <summary>
/// The MMU against a model written from SDM 3A 4.3-4.10 alone: random tables, edits with and without a flush, changes between the
/// paging modes and accesses. After every step the answer, the error code and the accessed and dirty bits in memory agree.
/// </summary>
public sealed unsafe class MmuPropertyTests
{
    // Without PAE: a directory and three tables. With it: PDPTEs at an odd multiple of 32, two directories and two tables,
    // in the same pages, so that a change of mode reads what the other one wrote.
    private const uint Directory = 0x1000;
    private const uint FirstTable = 0x2000;
    private const int Tables = 3;
    private const uint Pointers = 0x6020;
    private const uint FirstPaeDirectory = 0x2000;
    private const uint FirstPaeTable = 0x4000;

    /// <summary>1,500 random histories of 300 steps, in which the TLB is saved and restored now and then.</summary>
    [Property(MaxTest = 1500, Arbitrary = [typeof(Generators)])]
    public void The_mmu_does_what_an_infinite_tlb_over_the_tables_does(ulong seed)
    {
        var random = new Random((int)(seed ^ (seed >> 32)));
        using var memory = new GuestMemory(1 << 20);
        using var vcpu = new Vcpu(memory);
        CpuState* s = vcpu.State;
        s->Cr0 |= Cr0.PE | Cr0.PG;
        s->Efer = random.Next(2) == 0 ? 0 : Efer.NXE;
        var model = new MmuModel(memory);
        SetMode(random, vcpu, model, pae: random.Next(3) != 0);
        for (int n = 0; n < 24; n++)
        {
            Edit(random, memory, IsPae(s));
        }

        LoadPageDirectory(vcpu, model);
        for (int step = 0; step < 300; step++)
        {
            switch (random.Next(18))
            {
                case 0 or 1 or 2:
                    Edit(random, memory, IsPae(s));
                    break;
                case 3:
                    uint flushed = Address(random, IsPae(s));
                    vcpu.Mmu.Tlb.FlushPage(flushed);
                    model.FlushPage(flushed);
                    break;
                case 4 or 14 or 15:
                    s->Cr3 = Cr3(random, IsPae(s));
                    LoadPageDirectory(vcpu, model);
                    break;
                case 5 when random.Next(4) == 0:
                    ChangeMode(random, vcpu, model);
                    break;
                case 6:
                    s->Cr0 ^= Cr0.WP;
                    break;
                case 7 when random.Next(4) == 0:
                    SaveAndRestore(vcpu.Mmu);
                    break;
                default:
                    uint linear = Address(random, IsPae(s));
                    bool fetch = random.Next(3) == 0;
                    bool write = !fetch && random.Next(2) == 0;
                    bool user = random.Next(2) == 0;
                    string expected = model.Access(*s, linear, write, user, fetch);
                    PageAccess access = (write ? PageAccess.Write : 0) | (user ? PageAccess.User : 0) | (fetch ? PageAccess.Fetch : 0);
                    bool mapped = vcpu.Mmu.Translate(linear, access, out ulong physical, out _, out uint error);
                    string actual = mapped ? $"page {physical:x}" : $"fault {error:x}";
                    Assert.True(expected == actual, $"step {step}: {access} of {linear:x8}, CR4 {s->Cr4:x} EFER {s->Efer:x}: expected {expected}, got {actual}");
                    Assert.Equal(model.Tables(), Snapshot(memory));
                    break;
            }
        }
    }

    /// <summary>A device comes to lie over a table (a local APIC can be moved there, memory given back): what was filled from it is gone at the next MOV CR3.</summary>
    [Fact]
    public void A_table_that_is_no_memory_any_more_bears_nothing_out()
    {
        const uint OtherDirectory = 0x3000;
        using GuestMemory memory = new(1 << 20);
        using Vcpu vcpu = new(memory);
        _ = memory.TryWrite(new GuestPhysicalAddress(Directory), [0x07, 0x20, 0, 0]);
        _ = memory.TryWrite(new GuestPhysicalAddress(FirstTable + (5 * 4)), [0x07, 0x80, 0, 0]);
        vcpu.State->Cr0 |= Cr0.PE | Cr0.PG;
        List<uint> dropped = [];
        vcpu.State->Cr3 = Directory;
        Assert.False(vcpu.Mmu.SwitchSpace(dropped));
        Assert.True(vcpu.Mmu.Translate(0x5000, 0, out ulong physical, out _, out _));
        Assert.Equal(0x8000u, physical);
        vcpu.State->Cr3 = OtherDirectory;
        Assert.False(vcpu.Mmu.SwitchSpace(dropped));
        memory.SetKind(new GuestPhysicalAddress(FirstTable), GuestPhysicalAddress.PageSize, PageKind.Mmio);
        vcpu.State->Cr3 = Directory;
        Assert.True(vcpu.Mmu.SwitchSpace(dropped));
        Assert.Equal([5u], dropped);
        Assert.False(vcpu.Mmu.Tlb.TryGet(0x5000, out _, out _));
    }

    // What is restored takes the place of what was there.
    private static void SaveAndRestore(Mmu mmu)
    {
        StateTransfer saved = StateTransfer.ForSaving();
        saved.Section("TLB"u8, 1, mmu);
        byte[] bytes = saved.Saved.ToArray();
        StateTransfer restored = StateTransfer.ForRestoring(bytes);
        restored.Section("TLB"u8, 1, mmu);
        Assert.Null(restored.Error);
        saved = StateTransfer.ForSaving();
        saved.Section("TLB"u8, 1, mmu);
        Assert.Equal(bytes, saved.Saved.ToArray());
    }

    private static bool IsPae(CpuState* s) => (s->Cr4 & Cr4.PAE) != 0;

    // MOV CR3, also with the same value.
    private static void LoadPageDirectory(Vcpu vcpu, MmuModel model)
    {
        if (IsPae(vcpu.State))
        {
            bool loads = model.LoadPointers(vcpu.State->Cr3);
            Assert.Equal(loads, vcpu.Mmu.TryLoadPointers(vcpu.State->Cr3));
            if (!loads)
            {
                return;
            }
        }

        List<uint> dropped = [];
        _ = vcpu.Mmu.SwitchSpace(dropped);
        Assert.Equal(model.Switch(*vcpu.State), dropped.Order());
    }

    private static void ChangeMode(Random random, Vcpu vcpu, MmuModel model)
    {
        CpuState* s = vcpu.State;
        switch (random.Next(4))
        {
            case 0:
                s->Cr4 ^= Cr4.PSE;
                break;
            case 1:
                s->Cr4 ^= Cr4.PGE;
                break;
            case 2:
                s->Efer ^= Efer.NXE;
                break;
            default:
                SetMode(random, vcpu, model, !IsPae(s));
                break;
        }

        vcpu.Mmu.Tlb.FlushAll();
        model.FlushAll();
    }

    // Entering PAE needs PDPTEs that load; a few edits behind, they may no more.
    private static void SetMode(Random random, Vcpu vcpu, MmuModel model, bool pae)
    {
        CpuState* s = vcpu.State;
        s->Cr4 = pae ? s->Cr4 | Cr4.PAE : s->Cr4 & ~Cr4.PAE;
        s->Cr3 = pae ? Pointers | ((uint)random.Next(4) << 3) : Directory;
        if (pae)
        {
            for (uint n = 0; n < 4; n++)
            {
                Write64(vcpu.Memory, Pointers + (n * 8), Pointer(random));
            }

            Assert.True(model.LoadPointers(s->Cr3));
            Assert.True(vcpu.Mmu.TryLoadPointers(s->Cr3));
        }
    }

    // More values than address spaces are held, two of which mean the same tables now and then: bits 4-3 do not count, nor 11-5 without PAE.
    // Tables serve as directories too, and as PDPTEs what lies behind them.
    private static uint Cr3(Random random, bool pae) => pae
        ? Pointers + (random.Next(3) == 0 ? (uint)random.Next(12) * 32 : 0) + ((uint)random.Next(4) << 3)
        : Directory + ((uint)random.Next(2) << 12) + ((uint)random.Next(6) << 5) + ((uint)random.Next(4) << 3);

    private static void Edit(Random random, GuestMemory memory, bool pae)
    {
        // Flags: mostly present; every combination of R/W, U/S, A, D, PS or PAT, G.
        uint flags = (random.Next(5) == 0 ? 0u : 1u) | ((uint)random.Next(8) << 1) | (random.Next(4) == 0 ? 0x60u : 0)
            | (random.Next(6) == 0 ? 0x80u : 0) | (random.Next(4) == 0 ? 0x100u : 0);
        if (pae)
        {
            EditPae(random, memory, flags);
        }
        else if (random.Next(3) == 0)
        {
            int entry = random.Next(Tables) == 0 ? 1023 : random.Next(3);
            uint target = (flags & 0x80) != 0 ? (uint)random.Next(3) << 22 : FirstTable + ((uint)random.Next(Tables) << 12);
            target |= random.Next(12) == 0 ? 1u << random.Next(12, 22) : 0;
            Write32(memory, Directory + ((uint)entry * 4), target | flags);
        }
        else
        {
            uint table = FirstTable + ((uint)random.Next(Tables) << 12);
            Write32(memory, table + ((uint)random.Next(3) * 4), ((uint)random.Next(0x10, 0x20) << 12) | flags);
        }
    }

    private static void EditPae(Random random, GuestMemory memory, uint flags)
    {
        ulong value = flags | (random.Next(4) == 0 ? 1ul << 63 : 0) | (random.Next(16) == 0 ? 1ul << random.Next(36, 63) : 0);
        switch (random.Next(6))
        {
            case 0:
                ulong broken = random.Next(4) == 0 ? 1ul << random.Next(64) : 0;
                Write64(memory, Pointers + ((uint)random.Next(4) * 8), Pointer(random) ^ broken);
                break;
            case 1 or 2:
                ulong target = (flags & 0x80) != 0 ? (ulong)random.Next(3) << (random.Next(3) == 0 ? 34 : 21) : FirstPaeTable + ((ulong)random.Next(2) << 12);
                target |= random.Next(12) == 0 ? 1ul << random.Next(12, 22) : 0;
                Write64(memory, FirstPaeDirectory + ((uint)random.Next(2) << 12) + (PaeIndex(random) * 8), target | value);
                break;
            default:
                ulong frame = ((ulong)random.Next(0x10, 0x20) << 12) | (random.Next(8) == 0 ? 1ul << random.Next(32, 36) : 0);
                value = random.Next(3) == 0 ? value : value & ~0x80ul;
                Write64(memory, FirstPaeTable + ((uint)random.Next(2) << 12) + (PaeIndex(random) * 8), frame | value);
                break;
        }
    }

    private static ulong Pointer(Random random) =>
        FirstPaeDirectory | ((ulong)random.Next(2) << 12) | ((ulong)random.Next(4) << 3) | ((ulong)random.Next(8) << 9) | (random.Next(6) == 0 ? 0ul : 1)
        | (random.Next(12) == 0 ? 1ul << random.Next(20, 36) : 0);

    private static uint PaeIndex(Random random) => random.Next(4) == 0 ? 511u : (uint)random.Next(2);

    private static uint Address(Random random, bool pae) => (uint)random.Next(0x1000)
        | (pae
            ? ((uint)random.Next(4) << 30) | (PaeIndex(random) << 21) | (PaeIndex(random) << 12)
            : ((random.Next(4) == 0 ? 1023u : (uint)random.Next(3)) << 22) | ((uint)random.Next(3) << 12));

    private static void Write32(GuestMemory memory, uint address, uint value) =>
        Assert.True(memory.TryWrite(new GuestPhysicalAddress(address), BitConverter.GetBytes(value)));

    private static void Write64(GuestMemory memory, uint address, ulong value) =>
        Assert.True(memory.TryWrite(new GuestPhysicalAddress(address), BitConverter.GetBytes(value)));

    private static string Snapshot(GuestMemory memory)
    {
        byte[] bytes = new byte[MmuModel.Watched];
        Assert.True(memory.TryRead(new GuestPhysicalAddress(0), bytes));
        return MmuModel.Hash(bytes);
    }
}
