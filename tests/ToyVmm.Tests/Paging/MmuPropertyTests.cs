using System.Globalization;
using FsCheck.Xunit;
using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;
using ToyVmm.Tests.Properties;
using Xunit;

namespace ToyVmm.Tests.Paging;

/// <summary>
/// The MMU against a model written from SDM 3A 4.3-4.10 alone: random tables, edits with and without a flush, control register
/// changes and accesses. After every step the answer, the error code and the accessed and dirty bits in memory agree.
/// </summary>
public sealed unsafe class MmuPropertyTests
{
    private const uint Directory = 0x1000;
    private const uint FirstTable = 0x2000;
    private const int Tables = 3;

    // The tables lie in the first 32 KiB; entries may also point to empty memory above, or beyond it, where all-ones are read.
    private const int Watched = 0x8000;

    /// <summary>1,000 random histories of 300 steps.</summary>
    [Property(MaxTest = 1000, Arbitrary = [typeof(Generators)])]
    public void The_mmu_does_what_an_infinite_tlb_over_the_tables_does(ulong seed)
    {
        var random = new Random((int)(seed ^ (seed >> 32)));
        using var memory = new GuestMemory(1 << 20);
        using var vcpu = new Vcpu(memory);
        CpuState* s = vcpu.State;
        s->Cr3 = Directory;
        s->Cr0 |= Cr0.PE | Cr0.PG;
        var model = new Model(memory);
        for (int n = 0; n < 24; n++)
        {
            Edit(random, memory);
        }

        for (int step = 0; step < 300; step++)
        {
            switch (random.Next(12))
            {
                case 0 or 1:
                    Edit(random, memory);
                    break;
                case 2:
                    uint flushed = Address(random);
                    vcpu.Mmu.Tlb.FlushPage(flushed);
                    _ = model.Entries.Remove(flushed >> 12);
                    break;
                case 3:
                    vcpu.Mmu.Tlb.FlushNonGlobal();
                    model.FlushNonGlobal();
                    break;
                case 4 when random.Next(4) == 0:
                    s->Cr4 ^= random.Next(2) == 0 ? Cr4.PSE : Cr4.PGE;
                    vcpu.Mmu.Tlb.FlushAll();
                    model.Entries.Clear();
                    break;
                case 5:
                    s->Cr0 ^= Cr0.WP;
                    break;
                default:
                    uint linear = Address(random);
                    bool write = random.Next(2) == 0;
                    bool user = random.Next(2) == 0;
                    string expected = model.Access(*s, linear, write, user);
                    bool mapped = vcpu.Mmu.Translate(linear, write, user, out uint physical, out _, out uint error);
                    string actual = mapped ? $"page {physical:x}" : $"fault {error:x}";
                    Assert.True(expected == actual, $"step {step}: access {linear:x8} write={write} user={user}: expected {expected}, got {actual}");
                    Assert.Equal(model.Tables(), Snapshot(memory));
                    break;
            }
        }
    }

    private static void Edit(Random random, GuestMemory memory)
    {
        // Flags: mostly present; every combination of R/W, U/S, A, D, PS, G; sometimes a reserved bit of a large page.
        uint flags = (random.Next(5) == 0 ? 0u : 1u) | ((uint)random.Next(8) << 1) | (random.Next(4) == 0 ? 0x60u : 0)
            | (random.Next(6) == 0 ? 0x80u : 0) | (random.Next(4) == 0 ? 0x100u : 0);
        if (random.Next(3) == 0)
        {
            int entry = random.Next(Tables) == 0 ? 1023 : random.Next(3);
            uint target = (flags & 0x80) != 0 ? (uint)random.Next(3) << 22 : FirstTable + ((uint)random.Next(Tables) << 12);
            target |= random.Next(12) == 0 ? 1u << random.Next(12, 22) : 0;
            Write(memory, Directory + ((uint)entry * 4), target | flags);
        }
        else
        {
            uint table = FirstTable + ((uint)random.Next(Tables) << 12);
            Write(memory, table + ((uint)random.Next(3) * 4), ((uint)random.Next(0x10, 0x20) << 12) | flags);
        }
    }

    private static uint Address(Random random) =>
        ((random.Next(4) == 0 ? 1023u : (uint)random.Next(3)) << 22) | ((uint)random.Next(3) << 12) | (uint)random.Next(0x1000);

    private static void Write(GuestMemory memory, uint address, uint value) =>
        Assert.True(memory.TryWrite(new GuestPhysicalAddress(address), BitConverter.GetBytes(value)));

    private static string Snapshot(GuestMemory memory)
    {
        byte[] bytes = new byte[Watched];
        Assert.True(memory.TryRead(new GuestPhysicalAddress(0), bytes));
        return Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(bytes));
    }

    /// <summary>Paging as the manual's text has it, with a dictionary for a TLB.</summary>
    private sealed class Model(GuestMemory memory)
    {
        private readonly byte[] _shadow = new byte[Watched];

        public Dictionary<uint, (uint Page, bool Writable, bool User, bool Dirty, bool Global)> Entries { get; } = [];

        public void FlushNonGlobal()
        {
            foreach (uint page in Entries.Where(entry => !entry.Value.Global).Select(entry => entry.Key).ToList())
            {
                _ = Entries.Remove(page);
            }
        }

        // The tables as they must look: a copy taken before the access, with the bits that the access sets.
        public string Tables() => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(_shadow));

        public string Access(in CpuState cpu, uint linear, bool write, bool user)
        {
            Assert.True(memory.TryRead(new GuestPhysicalAddress(0), _shadow));
            bool protect = (cpu.Cr0 & Cr0.WP) != 0;
            bool Permits(bool writable, bool userPage) => (!user || userPage) && (!write || writable || (!user && !protect));
            if (Entries.TryGetValue(linear >> 12, out var cached) && Permits(cached.Writable, cached.User) && (!write || cached.Dirty))
            {
                return Found(cached.Page | (linear & 0xFFF));
            }

            uint kind = (write ? 2u : 0) | (user ? 4u : 0);
            uint directoryAt = Directory + ((linear >> 22) * 4);
            uint directory = Get(directoryAt);
            if ((directory & 1) == 0)
            {
                return Fault(linear, kind);
            }

            bool large = (directory & 0x80) != 0 && (cpu.Cr4 & Cr4.PSE) != 0;
            if (large && (directory & 0x3FE000) != 0)
            {
                return Fault(linear, kind | 9);
            }

            uint leafAt = large ? directoryAt : (directory & 0xFFFFF000) + (((linear >> 12) & 0x3FF) * 4);
            uint leaf = large ? directory : Get(leafAt);
            if ((leaf & 1) == 0)
            {
                return Fault(linear, kind);
            }

            uint both = directory & leaf;
            if (!Permits((both & 2) != 0, (both & 4) != 0))
            {
                return Fault(linear, kind | 1);
            }

            uint page = large ? (leaf & 0xFFC00000) | (linear & 0x003FF000) : leaf & 0xFFFFF000;
            Set(directoryAt, 0x20);
            Set(leafAt, write ? 0x60u : 0x20u);
            bool global = (leaf & 0x100) != 0 && (cpu.Cr4 & Cr4.PGE) != 0;
            Entries[linear >> 12] = (page, (both & 2) != 0, (both & 4) != 0, write || (leaf & 0x40) != 0, global);
            return Found(page | (linear & 0xFFF));
        }

        private static string Found(uint physical) => "page " + physical.ToString("x", CultureInfo.InvariantCulture);

        private string Fault(uint linear, uint code)
        {
            _ = Entries.Remove(linear >> 12);
            return "fault " + code.ToString("x", CultureInfo.InvariantCulture);
        }

        private uint Get(uint address) =>
            address < Watched ? BitConverter.ToUInt32(_shadow, (int)address) : address < memory.RamSize ? 0 : uint.MaxValue;

        private void Set(uint address, uint bits)
        {
            if (address < Watched)
            {
                _ = BitConverter.TryWriteBytes(_shadow.AsSpan((int)address), Get(address) | bits);
            }
        }
    }
}
