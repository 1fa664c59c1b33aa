using System.Buffers.Binary;

namespace ToyVmm.Hardware.Devices;

/// <summary>The 256 words with which a device describes itself (ATA/ATAPI-6 tables 20 and 22); strings have their bytes swapped.</summary>
internal static class AtaIdentification
{
    private const ushort MajorVersions = 0x7E;      // ATA-1 to ATA/ATAPI-6
    private const ushort Iordy = 0x0800;
    private const ushort LbaSupported = 0x0200;

    /// <summary>IDENTIFY DEVICE.</summary>
    public static byte[] OfDisk(string serialNumber, long sectors, AtaGeometry delivered, AtaGeometry current, int multiple, bool writeCache, bool lookAhead)
    {
        byte[] data = new byte[512];
        uint lba28 = (uint)Math.Min(sectors, 0x0FFF_FFFF);
        uint currentSectors = (uint)Math.Min(current.SectorCount, uint.MaxValue);
        Set(data, 0, 0x0040);                               // an ATA device that is not removable
        Set(data, 1, delivered.Cylinders);
        Set(data, 3, delivered.Heads);
        Set(data, 6, delivered.SectorsPerTrack);
        SetStrings(data, serialNumber, "ToyVmm disk");
        Set(data, 47, 0x8000 | AtaDisk.LargestMultiple);
        Set(data, 49, 0x2000 | Iordy | LbaSupported);       // standby timer values by the standard
        Set(data, 50, 0x4000);
        Set(data, 51, 0x0200);                              // PIO mode 2 for hosts that do not know word 64
        Set(data, 53, 0x0003);                              // words 54-58 and 64-70 are valid
        Set(data, 54, current.Cylinders);
        Set(data, 55, current.Heads);
        Set(data, 56, current.SectorsPerTrack);
        Set(data, 57, (int)(currentSectors & 0xFFFF));
        Set(data, 58, (int)(currentSectors >> 16));
        Set(data, 59, multiple == 0 ? 0 : 0x0100 | multiple);
        Set(data, 60, (int)(lba28 & 0xFFFF));
        Set(data, 61, (int)(lba28 >> 16));
        SetPioTiming(data);
        Set(data, 80, MajorVersions);
        Set(data, 82, 0x7068);                              // NOP, READ and WRITE BUFFER, look-ahead, write cache, power management
        Set(data, 83, 0x7400);                              // FLUSH CACHE EXT, FLUSH CACHE, 48-bit addresses
        Set(data, 84, 0x4000);
        Set(data, 85, 0x7008 | (lookAhead ? 0x40 : 0) | (writeCache ? 0x20 : 0));
        Set(data, 86, 0x3400);
        Set(data, 87, 0x4000);
        BinaryPrimitives.WriteInt64LittleEndian(data.AsSpan(200), sectors);     // words 100-103
        return data;
    }

    /// <summary>IDENTIFY PACKET DEVICE.</summary>
    public static byte[] OfCdRom(string serialNumber)
    {
        byte[] data = new byte[512];
        Set(data, 0, 0x85C0);                               // CD-ROM, removable, DRQ at once, packets of 12 bytes
        SetStrings(data, serialNumber, "ToyVmm CD-ROM");
        Set(data, 49, Iordy | LbaSupported);
        Set(data, 50, 0x4000);
        Set(data, 51, 0x0200);
        Set(data, 53, 0x0002);                              // words 64-70 are valid
        SetPioTiming(data);
        Set(data, 80, MajorVersions);
        Set(data, 82, 0x4218);                              // NOP, DEVICE RESET, PACKET, power management
        Set(data, 83, 0x4000);
        Set(data, 84, 0x4000);
        Set(data, 85, 0x4218);
        Set(data, 87, 0x4000);
        return data;
    }

    private static void SetPioTiming(byte[] data)
    {
        Set(data, 64, 0x0003);                              // PIO modes 3 and 4
        Set(data, 67, 120);                                 // nanoseconds a cycle
        Set(data, 68, 120);
    }

    private static void SetStrings(byte[] data, string serialNumber, string model)
    {
        SetText(data, 10, 20, serialNumber);
        SetText(data, 23, 8, "1.0");
        SetText(data, 27, 40, model);
    }

    private static void Set(byte[] data, int word, int value) => BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(2 * word), (ushort)value);

    private static void SetText(byte[] data, int word, int length, string text)
    {
        for (int i = 0; i < length; i++)
        {
            char letter = i < text.Length && text[i] is >= ' ' and <= '~' ? text[i] : ' ';
            data[(2 * word) + (i ^ 1)] = (byte)letter;
        }
    }
}
