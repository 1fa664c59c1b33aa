namespace ToyVmm.Hardware.Devices;

/// <summary>How a disk's sectors are addressed by cylinder, head and sector, as INT 13h does. A sector is 512 bytes.</summary>
/// <param name="Cylinders">Cylinders, at least 1; INT 13h can name the first 1024.</param>
/// <param name="Heads">Heads a cylinder, 1 to 255.</param>
/// <param name="SectorsPerTrack">Sectors a track, 1 to 63.</param>
/// <param name="SectorCount">All sectors of the medium; on a hard disk more or fewer than cylinders x heads x sectors.</param>
/// <param name="IsFloppy">True for a diskette.</param>
public readonly record struct DiskGeometry(int Cylinders, int Heads, int SectorsPerTrack, long SectorCount, bool IsFloppy)
{
    /// <summary>Bytes a sector.</summary>
    public const int SectorSize = 512;

    /// <summary>
    /// The geometry that an image of this size has: a floppy where the size is exactly that of one, a hard disk otherwise.
    /// </summary>
    /// <param name="imageBytes">The image's size in bytes; a part of a sector at its end counts as a sector.</param>
    public static DiskGeometry ForImageSize(long imageBytes)
    {
        long sectors = Math.Max(1, (imageBytes / SectorSize) + (imageBytes % SectorSize != 0 ? 1 : 0));
        (int cylinders, int heads, int perTrack) = FloppyFormat(imageBytes);
        if (cylinders != 0)
        {
            return new DiskGeometry(cylinders, heads, perTrack, sectors, IsFloppy: true);
        }

        return ForHardDisk(sectors);
    }

    private static (int Cylinders, int Heads, int SectorsPerTrack) FloppyFormat(long imageBytes) => imageBytes switch
    {
        160 * 1024 => (40, 1, 8),    // 5.25" single sided
        180 * 1024 => (40, 1, 9),
        320 * 1024 => (40, 2, 8),
        360 * 1024 => (40, 2, 9),    // 5.25" double density
        720 * 1024 => (80, 2, 9),    // 3.5" double density
        1200 * 1024 => (80, 2, 15),  // 5.25" high density
        1440 * 1024 => (80, 2, 18),  // 3.5" high density
        2880 * 1024 => (80, 2, 36),  // 3.5" extra density
        _ => default,
    };

    // The translation that BIOSes agreed on for LBA disks ("LBA assist"): 63 sectors, and the fewest of 16, 32, 64, 128 or 255
    // heads that bring the cylinders under INT 13h's limit of 1024.
    private static DiskGeometry ForHardDisk(long sectors)
    {
        const int perTrack = 63;
        int heads = 16;
        while (heads < 255 && sectors > 1024L * heads * perTrack)
        {
            heads = Math.Min(heads * 2, 255);
        }

        long perCylinder = (long)heads * perTrack;
        long cylinders = (sectors + perCylinder - 1) / perCylinder;
        return new DiskGeometry((int)Math.Clamp(cylinders, 1, 65535), heads, perTrack, sectors, IsFloppy: false);
    }
}
