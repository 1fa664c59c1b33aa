using ToyVmm.Hardware.Devices;

namespace ToyVmm.VirtualMachines;

/// <summary>What a guest did to all of its disks, and how much it may write to them.</summary>
/// <param name="mostBytes">The most bytes that may be written.</param>
/// <param name="exceeded">Called when a sector is not written because of that.</param>
/// <param name="flushed">Called behind a flush, in which the host may have waited.</param>
internal sealed class DiskMeter(ulong mostBytes, Action exceeded, Action flushed)
{
    public ulong BytesWritten { get; private set; }

    public ulong SectorsRead { get; set; }

    public ulong Flushes { get; private set; }

    /// <summary>The counts, to be taken back to (<see cref="Restore"/>).</summary>
    public (ulong BytesWritten, ulong SectorsRead, ulong Flushes) Counts => (BytesWritten, SectorsRead, Flushes);

    /// <summary>The guest is back where the counts were these.</summary>
    public void Restore((ulong BytesWritten, ulong SectorsRead, ulong Flushes) counts) => (BytesWritten, SectorsRead, Flushes) = counts;

    /// <summary>A disk was flushed.</summary>
    public void CountFlush()
    {
        Flushes++;
        flushed();
    }

    /// <summary>Asks for a sector.</summary>
    /// <returns>False: it must not be written. The run ends before the guest sees the error.</returns>
    public bool TryWrite(int bytes)
    {
        if (mostBytes - BytesWritten < (ulong)bytes)
        {
            exceeded();
            return false;
        }

        BytesWritten += (ulong)bytes;
        return true;
    }
}

/// <summary>A disk image whose accesses are counted.</summary>
/// <param name="image">The image.</param>
/// <param name="meter">Counts.</param>
internal sealed class MeteredDiskImage(IDiskImage image, DiskMeter meter) : IDiskImage
{
    /// <inheritdoc/>
    public long SectorCount => image.SectorCount;

    /// <inheritdoc/>
    public bool IsReadOnly => image.IsReadOnly;

    /// <inheritdoc/>
    public bool TryRead(long sector, Span<byte> destination)
    {
        meter.SectorsRead++;
        return image.TryRead(sector, destination);
    }

    /// <inheritdoc/>
    public bool TryWrite(long sector, ReadOnlySpan<byte> source) => !image.IsReadOnly && meter.TryWrite(source.Length) && image.TryWrite(sector, source);

    /// <inheritdoc/>
    public bool TryFlush()
    {
        meter.CountFlush();
        return image.TryFlush();
    }
}
