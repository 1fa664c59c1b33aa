using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;
using System.Text;

namespace ToyVmm.VirtualMachines.Snapshots;

/// <summary>Writes a snapshot's container, section by section, to a stream that can go back to its start.</summary>
internal sealed class SnapshotWriter
{
    private const int LengthOffset = SnapshotFormat.HeaderSize - sizeof(ulong);

    private readonly Stream _file;
    private readonly byte[] _header;
    private readonly XxHash3 _sections = new();

    public SnapshotWriter(Stream file)
    {
        _file = file;
        byte[] version = Encoding.UTF8.GetBytes(SnapshotFormat.ProductVersion);
        _header = new byte[SnapshotFormat.HeaderSize + version.Length + SnapshotFormat.ChecksumSize];
        SnapshotFormat.Magic.CopyTo(_header);
        BinaryPrimitives.WriteUInt16LittleEndian(_header.AsSpan(8), SnapshotFormat.Version);
        BinaryPrimitives.WriteUInt16LittleEndian(_header.AsSpan(10), (ushort)version.Length);
        version.CopyTo(_header, SnapshotFormat.HeaderSize);
        _file.Write(_header);   // to be written again, with the length
    }

    /// <summary>Writes a section.</summary>
    /// <param name="tag">Four letters.</param>
    /// <param name="payload">What it holds.</param>
    public void Write(string tag, ReadOnlySpan<byte> payload)
    {
        Span<byte> head = stackalloc byte[SnapshotFormat.SectionHeadSize];
        _ = Encoding.ASCII.GetBytes(tag, head);
        BinaryPrimitives.WriteUInt64LittleEndian(head[SnapshotFormat.TagSize..], (ulong)payload.Length);
        XxHash3 own = new();
        own.Append(head);
        own.Append(payload);
        Span<byte> checksum = stackalloc byte[SnapshotFormat.ChecksumSize];
        BinaryPrimitives.WriteUInt64LittleEndian(checksum, own.GetCurrentHashAsUInt64());
        Put(head);
        Put(payload);
        Put(checksum);
    }

    /// <summary>Writes the last section, and the header with what is known now.</summary>
    public void End()
    {
        long length = _file.Length + SnapshotFormat.SectionHeadSize + sizeof(ulong) + SnapshotFormat.ChecksumSize;
        BinaryPrimitives.WriteUInt64LittleEndian(_header.AsSpan(LengthOffset), (ulong)length);
        int hashed = _header.Length - SnapshotFormat.ChecksumSize;
        BinaryPrimitives.WriteUInt64LittleEndian(_header.AsSpan(hashed), XxHash3.HashToUInt64(_header.AsSpan(0, hashed)));

        // Header and sections, each by its own hash: the header is known last.
        Span<byte> whole = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(whole, Whole(_header, _sections));
        Write(SnapshotFormat.End, whole);
        _file.Position = 0;
        _file.Write(_header);
        _file.Position = _file.Length;
    }

    /// <summary>Compresses, fast: the length before, then a zlib stream (RFC 1950).</summary>
    public static byte[] Compress(ReadOnlySpan<byte> bytes)
    {
        using MemoryStream target = new();
        Span<byte> length = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
        target.Write(length);
        using (ZLibStream zlib = new(target, CompressionLevel.Fastest, leaveOpen: true))
        {
            zlib.Write(bytes);
        }

        return target.ToArray();
    }

    /// <summary>The checksum of a file up to its last section.</summary>
    public static ulong Whole(ReadOnlySpan<byte> header, XxHash3 sections) =>
        XxHash3.HashToUInt64(header, (long)sections.GetCurrentHashAsUInt64());

    private void Put(ReadOnlySpan<byte> bytes)
    {
        _file.Write(bytes);
        _sections.Append(bytes);
    }
}
