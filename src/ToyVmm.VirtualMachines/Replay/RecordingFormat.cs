using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;

namespace ToyVmm.VirtualMachines.Replay;

/// <summary>
/// The container of a recording, docs/replay.md: magic, version, and sections that are only ever added at the end. A section is four letters, the length of
/// its payload, a checksum over these, the payload, and a checksum over the payload and everything before it in the file: so that a section that is missing, exchanged or of
/// another file shows. Numbers are little-endian; checksums are XXH3, 64 bits.
/// </summary>
internal static class RecordingFormat
{
    /// <summary>What this ToyVmm writes, and the newest that it reads.</summary>
    public const ushort Version = 1;

    /// <summary>Bytes of the header: magic, version.</summary>
    public const int HeaderSize = 8 + sizeof(ushort);

    /// <summary>Bytes of a section before its payload.</summary>
    public const int HeadSize = TagSize + sizeof(int) + sizeof(ulong);

    /// <summary>Bytes of a section that are not payload.</summary>
    public const int Overhead = HeadSize + sizeof(ulong);

    /// <summary>Bytes of a tag.</summary>
    public const int TagSize = 4;

    /// <summary>The machine that is recorded (<see cref="RecordingInfo"/>).</summary>
    public const string Info = "INFO";

    /// <summary>A file that it was built from (<see cref="RecordedFile"/>).</summary>
    public const string File = "FILE";

    /// <summary>Some events.</summary>
    public const string Events = "EVTS";

    /// <summary>A mark.</summary>
    public const string Mark = "MARK";

    /// <summary>The end of the run.</summary>
    public const string End = "END ";

    /// <summary>The first bytes, as a snapshot's: no text, and a transfer as text shows.</summary>
    public static ReadOnlySpan<byte> Magic => [0x89, (byte)'T', (byte)'V', (byte)'R', (byte)'\r', (byte)'\n', 0x1A, (byte)'\n'];

    /// <summary>The header of a file.</summary>
    public static byte[] Header()
    {
        byte[] header = new byte[HeaderSize];
        Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(Magic.Length), Version);
        return header;
    }

    /// <summary>A whole section.</summary>
    /// <param name="tag">Four letters.</param>
    /// <param name="payload">What it holds.</param>
    /// <param name="file">The checksum of the file so far; this section is added to it.</param>
    public static byte[] Section(string tag, ReadOnlySpan<byte> payload, XxHash3 file)
    {
        byte[] section = new byte[payload.Length + Overhead];
        _ = Encoding.ASCII.GetBytes(tag, section);
        BinaryPrimitives.WriteInt32LittleEndian(section.AsSpan(TagSize), payload.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(section.AsSpan(HeadSize - sizeof(ulong)), XxHash3.HashToUInt64(section.AsSpan(0, HeadSize - sizeof(ulong))));
        payload.CopyTo(section.AsSpan(HeadSize));
        file.Append(section.AsSpan(0, HeadSize + payload.Length));
        BinaryPrimitives.WriteUInt64LittleEndian(section.AsSpan(HeadSize + payload.Length), file.GetCurrentHashAsUInt64());
        return section;
    }
}
