using System.Numerics;
using System.Runtime.InteropServices;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.State;

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
    private ulong* _pages;
    private ulong* _large;
    private Slot* _slots;
    private ulong _generation = 1;

    /// <summary>Makes a space without entries.</summary>
    public TlbSpace()
    {
        _pages = (ulong*)SparseMemory.Allocate(TableBytes);
        _large = _pages + PageCount;
        _slots = (Slot*)(_large + SlotCount);
    }

    private static nuint TableBytes => ((nuint)(PageCount + SlotCount) * sizeof(ulong)) + ((nuint)SlotCount * (nuint)sizeof(Slot));

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

    /// <summary>False where nothing was filled from entries in a physical page (its number).</summary>
    public bool KnowsTable(ulong table)
    {
        foreach (int index in _used)
        {
            Slot* slot = &_slots[index];
            if (slot->Mixed || slot->DirectoryAddress >> PageShift == table || (slot->EntrySize != 0 && slot->TableAddress >> PageShift == table))
            {
                return true;
            }
        }

        return false;
    }

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
            else if (slot->EntrySize != 0 && !CompareTable(index, slot, memory, dropped))
            {
                _used.RemoveAt(n);
            }
        }
    }

    /// <summary>Saves the entries, or replaces them; where they were in this space before does not matter.</summary>
    /// <param name="state">Where to, or from.</param>
    /// <param name="memory">Where the tables lie; null where the entries will not be compared.</param>
    public void Transfer(StateTransfer state, GuestMemory? memory)
    {
        int count = state.Count(_used.Count, SlotCount);
        if (state.IsRestoring)
        {
            Clear();
        }

        for (int n = 0; n < count && state.Error is null; n++)
        {
            int index = state.IsRestoring ? 0 : _used[n];
            state.Range(ref index, 0, SlotCount - 1);
            Slot* slot = &_slots[index];
            if (state.IsRestoring)
            {
                state.Require(slot->Generation != _generation, "a slot is there once");
                *slot = new Slot { Generation = _generation, Copy = slot->Copy };
                _used.Add(index);
            }

            TransferSlot(state, index, slot, memory);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        for (int n = 0; _slots != null && n < SlotCount; n++)
        {
            NativeMemory.Free(_slots[n].Copy);
        }

        SparseMemory.Free(_pages, TableBytes);
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

    // False where the table is no longer memory, and the slot is gone.
    private bool CompareTable(uint index, Slot* slot, GuestMemory memory, ICollection<uint> dropped)
    {
        bool wide = slot->EntrySize == sizeof(ulong);
        int size = PagesPerSlot * slot->EntrySize;
        byte* host = memory.HostPage(new GuestPhysicalAddress(slot->TableAddress));
        if (host == null)
        {
            // A device lies there by now (a local APIC that was moved, memory that was given back): nothing bears the entries out.
            DropSlot(index, dropped);
            slot->Generation = 0;
            return false;
        }

        host += slot->TableAddress & 0xFFF;
        Span<byte> copy = new(slot->Copy, size);
        ReadOnlySpan<byte> now = new(host, size);
        if (copy.SequenceEqual(now))
        {
            return true;
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
        return true;
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

    private void TransferSlot(StateTransfer state, int index, Slot* slot, GuestMemory? memory)
    {
        const ulong EntryBits = PageMask | 0x1F;
        const int BitmapWords = PagesPerSlot / 64;
        state.Value(ref slot->DirectoryAddress);
        state.Value(ref slot->DirectoryEntry);
        state.Value(ref slot->TableAddress);
        state.Value(ref slot->EntrySize);
        state.Value(ref slot->PageShift);
        state.Value(ref slot->Mixed);
        ulong large = _large[index] >> GenerationShift == _generation ? _large[index] & EntryBits : 0;
        bool hasLarge = state.Pass(_large[index] >> GenerationShift == _generation);
        state.Value(ref large);
        state.Require(slot->EntrySize is 0 or sizeof(uint) or sizeof(ulong));
        state.Require(slot->PageShift is 0 or SlotShift or SlotShift + 1 && (!hasLarge || slot->PageShift != 0) && (large & ~EntryBits) == 0);
        bool compares = memory is not null && !slot->Mixed;
        if (state.IsRestoring)
        {
            bool tableIsMemory = slot->EntrySize == 0 || !compares
                || (slot->TableAddress % (ulong)(PagesPerSlot * slot->EntrySize) == 0 && memory!.HostPage(new GuestPhysicalAddress(slot->TableAddress)) != null);
            state.Require(tableIsMemory);
            _large[index] = hasLarge ? (_generation << GenerationShift) | large : 0;
            if (compares && slot->Copy == null)
            {
                slot->Copy = (byte*)NativeMemory.AllocZeroed(PagesPerSlot * sizeof(ulong));
            }
        }

        // Which pages have entries, then these, then the table entries behind them. The table entries of other pages are not looked at.
        Span<ulong> present = stackalloc ulong[BitmapWords];
        Span<ulong> entries = stackalloc ulong[PagesPerSlot];
        ulong* pages = _pages + (index * PagesPerSlot);
        int used = 0;
        if (!state.IsRestoring)
        {
            for (int page = 0; page < PagesPerSlot; page++)
            {
                if (pages[page] >> GenerationShift == _generation)
                {
                    present[page >> 6] |= 1ul << (page & 63);
                    entries[used++] = pages[page] & EntryBits;
                }
            }
        }

        state.Values(present);
        for (int word = 0; state.IsRestoring && word < BitmapWords; word++)
        {
            used += BitOperations.PopCount(present[word]);
        }

        state.Values(entries[..used]);
        for (int page = 0, n = 0; page < PagesPerSlot; page++)
        {
            bool isPresent = (present[page >> 6] & (1ul << (page & 63))) != 0;
            if (isPresent && compares && slot->EntrySize == sizeof(uint))
            {
                state.Value(ref ((uint*)slot->Copy)[page]);
            }
            else if (isPresent && compares && slot->EntrySize == sizeof(ulong))
            {
                state.Value(ref ((ulong*)slot->Copy)[page]);
            }

            if (isPresent && state.IsRestoring)
            {
                state.Require((entries[n] & ~EntryBits) == 0);
                pages[page] = (_generation << GenerationShift) | (entries[n] & EntryBits);
            }

            n += isPresent ? 1 : 0;
        }
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
