using System.Runtime.InteropServices;

namespace ToyVmm.Hardware.Paging;

/// <summary>
/// The architectural TLB, with the rules of an infinite one: an entry appears at the first access to a page, holds the rights
/// it was filled with, and lives exactly until an architectural flush removes it (SDM 3A 4.10). What a guest can see of stale
/// entries therefore never depends on an engine's cache sizes; engines keep faster projections of it.
/// </summary>
/// <remarks>
/// One 64-bit word a linear page: bits 0-4 rights (<see cref="TlbRights"/>), bits 12-43 the physical page (36 bits are used), bits 44-63 the
/// generation in which it was filled; bit 5 marks a piece of a larger page. A large page is cached in pieces of 4 KiB as they are used, but
/// INVLPG takes all of them out (SDM 3A 4.10.4.1, "fractured" pages). Flushing is starting a new generation; global entries have a generation of their own.
/// </remarks>
public sealed unsafe class Tlb : IDisposable
{
    private const int PageShift = 12;
    private const int Entries = 1 << 20;
    private const int GenerationShift = 44;
    private const uint LastGeneration = (1u << (64 - GenerationShift)) - 1;
    private const ulong RightsMask = 0x1F;
    private const ulong PieceOfLarge = 0x20;
    private const int RegionShift = 21;
    private const ulong PageMask = ((1ul << GenerationShift) - 1) & ~0xFFFul;

    private ulong* _entries = Allocate();
    // For each 2 MiB of linear addresses: log2 of the size of the large pages that pieces were cached of; 0 for none.
    private readonly byte[] _largeShifts = new byte[1 << (32 - RegionShift)];
    private uint _generation = 1;
    private uint _globalGeneration = 1;

    /// <summary>The cached translation of a linear page, if there is one.</summary>
    /// <param name="linear">Any address in the page.</param>
    /// <param name="page">The physical page.</param>
    /// <param name="rights">The rights it was filled with.</param>
    public bool TryGet(uint linear, out ulong page, out TlbRights rights)
    {
        ulong entry = _entries[linear >> 12];
        rights = (TlbRights)(entry & RightsMask);
        page = entry & PageMask;
        uint current = (rights & TlbRights.Global) != 0 ? _globalGeneration : _generation;
        return (uint)(entry >> GenerationShift) == current;
    }

    /// <summary>Caches a translation, in place of an older one of the same page.</summary>
    /// <param name="linear">Any address in the page.</param>
    /// <param name="page">The physical page.</param>
    /// <param name="rights">The rights.</param>
    /// <param name="pageShift">Log2 of the size of the page that it is a part of: 12, 21 or 22.</param>
    public void Insert(uint linear, ulong page, TlbRights rights, int pageShift)
    {
        page &= PageMask;
        if (pageShift > PageShift)
        {
            page |= PieceOfLarge;
            Regions(linear, pageShift).Fill((byte)pageShift);
        }

        ulong generation = (rights & TlbRights.Global) != 0 ? _globalGeneration : _generation;
        _entries[linear >> 12] = (generation << GenerationShift) | page | (ulong)rights;
    }

    /// <summary>INVLPG, and what a page fault does to its own page: removes one page's entry, global or not; of a large page, all pieces.</summary>
    /// <param name="linear">Any address in the page.</param>
    public void FlushPage(uint linear)
    {
        _entries[linear >> PageShift] = 0;
        int shift = _largeShifts[linear >> RegionShift];
        if (shift == 0)
        {
            return;
        }

        foreach (ref ulong entry in new Span<ulong>(_entries + ((linear >> shift) << (shift - PageShift)), 1 << (shift - PageShift)))
        {
            entry = (entry & PieceOfLarge) != 0 ? 0 : entry;
        }

        Regions(linear, shift).Clear();
    }

    /// <summary>True where a flush of this page may take its neighbours with it.</summary>
    /// <param name="linear">Any address in the page.</param>
    public bool MayBeLarge(uint linear) => _largeShifts[linear >> RegionShift] != 0;

    /// <summary>MOV CR3: removes every entry that is not global.</summary>
    public void FlushNonGlobal()
    {
        if (++_generation > LastGeneration)
        {
            Restart(keepGlobal: true);
        }
    }

    /// <summary>A change of CR0.PG, CR4.PSE, CR4.PAE, CR4.PGE or EFER.NXE: removes every entry.</summary>
    public void FlushAll()
    {
        _generation++;
        _globalGeneration++;
        if (_generation > LastGeneration || _globalGeneration > LastGeneration)
        {
            Restart(keepGlobal: false);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        NativeMemory.Free(_entries);
        _entries = null;
    }

    // The marks of the regions that a large page covers.
    private Span<byte> Regions(uint linear, int pageShift) =>
        _largeShifts.AsSpan((int)((linear >> pageShift) << (pageShift - RegionShift)), 1 << (pageShift - RegionShift));

    private static ulong* Allocate() => (ulong*)NativeMemory.AllocZeroed(Entries, sizeof(ulong));

    // The generation numbers have run out: start again with an empty table, taking over the global entries that must live on.
    private void Restart(bool keepGlobal)
    {
        ulong* old = _entries;
        uint oldGlobal = _globalGeneration;
        _entries = Allocate();
        _generation = 1;
        _globalGeneration = 1;
        for (int i = 0; keepGlobal && i < Entries; i++)
        {
            ulong entry = old[i];
            if ((entry & (ulong)TlbRights.Global) != 0 && (uint)(entry >> GenerationShift) == oldGlobal)
            {
                _entries[i] = (1ul << GenerationShift) | (entry & (PageMask | PieceOfLarge | RightsMask));
            }
        }

        NativeMemory.Free(old);
    }
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
