using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>The sectors behind a disk, wherever they are kept. A sector has <see cref="DiskGeometry.SectorSize"/> bytes.</summary>
public interface IDiskImage
{
    /// <summary>Sectors on the disk.</summary>
    long SectorCount { get; }

    /// <summary>True when the disk is write-protected.</summary>
    bool IsReadOnly { get; }

    /// <summary>Where what was written is kept beside the image, and can be taken back; null where the image has it.</summary>
    ICheckpoints? Written => null;

    /// <summary>Reads one sector.</summary>
    /// <param name="sector">Its number, from 0.</param>
    /// <param name="destination">512 bytes.</param>
    /// <returns>False when there is no such sector or the host cannot read it.</returns>
    bool TryRead(long sector, Span<byte> destination);

    /// <summary>Writes one sector.</summary>
    /// <param name="sector">Its number, from 0.</param>
    /// <param name="source">512 bytes.</param>
    /// <returns>False when there is no such sector, the disk is read-only, or the host cannot write it.</returns>
    bool TryWrite(long sector, ReadOnlySpan<byte> source);

    /// <summary>Makes sure that what was written survives the host's power failing.</summary>
    /// <returns>False when the host cannot.</returns>
    bool TryFlush();
}
