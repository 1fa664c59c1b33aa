using System.Runtime.InteropServices;

namespace ToyVmm.Hardware.Memory;

/// <summary>
/// What one checkpoint knows of RAM: the old contents of each page that was stored to since, until the next checkpoint was taken - an undo log -, and what
/// else may change: how much RAM there is, and which pages were given away.
/// </summary>
internal sealed unsafe class KeptPages : IDisposable
{
    // Of an entry: the page's number, two flags, where the page lay if it was borrowed, and the place of the copy. In this order, so that entries sort by page.
    private const int PageShift = 44;
    private const ulong Borrowed = 1ul << 43;
    private const ulong Zeros = 1ul << 42;
    private const int LayerShift = 26;
    private const uint PlaceMask = (1u << LayerShift) - 1;
    private const int Least = 64;

    private readonly PageStore _store;
    private ulong* _entries;
    private int _capacity;

    /// <summary>Makes an empty log.</summary>
    /// <param name="store">Where the copies go.</param>
    public KeptPages(PageStore store) => _store = store;

    /// <summary>Bytes of RAM at the checkpoint.</summary>
    public required uint RamSize { get; init; }

    /// <summary>The pages (first and end of each stretch) that the guest had given away.</summary>
    public required (uint First, uint End)[] GivenAway { get; init; }

    /// <summary>Pages that were the machine's own.</summary>
    public required uint OwnedPages { get; init; }

    /// <summary>The mappings that they took.</summary>
    public required int Pieces { get; init; }

    /// <summary>As <see cref="GuestMemory.IsOverLimit"/> was.</summary>
    public required bool IsOverLimit { get; init; }

    /// <summary>As <see cref="GuestMemory.HostRefuses"/> was.</summary>
    public required bool HostRefuses { get; init; }

    /// <summary>Pages in the log.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes that the log and its copies take.</summary>
    public ulong Bytes { get; private set; }

    /// <summary>The pages.</summary>
    public ReadOnlySpan<ulong> Entries => new(_entries, Count);

    /// <summary>The number of an entry's page.</summary>
    public static uint PageOf(ulong entry) => (uint)(entry >> PageShift);

    /// <summary>True where an entry's page was not the machine's own.</summary>
    public static bool WasBorrowed(ulong entry) => (entry & Borrowed) != 0;

    /// <summary>What an entry's page held; null for zeros.</summary>
    public byte* ContentOf(ulong entry) => (entry & Zeros) != 0 ? null : _store[(uint)entry & PlaceMask];

    /// <summary>Where an entry's page lay, if it was borrowed (<see cref="RamPages.LayerOf"/>).</summary>
    public static ushort LayerOf(ulong entry) => (ushort)(entry >> LayerShift);

    /// <summary>Keeps a page as it is.</summary>
    /// <param name="page">Its number.</param>
    /// <param name="content">Its bytes.</param>
    /// <param name="layer">Where it lies, if it is not the machine's own; null where it is.</param>
    public void Add(uint page, byte* content, ushort? layer)
    {
        bool isZero = new ReadOnlySpan<byte>(content, (int)GuestPhysicalAddress.PageSize).IndexOfAnyExcept((byte)0) < 0;
        ulong origin = layer is { } where ? Borrowed | ((ulong)where << LayerShift) : 0;
        Add(((ulong)page << PageShift) | origin | (isZero ? Zeros : _store.Add(content)));
    }

    /// <summary>Takes over what the log of the next checkpoint has, which is forgotten: of a page that both have, this one's content is the older one.</summary>
    /// <param name="next">The other log; empty afterwards.</param>
    public void Merge(KeptPages next)
    {
        new Span<ulong>(_entries, Count).Sort();
        new Span<ulong>(next._entries, next.Count).Sort();
        int own = 0;
        int count = Count;
        foreach (ulong entry in next.Entries)
        {
            while (own < count && PageOf(_entries[own]) < PageOf(entry))
            {
                own++;
            }

            if (own < count && PageOf(_entries[own]) == PageOf(entry))
            {
                RemoveContent(entry);
            }
            else
            {
                Add(entry);
            }
        }

        next.Count = 0;
        next.Bytes = 0;
    }

    /// <summary>Forgets all pages.</summary>
    public void Clear()
    {
        foreach (ulong entry in Entries)
        {
            RemoveContent(entry);
        }

        Count = 0;
        Bytes = 0;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Clear();
        NativeMemory.Free(_entries);
        _entries = null;
        _capacity = 0;
    }

    private void Add(ulong entry)
    {
        if (Count == _capacity)
        {
            _capacity = Math.Max(Least, _capacity * 2);
            _entries = (ulong*)NativeMemory.Realloc(_entries, (nuint)_capacity * sizeof(ulong));
        }

        _entries[Count++] = entry;
        Bytes += sizeof(ulong) + ((entry & Zeros) != 0 ? 0 : GuestPhysicalAddress.PageSize);
    }

    private void RemoveContent(ulong entry)
    {
        if ((entry & Zeros) == 0)
        {
            _store.Remove((uint)entry & PlaceMask);
        }
    }
}
