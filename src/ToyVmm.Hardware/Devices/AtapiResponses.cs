using System.Buffers.Binary;
using System.Text;

namespace ToyVmm.Hardware.Devices;

/// <summary>What a CD-ROM drive answers to packet commands about itself and its disc: one data track (MMC-2, SPC-2).</summary>
internal static class AtapiResponses
{
    private const byte DataTrack = 0x14;        // ADR 1, control 4: a data track, uninterrupted
    private const byte LeadOut = 0xAA;
    private const ushort CdRomProfile = 0x0008;
    private const int FramesPerSecond = 75;
    private const int Pregap = 150;             // the time 00:02:00 is block 0

    /// <summary>INQUIRY (SPC-2 7.3).</summary>
    public static byte[] Inquiry()
    {
        byte[] data = new byte[36];
        data[0] = 0x05;                         // CD-ROM
        data[1] = 0x80;                         // removable
        data[3] = 0x21;                         // ATAPI, response format 1
        data[4] = 31;                           // bytes that follow
        _ = Encoding.ASCII.GetBytes("ToyVmm  CD-ROM          1.0 ", data.AsSpan(8));
        return data;
    }

    /// <summary>READ TOC, format 0: the tracks and the lead-out (MMC-2 9.1.21). Null when there is no such track.</summary>
    public static byte[]? Toc(long blocks, bool minutes, byte firstTrack)
    {
        if (firstTrack is > 1 and not LeadOut)
        {
            return null;
        }

        List<byte> data = [0, 0, 1, 1];
        if (firstTrack <= 1)
        {
            data.AddRange([0, DataTrack, 1, 0, .. Address(0, minutes)]);
        }

        data.AddRange([0, DataTrack, LeadOut, 0, .. Address(blocks, minutes)]);
        return WithLength(data);
    }

    /// <summary>READ TOC, format 1: where the last session begins.</summary>
    public static byte[] SessionToc(bool minutes) => WithLength([0, 0, 1, 1, 0, DataTrack, 1, 0, .. Address(0, minutes)]);

    /// <summary>READ TOC, format 2: the entries of the lead-in.</summary>
    public static byte[] FullToc(long blocks)
    {
        List<byte> data = [0, 0, 1, 1];
        data.AddRange([1, DataTrack, 0, 0xA0, 0, 0, 0, 0, 1, 0, 0]);                                // the first track; disc type CD-ROM
        data.AddRange([1, DataTrack, 0, 0xA1, 0, 0, 0, 0, 1, 0, 0]);                                // the last track
        data.AddRange([1, DataTrack, 0, 0xA2, 0, 0, 0, .. Address(blocks, minutes: true)]);         // the lead-out
        data.AddRange([1, DataTrack, 0, 0x01, 0, 0, 0, .. Address(0, minutes: true)]);
        return WithLength(data);
    }

    /// <summary>READ DISC INFORMATION: a complete disc with one session (MMC-2 9.1.17).</summary>
    public static byte[] DiscInformation()
    {
        byte[] data = new byte[34];
        data[1] = 32;                           // bytes that follow
        data[2] = 0x0E;                         // last session complete, disc complete
        data[3] = 1;                            // first track
        data[4] = 1;                            // sessions
        data[5] = 1;                            // first and last track of the last session
        data[6] = 1;
        data[7] = 0x20;                         // unrestricted use
        data.AsSpan(16, 8).Fill(0xFF);          // there is no more to write
        return data;
    }

    /// <summary>GET CONFIGURATION (MMC-2 9.1.3).</summary>
    /// <param name="type">0: all features, 1: the current ones, 2: the named one.</param>
    /// <param name="first">The feature to begin with.</param>
    /// <param name="hasMedium">Whether a disc makes the profile current.</param>
    public static byte[] Configuration(int type, int first, bool hasMedium)
    {
        byte current = (byte)(hasMedium ? 1 : 0);
        ushort profile = hasMedium ? CdRomProfile : (ushort)0;
        (int Feature, bool IsCurrent, byte[] Bytes)[] features =
        [
            (0x0000, true, [0, 0, 0x03, 4, 0, (byte)CdRomProfile, current, 0]),                     // profile list
            (0x0001, true, [0, 1, 0x03, 4, 0, 0, 0, 2]),                                            // core: an ATAPI interface
            (0x0003, true, [0, 3, 0x03, 4, 0x29, 0, 0, 0]),                                         // removable: a tray, eject, lock
            (0x0010, hasMedium, [0, 0x10, current, 8, 0, 0, 8, 0, 0, 1, 0, 0]),                     // random readable, 2048 bytes
            (0x001E, hasMedium, [0, 0x1E, current, 4, 0, 0, 0, 0]),                                 // CD read
        ];
        List<byte> data = [0, 0, 0, 0, 0, 0, (byte)(profile >> 8), (byte)profile];
        foreach ((int feature, bool isCurrent, byte[] bytes) in features)
        {
            bool wanted = type switch { 0 => feature >= first, 1 => feature >= first && isCurrent, _ => feature == first };
            if (wanted)
            {
                data.AddRange(bytes);
            }
        }

        byte[] result = [.. data];
        BinaryPrimitives.WriteUInt32BigEndian(result, (uint)result.Length - 4);
        return result;
    }

    /// <summary>MODE SENSE(10) (SPC-2 7.9, MMC-2 8.6): error recovery (01h), capabilities (2Ah), or all (3Fh). Null for other pages.</summary>
    public static byte[]? ModePages(int page, bool changeable, bool hasMedium, bool loaded, bool locked)
    {
        byte[] recovery = [0x01, 6, 0, 5, 0, 0, 0, 0];                  // five retries
        byte[] capabilities =
        [
            0x2A, 18,
            0x03, 0x00,                                                 // reads CD-R and CD-RW, writes nothing
            0x70, 0x00,                                                 // mode 2 form 1 and 2, multisession
            (byte)(0x29 | (locked ? 0x02 : 0)), 0x00,                   // a tray, eject, lock; is it locked?
            0x02, 0xC2, 0, 0,                                           // 706 KB/s: four times
            0, 128, 0x02, 0xC2,                                         // 128 KiB of buffer; the current speed
            0, 0, 0, 0,
        ];
        if (page is not (0x01 or 0x2A or 0x3F))
        {
            return null;
        }

        byte mediumType = (byte)(!loaded ? 0x71 : !hasMedium ? 0x70 : 0x01);    // tray open, no disc, 120 mm data disc
        List<byte> data = [0, 0, mediumType, 0, 0, 0, 0, 0];
        foreach (byte[] bytes in (byte[][])[recovery, capabilities])
        {
            if (page != 0x3F && page != bytes[0])
            {
                continue;
            }

            if (changeable)
            {
                Array.Clear(bytes, 2, bytes.Length - 2);        // nothing can be changed: there is no MODE SELECT
            }

            data.AddRange(bytes);
        }

        return WithLength(data);
    }

    // The first word of most responses: the bytes that follow it.
    private static byte[] WithLength(List<byte> data)
    {
        byte[] result = [.. data];
        BinaryPrimitives.WriteUInt16BigEndian(result, (ushort)(result.Length - 2));
        return result;
    }

    // Four bytes of a block's number, or of its time; of a lead-in entry (format 2) the first is "zero", too.
    private static byte[] Address(long block, bool minutes)
    {
        byte[] data = new byte[4];
        if (!minutes)
        {
            BinaryPrimitives.WriteUInt32BigEndian(data, (uint)Math.Min(block, uint.MaxValue));
            return data;
        }

        long frames = block + Pregap;
        long minute = frames / (60 * FramesPerSecond);
        data[1] = (byte)Math.Min(minute, 255);
        data[2] = (byte)(frames / FramesPerSecond % 60);
        data[3] = (byte)(frames % FramesPerSecond);
        return data;
    }
}
