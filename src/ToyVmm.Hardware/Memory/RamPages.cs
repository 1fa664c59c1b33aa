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

    /// <summary>Gives the machine a copy of its own of a borrowed page.</summary>
    /// <exception cref="IOException">The host refuses.</exception>
    public void Own(uint page)
    {
        ulong offset = (ulong)page * PageSize;
        MemoryFile own = _own ??= MemoryFile.TryCreate(_capacity) ?? throw Refused();

        // A page of zeros is one already.
        bool isZero = LayerOf(page) == Zeros;
        if ((!isZero && !own.TryWrite(offset, new ReadOnlySpan<byte>(Address + offset, (int)PageSize))) || !_window.TryMap((nuint)offset, PageSize, own, offset, writable: true))
        {
            throw Refused();
        }
    }

    /// <summary>Takes a page away: its memory goes back to the host. To be owned anew it is zeros.</summary>
    /// <param name="page">Its number.</param>
    /// <param name="borrowed">True where it was not the machine's own.</param>
    public void Discard(uint page, bool borrowed)
    {
        ulong offset = (ulong)page * PageSize;
        if (!borrowed)
        {
            _own!.Punch(offset, PageSize);
        }

        SetLayer(page, Zeros);
        if (!_window.TryMap((nuint)offset, PageSize, null, 0, writable: false))
        {
            throw Refused();
        }
    }

    /// <summary>Lets an equal page of a layer take a page's place: the machine's own goes back to the host.</summary>
    /// <param name="page">Its number.</param>
    /// <param name="layer">The file that has the same bytes at the same offset; null for zeros.</param>
    /// <param name="borrowed">True where it was not the machine's own.</param>
    public void Replace(uint page, MemoryFile? layer, bool borrowed)
    {
        ulong offset = (ulong)page * PageSize;
        int index = layer is null ? Zeros : _layers.IndexOf(layer);
        if (index < 0)
        {
            index = _layers.Count;
            _layers.Add(layer!.Hold());
        }

        if (!_window.TryMap((nuint)offset, PageSize, layer, offset, writable: false))
        {
            throw Refused();
        }

        SetLayer(page, (ushort)index);
        if (!borrowed)
        {
            _own!.Punch(offset, PageSize);
        }
    }

    /// <summary>The file that a borrowed page lies in; null for zeros.</summary>
    public MemoryFile? LayerFile(uint page) => Layer(LayerOf(page));

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
    public void Accept(uint page, SharedPage shared, bool writable)
    {
        if (!_window.TryMap((nuint)page * PageSize, PageSize, shared.File, shared.Offset, writable))
        {
            throw Refused();
        }

        _ = shared.File.Hold();
        _foreign.Add(page, shared);
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

    private ushort LayerOf(uint page) => _layerOf is null ? (ushort)0 : _layerOf[page];

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
