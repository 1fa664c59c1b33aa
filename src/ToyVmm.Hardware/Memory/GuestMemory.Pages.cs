using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Memory;

/// <summary>Whose the pages of RAM are: copies on write, images of it all, pages given away and taken back, RAM that grows, pages of two machines.</summary>
public sealed unsafe partial class GuestMemory : ISavedState, ICheckpoints
{
    private const int MostPieces = 512;
    private const uint PagesTogether = 64;

    private readonly HashSet<uint> _lent = [];
    private int _pieces;
    private uint _holes;

    /// <summary>True where RAM lies in files: an engine can map it a second time, it can be frozen, and shared. False where the host has no such memory.</summary>
    public bool IsShared => _pages is not null;

    /// <summary>
    /// The most pages that may be the machine's own; null for no limit. A limit of the host's, which no guest can get around: it is counted where pages are
    /// copied. Only for memory made with a limit, or from an image.
    /// </summary>
    public uint? PageLimit { get; set; }

    /// <summary>Pages of memory made with a limit or from an image that are the machine's own by now.</summary>
    public uint OwnedPages { get; private set; }

    /// <summary>Called when a store needs a page beyond <see cref="PageLimit"/>, or one that the host does not give. The store is lost, and so is the guest: it is to be stopped.</summary>
    public Action? LimitReached { get; set; }

    /// <summary>True when the limit has been the reason.</summary>
    public bool IsOverLimit { get; private set; }

    /// <summary>True when the host has been.</summary>
    public bool HostRefuses { get; private set; }

    /// <summary>Pages that the guest has given away.</summary>
    public uint BalloonPages => _holes;

    /// <summary>Bytes of host memory that are RAM of this machine and of nobody else: what it would give back if it went.</summary>
    public ulong ResidentBytes => _pages?.OwnBytes ?? RamSize;

    /// <summary>What lies behind a page of RAM, for whoever maps it a second time.</summary>
    /// <param name="address">Any address in the page.</param>
    public PageBacking Backing(GuestPhysicalAddress address)
    {
        uint page = (uint)(address.Value >> PageShift);
        return _pages!.Backing(page, IsBorrowed(page));
    }

    /// <summary>
    /// Keeps RAM as it is, for any number of machines to go on from; this one goes on as well, and copies the pages that it writes to from now on. The
    /// engine must forget what it knows of pages that may be written to (<see cref="PageMarks.Borrowed"/>).
    /// </summary>
    /// <exception cref="NotSupportedException">RAM is private to the process (<see cref="IsShared"/>), or shared with another machine.</exception>
    /// <exception cref="IOException">The host refuses.</exception>
    public MemoryImage Freeze()
    {
        if (_pages is null)
        {
            throw new NotSupportedException("this host has no memory that several machines can have (memfd_create): a machine cannot be cloned here");
        }

        if (SharesPages)
        {
            throw new NotSupportedException("the guest shares pages with another guest: it cannot be cloned or kept alone");
        }

        MemoryFile marks = MemoryFile.TryCreate(2 * MarkedPages) ?? throw new IOException("the host refuses memory for the kinds of a guest's pages");
        uint count = Capacity >> PageShift;
        Span<byte> borrowed = new byte[count];
        borrowed.Fill((byte)PageMarks.Borrowed);
        if (!TryWriteUsed(marks, 0, new ReadOnlySpan<byte>(_kinds, (int)MarkedPages)) || !marks.TryWrite(MarkedPages, borrowed))
        {
            marks.Release();
            throw new IOException("the host refuses memory for the kinds of a guest's pages");
        }

        MemoryImage image;
        try
        {
            image = _pages.Freeze(this, Marks, marks);
        }
        catch
        {
            marks.Release();
            throw;
        }

        for (uint page = 0; page < count; page++)
        {
            Marks[page] |= PageMarks.Borrowed;
        }

        OwnedPages = 0;
        _pieces = 0;
        return image;
    }

    /// <summary>The guest gives a page away: it is a hole, and its memory the host's. The engine must be told of the new map.</summary>
    /// <param name="address">A page of RAM that is not shared with another machine.</param>
    public void GiveAway(GuestPhysicalAddress address)
    {
        // What is mapped there stays: pages given away here and there would take a mapping each, and a process has not many.
        uint page = (uint)(address.Value >> PageShift);
        Keep(page);
        if (_pages is null)
        {
            new Span<byte>(RamBase + address.Value, (int)PageSize).Clear();
        }
        else if (!IsBorrowed(page))
        {
            _pages.Punch(page);
            Disown();
        }

        _kinds[page] = (byte)PageKind.Hole;
        _holes++;
        CodeWatcher?.CodeWritten(address, (int)PageSize);
    }

    /// <summary>The guest has a page again that it gave away: zeros, its own from the start. The engine must be told of the new map.</summary>
    /// <param name="address">The page.</param>
    /// <returns>False, with nothing changed, where the limit or the host does not allow it.</returns>
    public bool TryTakeBack(GuestPhysicalAddress address)
    {
        uint page = (uint)(address.Value >> PageShift);
        if (OwnedPages >= PageLimit)
        {
            return false;
        }

        Keep(page);
        if (_pages is not null && IsBorrowed(page))
        {
            _pages.BecomeZeros(page);
            if (!_pages.TryOwn(page, 1))
            {
                return false;
            }

            Marks[page] &= ~PageMarks.Borrowed;
        }

        OwnedPages++;
        _kinds[page] = (byte)PageKind.Ram;
        _holes--;
        CodeWatcher?.CodeWritten(address, (int)PageSize);
        return true;
    }

    /// <summary>Takes back whatever was given away, and leaves the pages of other machines: the RAM of a machine that is switched on. As far as limit and host allow.</summary>
    public void MakeWhole()
    {
        foreach (uint page in _pages?.Foreign.ToArray() ?? [])
        {
            if (_pages!.TryLeave(page))
            {
                _kinds[page] = (byte)PageKind.Ram;
                OwnedPages++;
            }
        }

        for (uint page = 0; _holes != 0 && page < RamSize >> PageShift; page++)
        {
            if (IsGivenAway(page))
            {
                _ = TryTakeBack(new GuestPhysicalAddress((ulong)page << PageShift));
            }
        }
    }

    /// <summary>True for a page (its number) that the guest has given away and not taken back.</summary>
    public bool IsGivenAway(uint page) => _holes != 0 && page < RamSize >> PageShift && _kinds[page] == (byte)PageKind.Hole;

    /// <summary>
    /// Forgets decoded code in pages that another machine may have written to since this one ran: such stores are noticed where guests take turns, as those of
    /// another processor are at the latest when one serializes.
    /// </summary>
    public void ForgetSharedCode()
    {
        if (SharesPages)
        {
            foreach (uint page in _lent.Concat(_pages!.Foreign).Where(page => (Marks[page] & PageMarks.Code) != 0).ToArray())
            {
                CodeWatcher?.CodeWritten(new GuestPhysicalAddress((ulong)page << PageShift), (int)PageSize);
            }
        }
    }

    /// <summary>More RAM at the end of what there is: zeros.</summary>
    /// <param name="bytes">How many, whole pages.</param>
    /// <exception cref="ArgumentOutOfRangeException">More than <see cref="Capacity"/> allows, or not whole pages.</exception>
    public void Grow(uint bytes)
    {
        if (bytes % PageSize != 0 || bytes > Capacity - RamSize)
        {
            throw new ArgumentOutOfRangeException(nameof(bytes), bytes, $"the machine has room for {(Capacity - RamSize) / PageSize} more pages of 4 KiB");
        }

        SetKind(new GuestPhysicalAddress(RamSize), bytes, PageKind.Ram);
        RamSize += bytes;
    }

    /// <summary>True for a page that both this machine and another one have by agreement.</summary>
    /// <param name="address">Any address in the page.</param>
    public bool IsSharedWithGuest(GuestPhysicalAddress address)
    {
        uint page = (uint)(address.Value >> PageShift);
        return _pages is not null && (_lent.Contains(page) || _pages.IsForeign(page));
    }

    /// <summary>True where any page is another machine's too, by agreement: what the guest has then is not its own alone.</summary>
    public bool SharesPages => _lent.Count != 0 || _pages is { ForeignPages: > 0 };

    /// <summary>True for a page that is another machine's.</summary>
    /// <param name="address">Any address in the page.</param>
    public bool IsForeign(GuestPhysicalAddress address) => _pages is not null && _pages.IsForeign((uint)(address.Value >> PageShift));

    /// <summary>The next pages of RAM that may hold something other than zeros, without a touch of the others, which would take memory.</summary>
    /// <param name="page">Where to look from.</param>
    /// <returns>The first page and the one behind the last; both behind RAM where there are none.</returns>
    public (uint First, uint End) NextUsed(uint page)
    {
        uint pages = RamSize >> PageShift;
        if (_pages is null || SharesPages || page >= pages || IsBorrowed(page))
        {
            return (Math.Min(page, pages), Math.Min(page + 1, pages));
        }

        (uint first, uint end) = _pages.NextAllocated(page);
        first = Math.Min(first, pages);
        for (uint between = page; between < first; between++)
        {
            if (IsBorrowed(between))
            {
                return (between, between + 1);
            }
        }

        return (first, Math.Min(end, pages));
    }

    /// <summary>True where a page of RAM holds nothing but zeros.</summary>
    /// <param name="address">The page.</param>
    public bool IsZero(GuestPhysicalAddress address) => new ReadOnlySpan<byte>(RamBase + address.Value, (int)PageSize).IndexOfAnyExcept((byte)0) < 0;

    /// <summary>Lends a page to another machine, which then has it too, until either is gone.</summary>
    /// <param name="address">A page of RAM.</param>
    /// <returns>Null where the limit does not allow a copy of it, RAM cannot be shared, or somebody means to go back to a checkpoint.</returns>
    public SharedPage? Lend(GuestPhysicalAddress address)
    {
        uint page = (uint)(address.Value >> PageShift);
        if (_pages is null || _checkpoints.Count != 0 || (IsBorrowed(page) && !TryOwn(page)))
        {
            return null;
        }

        _ = _lent.Add(page);
        return _pages.Lend(page);
    }

    /// <summary>Nobody accepted the page.</summary>
    public void Unlend(GuestPhysicalAddress address) => _ = _lent.Remove((uint)(address.Value >> PageShift));

    /// <summary>Has another machine's page in the place of one of its own. The engine must be told of the new map.</summary>
    /// <param name="address">A page of RAM.</param>
    /// <param name="shared">The other's page.</param>
    /// <param name="writable">False makes it ROM: stores are lost.</param>
    /// <returns>False, with nothing changed, where the host refuses, or somebody means to go back to a checkpoint.</returns>
    public bool TryAccept(GuestPhysicalAddress address, SharedPage shared, bool writable)
    {
        uint page = (uint)(address.Value >> PageShift);
        bool wasOwn = !IsBorrowed(page);
        if (_pages is null || _checkpoints.Count != 0 || !_pages.TryAccept(page, shared, writable))
        {
            return false;
        }

        if (wasOwn)
        {
            _pages.Punch(page);
            Disown();
        }

        Marks[page] &= ~PageMarks.Borrowed;
        _kinds[page] = (byte)(writable ? PageKind.Ram : PageKind.Rom);
        CodeWatcher?.CodeWritten(address, (int)PageSize);
        return true;
    }

    /// <summary>
    /// Has pages that are zeros, or equal again to what their template has, lie there with everybody else's; the next store copies them anew. The engine must
    /// forget what it knows of pages that may be written to.
    /// </summary>
    /// <returns>Pages that went back to the host.</returns>
    public ulong MergePages()
    {
        ulong freed = 0;
        for (uint page = 0; _pages is not null && page < RamSize >> PageShift; page++)
        {
            bool isOwn = KindAt(new GuestPhysicalAddress((ulong)page << PageShift)) == PageKind.Ram && !IsBorrowed(page) && !_lent.Contains(page) && !_pages.IsForeign(page);
            if (isOwn && _pages.IsAllocated(page) && _pages.TryReturn(page))
            {
                Marks[page] |= PageMarks.Borrowed;
                Disown();
                CodeWatcher?.PageReplaced(new GuestPhysicalAddress((ulong)page << PageShift));
                freed++;
            }
        }

        return freed;
    }

    /// <summary>The machine will not run again: its memory is the host's at once, but for pages that another machine has too.</summary>
    public void ReleaseAll() => _pages?.PunchAllBut(_lent);

    /// <inheritdoc/>
    /// <remarks>How much RAM there is by now, and which pages the guest has given away; not what the others hold.</remarks>
    void ISavedState.Transfer(StateTransfer state)
    {
        if (state.IsInPlace)
        {
            return;
        }

        uint size = state.Pass(RamSize);
        state.Require(size >= RamSize && size <= Capacity && size % PageSize == 0, "RAM has as much as it can have");
        if (state.IsRestoring && state.Error is null)
        {
            Grow(size - RamSize);
        }

        List<uint> given = [];
        for (uint page = 0; _holes != 0 && page < RamSize >> PageShift; page++)
        {
            if (IsGivenAway(page))
            {
                given.Add(page);
            }
        }

        int count = state.Count(given.Count, (int)(RamSize >> PageShift));
        for (int n = 0; n < count && state.Error is null; n++)
        {
            uint page = state.Pass(state.IsRestoring ? 0 : given[n]);
            GuestPhysicalAddress address = new((ulong)page << PageShift);
            bool isRam = state.IsRestoring && page < RamSize >> PageShift && KindAt(address) == PageKind.Ram;
            state.Require(!state.IsRestoring || isRam || given.Contains(page), "a page that was given away was RAM");
            if (isRam)
            {
                GiveAway(address);
            }
        }
    }

    // Most of the array is zeros, which take no memory where they are not written.
    private static bool TryWriteUsed(MemoryFile file, ulong offset, ReadOnlySpan<byte> bytes)
    {
        for (int at = 0; at < bytes.Length; at += (int)PageSize)
        {
            ReadOnlySpan<byte> part = bytes.Slice(at, (int)PageSize);
            if (part.ContainsAnyExcept((byte)0) && !file.TryWrite(offset + (ulong)at, part))
            {
                return false;
            }
        }

        return true;
    }

    // One page of the machine's own fewer; memory that was made without a limit does not count them.
    private void Disown() => OwnedPages -= OwnedPages == 0 ? 0u : 1;

    private bool IsBorrowed(uint page) => (Marks[page] & PageMarks.Borrowed) != 0;

    // Before the first store to a page that others have too: a copy, at the same host address. False where the limit or the host does not allow it.
    private bool TryOwn(uint page)
    {
        (uint first, uint count) = Neighbours(page);
        if (OwnedPages + (ulong)count > PageLimit)
        {
            (first, count) = (page, 1);
        }

        bool fits = OwnedPages + (ulong)count <= (PageLimit ?? uint.MaxValue);
        if (!fits || !_pages!.TryOwn(first, count))
        {
            IsOverLimit |= !fits;
            HostRefuses |= fits;
            LimitReached?.Invoke();
            return false;
        }

        // Each page alone begins a mapping and ends one; two become one where it closes a gap.
        _pieces += IsOwnAt(first - 1) && IsOwnAt(first + count) ? -1 : IsOwnAt(first - 1) || IsOwnAt(first + count) ? 0 : 1;
        for (uint owned = first; owned < first + count; owned++)
        {
            Marks[owned] &= ~PageMarks.Borrowed;
            CodeWatcher?.PageReplaced(new GuestPhysicalAddress((ulong)owned << PageShift));
        }

        OwnedPages += count;
        return true;
    }

    private bool IsOwnAt(uint page) => page < Capacity >> PageShift && !IsBorrowed(page);

    // One page at a time; in a machine that has been writing here and there for long, its neighbours along with it: a process has not many mappings.
    private (uint First, uint Count) Neighbours(uint page)
    {
        if (_pieces < MostPieces)
        {
            return (page, 1);
        }

        uint first = page & ~(PagesTogether - 1);
        uint end = Math.Min(first + PagesTogether, Capacity >> PageShift);
        uint from = page;
        while (from > first && IsBorrowed(from - 1))
        {
            from--;
        }

        uint to = page + 1;
        while (to < end && IsBorrowed(to))
        {
            to++;
        }

        return (from, to - from);
    }
}
