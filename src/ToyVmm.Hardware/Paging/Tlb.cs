using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Paging;

/// <summary>
/// The architectural TLB, with the rules of an infinite one: an entry appears at the first access to a page, holds the rights
/// it was filled with, and lives until an architectural flush removes it (SDM 3A 4.10). What a guest can see of stale
/// entries therefore never depends on an engine's cache sizes; engines keep faster projections of it.
/// </summary>
/// <remarks>
/// A flush by MOV CR3 is done by comparison: the entries of the address space that is entered are kept where the table entries that they
/// came from still have the same bits, A and D included. That is what flushing and filling again would end in, without the walks: a
/// guest that has changed a table and loads CR3 finds the change, and one that switches between address spaces finds them warm. The entries
/// of the last <see cref="SpaceCount"/> address spaces are held; an entry may leave a TLB at any time (SDM 3A 4.10.2).
/// </remarks>
public sealed class Tlb : IDisposable
{
    /// <summary>Address spaces whose entries are held.</summary>
    public const int SpaceCount = 8;

    private readonly TlbSpace _global = new();
    private readonly TlbSpace?[] _spaces = new TlbSpace?[SpaceCount];
    private readonly ulong[] _lastUse = new ulong[SpaceCount];
    private readonly uint[] _keys = new uint[SpaceCount];
    private TlbSpace _current = new();
    private ulong _switches;
    private ulong? _replacedLarge;

    /// <summary>Makes an empty TLB.</summary>
    public Tlb() => _spaces[0] = _current;

    /// <summary>Which of the spaces is the current one: 0 to <see cref="SpaceCount"/> - 1.</summary>
    public int CurrentSpace { get; private set; }

    /// <summary>The cached translation of a linear page, if there is one. Of a 4 KiB page and a large one around it the former counts.</summary>
    /// <param name="linear">Any address in the page.</param>
    /// <param name="page">The physical page.</param>
    /// <param name="rights">The rights it was filled with.</param>
    public bool TryGet(uint linear, out ulong page, out TlbRights rights)
    {
        ulong entry = _current.PageEntry(linear);
        entry = entry != 0 ? entry : _global.PageEntry(linear);
        entry = entry != 0 ? entry : LargeEntry(linear);
        page = TlbSpace.Read(entry, out rights);
        return entry != 0;
    }

    /// <summary>Caches a translation, in place of an older one of the same page.</summary>
    /// <param name="linear">Any address in the page.</param>
    /// <param name="walk">The walk that found it; its entries have got their A and D bits since.</param>
    /// <param name="rights">The rights, D as it is after the access.</param>
    /// <param name="memory">Where the tables lie.</param>
    public void Insert(uint linear, in PageWalk walk, TlbRights rights, GuestMemory memory)
    {
        bool global = (rights & TlbRights.Global) != 0;
        ulong old = walk.HasTableEntry ? 0 : LargeEntry(linear);
        _current.DropPage(linear);
        _global.DropPage(linear);
        if (!walk.HasTableEntry)
        {
            (global ? _current : _global).DropLarge(linear);
        }

        (global ? _global : _current).Insert(linear, walk, rights, global ? null : memory);
        ulong oldPage = TlbSpace.Read(old, out TlbRights oldRights);
        bool isSame = old == 0 || (oldPage == walk.Page && ((oldRights ^ rights) & ~TlbRights.Dirty) == 0);
        _replacedLarge = isSame ? null : oldPage - (linear & 0x1F_F000);
    }

    /// <summary>
    /// Where the last <see cref="Insert"/> replaced a large page by another one (moved, or with other rights): not only the page that was asked
    /// for has changed. Asked for once after each.
    /// </summary>
    /// <returns>The physical address of the 2 MiB that were cached of it, or null.</returns>
    public ulong? TakeReplacedLarge()
    {
        ulong? replaced = _replacedLarge;
        _replacedLarge = null;
        return replaced;
    }

    /// <summary>INVLPG, and what a page fault does to its own page: removes a page's entry, global or not; a large page's as a whole.</summary>
    /// <param name="linear">Any address in the page.</param>
    public void FlushPage(uint linear)
    {
        _current.Flush(linear);
        _global.Flush(linear);
    }

    /// <summary>True where a flush of this page may take its neighbours with it.</summary>
    /// <param name="linear">Any address in the page.</param>
    public bool MayBeLarge(uint linear) => LargeEntry(linear) != 0;

    /// <summary>False where one of the address spaces was filled with nothing from a page of page-table or directory entries.</summary>
    /// <param name="space">Which: 0 to <see cref="SpaceCount"/> - 1.</param>
    /// <param name="table">The physical page's number.</param>
    public bool KnowsTable(int space, ulong table) => _spaces[space]?.KnowsTable(table) ?? false;

    /// <summary>Removes what one of the address spaces was filled with from a table entry. Global pages are not known by their tables.</summary>
    /// <param name="space">Which: 0 to <see cref="SpaceCount"/> - 1.</param>
    /// <param name="address">Where the page-table or directory entry lies.</param>
    /// <param name="dropped">Receives the linear pages (numbers) that lost their entries.</param>
    public void ForgetTableEntry(int space, ulong address, ICollection<uint> dropped) => _spaces[space]?.ForgetTableEntry(address, dropped);

    /// <summary>MOV CR3: goes over to an address space, and removes every entry of it that its tables no longer bear out.</summary>
    /// <param name="memory">Where the tables lie.</param>
    /// <param name="state">The CPU; CR3 and the PDPTE registers are the new ones.</param>
    /// <param name="physicalMask">What the A20 gate leaves of a physical address.</param>
    /// <param name="dropped">Receives the linear pages (numbers) that lost their entries, if the space was known.</param>
    /// <param name="trust">What is known of the tables, from a guest that says so.</param>
    /// <returns>True when the space was known; a new one is empty.</returns>
    public unsafe bool Switch(GuestMemory memory, CpuState* state, ulong physicalMask, ICollection<uint> dropped, TableTrust trust = TableTrust.None)
    {
        const uint TableBits = 0xFFFF_FFE0;
        uint key = state->Cr3 & TableBits;
        int space = 0;
        while (space < SpaceCount && (_lastUse[space] == 0 || _keys[space] != key))
        {
            space++;
        }

        bool known = space < SpaceCount;
        if (!known)
        {
            space = Array.IndexOf(_lastUse, _lastUse.Min());
            _keys[space] = key;
            (_spaces[space] ??= new TlbSpace()).Clear();
        }

        _lastUse[space] = ++_switches;
        CurrentSpace = space;
        _current = _spaces[space]!;
        if (known && trust == TableTrust.Recycled)
        {
            // Page by page, as they are few: whoever projects the space would have to empty all of its address range else.
            _current.DropAll(dropped);
        }
        else if (known && trust == TableTrust.None)
        {
            _current.Compare(memory, state, physicalMask, dropped);
        }

        return known;
    }

    /// <summary>A change of CR0.PG, CR4.PSE, CR4.PAE, CR4.PGE or EFER.NXE: removes every entry.</summary>
    public void FlushAll()
    {
        foreach (TlbSpace? space in _spaces)
        {
            space?.Clear();
        }

        _global.Clear();
        Array.Clear(_lastUse);
    }

    /// <summary>Saves what is held, or replaces it: the entries of the address spaces that can still be found, stale ones too, for a guest sees those.</summary>
    /// <param name="state">Where to, or from.</param>
    /// <param name="memory">Where the tables lie.</param>
    internal void Transfer(StateTransfer state, GuestMemory memory)
    {
        int current = CurrentSpace;
        state.Range(ref current, 0, SpaceCount - 1);
        CurrentSpace = state.Error is null ? current : 0;
        state.Value(ref _switches);
        state.Values(_lastUse);
        state.Values(_keys);
        bool replaced = state.Pass(_replacedLarge is not null);
        ulong large = state.Pass(_replacedLarge ?? 0);
        _replacedLarge = replaced ? large : null;
        _global.Transfer(state, memory: null);
        for (int space = 0; space < SpaceCount; space++)
        {
            // A space that is neither the current one nor can be found again is as good as empty.
            if (space == CurrentSpace || _lastUse[space] != 0)
            {
                (_spaces[space] ??= new TlbSpace()).Transfer(state, memory);
            }
            else if (state.IsRestoring)
            {
                _spaces[space]?.Clear();
            }
        }

        _current = _spaces[CurrentSpace] ??= new TlbSpace();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (TlbSpace? space in _spaces)
        {
            space?.Dispose();
        }

        _global.Dispose();
    }

    private ulong LargeEntry(uint linear)
    {
        ulong entry = _current.LargeEntry(linear);
        return entry != 0 ? entry : _global.LargeEntry(linear);
    }
}

/// <summary>What a guest that cooperates says of an address space's tables when it goes over to it.</summary>
public enum TableTrust
{
    /// <summary>Nothing: they are compared.</summary>
    None,

    /// <summary>Whatever has changed in them was flushed: nothing is compared.</summary>
    Unchanged,

    /// <summary>They are other tables than those that lay there: everything is forgotten.</summary>
    Recycled,
}

/// <summary>What a TLB entry allows.</summary>
[Flags]
public enum TlbRights : uint
{
    /// <summary>Supervisor reads.</summary>
    None = 0,

    /// <summary>R/W at every level.</summary>
    Writable = 1,

    /// <summary>U/S at every level.</summary>
    User = 2,

    /// <summary>The dirty bit was set when the entry was filled, so a write needs no walk.</summary>
    Dirty = 4,

    /// <summary>Survives MOV CR3.</summary>
    Global = 8,

    /// <summary>XD at one level at least: no instruction may be fetched.</summary>
    NoExecute = 16,
}
