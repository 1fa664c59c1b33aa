using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Memory;

/// <summary>Whose the pages of RAM are: copies on write, images of it all, pages given away and taken back, RAM that grows, pages of two machines.</summary>
public sealed unsafe partial class GuestMemory : ISavedState
{
    private readonly HashSet<uint> _lent = [];
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

    /// <summary>Called when a store needs a page beyond <see cref="PageLimit"/>. The store is lost, and so is the guest: it is to be stopped.</summary>
    public Action? LimitReached { get; set; }

    /// <summary>True when that has happened.</summary>
    public bool IsOverLimit { get; private set; }

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

        if (_pages.ForeignPages + _lent.Count != 0)
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

        MemoryImage image = _pages.Freeze(this, Marks, marks);
        for (uint page = 0; page < count; page++)
        {
            Marks[page] |= PageMarks.Borrowed;
        }

        OwnedPages = 0;
        return image;
    }

    /// <summary>The guest gives a page away: it is a hole, and its memory the host's.</summary>
    /// <param name="address">A page of RAM that is not shared with another machine.</param>
    public void GiveAway(GuestPhysicalAddress address)
    {
        uint page = (uint)(address.Value >> PageShift);
        if (_pages is null)
        {
            new Span<byte>(RamBase + address.Value, (int)PageSize).Clear();
        }
        else
        {
            Disown(page);
        }

        _kinds[page] = (byte)PageKind.Hole;
        _holes++;
        CodeWatcher?.CodeWritten(address, (int)PageSize);
        CodeWatcher?.PageReplaced(address);
    }

    /// <summary>The guest has a page again that it gave away: zeros.</summary>
    /// <param name="address">The page.</param>
    public void TakeBack(GuestPhysicalAddress address)
    {
        _kinds[address.Value >> PageShift] = (byte)PageKind.Ram;
        _holes--;
        CodeWatcher?.CodeWritten(address, (int)PageSize);
    }

    /// <summary>True for a page (its number) that the guest has given away and not taken back.</summary>
    public bool IsGivenAway(uint page) => _holes != 0 && page < RamSize >> PageShift && _kinds[page] == (byte)PageKind.Hole;

    /// <summary>
    /// Forgets decoded code in pages that another machine may have written to since this one ran: such stores are noticed where guests take turns, as those of
    /// another processor are at the latest when one serializes.
    /// </summary>
    public void ForgetSharedCode()
    {
        if (_lent.Count != 0 || _pages is { ForeignPages: > 0 })
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

    /// <summary>Lends a page to another machine, which then has it too, until either is gone.</summary>
    /// <param name="address">A page of RAM.</param>
    /// <returns>Null where the limit does not allow a copy of it, or RAM cannot be shared.</returns>
    public SharedPage? Lend(GuestPhysicalAddress address)
    {
        uint page = (uint)(address.Value >> PageShift);
        if (_pages is null || (IsBorrowed(page) && !TryOwn(page)))
        {
            return null;
        }

        _ = _lent.Add(page);
        return _pages.Lend(page);
    }

    /// <summary>Nobody accepted the page.</summary>
    public void Unlend(GuestPhysicalAddress address) => _ = _lent.Remove((uint)(address.Value >> PageShift));

    /// <summary>Has another machine's page in the place of one of its own.</summary>
    /// <param name="address">A page of RAM.</param>
    /// <param name="shared">The other's page.</param>
    /// <param name="writable">False makes it ROM: stores are lost.</param>
    public void Accept(GuestPhysicalAddress address, SharedPage shared, bool writable)
    {
        uint page = (uint)(address.Value >> PageShift);
        Disown(page);
        _pages!.Accept(page, shared, writable);
        Marks[page] &= ~PageMarks.Borrowed;
        _kinds[page] = (byte)(writable ? PageKind.Ram : PageKind.Rom);
        CodeWatcher?.CodeWritten(address, (int)PageSize);
        CodeWatcher?.PageReplaced(address);
    }

    /// <summary>True for a page (its number) that is this machine's alone, and could be somebody's else too.</summary>
    internal bool IsMergeable(uint page) =>
        page < RamSize >> PageShift && KindAt(new GuestPhysicalAddress((ulong)page << PageShift)) == PageKind.Ram && !IsBorrowed(page) && !_lent.Contains(page) && !_pages!.IsForeign(page) && _pages.IsAllocated(page);

    /// <summary>The bytes of a page.</summary>
    internal ReadOnlySpan<byte> PageContent(uint page) => new(RamBase + ((ulong)page << PageShift), (int)PageSize);

    /// <summary>Lets an equal page take a page's place.</summary>
    /// <param name="page">Its number.</param>
    /// <param name="file">The file that has the same bytes at the same offset; null for zeros.</param>
    internal void ReplacePage(uint page, MemoryFile? file)
    {
        _pages!.Replace(page, file, borrowed: false);
        Marks[page] |= PageMarks.Borrowed;
        OwnedPages -= OwnedPages == 0 ? 0u : 1;
        CodeWatcher?.PageReplaced(new GuestPhysicalAddress((ulong)page << PageShift));
    }

    /// <inheritdoc/>
    /// <remarks>How much RAM there is by now, and which pages the guest has given away; not what the others hold.</remarks>
    void ISavedState.Transfer(StateTransfer state)
    {
        uint size = state.Pass(RamSize);
        state.Require(size >= RamSize && size <= Capacity && size % PageSize == 0, "RAM has as much as it can have");
        if (state.IsRestoring && state.Error is null)
        {
            Grow(size - RamSize);
        }

        List<uint> given = [];
        for (uint page = 0; _holes != 0 && page < RamSize >> PageShift; page++)
        {
            if (_kinds[page] == (byte)PageKind.Hole)
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

    private bool IsBorrowed(uint page) => (Marks[page] & PageMarks.Borrowed) != 0;

    // Before the first store to a page that others have too: a copy, at the same host address. False where the limit does not allow it.
    private bool TryOwn(uint page)
    {
        if (OwnedPages >= PageLimit)
        {
            IsOverLimit = true;
            LimitReached?.Invoke();
            return false;
        }

        _pages!.Own(page);
        Marks[page] &= ~PageMarks.Borrowed;
        OwnedPages++;
        CodeWatcher?.PageReplaced(new GuestPhysicalAddress((ulong)page << PageShift));
        return true;
    }

    private void Disown(uint page)
    {
        bool borrowed = IsBorrowed(page);
        _pages!.Discard(page, borrowed);
        Marks[page] |= PageMarks.Borrowed;
        OwnedPages -= borrowed || OwnedPages == 0 ? 0u : 1;
    }
}
