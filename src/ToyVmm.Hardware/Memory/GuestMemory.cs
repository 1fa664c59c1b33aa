using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace ToyVmm.Hardware.Memory;

/// <summary>
/// The guest's physical memory: RAM from address 0, read-only images above it, and what kind of thing answers at each page.
/// Everything outside RAM and ROM belongs to the bus. The host memory is one allocation; a host pointer is
/// <see cref="RamBase"/> + GPA for RAM, and <see cref="HostPage"/> answers for both.
/// </summary>
/// <remarks>
/// Writes through this class are the VMM's and the devices' (loading, DMA): they see RAM only, are bounds-checked, and tell
/// <see cref="CodeWatcher"/>. Engines store through host pointers and do the same check themselves.
/// </remarks>
public sealed unsafe class GuestMemory : IDisposable
{
    private const int PageShift = 12;
    private const uint PageSize = GuestPhysicalAddress.PageSize;

    /// <summary>Pages that <see cref="CodePages"/> covers: the first 4 GiB. Everything above is a hole.</summary>
    public const uint MarkedPages = 1u << (32 - PageShift);

    private readonly Dictionary<uint, nint> _romPages = [];
    private readonly List<nint> _allocations = [];
    private readonly SharedMemory? _shared;
    private byte* _kinds;

    /// <summary>Makes a memory with <paramref name="ramSize"/> bytes of zeroed RAM at address 0.</summary>
    /// <param name="ramSize">Bytes; a multiple of 4096, at most 3.5 GiB (above it lie the devices of a 32-bit PC).</param>
    /// <param name="shared">True for RAM that can be mapped a second time (<see cref="RamDescriptor"/>), where the host has that.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="ramSize"/> is zero, too large or not whole pages.</exception>
    public GuestMemory(uint ramSize, bool shared = false)
    {
        if (ramSize is 0 or > 0xE000_0000 || ramSize % PageSize != 0)
        {
            throw new ArgumentOutOfRangeException(nameof(ramSize), ramSize, "guest RAM must be 4 KiB to 3.5 GiB, in whole 4 KiB pages");
        }

        RamSize = ramSize;
        _shared = shared ? SharedMemory.TryCreate(ramSize) : null;
        RamBase = _shared != null ? _shared.Address : AllocateGuarded(ramSize);
        _kinds = (byte*)AllocateZeroed(MarkedPages);
        CodePages = (byte*)AllocateZeroed(MarkedPages);
        SetKind(new GuestPhysicalAddress(0), ramSize, PageKind.Ram);
    }

    /// <summary>Bytes of RAM.</summary>
    public uint RamSize { get; }

    /// <summary>Host address of guest-physical byte 0; page-aligned.</summary>
    public byte* RamBase { get; private set; }

    /// <summary>True while nobody has stored beside RAM: the <see cref="Canary"/> on either side is as it was.</summary>
    public bool IsIntact => _shared?.IsIntact ?? (Canary.IsIntact(RamBase - Canary.Size) && Canary.IsIntact(RamBase + RamSize));

    /// <summary>The file descriptor whose byte n is RAM byte n; -1 where RAM is private to the process.</summary>
    public int RamDescriptor => _shared?.Descriptor ?? -1;

    /// <summary>One byte a guest-physical page: non-zero where an engine holds decoded code from that page.</summary>
    public byte* CodePages { get; private set; }

    /// <summary>True for RAM that holds no decoded code: a store may go straight to it.</summary>
    /// <param name="address">Any address in the page.</param>
    public bool IsPlainRam(GuestPhysicalAddress address) => KindAt(address) == PageKind.Ram && CodePages[address.Value >> PageShift] == 0;

    /// <summary>Who is told of stores to pages marked in <see cref="CodePages"/>; set by the engine.</summary>
    public ICodeWatcher? CodeWatcher { get; set; }

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
        byte* host;
        if (address.Value + length <= RamSize)
        {
            host = RamBase + address.Value;
        }
        else
        {
            host = AllocatePages(length);
            for (uint offset = 0; offset < length; offset += PageSize)
            {
                _romPages[(uint)((address.Value + offset) >> PageShift)] = (nint)(host + offset);
            }
        }

        image.CopyTo(new Span<byte>(host, (int)length));
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
        return page < RamSize >> PageShift ? RamBase + ((ulong)page << PageShift) : (byte*)_romPages[page];
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

    /// <summary>Copies into RAM (or behind the read-only pages of RAM: a loader may fill a ROM), telling the engines.</summary>
    /// <returns>False, with nothing written, when part of the range has no RAM behind it.</returns>
    public bool TryWrite(GuestPhysicalAddress address, ReadOnlySpan<byte> source)
    {
        if (address.Value > RamSize || (ulong)source.Length > RamSize - address.Value)
        {
            return false;
        }

        source.CopyTo(new Span<byte>(RamBase + address.Value, source.Length));
        for (ulong written = 0; written < (ulong)source.Length;)
        {
            GuestPhysicalAddress at = address + written;
            int chunk = (int)Math.Min((ulong)source.Length - written, PageSize - (at.Value & (PageSize - 1)));
            if (CodePages[at.Value >> PageShift] != 0)
            {
                CodeWatcher?.CodeWritten(at, chunk);
            }

            written += (ulong)chunk;
        }

        return true;
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
        foreach (nint allocation in _allocations)
        {
            NativeMemory.Free((void*)allocation);
        }

        _allocations.Clear();
        _shared?.Dispose();
        RamBase = null;
        CodePages = null;
        _kinds = null;
    }

    // calloc leaves large blocks untouched until used, so a big idle guest costs no resident memory.
    private void* AllocateZeroed(nuint bytes)
    {
        void* memory = NativeMemory.AllocZeroed(bytes);
        _allocations.Add((nint)memory);
        return memory;
    }

    private byte* AllocateGuarded(uint bytes)
    {
        byte* memory = AllocatePages((nuint)bytes + (2 * Canary.Size)) + Canary.Size;
        Canary.Fill(memory - Canary.Size);
        Canary.Fill(memory + bytes);
        return memory;
    }

    private byte* AllocatePages(nuint bytes)
    {
        nint raw = (nint)AllocateZeroed(bytes + PageSize);
        return (byte*)((raw + PageSize - 1) & ~(nint)(PageSize - 1));
    }
}
