using System.Runtime.InteropServices;

namespace ToyVmm.Hardware.Memory;

/// <summary>The host pages of read-only images outside RAM. Machines that went on from the same image have them in common; the garbage collector frees them behind the last.</summary>
internal sealed unsafe class RomPages
{
    private const uint PageSize = GuestPhysicalAddress.PageSize;
    private readonly Dictionary<uint, nint> _pages = [];
    private readonly List<nint> _allocations = [];

    ~RomPages()
    {
        foreach (nint allocation in _allocations)
        {
            NativeMemory.AlignedFree((void*)allocation);
        }
    }

    /// <summary>The host page of a guest-physical page (its number).</summary>
    public byte* this[uint page] => (byte*)_pages[page];

    /// <summary>Adds an image, padded with zeros to whole pages.</summary>
    public void Add(GuestPhysicalAddress address, ReadOnlySpan<byte> image)
    {
        uint length = ((uint)image.Length + PageSize - 1) & ~(PageSize - 1);
        byte* host = (byte*)NativeMemory.AlignedAlloc(length, PageSize);
        _allocations.Add((nint)host);
        new Span<byte>(host, (int)length).Clear();
        image.CopyTo(new Span<byte>(host, (int)length));
        for (uint offset = 0; offset < length; offset += PageSize)
        {
            _pages[(uint)((address.Value + offset) / PageSize)] = (nint)(host + offset);
        }
    }
}
