using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace ToyVmm.Hardware.Memory;

/// <summary>
/// The guest's physical memory: RAM from address 0, read-only images above it, and what kind of thing answers at each page.
/// Everything outside RAM and ROM belongs to the bus. RAM is one window of host addresses, whatever lies behind its pages; a host pointer is
/// <see cref="RamBase"/> + GPA for RAM, and <see cref="HostPage"/> answers for both.
/// </summary>
/// <remarks>
/// Writes through this class are the VMM's and the devices' (loading, DMA): they see RAM only, are bounds-checked, and tell
/// <see cref="CodeWatcher"/>. Engines store through host pointers and do the same check themselves.
/// </remarks>
public sealed unsafe partial class GuestMemory : IDisposable
{
    private const int PageShift = 12;
    private const uint PageSize = GuestPhysicalAddress.PageSize;

    /// <summary>Pages that <see cref="Marks"/> covers: the first 4 GiB. Everything above is a hole.</summary>
    public const uint MarkedPages = 1u << (32 - PageShift);

    private readonly RamPages? _pages;
    private readonly nint _private;
    private byte* _kinds;
    private bool _kindsAreMapped;

    /// <summary>Makes a memory with <paramref name="ramSize"/> bytes of zeroed RAM at address 0.</summary>
    /// <param name="ramSize">Bytes; a multiple of 4096, at most 3.5 GiB (above it lie the devices of a 32-bit PC).</param>
    /// <param name="shared">True for RAM that can be mapped a second time (<see cref="Backing"/>), frozen and shared, where the host has that.</param>
    /// <param name="capacity">Bytes that <see cref="Grow"/> may ever make of it; 0 for as many as there are.</param>
    /// <param name="pageLimit">The most pages that may hold anything (<see cref="PageLimit"/>); null for no limit. Needs <paramref name="shared"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="ramSize"/> is zero, too large or not whole pages.</exception>
    public GuestMemory(uint ramSize, bool shared = false, uint capacity = 0, uint? pageLimit = null)
    {
        Capacity = Math.Max(ramSize, capacity);
        if (ramSize is 0 || Capacity > 0xE000_0000 || ramSize % PageSize != 0 || Capacity % PageSize != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(ramSize), ramSize, "guest RAM must be 4 KiB to 3.5 GiB, in whole 4 KiB pages");
        }

        RamSize = ramSize;
        _pages = shared ? RamPages.TryCreate(Capacity, borrowed: pageLimit is not null) : null;
        if (_pages is null)
        {
            // calloc leaves large blocks untouched until used, so a big idle guest costs no resident memory.
            _private = (nint)NativeMemory.AllocZeroed((nuint)Capacity + (2 * Canary.Size) + PageSize);
            RamBase = (byte*)((_private + PageSize - 1) & ~(nint)(PageSize - 1)) + Canary.Size;
            Canary.Fill(RamBase - Canary.Size);
            Canary.Fill(RamBase + Capacity);
        }
        else
        {
            RamBase = _pages.Address;
        }

        _kinds = SparseMemory.Allocate(2 * MarkedPages);
        Marks = (PageMarks*)(_kinds + MarkedPages);
        RomPages = new RomPages();
        SetKind(new GuestPhysicalAddress(0), ramSize, PageKind.Ram);
        if (pageLimit is not null && _pages is null)
        {
            Dispose();
            throw new NotSupportedException("a limit of host memory needs memory that is counted page by page (memfd_create, Linux)");
        }

        if (pageLimit is not null)
        {
            new Span<byte>(Marks, (int)(Capacity >> PageShift)).Fill((byte)PageMarks.Borrowed);
            PageLimit = pageLimit;
        }
    }

    /// <summary>Makes a memory that goes on from an image.</summary>
    /// <param name="image">The image; it may be disposed of afterwards.</param>
    /// <exception cref="IOException">The host refuses.</exception>
    public GuestMemory(MemoryImage image)
    {
        ArgumentNullException.ThrowIfNull(image);
        (RamSize, Capacity) = (image.RamSize, image.Capacity);
        RomPages = image.RomPages;
        _holes = image.BalloonPages;
        _pages = RamPages.From(image);
        RamBase = _pages.Address;
        _kinds = (byte*)HostWindow.MapCopy(image.Marks);
        _kindsAreMapped = true;
        if (_kinds == null)
        {
            _pages.Dispose();
            throw new IOException("the host refuses memory for the kinds of a guest's pages");
        }

        Marks = (PageMarks*)(_kinds + MarkedPages);
    }

    /// <summary>Bytes of RAM: it lies from address 0 on, but for <see cref="PageKind.Hole"/>s that a balloon has made.</summary>
    public uint RamSize { get; private set; }

    /// <summary>Bytes of RAM that there may ever be.</summary>
    public uint Capacity { get; }

    /// <summary>Host address of guest-physical byte 0; page-aligned.</summary>
    public byte* RamBase { get; private set; }

    /// <summary>True while nobody has stored beside RAM: the <see cref="Canary"/> on either side is as it was.</summary>
    public bool IsIntact => _pages?.IsIntact ?? (Canary.IsIntact(RamBase - Canary.Size) && Canary.IsIntact(RamBase + Capacity));

    /// <summary>One byte a guest-physical page: why stores to it must not go straight there.</summary>
    public PageMarks* Marks { get; private set; }

    /// <summary>Images outside RAM.</summary>
    internal RomPages RomPages { get; }

    /// <summary>True for RAM that nothing is known of that a store must be told to: it may go straight there.</summary>
    /// <param name="address">Any address in the page.</param>
    public bool IsPlainRam(GuestPhysicalAddress address) => KindAt(address) == PageKind.Ram && Marks[address.Value >> PageShift] == PageMarks.None;

    /// <summary>Who is told of stores to pages marked <see cref="PageMarks.Code"/>, and of pages that lie elsewhere now; set by the engine.</summary>
    public ICodeWatcher? CodeWatcher { get; set; }

    /// <summary>Told of each <see cref="TryWrite"/>: what devices, loaders and the monitor store. The guest's own stores go past it, as a rule.</summary>
    public Action<GuestPhysicalAddress, int>? Written { get; set; }

    /// <summary>What answers at <paramref name="address"/>.</summary>
    public PageKind KindAt(GuestPhysicalAddress address) =>
        address.Value >> PageShift < MarkedPages ? (PageKind)_kinds[address.Value >> PageShift] : PageKind.Hole;

    /// <summary>Declares what answers in a range of whole pages.</summary>
    /// <param name="first">The first byte, page-aligned.</param>
    /// <param name="length">Bytes, whole pages.</param>
    /// <param name="kind">The kind. <see cref="PageKind.Ram"/> and <see cref="PageKind.Rom"/> only where memory lies behind.</param>
    public void SetKind(GuestPhysicalAddress first, uint length, PageKind kind)
    {
        uint page = (uint)(first.Value >> PageShift);
        new Span<byte>(_kinds + page, (int)(length >> PageShift)).Fill((byte)kind);
    }

    /// <summary>Puts a read-only image on the bus: into RAM's place where it lies below <see cref="RamSize"/>, on pages of its own elsewhere.</summary>
    /// <param name="address">Where, page-aligned.</param>
    /// <param name="image">The bytes; the last page is padded with zeros.</param>
    public void MapRom(GuestPhysicalAddress address, ReadOnlySpan<byte> image)
    {
        uint length = ((uint)image.Length + PageSize - 1) & ~(PageSize - 1);
        if (address.Value + length <= RamSize)
        {
            byte[] padded = new byte[length];
            image.CopyTo(padded);
            _ = TryWrite(address, padded);
        }
        else
        {
            RomPages.Add(address, image);
        }

        SetKind(address, length, PageKind.Rom);
    }

    /// <summary>The host page behind a RAM or ROM page; null where the bus answers.</summary>
    /// <param name="address">Any address in the page.</param>
    public byte* HostPage(GuestPhysicalAddress address)
    {
        if (KindAt(address) is not (PageKind.Ram or PageKind.Rom))
        {
            return null;
        }

        uint page = (uint)(address.Value >> PageShift);
        return page < RamSize >> PageShift ? RamBase + ((ulong)page << PageShift) : RomPages[page];
    }

    /// <summary>Copies RAM or ROM out; bytes that nothing holds read as 0xFF.</summary>
    /// <returns>False when part of the range is neither RAM nor ROM.</returns>
    public bool TryRead(GuestPhysicalAddress address, Span<byte> destination)
    {
        bool complete = true;
        while (destination.Length > 0)
        {
            int offset = (int)(address.Value & (PageSize - 1));
            int chunk = Math.Min(destination.Length, (int)PageSize - offset);
            byte* page = HostPage(address);
            if (page == null)
            {
                destination[..chunk].Fill(0xFF);
                complete = false;
            }
            else
            {
                new ReadOnlySpan<byte>(page + offset, chunk).CopyTo(destination);
            }

            destination = destination[chunk..];
            address += (ulong)chunk;
        }

        return complete;
    }

    /// <summary>Copies into RAM (or behind the read-only pages and the devices that lie in RAM's place: a loader may fill a ROM), telling the engines.</summary>
    /// <returns>False, with nothing written, when part of the range has no RAM behind it.</returns>
    public bool TryWrite(GuestPhysicalAddress address, ReadOnlySpan<byte> source)
    {
        if (address.Value > RamSize || (ulong)source.Length > RamSize - address.Value || TouchesHole(address, source.Length))
        {
            return false;
        }

        Written?.Invoke(address, source.Length);
        while (source.Length > 0)
        {
            int chunk = (int)Math.Min((ulong)source.Length, PageSize - (address.Value & (PageSize - 1)));
            uint page = (uint)(address.Value >> PageShift);
            if ((Marks[page] & (PageMarks.Borrowed | PageMarks.Kept)) != 0 && !TryPrepare(page))
            {
                return true;
            }

            source[..chunk].CopyTo(new Span<byte>(RamBase + address.Value, chunk));
            if ((Marks[page] & PageMarks.Code) != 0)
            {
                CodeWatcher?.CodeWritten(address, chunk);
            }

            source = source[chunk..];
            address += (ulong)chunk;
        }

        return true;
    }

    /// <summary>Clears pages. What is zeros already need not become the machine's own for that.</summary>
    /// <param name="first">The number of the first page.</param>
    /// <param name="end">The number of the page behind the last.</param>
    /// <param name="only">Only pages of this kind; null for all that have RAM behind them.</param>
    public void Clear(uint first, uint end, PageKind? only = null)
    {
        ReadOnlySpan<byte> zeros = stackalloc byte[(int)PageSize];
        for (uint page = first; page < end; page++)
        {
            GuestPhysicalAddress address = new((ulong)page << PageShift);
            if ((only is null || KindAt(address) == only) && !IsZero(address))
            {
                _ = TryWrite(address, zeros);
            }
        }
    }

    /// <summary>One byte of RAM or ROM; 0xFF where nothing answers.</summary>
    public byte ReadByte(GuestPhysicalAddress address)
    {
        Span<byte> bytes = stackalloc byte[1];
        _ = TryRead(address, bytes);
        return bytes[0];
    }

    /// <summary>A little-endian 32-bit word of RAM or ROM; all-ones where nothing answers.</summary>
    public uint ReadUInt32(GuestPhysicalAddress address)
    {
        Span<byte> bytes = stackalloc byte[4];
        _ = TryRead(address, bytes);
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }

    /// <summary>A little-endian 64-bit word of RAM or ROM; all-ones where nothing answers.</summary>
    public ulong ReadUInt64(GuestPhysicalAddress address)
    {
        Span<byte> bytes = stackalloc byte[8];
        _ = TryRead(address, bytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_kinds == null)
        {
            return;
        }

        if (_lent.Count != 0)
        {
            // Another machine has a page of the file, and with it keeps the file.
            _pages?.PunchAllBut(_lent);
        }

        _pages?.Dispose();
        NativeMemory.Free((void*)_private);
        _checkpoints.ForEach(checkpoint => checkpoint.Dispose());
        _store.Dispose();
        if (_kindsAreMapped)
        {
            HostWindow.Unmap((nint)_kinds, 2 * MarkedPages);
        }
        else
        {
            SparseMemory.Free(_kinds, 2 * MarkedPages);
        }

        RamBase = null;
        Marks = null;
        _kinds = null;
    }

    // Before a store to a marked page. False where it is lost, and the guest with it.
    private bool TryPrepare(uint page)
    {
        Keep(page);
        return !IsBorrowed(page) || TryOwn(page);
    }

    private bool TouchesHole(GuestPhysicalAddress address, int length)
    {
        ulong last = (address.Value + (ulong)length - 1) >> PageShift;
        for (ulong page = address.Value >> PageShift; _holes != 0 && length > 0 && page <= last; page++)
        {
            if (_kinds[page] == (byte)PageKind.Hole)
            {
                return true;
            }
        }

        return false;
    }
}
