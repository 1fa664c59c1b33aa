using ToyVmm.Hardware.Devices;

namespace ToyVmm.VirtualMachines;

/// <summary>A disk image whose writes are counted, and refused when the guest has written what it may: the run then ends before the guest notices.</summary>
/// <param name="image">The image.</param>
/// <param name="mayWrite">Asked before each sector, with its size in bytes.</param>
internal sealed class LimitedDiskImage(IDiskImage image, Func<int, bool> mayWrite) : IDiskImage
{
    /// <inheritdoc/>
    public long SectorCount => image.SectorCount;

    /// <inheritdoc/>
    public bool IsReadOnly => image.IsReadOnly;

    /// <inheritdoc/>
    public bool TryRead(long sector, Span<byte> destination) => image.TryRead(sector, destination);

    /// <inheritdoc/>
    public bool TryWrite(long sector, ReadOnlySpan<byte> source) =>
        !image.IsReadOnly && mayWrite(source.Length) && image.TryWrite(sector, source);

    /// <inheritdoc/>
    public bool TryFlush() => image.TryFlush();
}
