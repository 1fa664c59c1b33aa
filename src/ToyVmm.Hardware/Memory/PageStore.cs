namespace ToyVmm.Hardware.Memory;

/// <summary>Places for copies of pages, in host memory that is taken in pieces: what checkpoints keep lies here, and nothing of it on the managed heap.</summary>
internal sealed unsafe class PageStore : IDisposable
{
    private const int PageSize = (int)GuestPhysicalAddress.PageSize;
    private const int PagesPerPiece = 256;

    // 256 GiB: logs number places with 26 bits.
    private const int MostPieces = (1 << 26) / PagesPerPiece;
    private const uint None = uint.MaxValue;

    private readonly List<nint> _pieces = [];

    // Places that are free: each holds the number of the next one.
    private uint _free = None;
    private uint _used;

    /// <summary>Bytes of the copies.</summary>
    public ulong Bytes => (ulong)_used * PageSize;

    /// <summary>Keeps a copy of a page.</summary>
    /// <param name="page">Its bytes.</param>
    /// <returns>Its place.</returns>
    /// <exception cref="InsufficientMemoryException">The host has no memory for it.</exception>
    public uint Add(byte* page)
    {
        if (_free == None)
        {
            AddPiece();
        }

        uint place = _free;
        byte* copy = this[place];
        _free = *(uint*)copy;
        _used++;
        Buffer.MemoryCopy(page, copy, PageSize, PageSize);
        return place;
    }

    /// <summary>The copy at a place.</summary>
    public byte* this[uint place] => (byte*)_pieces[(int)(place / PagesPerPiece)] + (place % PagesPerPiece * PageSize);

    /// <summary>Forgets a copy.</summary>
    /// <param name="place">Its place.</param>
    public void Remove(uint place)
    {
        *(uint*)this[place] = _free;
        _free = place;
        if (--_used == 0)
        {
            Dispose();
        }
    }

    /// <summary>Gives everything back; more can be added afterwards.</summary>
    public void Dispose()
    {
        foreach (nint piece in _pieces)
        {
            SparseMemory.Free((void*)piece, PagesPerPiece * PageSize);
        }

        _pieces.Clear();
        _free = None;
        _used = 0;
    }

    private void AddPiece()
    {
        if (_pieces.Count == MostPieces)
        {
            throw new InsufficientMemoryException("the checkpoints of a machine keep 256 GiB");
        }

        byte* piece = SparseMemory.Allocate(PagesPerPiece * PageSize);
        uint first = (uint)_pieces.Count * PagesPerPiece;
        _pieces.Add((nint)piece);

        // From the last to the first, so that they are used in ascending order.
        for (int index = PagesPerPiece - 1; index >= 0; index--)
        {
            *(uint*)(piece + (index * PageSize)) = _free;
            _free = first + (uint)index;
        }
    }
}
