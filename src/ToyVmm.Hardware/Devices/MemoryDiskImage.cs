using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// A disk whose first content is an array of bytes. The array stays as it is: written sectors are kept beside it and are
/// forgotten with the disk.
/// </summary>
/// <param name="content">The bytes; what is missing of the last sector reads as zeros.</param>
/// <param name="isReadOnly">True to refuse writes.</param>
public sealed class MemoryDiskImage(ReadOnlyMemory<byte> content, bool isReadOnly = false) : IDiskImage, ISavedState
{
    private const int SectorSize = DiskGeometry.SectorSize;

    private readonly WrittenSectors _written = new(((long)content.Length + SectorSize - 1) / SectorSize);

    /// <inheritdoc/>
    public long SectorCount { get; } = ((long)content.Length + SectorSize - 1) / SectorSize;

    /// <inheritdoc/>
    public bool IsReadOnly { get; } = isReadOnly;

    /// <inheritdoc/>
    public bool TryRead(long sector, Span<byte> destination)
    {
        if (sector < 0 || sector >= SectorCount || destination.Length != SectorSize)
        {
            return false;
        }

        if (_written.TryGet(sector, out byte[]? changed))
        {
            changed.CopyTo(destination);
            return true;
        }

        ReadOnlySpan<byte> rest = content.Span[(int)(sector * SectorSize)..];
        ReadOnlySpan<byte> bytes = rest[..Math.Min(rest.Length, SectorSize)];
        bytes.CopyTo(destination);
        destination[bytes.Length..].Clear();
        return true;
    }

    /// <inheritdoc/>
    public bool TryWrite(long sector, ReadOnlySpan<byte> source)
    {
        if (IsReadOnly || sector < 0 || sector >= SectorCount || source.Length != SectorSize)
        {
            return false;
        }

        _written.Write(sector, source);
        return true;
    }

    /// <inheritdoc/>
    public ICheckpoints? Written => _written;

    /// <inheritdoc/>
    public bool TryFlush() => true;

    /// <inheritdoc/>
    /// <remarks>The sectors that were written; not the first content.</remarks>
    void ISavedState.Transfer(StateTransfer state) => ((ISavedState)_written).Transfer(state);
}
