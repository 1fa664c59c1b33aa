namespace ToyVmm.Hardware.Memory;

/// <summary>
/// Where the pages of RAM that can be mapped twice lie: each in the machine's own file, in a file that it shares with others and so must not
/// change - a layer -, in another machine's (a page that both have agreed on), or nowhere yet (zeros). Page n is at byte n x 4096 of whichever file it is in,
/// but for another machine's.
/// </summary>
/// <remarks>The host addresses stay the same whatever lies behind them: RAM is one window.</remarks>
internal sealed unsafe class RamPages : IDisposable
{
    /// <summary>The layer of a page that nobody has written to.</summary>
    public const ushort Zeros = ushort.MaxValue;

    private const uint PageSize = GuestPhysicalAddress.PageSize;

    private readonly HostWindow _window;
    private readonly uint _capacity;
    private readonly List<MemoryFile> _layers = [];
    private readonly Dictionary<uint, SharedPage> _foreign = [];
    private MemoryFile? _own;
    private ushort[]? _layerOf;

    // The array is an image's too: it is copied before it is changed.
    private bool _layerOfIsShared;

    private RamPages(HostWindow window, uint capacity)
    {
        _window = window;
        _capacity = capacity;
    }

    /// <summary>Host address of the first byte.</summary>
    public byte* Address => _window.Address;

    /// <summary>True while nobody has stored beside it.</summary>
    public bool IsIntact => _window.IsIntact;

    /// <summary>True for a page that is another machine's.</summary>
    public bool IsForeign(uint page) => _foreign.ContainsKey(page);

    /// <summary>The next pages of the machine's own that the host has memory for.</summary>
    public (uint First, uint End) NextAllocated(uint page)
    {
        (ulong first, ulong end) = _own is null ? (ulong.MaxValue, ulong.MaxValue) : _own.NextAllocated((ulong)page * PageSize);
        return ((uint)Math.Min(first / PageSize, uint.MaxValue), (uint)Math.Min((end + PageSize - 1) / PageSize, uint.MaxValue));
    }

    /// <summary>True for a page in the machine's own file that takes memory there.</summary>
    public bool IsAllocated(uint page) => _own is not null && _own.IsAllocated((ulong)page * PageSize);

    /// <summary>The pages (their numbers) that are another machine's.</summary>
    public IEnumerable<uint> Foreign => _foreign.Keys;

    /// <summary>Pages that are another machine's.</summary>
    public int ForeignPages => _foreign.Count;

    /// <summary>Bytes of memory that are this machine's alone.</summary>
    public ulong OwnBytes => _own?.AllocatedBytes ?? 0;

    /// <summary>New RAM; null where the host has no such memory.</summary>
    /// <param name="capacity">Bytes that it may ever have.</param>
    /// <param name="borrowed">True where each page begins as nobody's, false where all are the machine's own.</param>
    public static RamPages? TryCreate(uint capacity, bool borrowed)
    {
        if (!OperatingSystem.IsLinux() || HostWindow.TryReserve(capacity) is not { } window)
        {
            return null;
        }

        RamPages pages = new(window, capacity);
        pages._own = borrowed ? null : MemoryFile.TryCreate(capacity);
        if ((borrowed || pages._own is not null) && window.TryMap(0, capacity, pages._own, 0, writable: !borrowed))
        {
            if (borrowed)
            {
                pages._layerOf = new ushort[capacity / PageSize];
                pages._layerOf.AsSpan().Fill(Zeros);
            }

            return pages;
        }

        pages.Dispose();
        return null;
    }

    /// <summary>RAM that goes on from an image.</summary>
    /// <exception cref="IOException">The host refuses.</exception>
    public static RamPages From(MemoryImage image)
    {
        HostWindow window = HostWindow.TryReserve(image.Capacity) ?? throw Refused();
        RamPages pages = new(window, image.Capacity);
        pages._layers.AddRange(image.Layers.Select(layer => layer.Hold()));
        pages._layerOf = image.LayerOf;
        pages._layerOfIsShared = true;
        uint count = image.Capacity / PageSize;
        for (uint first = 0; first < count;)
        {
            ushort layer = pages.LayerOf(first);
            uint end = first + 1;
            while (end < count && (pages._layerOf is null || pages._layerOf[end] == layer))
            {
                end = pages._layerOf is null ? count : end + 1;
            }

            if (!window.TryMap((nuint)first * PageSize, (nuint)(end - first) * PageSize, pages.Layer(layer), (ulong)first * PageSize, writable: false))
            {
                pages.Dispose();
                throw Refused();
            }

            first = end;
        }

        return pages;
    }

    /// <summary>What lies behind a page.</summary>
    /// <param name="page">Its number.</param>
    /// <param name="borrowed">True where it is not the machine's own.</param>
    public PageBacking Backing(uint page, bool borrowed)
    {
        if (_foreign.Count != 0 && _foreign.TryGetValue(page, out SharedPage? foreign))
        {
            return new PageBacking(foreign.File.Descriptor, foreign.Offset);
        }

        MemoryFile? file = borrowed ? Layer(LayerOf(page)) : _own;
        return new PageBacking(file?.Descriptor ?? -1, (ulong)page * PageSize);
    }

    /// <summary>Which layer a borrowed page is in.</summary>
    public ushort LayerOf(uint page) => _layerOf is null ? (ushort)0 : _layerOf[page];

    /// <summary>Gives the machine copies of its own of borrowed pages.</summary>
    /// <param name="first">The number of the first.</param>
    /// <param name="count">How many; all of them are borrowed.</param>
    /// <returns>False, with nothing changed, where the host refuses.</returns>
    public bool TryOwn(uint first, uint count)
    {
        if ((_own ??= MemoryFile.TryCreate(_capacity)) is not { } own)
        {
            return false;
        }

        for (uint page = first; page < first + count; page++)
        {
            // A page of zeros is one already.
            ulong offset = (ulong)page * PageSize;
            if (LayerOf(page) != Zeros && !own.TryWrite(offset, new ReadOnlySpan<byte>(Address + offset, (int)PageSize)))
            {
                return false;
            }
        }

        return _window.TryMap((nuint)first * PageSize, (nuint)count * PageSize, own, (ulong)first * PageSize, writable: true);
    }

    /// <summary>Gives the memory of one of the machine's own pages back to the host; it is zeros then.</summary>
    public void Punch(uint page) => _own!.Punch((ulong)page * PageSize, PageSize);

    /// <summary>Gives all of the machine's own memory back, but for some pages.</summary>
    /// <param name="kept">Their numbers.</param>
    public void PunchAllBut(IEnumerable<uint> kept)
    {
        ulong from = 0;
        foreach (uint page in kept.Order())
        {
            PunchOwn(from, (ulong)page * PageSize);
            from = ((ulong)page + 1) * PageSize;
        }

        PunchOwn(from, _capacity);
    }

    /// <summary>A borrowed page is zeros from now on, when it is owned.</summary>
    public void BecomeZeros(uint page) => SetLayer(page, Zeros);

    /// <summary>Has a page lie where it came from again - nowhere, or in its layer - where its bytes are the same; the machine's own copy goes back to the host.</summary>
    /// <param name="page">The number of one of the machine's own pages that takes memory.</param>
    /// <param name="layer">Where it came from, if that is not where it came from last.</param>
    /// <returns>False where the bytes are others, or the host refuses.</returns>
    public bool TryReturn(uint page, ushort? layer = null)
    {
        if (layer is { } origin && origin != LayerOf(page))
        {
            SetLayer(page, origin);
        }

        ulong offset = (ulong)page * PageSize;
        ReadOnlySpan<byte> content = new(Address + offset, (int)PageSize);
        if (content.IndexOfAnyExcept((byte)0) < 0)
        {
            // Where it stands in the machine's own file; nothing is mapped anew.
            SetLayer(page, Zeros);
            Punch(page);
            return true;
        }

        ushort index = LayerOf(page);
        if (index == Zeros || index >= _layers.Count)
        {
            return false;
        }

        Span<byte> original = stackalloc byte[(int)PageSize];
        if (!_layers[index].TryRead(offset, original) || !original.SequenceEqual(content) || !_window.TryMap((nuint)offset, PageSize, _layers[index], offset, writable: false))
        {
            return false;
        }

        Punch(page);
        return true;
    }

    /// <summary>Makes an image of everything as it is; all pages are borrowed from it from now on.</summary>
    /// <param name="memory">Whose RAM it is.</param>
    /// <param name="marks">The marks before: which pages are borrowed already.</param>
    /// <param name="imageMarks">Kinds and marks for machines that go on from it; the image holds them.</param>
    /// <exception cref="IOException">The host refuses.</exception>
    public MemoryImage Freeze(GuestMemory memory, PageMarks* marks, MemoryFile imageMarks)
    {
        if (!_window.TryProtect())
        {
            throw Refused();
        }

        if (_own is not null)
        {
            ushort index = (ushort)_layers.Count;
            bool isAll = _layers.Count == 0 && _layerOf is null;
            _layers.Add(_own);
            _own = null;
            if (!isAll)
            {
                ushort[] layerOf = new ushort[_capacity / PageSize];
                for (uint page = 0; page < layerOf.Length; page++)
                {
                    layerOf[page] = (marks[page] & PageMarks.Borrowed) != 0 ? LayerOf(page) : index;
                }

                _layerOf = layerOf;
            }
        }

        _layerOfIsShared = true;
        return new MemoryImage(memory, _layers, _layerOf, imageMarks);
    }

    /// <summary>Lets another machine have one of this machine's own pages.</summary>
    public SharedPage Lend(uint page) => new(_own!.Hold(), (ulong)page * PageSize);

    /// <summary>Has another machine's page in the place of one of this machine's.</summary>
    /// <returns>False, with nothing changed, where the host refuses.</returns>
    public bool TryAccept(uint page, SharedPage shared, bool writable)
    {
        if (!_window.TryMap((nuint)page * PageSize, PageSize, shared.File, shared.Offset, writable))
        {
            return false;
        }

        _ = shared.File.Hold();
        _foreign.Add(page, shared);
        return true;
    }

    /// <summary>Has zeros of its own in the place of another machine's page.</summary>
    /// <returns>False, with nothing changed, where the host refuses.</returns>
    public bool TryLeave(uint page)
    {
        ulong offset = (ulong)page * PageSize;
        if ((_own ??= MemoryFile.TryCreate(_capacity)) is not { } own || !_window.TryMap((nuint)offset, PageSize, own, offset, writable: true))
        {
            return false;
        }

        own.Punch(offset, PageSize);
        _ = _foreign.Remove(page, out SharedPage? shared);
        shared!.File.Release();
        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Address == null)
        {
            return;
        }

        _window.Dispose();
        _own?.Release();
        foreach (MemoryFile layer in _layers)
        {
            layer.Release();
        }

        foreach (SharedPage shared in _foreign.Values)
        {
            shared.File.Release();
        }
    }

    private static IOException Refused() => new("the host refuses memory for a guest's RAM (vm.max_map_count, or the limit of open files, may be too low)");

    private void PunchOwn(ulong from, ulong end)
    {
        if (end > from)
        {
            _own?.Punch(from, end - from);
        }
    }

    private MemoryFile? Layer(ushort index) => index == Zeros ? null : _layers[index];

    private void SetLayer(uint page, ushort layer)
    {
        if (_layerOf is null || _layerOfIsShared)
        {
            _layerOf = _layerOf is null ? new ushort[_capacity / PageSize] : [.. _layerOf];
            _layerOfIsShared = false;
        }

        _layerOf[page] = layer;
    }
}
