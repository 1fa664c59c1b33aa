namespace ToyVmm.Hardware.Devices;

/// <summary>
/// How an ATA disk's sectors are addressed by cylinder, head and sector (ATA-4 6.2): at most 65,535 cylinders, 16 heads and 255
/// sectors a track; sectors count from 1.
/// </summary>
/// <param name="Cylinders">Cylinders, at least 1.</param>
/// <param name="Heads">Heads, 1 to 16.</param>
/// <param name="SectorsPerTrack">Sectors a track, 1 to 255.</param>
public readonly record struct AtaGeometry(int Cylinders, int Heads, int SectorsPerTrack)
{
    // ATA-4 6.2.1: CHS reaches 16,383 x 16 x 63 sectors of a disk, however large it is.
    private const int MostCylinders = 16_383;
    private const long MostSectors = (long)MostCylinders * 16 * 63;

    /// <summary>Sectors that have such an address.</summary>
    public long SectorCount => (long)Cylinders * Heads * SectorsPerTrack;

    /// <summary>The geometry of a disk as it is delivered: 16 heads, 63 sectors.</summary>
    /// <param name="sectors">The sectors of the disk.</param>
    public static AtaGeometry ForSectors(long sectors) => Translate(sectors, 16, 63);

    /// <summary>The geometry with other heads and sectors.</summary>
    /// <param name="sectors">The sectors of the disk.</param>
    /// <param name="heads">1 to 16.</param>
    /// <param name="sectorsPerTrack">1 to 255.</param>
    public static AtaGeometry Translate(long sectors, int heads, int sectorsPerTrack)
    {
        long cylinders = Math.Min(sectors, MostSectors) / (heads * sectorsPerTrack);
        return new AtaGeometry((int)Math.Clamp(cylinders, 1, 0xFFFF), heads, sectorsPerTrack);
    }

    /// <summary>The number of a sector.</summary>
    /// <returns>Null when the geometry has no such address.</returns>
    public long? SectorOf(int cylinder, int head, int sector) =>
        cylinder < Cylinders && head < Heads && sector >= 1 && sector <= SectorsPerTrack
            ? ((((long)cylinder * Heads) + head) * SectorsPerTrack) + sector - 1
            : null;

    /// <summary>The address of a sector.</summary>
    public (int Cylinder, int Head, int Sector) AddressOf(long number)
    {
        long track = number / SectorsPerTrack;
        return ((int)(track / Heads), (int)(track % Heads), (int)(number % SectorsPerTrack) + 1);
    }
}
