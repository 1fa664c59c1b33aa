using System.Security.Cryptography;
using ToyVmm.Hardware.State;
using ToyVmm.VirtualMachines.Snapshots;

namespace ToyVmm.VirtualMachines.Replay;

/// <summary>What a file was for, in the machine that was recorded.</summary>
public enum RecordedFileRole
{
    /// <summary>The guest image.</summary>
    Image,

    /// <summary>The BIOS.</summary>
    Bios,

    /// <summary>The video BIOS.</summary>
    VgaBios,

    /// <summary>The initial RAM disk.</summary>
    InitialRamDisk,

    /// <summary>A Multiboot module.</summary>
    Module,

    /// <summary>The snapshot that the run went on from.</summary>
    Snapshot,
}

/// <summary>One of the files that a recorded machine was built from: in the recording, or outside of it, known by its SHA-256.</summary>
public sealed class RecordedFile : ISavedState
{
    private const int HashBytes = 32;

    private readonly byte[] _hash = new byte[HashBytes];
    private int _role;
    private long _length;
    private byte[] _content = [];
    private byte[]? _bytes;

    /// <summary>What it was for.</summary>
    public RecordedFileRole Role => (RecordedFileRole)_role;

    /// <summary>A module's command line; otherwise empty.</summary>
    public string Name { get; private set; } = "";

    /// <summary>Where it lies outside of the recording; empty where it is inside.</summary>
    public string Path { get; private set; } = "";

    /// <summary>Its bytes.</summary>
    public long Length => _length;

    /// <summary>Its SHA-256, in lower-case hexadecimal digits.</summary>
    public string Sha256 => Convert.ToHexStringLower(_hash);

    /// <summary>True where its contents are in the recording.</summary>
    public bool IsInside => Path.Length == 0;

    /// <summary>Describes a file, and puts it inside where it is small or nobody knows where it lies.</summary>
    internal static RecordedFile Of(RecordedFileRole role, string name, ReadOnlyMemory<byte> bytes, string? path, long mostInside)
    {
        RecordedFile file = new() { _role = (int)role, Name = name, _length = bytes.Length };
        _ = SHA256.HashData(bytes.Span, file._hash);
        if (path is null || bytes.Length <= mostInside)
        {
            file._content = SnapshotWriter.Compress(bytes.Span);
        }
        else
        {
            file.Path = System.IO.Path.GetFullPath(path);
        }

        return file;
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        state.Range(ref _role, 0, (int)RecordedFileRole.Snapshot);
        Name = state.Text(Name);
        Path = state.Text(Path);
        state.Range(ref _length, 0, Array.MaxLength);
        state.Bytes(_hash);
        int count = state.Count(_content.Length, Array.MaxLength);
        if (state.IsRestoring)
        {
            _content = state.Error is null ? new byte[count] : [];
        }

        state.Bytes(_content);
    }

    /// <summary>Its contents, wherever they are.</summary>
    /// <exception cref="RecordingException">The file outside is missing or has changed, or the contents are not what was described.</exception>
    internal byte[] Read(RecordingContainer recording)
    {
        if (_bytes is not null)
        {
            return _bytes;
        }

        byte[] bytes;
        try
        {
            bytes = IsInside ? SnapshotReader.TryExpand(_content, _length) ?? throw recording.Contradicts($"copy of the {Describe()}") : File.ReadAllBytes(Path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            string reason = e is FileNotFoundException or DirectoryNotFoundException ? "it is not there" : e.Message;
            throw new RecordingException(RecordingProblem.Unreadable, $"the {Describe()} of the recorded run, {Path}, cannot be read: {reason}. Put the file back: it is too large to be in the recording.", e);
        }

        if (bytes.Length != _length || !SHA256.HashData(bytes).AsSpan().SequenceEqual(_hash))
        {
            throw IsInside
                ? recording.Contradicts($"copy of the {Describe()}")
                : new RecordingException(
                    RecordingProblem.Changed,
                    $"the {Describe()} {Path} has changed since the run was recorded (its SHA-256 was {Sha256}). Put the file back as it was.");
        }

        return _bytes = bytes;
    }

    /// <summary>What it was for, in words.</summary>
    public string Describe() => Role switch
    {
        RecordedFileRole.Image => "image",
        RecordedFileRole.Bios => "BIOS",
        RecordedFileRole.VgaBios => "video BIOS",
        RecordedFileRole.InitialRamDisk => "initial RAM disk",
        RecordedFileRole.Module => $"module '{Name}'",
        _ => "snapshot",
    };
}
