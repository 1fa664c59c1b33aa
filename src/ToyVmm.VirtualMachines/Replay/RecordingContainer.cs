using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using ToyVmm.VirtualMachines.Snapshots;

namespace ToyVmm.VirtualMachines.Replay;

/// <summary>Reads a recording's container, section by section. Every byte is under a checksum, and every length is checked before it is believed.</summary>
/// <param name="path">What messages call the file.</param>
/// <param name="file">The file's bytes.</param>
internal sealed class RecordingContainer(string path, byte[] file)
{
    private readonly XxHash3 _whole = new();
    private int _at;

    /// <summary>True once <see cref="Next"/> has found a section that is not all there: whoever wrote the file was interrupted, or it was cut.</summary>
    public bool IsCut => Cut is not null;

    /// <summary>What is not all there, and where it begins; null where nothing is known to be missing.</summary>
    public string? Cut { get; private set; }

    /// <summary>Bytes that are whole.</summary>
    public int WholeBytes => _at;

    /// <summary>Reads the header.</summary>
    /// <exception cref="RecordingException">It is no recording's, or a newer one's.</exception>
    public void ReadHeader()
    {
        ReadOnlySpan<byte> magic = RecordingFormat.Magic;
        int length = Math.Min(magic.Length, file.Length);
        if (file.Length == 0 || !file.AsSpan(0, length).SequenceEqual(magic[..length]))
        {
            throw Invalid(file.Length == 0 ? "it is empty" : "it is no recording: its first bytes are others", "Name a file that `toyvmm run --record` has written.");
        }

        if (file.Length < RecordingFormat.HeaderSize)
        {
            throw Invalid("it ends in its header", "The copy is incomplete: copy it again.");
        }

        int version = BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(magic.Length));
        if (version is 0 or > RecordingFormat.Version)
        {
            throw Invalid(
                $"it has format version {version}, and this ToyVmm ({SnapshotFormat.ProductVersion}) reads versions up to {RecordingFormat.Version}", "Use the ToyVmm that wrote it, or a newer one.");
        }

        _at = RecordingFormat.HeaderSize;
        _whole.Append(file.AsSpan(0, _at));
    }

    /// <summary>Reads the next section.</summary>
    /// <returns>Its letters and its payload; null at the end of the file.</returns>
    /// <exception cref="RecordingException">It is damaged.</exception>
    public (string Tag, ArraySegment<byte> Payload)? Next()
    {
        int left = file.Length - _at;
        if (left < RecordingFormat.HeadSize)
        {
            return left > 0 ? CutOff("the head of a section") : null;
        }

        ReadOnlySpan<byte> head = file.AsSpan(_at, RecordingFormat.HeadSize);
        const int Hashed = RecordingFormat.HeadSize - sizeof(ulong);
        if (BinaryPrimitives.ReadUInt64LittleEndian(head[Hashed..]) != XxHash3.HashToUInt64(head[..Hashed]))
        {
            throw Damaged("the head of a section");
        }

        string tag = Encoding.ASCII.GetString(head[..RecordingFormat.TagSize]);
        int length = BinaryPrimitives.ReadInt32LittleEndian(head[RecordingFormat.TagSize..]);
        if (length < 0)
        {
            throw Damaged("a section's length");
        }

        if (length > left - RecordingFormat.Overhead)
        {
            return CutOff($"the section {tag.Trim()}");
        }

        _whole.Append(file.AsSpan(_at, RecordingFormat.HeadSize + length));
        if (BinaryPrimitives.ReadUInt64LittleEndian(file.AsSpan(_at + RecordingFormat.HeadSize + length)) != _whole.GetCurrentHashAsUInt64())
        {
            throw Damaged($"the section {tag.Trim()}", ", or one before it is missing");
        }

        ArraySegment<byte> payload = new(file, _at + RecordingFormat.HeadSize, length);
        _at += length + RecordingFormat.Overhead;
        return (tag, payload);
    }

    /// <summary>A section whose checksum is right, and whose contents make no sense: no transfer did that.</summary>
    public RecordingException Contradicts(string what) => Invalid($"its {what} makes no sense, although the checksums are right", "It was not written by ToyVmm, or by one with a bug.");

    /// <summary>The file cannot be used.</summary>
    public RecordingException Invalid(string what, string advice) => new(RecordingProblem.Invalid, $"the recording {path} cannot be used: {what}. {advice}");

    private (string Tag, ArraySegment<byte> Payload)? CutOff(string what)
    {
        Cut = $"{what} is cut (at file offset 0x{_at:X})";
        return null;
    }

    private RecordingException Damaged(string what, string or = "") => Invalid($"{what} is damaged{or} (at file offset 0x{_at:X})", "Copy it again, or record the run again.");
}
