using System.Runtime.InteropServices;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Hardware.Paging;

/// <summary>
/// The TLB entries of one address space (or the global ones), and for each 2 MiB of it - a slot - the table entries that they were
/// filled from, to be compared with the tables in memory when the space is entered again.
/// </summary>
/// <remarks>
/// An entry is one 64-bit word: bits 0-4 rights (<see cref="TlbRights"/>), bits 12-43 the physical page (36 bits are used), bits 44-63 the
/// generation in which it was filled: clearing is starting a new generation. A 2 MiB page is one entry, a 4 MiB page one in each of its halves.
/// </remarks>
internal sealed unsafe class TlbSpace : IDisposable
{
    private const int PageShift = 12;
    private const int SlotShift = 21;
    private const int PageCount = 1 << (32 - PageShift);
    private const int SlotCount = 1 << (32 - SlotShift);
    private const int PagesPerSlot = 1 << (SlotShift - PageShift);
    private const int GenerationShift = 44;
    private const ulong LastGeneration = (1ul << (64 - GenerationShift)) - 1;
    private const ulong PageMask = ((1ul << GenerationShift) - 1) & ~0xFFFul;

    private readonly List<int> _used = [];
    private ulong* _pages = (ulong*)NativeMemory.AllocZeroed(PageCount, sizeof(ulong));
    private ulong* _large = (ulong*)NativeMemory.AllocZeroed(SlotCount, sizeof(ulong));
    private Slot* _slots = (Slot*)NativeMemory.AllocZeroed(SlotCount, (nuint)sizeof(Slot));
    private ulong _generation = 1;

    /// <summary>The entry of a 4 KiB page; 0 where there is none.</summary>
    public ulong PageEntry(uint linear)
    {
        ulong entry = _pages[linear >> PageShift];
        return entry >> GenerationShift == _generation ? entry : 0;
    }

    /// <summary>The entry of a large page, for that 4 KiB of it; 0 where there is none.</summary>
    public ulong LargeEntry(uint linear)
    {
        ulong entry = _large[linear >> SlotShift];
        return entry >> GenerationShift == _generation ? entry + (linear & ((1u << SlotShift) - (1u << PageShift))) : 0;
    }

    /// <summary>What an entry says.</summary>
    public static ulong Read(ulong entry, out TlbRights rights)
    {
        const TlbRights All = TlbRights.Writable | TlbRights.User | TlbRights.Dirty | TlbRights.Global | TlbRights.NoExecute;
        rights = (TlbRights)entry & All;
        return entry & PageMask;
    }

    /// <summary>Fills an entry.</summary>
    /// <param name="linear">Any address in the page.</param>
    /// <param name="walk">The walk that found it.</param>
    /// <param name="rights">The rights, D as it is after the access.</param>
    /// <param name="memory">Where the tables lie; null where the entries will not be compared.</param>
    public void Insert(uint linear, in PageWalk walk, TlbRights rights, GuestMemory? memory)
    {
        Slot* slot = &_slots[linear >> SlotShift];
        bool isNew = slot->Generation != _generation;
        if (isNew)
        {
            byte* copy = slot->Copy;
            *slot = new Slot { Generation = _generation, Copy = copy };
            _used.Add((int)(linear >> SlotShift));
        }

        if (memory is not null)
        {
            Note(slot, isNew, walk, (rights & TlbRights.Dirty) != 0, memory);
        }

        ulong entry = (_generation << GenerationShift) | (ulong)rights | (walk.Page & PageMask);
        if (walk.HasTableEntry)
        {
            _pages[linear >> PageShift] = entry;
            return;
        }

        slot->PageShift = (byte)walk.PageShift;
        _large[linear >> SlotShift] = entry & ~(ulong)((1u << SlotShift) - (1u << PageShift));
    }

    /// <summary>Removes the entry of a page; of a large page, all of it.</summary>
    public void Flush(uint linear)
    {
        _pages[linear >> PageShift] = 0;
        if (LargeEntry(linear) == 0)
        {
            return;
        }

        // Both halves of a 4 MiB page.
        uint slot = linear >> SlotShift;
        uint others = (1u << (_slots[slot].PageShift - SlotShift)) - 1;
        for (uint n = slot & ~others; n <= (slot | others); n++)
        {
            _large[n] = 0;
        }
    }

    /// <summary>Removes the entry of a 4 KiB page.</summary>
    public void DropPage(uint linear) => _pages[linear >> PageShift] = 0;

    /// <summary>Removes the entry of a large page in one slot.</summary>
    public void DropLarge(uint linear) => _large[linear >> SlotShift] = 0;

    /// <summary>Removes what was filled from one table entry, wherever in the address space its table is used.</summary>
    /// <param name="address">Where the page-table or directory entry lies.</param>
    /// <param name="dropped">Receives the linear pages (numbers) that lost their entries.</param>
    public void ForgetTableEntry(ulong address, ICollection<uint> dropped)
    {
        for (int n = _used.Count - 1; n >= 0; n--)
        {
            uint index = (uint)_used[n];
            Slot* slot = &_slots[index];
            if (slot->Mixed || slot->DirectoryAddress == address)
            {
                DropSlot(index, dropped);
                slot->Generation = 0;
                _used.RemoveAt(n);
            }
            else if (slot->EntrySize != 0 && address - slot->TableAddress < (ulong)(PagesPerSlot * slot->EntrySize))
            {
                uint page = (index * PagesPerSlot) + (uint)((address - slot->TableAddress) / slot->EntrySize);
                if (_pages[page] >> GenerationShift == _generation)
                {
                    _pages[page] = 0;
                    dropped.Add(page);
                }
            }
        }
    }

    /// <summary>Removes every entry.</summary>
    public void Clear()
    {
        _used.Clear();
        if (++_generation <= LastGeneration)
        {
            return;
        }

        new Span<ulong>(_pages, PageCount).Clear();
        new Span<ulong>(_large, SlotCount).Clear();
        for (int n = 0; n < SlotCount; n++)
        {
            _slots[n].Generation = 0;
        }

        _generation = 1;
    }

    /// <summary>Removes every entry.</summary>
    /// <param name="dropped">Receives the linear pages (numbers) that lost theirs.</param>
    public void DropAll(ICollection<uint> dropped)
    {
        foreach (int index in _used)
        {
            DropSlot((uint)index, dropped);
            _slots[index].Generation = 0;
        }

        _used.Clear();
    }

    /// <summary>Removes every entry whose table entries in memory are not what they were when it was filled.</summary>
    /// <param name="memory">Where the tables lie.</param>
    /// <param name="state">The CPU.</param>
    /// <param name="physicalMask">What the A20 gate leaves of a physical address.</param>
    /// <param name="dropped">Receives the linear pages (numbers) that lost their entries.</param>
    public void Compare(GuestMemory memory, CpuState* state, ulong physicalMask, ICollection<uint> dropped)
    {
        for (int n = _used.Count - 1; n >= 0; n--)
        {
            uint index = (uint)_used[n];
            Slot* slot = &_slots[index];
            bool holds = !slot->Mixed
                && PageWalker.TryReadDirectory(memory, state, physicalMask, index << SlotShift, out ulong address, out ulong entry)
                && address == slot->DirectoryAddress && entry == slot->DirectoryEntry;
            if (!holds)
            {
                DropSlot(index, dropped);
                slot->Generation = 0;
                _used.RemoveAt(n);
            }
            else if (slot->EntrySize != 0)
            {
                CompareTable(index, slot, memory, dropped);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        for (int n = 0; _slots != null && n < SlotCount; n++)
        {
            NativeMemory.Free(_slots[n].Copy);
        }

        NativeMemory.Free(_pages);
        NativeMemory.Free(_large);
        NativeMemory.Free(_slots);
        _pages = null;
        _large = null;
        _slots = null;
    }

    // Remembers the table entries that a translation came from, as they are now that they have their A and D bits.
    private static void Note(Slot* slot, bool isNew, in PageWalk walk, bool dirty, GuestMemory memory)
    {
        ulong leafBits = PageWalker.Accessed | (dirty ? PageWalker.Dirty : 0ul);
        ulong directory = walk.DirectoryEntry | (walk.HasTableEntry ? PageWalker.Accessed : leafBits);
        int entrySize = walk.PointerIndex is null ? sizeof(uint) : sizeof(ulong);
        uint tableSize = (uint)(PagesPerSlot * entrySize);
        ulong table = walk.HasTableEntry ? walk.TableEntryAddress & ~(ulong)(tableSize - 1) : 0;
        ulong ownBits = walk.HasTableEntry ? 0ul : PageWalker.Dirty;
        bool isMoved = slot->DirectoryAddress != walk.DirectoryEntryAddress || ((slot->DirectoryEntry ^ directory) & ~ownBits) != 0;
        byte* host = !walk.HasTableEntry ? null : memory.HostPage(new GuestPhysicalAddress(table));
        if (isNew)
        {
            slot->DirectoryAddress = walk.DirectoryEntryAddress;
            slot->TableAddress = table;
            slot->EntrySize = (byte)(walk.HasTableEntry ? entrySize : 0);
            slot->Mixed = walk.HasTableEntry && host == null;
            if (host != null)
            {
                slot->Copy = slot->Copy == null ? (byte*)NativeMemory.Alloc(PagesPerSlot * sizeof(ulong)) : slot->Copy;
                Buffer.MemoryCopy(host + (table & 0xFFF), slot->Copy, tableSize, tableSize);
            }
        }
        else if (isMoved)
        {
            // Entries from two directory entries: they are not told apart, so none of them outlives the next MOV CR3.
            slot->Mixed = true;
        }

        slot->DirectoryEntry = directory;
        if (slot->Mixed || !walk.HasTableEntry)
        {
            return;
        }

        uint at = (uint)(walk.TableEntryAddress - table);
        ulong leaf = walk.TableEntry | leafBits;
        Buffer.MemoryCopy(&leaf, slot->Copy + at, entrySize, entrySize);
    }

    private void CompareTable(uint index, Slot* slot, GuestMemory memory, ICollection<uint> dropped)
    {
        bool wide = slot->EntrySize == sizeof(ulong);
        int size = PagesPerSlot * slot->EntrySize;
        byte* host = memory.HostPage(new GuestPhysicalAddress(slot->TableAddress)) + (slot->TableAddress & 0xFFF);
        Span<byte> copy = new(slot->Copy, size);
        ReadOnlySpan<byte> now = new(host, size);
        if (copy.SequenceEqual(now))
        {
            return;
        }

        for (uint n = 0; n < PagesPerSlot; n++)
        {
            bool same = wide ? ((ulong*)slot->Copy)[n] == ((ulong*)host)[n] : ((uint*)slot->Copy)[n] == ((uint*)host)[n];
            uint page = (index * PagesPerSlot) + n;
            if (!same && _pages[page] >> GenerationShift == _generation)
            {
                _pages[page] = 0;
                dropped.Add(page);
            }
        }

        now.CopyTo(copy);
    }

    private void DropSlot(uint index, ICollection<uint> dropped)
    {
        bool large = _large[index] >> GenerationShift == _generation;
        for (uint page = index * PagesPerSlot; page < (index + 1) * PagesPerSlot; page++)
        {
            if (large || _pages[page] >> GenerationShift == _generation)
            {
                dropped.Add(page);
            }
        }

        _large[index] = 0;
        new Span<ulong>(_pages + (index * PagesPerSlot), PagesPerSlot).Clear();
    }

    // 2 MiB of linear addresses: the table entries behind the TLB entries in it.
    private struct Slot
    {
        public ulong Generation;
        public ulong DirectoryAddress;
        public ulong DirectoryEntry;

        // Where the 512 entries of the table lie that map the slot.
        public ulong TableAddress;

        // Them, as they were when the entries were filled.
        public byte* Copy;

        // Bytes of one of them; 0 where a large page maps the slot.
        public byte EntrySize;

        // Log2 of the size of the large page that is cached here.
        public byte PageShift;

        // Not all entries came from the same directory entry, or the table cannot be compared.
        public bool Mixed;
    }
}
