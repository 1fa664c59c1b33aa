using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;
using System.Text;

namespace ToyVmm.VirtualMachines.Snapshots;

/// <summary>Reads a snapshot's container, section by section. Every byte is under a checksum, and every length is checked before it is believed.</summary>
internal sealed class SnapshotReader
{
    private readonly string _path;
    private readonly Stream _file;
    private readonly byte[] _header;
    private readonly XxHash3 _sections = new();

    /// <summary>Reads the header.</summary>
    /// <exception cref="SnapshotException">It is not one of a snapshot that can be read.</exception>
    public SnapshotReader(string path, Stream file)
    {
        _path = path;
        _file = file;
        Span<byte> fixedPart = stackalloc byte[SnapshotFormat.HeaderSize];
        int read = file.ReadAtLeast(fixedPart, fixedPart.Length, throwOnEndOfStream: false);
        ReadOnlySpan<byte> start = fixedPart[..Math.Min(read, SnapshotFormat.Magic.Length)];
        if (!start.SequenceEqual(SnapshotFormat.Magic[..start.Length]) || read == 0)
        {
            throw Invalid(read == 0 ? "it is empty" : "it is no ToyVmm snapshot: its first bytes are others", "Name a file that `toyvmm snapshot` or the monitor command snapshot has written.");
        }

        if (read < fixedPart.Length)
        {
            throw Incomplete();
        }

        int version = BinaryPrimitives.ReadUInt16LittleEndian(fixedPart[8..]);
        if (version > SnapshotFormat.Version)
        {
            throw Invalid($"it has format version {version}, and this ToyVmm ({SnapshotFormat.ProductVersion}) reads versions up to {SnapshotFormat.Version}", "Use the ToyVmm that wrote it, or a newer one.");
        }

        int textLength = BinaryPrimitives.ReadUInt16LittleEndian(fixedPart[10..]);
        long length = BinaryPrimitives.ReadInt64LittleEndian(fixedPart[12..]);
        _header = new byte[fixedPart.Length + textLength + SnapshotFormat.ChecksumSize];
        fixedPart.CopyTo(_header);
        if (file.ReadAtLeast(_header.AsSpan(fixedPart.Length), _header.Length - fixedPart.Length, throwOnEndOfStream: false) < _header.Length - fixedPart.Length)
        {
            throw Incomplete();
        }

        int hashed = _header.Length - SnapshotFormat.ChecksumSize;
        if (BinaryPrimitives.ReadUInt64LittleEndian(_header.AsSpan(hashed)) != XxHash3.HashToUInt64(_header.AsSpan(0, hashed)) || version == 0)
        {
            throw Damaged("the header", 0);
        }

        if (file.Length != length)
        {
            throw Invalid($"it has {file.Length} bytes, and had {length} when it was written", "The copy is incomplete: copy it again.");
        }

        WrittenBy = Encoding.UTF8.GetString(_header.AsSpan(SnapshotFormat.HeaderSize, textLength));
    }

    /// <summary>The version of the ToyVmm that wrote it.</summary>
    public string WrittenBy { get; }

    /// <summary>Reads the next section.</summary>
    /// <returns>Its letters and its payload; null behind the last one.</returns>
    /// <exception cref="SnapshotException">It is damaged.</exception>
    public (string Tag, byte[] Payload)? Next()
    {
        long at = _file.Position;
        byte[] head = new byte[SnapshotFormat.SectionHeadSize];
        Read(head, at);
        string tag = Encoding.ASCII.GetString(head, 0, SnapshotFormat.TagSize);
        long length = BinaryPrimitives.ReadInt64LittleEndian(head.AsSpan(SnapshotFormat.TagSize));
        if (length < 0 || length > _file.Length - _file.Position - SnapshotFormat.ChecksumSize || length > Array.MaxLength)
        {
            throw Damaged("a section's length", at);
        }

        byte[] payload = new byte[length];
        byte[] checksum = new byte[SnapshotFormat.ChecksumSize];
        Read(payload, at);
        Read(checksum, at);
        XxHash3 own = new();
        own.Append(head);
        own.Append(payload);
        if (BinaryPrimitives.ReadUInt64LittleEndian(checksum) != own.GetCurrentHashAsUInt64())
        {
            throw Damaged($"the section {(tag.All(char.IsAsciiLetterUpper) ? tag : "that should begin there")}", at);
        }

        if (tag != SnapshotFormat.End)
        {
            _sections.Append(head);
            _sections.Append(payload);
            _sections.Append(checksum);
            return (tag, payload);
        }

        bool isWhole = length == sizeof(ulong) && BinaryPrimitives.ReadUInt64LittleEndian(payload) == SnapshotWriter.Whole(_header, _sections);
        return isWhole && _file.Position == _file.Length ? null : throw Damaged("the file as a whole: sections are missing or exchanged", at);
    }

    /// <summary>What <see cref="SnapshotWriter.Compress"/> was given.</summary>
    /// <param name="payload">What that gave.</param>
    /// <param name="most">The most bytes that it can be.</param>
    /// <param name="what">What it is, for the message.</param>
    /// <exception cref="SnapshotException">It is not what that gives.</exception>
    public byte[] Expand(ReadOnlySpan<byte> payload, long most, string what) => TryExpand(payload, most) ?? throw Contradicts(what);

    /// <summary>What <see cref="SnapshotWriter.Compress"/> was given; null where the payload is not what that gives.</summary>
    /// <param name="payload">What that gave.</param>
    /// <param name="most">The most bytes that it can be.</param>
    public static byte[]? TryExpand(ReadOnlySpan<byte> payload, long most)
    {
        int length = payload.Length < sizeof(int) ? -1 : BinaryPrimitives.ReadInt32LittleEndian(payload);

        // Deflate makes at most 1032 bytes of one.
        if (length < 0 || length > most || length > Array.MaxLength || length > payload.Length * 1040L)
        {
            return null;
        }

        // The length is believed only as far as bytes really come: room is made as it fills.
        byte[] bytes = new byte[Math.Min(length, Math.Max(payload.Length * 4L, 1 << 16))];
        int got = 0;
        try
        {
            using MemoryStream source = new(payload[sizeof(int)..].ToArray());
            using ZLibStream zlib = new(source, CompressionMode.Decompress);
            for (; ; )
            {
                int wanted = bytes.Length - got;
                int more = zlib.ReadAtLeast(bytes.AsSpan(got), wanted, throwOnEndOfStream: false);
                got += more;
                if (more < wanted)
                {
                    return null;
                }

                if (got == length)
                {
                    return zlib.ReadByte() < 0 ? bytes : null;
                }

                Array.Resize(ref bytes, (int)Math.Min(length, bytes.Length * 4L));
            }
        }
        catch (InvalidDataException)
        {
            return null;    // as if it were too short
        }
    }

    /// <summary>A section whose checksum is right, and whose contents make no sense: no transfer did that.</summary>
    public SnapshotException Contradicts(string what) => Invalid($"its {what} makes no sense, although the checksums are right", "It was not written by ToyVmm, or by one with a bug.");

    private void Read(Span<byte> bytes, long section)
    {
        if (_file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
        {
            throw Damaged("a section, which ends too early", section);
        }
    }

    private SnapshotException Incomplete() => Invalid("it ends in its header", "The copy is incomplete: copy it again.");

    private SnapshotException Damaged(string what, long offset) => Invalid($"{what} is damaged (at file offset 0x{offset:X})", "Copy it again, or take it again.");

    private SnapshotException Invalid(string what, string advice) => new(SnapshotProblem.Invalid, $"the snapshot {_path} cannot be used: {what}. {advice}");
}
