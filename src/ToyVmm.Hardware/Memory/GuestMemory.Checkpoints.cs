namespace ToyVmm.Hardware.Memory;

/// <summary>
/// Going back to an earlier moment in place: a stack of checkpoints. From the newest one on, a page's old contents are kept when it is first changed, whoever
/// changes it: every page carries <see cref="PageMarks.Kept"/> until then, and whoever stores to marked pages comes by <see cref="TryWrite"/>.
/// </summary>
public sealed unsafe partial class GuestMemory
{
    // Decoded code is told of changes in pieces of this size: a cache of it does not look closer either.
    private const int Granule = 64;

    // What is known of a page on the way back.
    private const byte Restored = 1;
    private const byte GivenAway = 2;

    private readonly PageStore _store = new();
    private readonly List<KeptPages> _checkpoints = [];

    /// <summary>How many checkpoints there are.</summary>
    public int Checkpoints => _checkpoints.Count;

    /// <summary>Pages whose old contents were kept so far: what this has grown by says whether a store had to wait for that.</summary>
    public ulong PagesKept { get; private set; }

    /// <inheritdoc/>
    public ulong CheckpointBytes(int index) => _checkpoints[index].Bytes;

    /// <summary>Makes it possible to return to this moment (<see cref="ReturnTo"/>). Costs as much as there were pages changed since the last checkpoint.</summary>
    /// <exception cref="NotSupportedException">Another machine has pages of this one too (<see cref="SharesPages"/>): what it changes is not seen here.</exception>
    public void AddCheckpoint()
    {
        if (SharesPages)
        {
            throw new NotSupportedException("the guest shares pages with another guest, which changes them too: nobody can go back");
        }

        if (_checkpoints.Count == 0)
        {
            for (uint page = 0; page < Capacity >> PageShift; page++)
            {
                Marks[page] |= PageMarks.Kept;
            }

            CodeWatcher?.StoresWatched();
        }
        else if (_checkpoints[^1].Count > 0)
        {
            MarkKept(_checkpoints[^1]);
            CodeWatcher?.StoresWatched();
        }

        _checkpoints.Add(new KeptPages(_store)
        {
            RamSize = RamSize,
            GivenAway = GivenAwayPages(),
            OwnedPages = OwnedPages,
            Pieces = _pieces,
            IsOverLimit = IsOverLimit,
            HostRefuses = HostRefuses,
        });
    }

    /// <summary>
    /// Has RAM as it was when a checkpoint was taken: contents, size, what was given away, and what lies behind it. The checkpoint stays, later ones go. The
    /// engine is told of changed code, and that all else that it has mapped must go.
    /// </summary>
    /// <param name="index">Which; 0 is the oldest.</param>
    /// <exception cref="IOException">The host refuses memory for a page that it had taken back meanwhile (<see cref="Freeze"/>, <see cref="MergePages"/>).</exception>
    public void ReturnTo(int index)
    {
        KeptPages target = _checkpoints[index];
        MarkKept(_checkpoints[^1]);
        byte[] pages = new byte[Capacity >> PageShift];
        RestoreContents(index, pages);
        RestoreMap(target, pages);
        (OwnedPages, _pieces, IsOverLimit, HostRefuses) = (target.OwnedPages, target.Pieces, target.IsOverLimit, target.HostRefuses);
        for (int later = _checkpoints.Count - 1; later > index; later--)
        {
            _checkpoints[later].Dispose();
        }

        _checkpoints.RemoveRange(index + 1, _checkpoints.Count - index - 1);
        target.Clear();
        CodeWatcher?.PagesReplaced();
    }

    /// <summary>Gives a checkpoint up. One before it can be returned to as before.</summary>
    /// <param name="index">Which; 0 is the oldest.</param>
    public void RemoveCheckpoint(int index)
    {
        KeptPages removed = _checkpoints[index];
        if (index > 0)
        {
            KeptPages before = _checkpoints[index - 1];
            if (index == _checkpoints.Count - 1)
            {
                // It goes on with the log of the checkpoint before, which has these already.
                foreach (ulong entry in before.Entries)
                {
                    Marks[KeptPages.PageOf(entry)] &= ~PageMarks.Kept;
                }
            }

            before.Merge(removed);
        }

        removed.Dispose();
        _checkpoints.RemoveAt(index);
        for (uint page = 0; _checkpoints.Count == 0 && page < Capacity >> PageShift; page++)
        {
            Marks[page] &= ~PageMarks.Kept;
        }
    }

    private void MarkKept(KeptPages log)
    {
        foreach (ulong entry in log.Entries)
        {
            Marks[KeptPages.PageOf(entry)] |= PageMarks.Kept;
        }
    }

    // Before the first change to a page since the newest checkpoint, also to what lies behind it.
    private void Keep(uint page)
    {
        if ((Marks[page] & PageMarks.Kept) != 0)
        {
            Marks[page] &= ~PageMarks.Kept;
            _checkpoints[^1].Add(page, RamBase + ((ulong)page << PageShift), IsBorrowed(page) ? _pages!.LayerOf(page) : null);
            PagesKept++;
        }
    }

    private (uint First, uint End)[] GivenAwayPages()
    {
        List<(uint First, uint End)> stretches = [];
        for (uint page = 0; _holes != 0 && page < RamSize >> PageShift; page++)
        {
            if (!IsGivenAway(page))
            {
                continue;
            }

            if (stretches.Count > 0 && stretches[^1].End == page)
            {
                stretches[^1] = (stretches[^1].First, page + 1);
            }
            else
            {
                stretches.Add((page, page + 1));
            }
        }

        return [.. stretches];
    }

    // Of a page in several logs the oldest has what it held.
    private void RestoreContents(int index, byte[] pages)
    {
        for (int log = index; log < _checkpoints.Count; log++)
        {
            foreach (ulong entry in _checkpoints[log].Entries)
            {
                uint page = KeptPages.PageOf(entry);
                if (pages[page] != Restored)
                {
                    pages[page] = Restored;
                    Restore(page, _checkpoints[log].ContentOf(entry), KeptPages.WasBorrowed(entry) ? KeptPages.LayerOf(entry) : null);
                }
            }
        }
    }

    private void Restore(uint page, byte* content, ushort? layer)
    {
        const int Size = (int)PageSize;
        Span<byte> now = new(RamBase + ((ulong)page << PageShift), Size);
        ReadOnlySpan<byte> then = new(content, content == null ? 0 : Size);
        bool isSame = content == null ? now.IndexOfAnyExcept((byte)0) < 0 : then.SequenceEqual(now);
        if (!isSame)
        {
            if (IsBorrowed(page))
            {
                if (!_pages!.TryOwn(page, 1))
                {
                    throw new IOException("the host refuses memory for a guest's RAM");
                }

                Marks[page] &= ~PageMarks.Borrowed;
            }

            bool isCode = (Marks[page] & PageMarks.Code) != 0;
            for (int at = 0; at < Size; at += Granule)
            {
                Span<byte> piece = now.Slice(at, Granule);
                bool changes = content == null ? piece.IndexOfAnyExcept((byte)0) >= 0 : !then.Slice(at, Granule).SequenceEqual(piece);
                if (!changes)
                {
                    continue;
                }

                if (content == null)
                {
                    piece.Clear();
                }
                else
                {
                    then.Slice(at, Granule).CopyTo(piece);
                }

                if (isCode)
                {
                    CodeWatcher?.CodeWritten(new GuestPhysicalAddress(((ulong)page << PageShift) + (ulong)at), Granule);
                }
            }
        }

        if (layer is not null && !IsBorrowed(page) && _pages!.TryReturn(page, layer))
        {
            Marks[page] |= PageMarks.Borrowed;
        }
    }

    // Which pages there are, and which were given away.
    private void RestoreMap(KeptPages target, byte[] pages)
    {
        _holes = 0;
        foreach ((uint first, uint end) in target.GivenAway)
        {
            pages.AsSpan((int)first, (int)(end - first)).Fill(GivenAway);
            _holes += end - first;
        }

        for (uint page = 0; page < RamSize >> PageShift; page++)
        {
            bool wasHole = pages[page] == GivenAway || page >= target.RamSize >> PageShift;
            if (wasHole != (_kinds[page] == (byte)PageKind.Hole))
            {
                _kinds[page] = (byte)(wasHole ? PageKind.Hole : PageKind.Ram);
                GuestPhysicalAddress address = new((ulong)page << PageShift);
                CodeWatcher?.CodeWritten(address, (int)PageSize);
                if (wasHole && _pages is not null && !IsBorrowed(page) && IsZero(address))
                {
                    _pages.Punch(page);
                }
            }
        }

        RamSize = target.RamSize;
    }
}
