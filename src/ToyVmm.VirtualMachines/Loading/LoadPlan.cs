using ToyVmm.Hardware.Memory;

namespace ToyVmm.VirtualMachines.Loading;

/// <summary>
/// What a loader is about to put into guest memory. It is checked while it grows - every piece in usable RAM, no two pieces
/// over each other - and carried out at the end, so a refused image leaves guest memory untouched.
/// </summary>
internal sealed class LoadPlan
{
    private readonly GuestMemory _memory;
    private readonly IReadOnlyList<MemoryRegion> _map;
    private readonly List<Piece> _pieces = [];  // ascending by Start, disjoint

    public LoadPlan(GuestMemory memory)
    {
        _memory = memory;
        _map = MemoryMap.ForRamSize(memory.RamSize);
    }

    public IReadOnlyList<MemoryRegion> Map => _map;

    /// <summary>Where the pieces lie, the zeros behind their data included.</summary>
    public IReadOnlyList<LoadedRange> Ranges => [.. _pieces.Select(piece => new LoadedRange((uint)piece.Start, (uint)(piece.End - piece.Start)))];

    /// <summary>Puts <paramref name="data"/> at <paramref name="start"/>, followed by zeros up to <paramref name="length"/> bytes.</summary>
    /// <returns>Null, or why the piece cannot lie there.</returns>
    public LoadError? Place(string name, ulong start, ReadOnlyMemory<byte> data, ulong length, long? blame)
    {
        ulong size = Math.Max(length, (ulong)data.Length);
        if (size == 0)
        {
            return null;
        }

        if (size > uint.MaxValue || start > uint.MaxValue || start + size > 1UL << 32)
        {
            return new LoadError($"{name} at 0x{start:X} with 0x{size:X} bytes reaches past the end of the 32-bit address space", blame,
                "Link the image to a lower address.");
        }

        if (!IsUsable(start, start + size))
        {
            return new LoadError(
                $"{name} would occupy 0x{start:X}-0x{start + size - 1:X}, which is not all usable RAM (there is {Describe()})", blame,
                "Link the image to a RAM address, or give the machine more memory (--memory).");
        }

        int at = FirstEndingAfter(start);
        if (at < _pieces.Count && _pieces[at].Start < start + size)
        {
            return new LoadError(
                $"{name} would occupy 0x{start:X}-0x{start + size - 1:X}, over {_pieces[at].Name} at 0x{_pieces[at].Start:X}-0x{_pieces[at].End - 1:X}",
                blame, "Link the parts of the image to addresses that do not overlap.");
        }

        _pieces.Insert(at, new Piece(name, start, start + size, data));
        return null;
    }

    /// <summary>The lowest free place of <paramref name="size"/> bytes in [<paramref name="floor"/>, <paramref name="ceiling"/>).</summary>
    public uint? FindLowest(ulong size, ulong floor, ulong ceiling, uint alignment)
    {
        size = Math.Max(size, 1);
        ulong start = AlignUp(floor, alignment);
        while (start + size <= Math.Min(ceiling, 1UL << 32))
        {
            ulong? next = NextStart(start, size, ceiling);
            if (next is null)
            {
                return (uint)start;
            }

            start = AlignUp(next.Value, alignment);
        }

        return null;
    }

    /// <summary>The highest free place of <paramref name="size"/> bytes in [<paramref name="floor"/>, <paramref name="ceiling"/>).</summary>
    public uint? FindHighest(ulong size, ulong floor, ulong ceiling, uint alignment)
    {
        size = Math.Max(size, 1);

        // Candidates are the tops of the gaps: below the ceiling, below each region's end and below each piece.
        ulong limit = Math.Min(ceiling, 1UL << 32);
        IEnumerable<ulong> tops = _map.Where(r => r.Type == MemoryRegionType.Usable).Select(r => r.End)
            .Concat(_pieces.Select(p => p.Start)).Append(limit)
            .Where(top => top <= limit).Distinct().OrderDescending();
        foreach (ulong top in tops)
        {
            if (top < size)
            {
                break;
            }

            ulong start = (top - size) / alignment * alignment;
            if (start < floor)
            {
                break;
            }

            if (IsFree(start, start + size))
            {
                return (uint)start;
            }
        }

        return null;
    }

    /// <summary>True when [<paramref name="start"/>, <paramref name="end"/>) is usable RAM that no piece occupies.</summary>
    public bool IsFree(ulong start, ulong end)
    {
        int at = FirstEndingAfter(start);
        return start < end && IsUsable(start, end) && (at == _pieces.Count || _pieces[at].Start >= end);
    }

    /// <summary>True when [<paramref name="start"/>, <paramref name="end"/>) lies in one usable region of the map.</summary>
    public bool IsUsable(ulong start, ulong end) =>
        _map.Any(region => region.Type == MemoryRegionType.Usable && start >= region.Base && end <= region.End);

    /// <summary>The usable RAM in words.</summary>
    public string Describe() => string.Join(" and ", _map.Where(r => r.Type == MemoryRegionType.Usable && r.Length > 0)
        .Select(r => $"RAM at 0x{r.Base:X}-0x{r.End - 1:X}"));

    /// <summary>Writes everything to guest memory.</summary>
    public void Commit()
    {
        foreach (Piece piece in _pieces)
        {
            // Place() has checked the range against the map, and the map never exceeds RAM: a failure is a bug of ours.
            if (!_memory.TryWrite(new GuestPhysicalAddress(piece.Start), piece.Data.Span))
            {
                throw new InvalidOperationException($"{piece.Name} was planned outside RAM");
            }

            Clear(piece.Start + (ulong)piece.Data.Length, piece.End);
        }
    }

    public static ulong AlignUp(ulong value, uint alignment) => (value + alignment - 1) / alignment * alignment;

    // Fresh RAM is zero already; a page that is gets left alone, so that a large .bss costs the host no memory.
    private void Clear(ulong start, ulong end)
    {
        Span<byte> page = stackalloc byte[(int)GuestPhysicalAddress.PageSize];
        while (start < end)
        {
            Span<byte> chunk = page[..(int)Math.Min(end - start, GuestPhysicalAddress.PageSize - (start % GuestPhysicalAddress.PageSize))];
            var address = new GuestPhysicalAddress(start);
            if (!_memory.TryRead(address, chunk) || chunk.ContainsAnyExcept((byte)0))
            {
                chunk.Clear();
                _ = _memory.TryWrite(address, chunk);
            }

            start += (ulong)chunk.Length;
        }
    }

    // Null when [start, start + size) is free; otherwise where the next try may begin.
    private ulong? NextStart(ulong start, ulong size, ulong ceiling)
    {
        int at = FirstEndingAfter(start);
        if (at < _pieces.Count && _pieces[at].Start < start + size)
        {
            return _pieces[at].End;
        }

        if (IsUsable(start, start + size))
        {
            return null;
        }

        foreach (MemoryRegion region in _map)
        {
            if (region.Type == MemoryRegionType.Usable && region.Base > start)
            {
                return region.Base;
            }
        }

        return ceiling;
    }

    private int FirstEndingAfter(ulong address)
    {
        int low = 0;
        int high = _pieces.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_pieces[middle].End > address)
            {
                high = middle;
            }
            else
            {
                low = middle + 1;
            }
        }

        return low;
    }

    private readonly record struct Piece(string Name, ulong Start, ulong End, ReadOnlyMemory<byte> Data);
}
