using System.Globalization;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;
using Xunit;

namespace ToyVmm.Tests.Paging;

/// <summary>Paging as the manual's text has it (SDM 3A 4.3, 4.4, 4.6-4.10), with a dictionary for a TLB and four numbers for the PDPTEs.</summary>
/// <param name="memory">The memory that the tables lie in; its first <see cref="Watched"/> bytes hold all of them, the rest is zero.</param>
internal sealed class MmuModel(GuestMemory memory)
{
    /// <summary>The tables lie below this address; entries may also point to empty memory above, or beyond it, where all-ones are read.</summary>
    public const int Watched = 0x8000;

    private const int PhysicalBits = 36;

    private readonly byte[] _shadow = new byte[Watched];
    private readonly ulong[] _pointers = new ulong[4];

    // The address spaces by CR3, the one used last at the end, and what is global; the current one may have no CR3 yet (after a flush of everything).
    private readonly List<(uint Cr3, Space Space)> _spaces = [];
    private readonly Space _global = new();
    private Space _current = new();

    /// <summary>A cached translation, with the table entries that it came from as they were when it was filled.</summary>
    internal readonly record struct Entry(
        ulong Page, bool Writable, bool User, bool Dirty, bool Global, bool NoExecute, int Shift, ulong DirectoryAt, ulong Directory, ulong LeafAt, ulong Leaf);

    // By linear page, and large pages by 2 MiB. A part of 2 MiB in which entries came from two directory entries is mixed.
    private sealed class Space
    {
        public Dictionary<uint, Entry> Pages { get; } = [];

        public Dictionary<uint, Entry> Large { get; } = [];

        public Dictionary<uint, (ulong At, ulong Value, bool Mixed)> Parts { get; } = [];
    }

    /// <summary>The memory as it must look after the last access.</summary>
    public string Tables() => Hash(_shadow);

    /// <summary>A fingerprint of the memory that holds the tables.</summary>
    public static string Hash(ReadOnlySpan<byte> bytes) => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(bytes));

    /// <summary>INVLPG: the page, and all that is cached of a large page around the address.</summary>
    public void FlushPage(uint linear)
    {
        foreach (Space space in (Space[])[_current, _global])
        {
            _ = space.Pages.Remove(linear >> 12);
            if (space.Large.TryGetValue(linear >> 21, out Entry large))
            {
                foreach (uint part in space.Large.Keys.Where(part => part << 21 >> large.Shift == linear >> large.Shift).ToList())
                {
                    _ = space.Large.Remove(part);
                }
            }
        }
    }

    /// <summary>A change of the paging mode.</summary>
    public void FlushAll()
    {
        _spaces.Clear();
        _current = new Space();
        _global.Pages.Clear();
        _global.Large.Clear();
    }

    /// <summary>MOV CR3 keeps what is global, and what the tables of a space that is known still say.</summary>
    /// <returns>The pages that the space has lost.</returns>
    public List<uint> Switch(in CpuState cpu)
    {
        Look();
        uint key = cpu.Cr3 & ~0x1Fu;
        int found = _spaces.FindIndex(space => space.Cr3 == key);
        _current = found < 0 ? new Space() : _spaces[found].Space;
        if (found >= 0)
        {
            _spaces.RemoveAt(found);
        }
        else if (_spaces.Count == Tlb.SpaceCount)
        {
            _spaces.RemoveAt(0);
        }

        _spaces.Add((key, _current));
        List<uint> lost = [];
        foreach ((uint part, (ulong at, ulong value, bool mixed)) in _current.Parts.ToList())
        {
            ulong? where = DirectoryAddress(cpu, part << 21);
            bool wide = (cpu.Cr4 & (1u << 5)) != 0;
            bool holds = !mixed && where == at && (wide ? Get64(at) : Get32(at)) == value;
            foreach (uint page in _current.Pages.Keys.Where(page => page >> 9 == part).ToList())
            {
                Entry entry = _current.Pages[page];
                if (!holds || (wide ? Get64(entry.LeafAt) : Get32(entry.LeafAt)) != entry.Leaf)
                {
                    lost.Add(page);
                    _ = _current.Pages.Remove(page);
                }
            }

            if (!holds)
            {
                _ = _current.Parts.Remove(part);
                if (_current.Large.Remove(part))
                {
                    lost.AddRange(Enumerable.Range((int)part << 9, 512).Select(page => (uint)page));
                }
            }
        }

        return [.. lost.Distinct().Order()];
    }

    private ulong? DirectoryAddress(in CpuState cpu, uint linear)
    {
        if ((cpu.Cr4 & (1u << 5)) == 0)
        {
            return (cpu.Cr3 & 0xFFFFF000) + ((linear >> 22) * 4);
        }

        ulong pointer = _pointers[linear >> 30];
        return (pointer & 1) == 0 ? null : Bits(pointer, 12, PhysicalBits - 1) + (Bits(linear, 21, 29) >> 21 << 3);
    }

    // A 4 KiB page counts before a large one around it, and each of the current space before a global one.
    private Entry? Cached(uint linear)
    {
        Space[] spaces = [_current, _global];
        foreach (Space space in spaces)
        {
            if (space.Pages.TryGetValue(linear >> 12, out Entry entry))
            {
                return entry;
            }
        }

        foreach (Space space in spaces)
        {
            if (space.Large.TryGetValue(linear >> 21, out Entry entry))
            {
                return entry with { Page = (entry.Page & ~0x1FF000ul) | (linear & 0x1FF000) };
            }
        }

        return null;
    }

    private void Fill(uint linear, Entry entry)
    {
        Space space = entry.Global ? _global : _current;
        bool large = entry.Shift != 12;
        uint part = linear >> 21;
        _ = _current.Pages.Remove(linear >> 12);
        _ = _global.Pages.Remove(linear >> 12);
        if (large)
        {
            _ = _current.Large.Remove(part);
            _ = _global.Large.Remove(part);
            space.Large[part] = entry;
        }
        else
        {
            space.Pages[linear >> 12] = entry;
        }

        if (!entry.Global)
        {
            // Tables that are not in memory cannot be compared.
            bool known = space.Parts.TryGetValue(part, out var old);
            ulong ownBits = large ? 0x40ul : 0;
            bool mixed = known ? old.Mixed || old.At != entry.DirectoryAt || ((old.Value ^ entry.Directory) & ~ownBits) != 0 : !large && entry.LeafAt >= memory.RamSize;
            space.Parts[part] = (known ? old.At : entry.DirectoryAt, entry.Directory, mixed);
        }
    }

    /// <summary>Loads the PDPTEs: all four, or none and #GP.</summary>
    public bool LoadPointers(uint cr3)
    {
        Look();
        ulong[] read = [.. Enumerable.Range(0, 4).Select(n => Get64((cr3 & ~0x1Ful) + ((ulong)n * 8)))];
        if (read.Any(pointer => (pointer & 1) != 0 && (Bits(pointer, 1, 2) | Bits(pointer, 5, 8) | Bits(pointer, PhysicalBits, 63)) != 0))
        {
            return false;
        }

        read.CopyTo(_pointers, 0);
        return true;
    }

    /// <summary>One access: "page ..." with the physical address, or "fault ..." with the error code.</summary>
    public string Access(in CpuState cpu, uint linear, bool write, bool user, bool fetch)
    {
        Look();
        bool protect = (cpu.Cr0 & (1u << 16)) != 0;
        bool pae = (cpu.Cr4 & (1u << 5)) != 0;
        bool noExecuteEnabled = (cpu.Efer & (1u << 11)) != 0;
        bool Permits(Entry entry) => (!user || entry.User) && (!write || entry.Writable || (!user && !protect)) && !(fetch && entry.NoExecute);
        if (Cached(linear) is { } cached && Permits(cached) && (!write || cached.Dirty))
        {
            return Found(cached.Page | (linear & 0xFFF));
        }

        uint kind = (write ? 2u : 0) | (user ? 4u : 0) | (fetch && pae && noExecuteEnabled ? 16u : 0);
        uint fault = pae ? WalkPae(cpu, linear, noExecuteEnabled, out Entry walked, out ulong[] used) : Walk32(cpu, linear, out walked, out used);
        if (fault != Mapped)
        {
            return Fault(linear, kind | fault);
        }

        if (!Permits(walked))
        {
            return Fault(linear, kind | 1);
        }

        for (int n = 0; n < used.Length; n++)
        {
            Set(used[n], write && n == used.Length - 1 ? 0x60u : 0x20u);
        }

        ulong leafBits = write ? 0x60u : 0x20;
        Fill(linear, walked with { Dirty = walked.Dirty || write, Directory = walked.Directory | (walked.Shift == 12 ? 0x20 : leafBits), Leaf = walked.Leaf | leafBits });
        return Found(walked.Page | (linear & 0xFFF));
    }

    private const uint Mapped = uint.MaxValue;

    // The bits of the error code that the tables cause, or Mapped; the addresses of the entries that get A.
    private uint Walk32(in CpuState cpu, uint linear, out Entry entry, out ulong[] used)
    {
        (entry, used) = (default, []);
        bool largePages = (cpu.Cr4 & (1u << 4)) != 0;
        ulong directoryAt = (cpu.Cr3 & 0xFFFFF000) + ((linear >> 22) * 4);
        uint directory = Get32(directoryAt);
        if ((directory & 1) == 0)
        {
            return 0;
        }

        bool large = (directory & 0x80) != 0 && largePages;
        if (large && Bits(directory, 12, 21) != 0)
        {
            return 9;
        }

        ulong leafAt = large ? directoryAt : (directory & 0xFFFFF000) + (((linear >> 12) & 0x3FF) * 4);
        uint leaf = large ? directory : Get32(leafAt);
        if ((leaf & 1) == 0)
        {
            return 0;
        }

        if (!large && largePages && (leaf & 0x80) != 0)
        {
            return 9;
        }

        ulong page = large ? (leaf & 0xFFC00000) | (linear & 0x003FF000) : leaf & 0xFFFFF000;
        entry = Make(cpu, page, directory, leaf, large ? 22 : 12, directoryAt, leafAt);
        used = large ? [leafAt] : [directoryAt, leafAt];
        return Mapped;
    }

    private uint WalkPae(in CpuState cpu, uint linear, bool noExecuteEnabled, out Entry entry, out ulong[] used)
    {
        (entry, used) = (default, []);
        ulong pointer = _pointers[linear >> 30];
        if ((pointer & 1) == 0)
        {
            return 0;
        }

        ulong directoryAt = Bits(pointer, 12, PhysicalBits - 1) + (Bits(linear, 21, 29) >> 21 << 3);
        ulong directory = Get64(directoryAt);
        if ((directory & 1) == 0)
        {
            return 0;
        }

        bool large = (directory & 0x80) != 0;
        bool Reserved(ulong value) => Bits(value, PhysicalBits, noExecuteEnabled ? 62 : 63) != 0;
        if (Reserved(directory) || (large && Bits(directory, 12, 20) != 0))
        {
            return 9;
        }

        ulong leafAt = large ? directoryAt : Bits(directory, 12, PhysicalBits - 1) + (Bits(linear, 12, 20) >> 12 << 3);
        ulong leaf = large ? directory : Get64(leafAt);
        if ((leaf & 1) == 0)
        {
            return 0;
        }

        if (Reserved(leaf) || (!large && (leaf & 0x80) != 0))
        {
            return 9;
        }

        ulong page = large ? Bits(leaf, 21, PhysicalBits - 1) + Bits(linear, 12, 20) : Bits(leaf, 12, PhysicalBits - 1);
        entry = Make(cpu, page, directory, leaf, large ? 21 : 12, directoryAt, leafAt);
        used = large ? [leafAt] : [directoryAt, leafAt];
        return Mapped;
    }

    private static Entry Make(in CpuState cpu, ulong page, ulong directory, ulong leaf, int shift, ulong directoryAt, ulong leafAt) => new(
        page,
        (directory & leaf & 2) != 0,
        (directory & leaf & 4) != 0,
        (leaf & 0x40) != 0,
        (leaf & 0x100) != 0 && (cpu.Cr4 & (1u << 7)) != 0,
        ((directory | leaf) >> 63) != 0,
        shift,
        directoryAt,
        directory,
        leafAt,
        leaf);

    private static ulong Bits(ulong value, int first, int last) => value & (ulong.MaxValue << first) & (ulong.MaxValue >> (63 - last));

    private static string Found(ulong physical) => "page " + physical.ToString("x", CultureInfo.InvariantCulture);

    private string Fault(uint linear, uint code)
    {
        FlushPage(linear);
        return "fault " + code.ToString("x", CultureInfo.InvariantCulture);
    }

    private void Look() => Assert.True(memory.TryRead(new GuestPhysicalAddress(0), _shadow));

    private uint Get32(ulong address) =>
        address < Watched ? BitConverter.ToUInt32(_shadow, (int)address) : address < memory.RamSize ? 0 : uint.MaxValue;

    private ulong Get64(ulong address) => Get32(address) | ((ulong)Get32(address + 4) << 32);

    private void Set(ulong address, uint bits)
    {
        if (address < Watched)
        {
            _shadow[address] |= (byte)bits;
        }
    }
}
