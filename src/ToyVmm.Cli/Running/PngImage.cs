using System.Buffers.Binary;
using System.IO.Compression;
using ToyVmm.Hardware.Devices;

namespace ToyVmm.Cli.Running;

/// <summary>
/// Writes pictures as PNG (W3C Portable Network Graphics, third edition): true colour, no filter. The libraries for it decode forty formats, carry
/// native code or bind the user to their licence; what a screenshot needs is a header, a checksum and the zlib stream of the base class library.
/// </summary>
internal static class PngImage
{
    private const byte TrueColour = 2;

    private static ReadOnlySpan<byte> Signature => [0x89, (byte)'P', (byte)'N', (byte)'G', (byte)'\r', (byte)'\n', 0x1A, (byte)'\n'];

    /// <summary>Writes a picture.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="frame">The picture.</param>
    public static void Write(Stream stream, VgaFrame frame)
    {
        stream.Write(Signature);
        Span<byte> header = stackalloc byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, frame.Width);
        BinaryPrimitives.WriteInt32BigEndian(header[4..], frame.Height);
        header[8] = 8;              // bits a sample
        header[9] = TrueColour;
        header[10..].Clear();       // deflate; adaptive filters; not interlaced
        WriteChunk(stream, "IHDR"u8, header);
        WriteChunk(stream, "IDAT"u8, Compress(frame));
        WriteChunk(stream, "IEND"u8, []);
    }

    private static ReadOnlySpan<byte> Compress(VgaFrame frame)
    {
        using MemoryStream compressed = new();
        using (ZLibStream zlib = new(compressed, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            byte[] line = new byte[1 + (frame.Width * 3)];      // begins with the filter: 0, none
            for (int y = 0; y < frame.Height; y++)
            {
                ReadOnlySpan<uint> dots = frame.Pixels.Slice(y * frame.Width, frame.Width);
                for (int x = 0; x < dots.Length; x++)
                {
                    line[1 + (3 * x)] = (byte)(dots[x] >> 16);
                    line[2 + (3 * x)] = (byte)(dots[x] >> 8);
                    line[3 + (3 * x)] = (byte)dots[x];
                }

                zlib.Write(line);
            }
        }

        return compressed.ToArray();
    }

    // Length, type, data, and the checksum of type and data.
    private static void WriteChunk(Stream stream, ReadOnlySpan<byte> type, ReadOnlySpan<byte> data)
    {
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        stream.Write(number);
        stream.Write(type);
        stream.Write(data);
        BinaryPrimitives.WriteUInt32BigEndian(number, ~Checksum(Checksum(uint.MaxValue, type), data));
        stream.Write(number);
    }

    // CRC-32 as in annex D, bit by bit: a screenshot has a few ten thousand bytes.
    private static uint Checksum(uint start, ReadOnlySpan<byte> data)
    {
        uint checksum = start;
        foreach (byte value in data)
        {
            checksum ^= value;
            for (int bit = 0; bit < 8; bit++)
            {
                checksum = (checksum >> 1) ^ ((checksum & 1) != 0 ? 0xEDB8_8320 : 0);
            }
        }

        return checksum;
    }
}
