using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Hypercalls;
using Xunit;

namespace ToyVmm.Tests.Hypercalls;

/// <summary>mmu_update and set_page_table against what MOV CR3, stores and INVLPG do.</summary>
public sealed class PageTableCallTests : IDisposable
{
    private const uint Present = 1;
    private const uint All = 0x67;      // present, writable, user, accessed, dirty
    private const uint Directory = 0x1_0000;
    private const uint OtherDirectory = 0x1_1000;
    private const uint Table = 0x1_2000;
    private const uint OtherTable = 0x1_3000;
    private const uint List = 0x1_4000;
    private const uint Linear = 0x40_0000;
    private const uint First = 0x5_0000;
    private const uint Second = 0x5_1000;

    private readonly HypercallGuest _guest = new();

    public void Dispose() => _guest.Dispose();

    /// <summary>Errors, in 32-bit paging and with PAE.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void BadArgumentsChangeNothing(bool pae)
    {
        Start(pae);
        uint size = pae ? 8u : 4u;
        _guest.Fails(HypercallError.InvalidArgument, Hypercall.MmuUpdate, List + 4, 1);
        _guest.Fails(HypercallError.InvalidArgument, Hypercall.MmuUpdate, List, HypercallCatalog.MostEntries + 1);
        _guest.Fails(HypercallError.BadAddress, Hypercall.MmuUpdate, HypercallGuest.RamSize - 16, 2);
        _guest.Fails(HypercallError.BadAddress, Hypercall.MmuUpdate, 0xFFFF_FFF8, 1);

        // The first entry is good; the second is not, so neither is stored.
        _guest.PutEntry(List, Table, Linear, First | All);
        (uint Entry, ulong Value, HypercallError Error)[] bad =
        [
            (Table + 1, 0, HypercallError.InvalidArgument),
            (Table + (size / 2), 0, HypercallError.InvalidArgument),
            (HypercallGuest.RamSize, 0, HypercallError.BadAddress),
            (0xFFFF_FFF8, 0, HypercallError.BadAddress),
            (0xB_8000, 0, HypercallError.BadAddress),
            (Table, pae ? 1ul << 36 : 1ul << 32, HypercallError.InvalidArgument),
            (Table, 1ul << 63, HypercallError.InvalidArgument),
        ];
        foreach ((uint entry, ulong value, HypercallError error) in bad)
        {
            _guest.PutEntry(List + 16, entry, HypercallCatalog.Nothing, value);
            _guest.Fails(error, Hypercall.MmuUpdate, List, 2);
        }

        Assert.Equal(0u, _guest.Call(Hypercall.MmuUpdate, List, 0));
        _guest.Fails(HypercallError.InvalidArgument, Hypercall.SetPageTable, Directory + 8);
        _guest.Fails(HypercallError.InvalidArgument, Hypercall.SetPageTable, Directory, 2);
        _guest.Fails(HypercallError.BadAddress, Hypercall.SetPageTable, HypercallGuest.RamSize);
        if (pae)
        {
            _guest.Put(0x1_8000, Directory | Present | 2); // R/W is reserved in a pointer (SDM 3A table 4-8)
            _guest.Fails(HypercallError.InvalidArgument, Hypercall.SetPageTable, 0x1_8000);
        }
    }

    /// <summary>An entry that is stored counts at once, in the space where it is used, without INVLPG; named and used already, it is in the TLB before its first access.</summary>
    [Fact]
    public void StoredEntriesCountAtOnce()
    {
        Start(false);
        _guest.Put(Directory + 4, Table | All);
        Assert.Null(Translate(Linear));
        _guest.PutEntry(List, Table, HypercallCatalog.Nothing, First | All);
        _guest.PutEntry(List + 16, Table + 4, Linear + 0x1000, First | All);
        _guest.PutEntry(List + 32, Table + 8, Linear + 0x2000, First | Present);
        Assert.Equal(0u, _guest.Call(Hypercall.MmuUpdate, List, 3));
        Assert.False(IsCached(Linear));
        Assert.True(IsCached(Linear + 0x1000));
        Assert.False(IsCached(Linear + 0x2000));
        Assert.Equal(First | Present, _guest.Get(Table + 8));
        Assert.Equal(First, Translate(Linear));
        _guest.PutEntry(List, Table, HypercallCatalog.Nothing, Second | All);
        Assert.Equal(0u, _guest.Call(Hypercall.MmuUpdate, List, 1));
        Assert.False(IsCached(Linear));
        Assert.Equal(Second, Translate(Linear));

        // A plain store keeps the stale entry.
        _guest.Put(Table, First | All);
        Assert.Equal(Second, Translate(Linear));
    }

    /// <summary>A directory entry takes everything below it along.</summary>
    [Fact]
    public void DirectoryEntriesCountToo()
    {
        Start(false);
        _guest.Put(Directory + 4, Table | All);
        _guest.Put(Table, First | All);
        _guest.Put(OtherTable, Second | All);
        Assert.Equal(First, Translate(Linear));
        _guest.PutEntry(List, Directory + 4, HypercallCatalog.Nothing, OtherTable | All);
        Assert.Equal(0u, _guest.Call(Hypercall.MmuUpdate, List, 1));
        Assert.Equal(Second, Translate(Linear));
    }

    /// <summary>Another address space that uses the table loses the entry as well; a global page goes where it is named.</summary>
    [Fact]
    public void EveryAddressSpaceForgets()
    {
        Start(false);
        _guest.Machine.Cpu.Cr4 |= Cr4.PGE;
        _guest.Machine.Vcpu.NotifyStateChanged();
        foreach (uint directory in (uint[])[Directory, OtherDirectory])
        {
            _guest.Put(directory + 4, Table | All);
        }

        _guest.Put(Table, First | All);
        _guest.Put(Table + 4, First | All | 0x100);
        Assert.Equal((First, First), (Translate(Linear), Translate(Linear + 0x1000)));
        Assert.Equal(0u, _guest.Call(Hypercall.SetPageTable, OtherDirectory, 1));
        Assert.Equal(First, Translate(Linear));
        _guest.PutEntry(List, Table, HypercallCatalog.Nothing, Second | All);
        _guest.PutEntry(List + 16, Table + 4, Linear + 0x1000, Second | All | 0x100);
        Assert.Equal(0u, _guest.Call(Hypercall.MmuUpdate, List, 2));
        Assert.Equal((Second, Second), (Translate(Linear), Translate(Linear + 0x1000)));
        Assert.Equal(0u, _guest.Call(Hypercall.SetPageTable, Directory));
        Assert.Equal((Second, Second), (Translate(Linear), Translate(Linear + 0x1000)));
    }

    /// <summary>set_page_table keeps what it knows, even where the tables say otherwise - that is the promise; recycled, or by MOV CR3, it does not.</summary>
    [Fact]
    public void SetPageTableKeepsWhatItKnows()
    {
        Start(false);
        _guest.Put(Directory + 4, Table | All);
        _guest.Put(OtherDirectory + 4, OtherTable | All);
        _guest.Put(Table, First | All);
        _guest.Put(OtherTable, Second | All);
        Assert.Equal(First, Translate(Linear));
        Assert.Equal(0u, _guest.Call(Hypercall.SetPageTable, OtherDirectory));
        Assert.Equal(OtherDirectory, _guest.Machine.Cpu.Cr3);
        Assert.Equal(Second, Translate(Linear));
        Assert.Equal(0u, _guest.Call(Hypercall.SetPageTable, Directory));
        Assert.True(IsCached(Linear));
        Assert.Equal(0u, _guest.Call(Hypercall.SetPageTable, OtherDirectory));
        _guest.Put(Table, Second | All);
        Assert.Equal(0u, _guest.Call(Hypercall.SetPageTable, Directory));
        Assert.Equal(First, Translate(Linear));
        Assert.Equal(0u, _guest.Call(Hypercall.SetPageTable, OtherDirectory));
        Assert.Equal(0u, _guest.Call(Hypercall.SetPageTable, Directory, 1));
        Assert.False(IsCached(Linear));
        Assert.Equal(Second, Translate(Linear));
    }

    /// <summary>A device that was moved over a page table hides it: the next switch finds nothing there, and does not fall over it.</summary>
    [Fact]
    public void TableUnderADeviceIsForgotten()
    {
        Start(false);
        _guest.Put(Directory + 4, Table | All);
        _guest.Put(Table, First | All);
        Assert.Equal(First, Translate(Linear));
        _guest.Memory.SetKind(new GuestPhysicalAddress(Table), 4096, PageKind.Mmio);
        _ = _guest.Machine.Vcpu.Mmu.SwitchSpace([]);
        Assert.False(IsCached(Linear));
    }

    /// <summary>
    /// Random histories of updates and switches by hypercall: at any time the TLB holds nothing that a walk would not give, in every address space. The
    /// guest keeps its promise here, so that nothing stale is allowed.
    /// </summary>
    [Fact]
    public void RandomHistoriesLeaveNothingStale()
    {
        int seed = Environment.GetEnvironmentVariable("TOYVMM_SEED") is { } text ? int.Parse(text, System.Globalization.CultureInfo.InvariantCulture) : Random.Shared.Next();
        Random random = new(seed);
        for (int history = 0; history < 40; history++)
        {
            using HypercallGuest guest = new();
            Start(guest, pae: false);
            uint[] directories = [Directory, OtherDirectory, 0x1_5000];
            uint[] tables = [Table, OtherTable];
            uint current = Directory;
            for (int step = 0; step < 120; step++)
            {
                int count = random.Next(1, 6);
                for (uint n = 0; n < count; n++)
                {
                    bool isDirectory = random.Next(4) == 0;
                    uint slot = (uint)random.Next(1, 3);
                    uint page = (uint)random.Next(4);
                    uint entry = isDirectory ? directories[random.Next(3)] + (slot * 4) : tables[random.Next(2)] + (page * 4);
                    uint target = isDirectory ? tables[random.Next(2)] : 0x6_0000 + ((uint)random.Next(8) << 12);
                    uint linear = random.Next(2) == 0 ? HypercallCatalog.Nothing : (slot << 22) | (page << 12);
                    guest.PutEntry(List + (n * 16), entry, linear, target | (random.Next(5) == 0 ? 0 : All));
                }

                Assert.Equal(0u, guest.Call(Hypercall.MmuUpdate, List, (uint)count));
                if (random.Next(3) == 0)
                {
                    current = directories[random.Next(3)];
                    Assert.Equal(0u, guest.Call(Hypercall.SetPageTable, current, random.Next(4) == 0 ? 1u : 0));
                }

                for (uint slot = 1; slot < 3; slot++)
                {
                    for (uint page = 0; page < 4; page++)
                    {
                        uint linear = (slot << 22) | (page << 12);
                        uint? walked = (uint?)guest.Machine.Vcpu.Mmu.Peek(linear)?.Value;
                        if (guest.Machine.Vcpu.Mmu.Tlb.TryGet(linear, out ulong cached, out _))
                        {
                            Assert.True(walked == cached, $"seed {seed}, history {history}, step {step}: {linear:X} is cached as {cached:X}, and a walk gives {walked:X}");
                        }

                        if (random.Next(3) == 0)
                        {
                            _ = guest.Machine.Vcpu.Mmu.Translate(linear, PageAccess.User, out _, out _, out _);
                        }
                    }
                }
            }
        }
    }

    private static void Start(HypercallGuest guest, bool pae)
    {
        // The first 4 MiB as they are.
        if (pae)
        {
            guest.Put(0x1_7000, Directory | Present);
            guest.Put(Directory, 0x83);
            guest.Machine.Cpu.Cr4 |= Cr4.PAE;
            guest.Machine.Cpu.Cr3 = 0x1_7000;
            Assert.True(guest.Machine.Vcpu.Mmu.TryLoadPointers(0x1_7000));
        }
        else
        {
            foreach (uint directory in (uint[])[Directory, OtherDirectory, 0x1_5000])
            {
                guest.Put(directory, 0x83);
            }

            guest.Machine.Cpu.Cr4 |= Cr4.PSE;
            guest.Machine.Cpu.Cr3 = Directory;
        }

        guest.Machine.Cpu.Cr0 |= Cr0.PG;
        guest.Machine.Vcpu.NotifyStateChanged();
        Assert.Equal(0u, guest.Call(Hypercall.SetPageTable, guest.Machine.Cpu.Cr3, 1));
    }

    private void Start(bool pae) => Start(_guest, pae);

    private uint? Translate(uint linear) =>
        _guest.Machine.Vcpu.Mmu.Translate(linear, PageAccess.User, out ulong physical, out _, out _) ? (uint)physical : null;

    private bool IsCached(uint linear) => _guest.Machine.Vcpu.Mmu.Tlb.TryGet(linear, out _, out _);
}
