using System.IO.Hashing;
using ToyVmm.Hardware;
using ToyVmm.Hardware.State;

namespace ToyVmm.VirtualMachines.Snapshots;

/// <summary>A drive's file, as it was when a snapshot was taken. The contents stay where they are: the file must be there and the same to go on.</summary>
internal sealed class SnapshotDrive : ISavedState
{
    private string _path = "";
    private ulong _length;
    private ulong _modified;        // UTC, in ticks
    private ulong _hash;
    private int _access;
    private bool _isDisc;

    /// <summary>The file.</summary>
    public string Path => _path;

    /// <summary>Bytes that it had.</summary>
    public ulong Length => _length;

    /// <summary>What happens to writes.</summary>
    public DiskAccess Access => (DiskAccess)_access;

    /// <summary>True for the disc in the CD-ROM drive.</summary>
    public bool IsDisc => _isDisc;

    /// <summary>Looks at a file.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="SnapshotException">It is no regular file.</exception>
    public static SnapshotDrive Of(string path, DiskAccess access, bool isDisc)
    {
        FileInfo file = Find(path);
        if (file is { Exists: true, Length: 0 })
        {
            throw NotRegular(path);
        }

        return new SnapshotDrive
        {
            _path = System.IO.Path.GetFullPath(path),
            _length = (ulong)file.Length,
            _modified = (ulong)file.LastWriteTimeUtc.Ticks,
            _hash = Hash(path, file.Length),
            _access = (int)access,
            _isDisc = isDisc,
        };
    }

    /// <summary>Checks that the file is the one that the machine had.</summary>
    /// <param name="whose">What knows it, for the message.</param>
    /// <exception cref="SnapshotException">It is missing, or has changed.</exception>
    public void Check(string whose = "snapshot")
    {
        try
        {
            FileInfo file = Find(_path);
            if (!file.Exists)
            {
                throw new SnapshotException(SnapshotProblem.Unreadable, $"the drive {_path} of the {whose} is not there. Put the file back: the {whose} does not hold it.");
            }

            if (file.Length == 0)
            {
                throw NotRegular(_path);
            }

            bool same = (ulong)file.Length == _length && ((ulong)file.LastWriteTimeUtc.Ticks == _modified || Hash(_path, file.Length) == _hash);
            if (!same)
            {
                string how = (ulong)file.Length != _length ? $"it has {file.Length} bytes and had {_length}" : "other bytes stand in it";
                throw new SnapshotException(
                    SnapshotProblem.DriveChanged,
                    $"the drive {_path} has changed since the {whose} was {(whose == "snapshot" ? "taken" : "made")}: {how}. Put the file back as it was. A machine whose disks are given as FILE,snapshot leaves them as they are.");
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new SnapshotException(SnapshotProblem.Unreadable, $"the drive {_path} of the {whose} cannot be read: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public void Transfer(StateTransfer state)
    {
        _path = state.Text(_path);
        state.Value(ref _length);
        state.Value(ref _modified);
        state.Value(ref _hash);
        state.Range(ref _access, 0, (int)DiskAccess.Snapshot);
        state.Value(ref _isDisc);
    }

    // Links are followed: a link's own size and time say nothing of the file.
    private static FileInfo Find(string path)
    {
        FileInfo file = new(path);
        return file.LinkTarget is null ? file : file.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? file;
    }

    // What is no regular file - a device, a pipe, a file of procfs - has the size 0 (stat(2)), which no drive has. Such a thing must not even be
    // opened: a pipe would wait for somebody who writes, and a device can have an effect, or no end.
    private static SnapshotException NotRegular(string path) => new(
        SnapshotProblem.Unreadable, $"the drive {path} is empty or no regular file: a snapshot or a recording needs a drive whose contents can be compared. Copy the contents to a file.");

    private static ulong Hash(string path, long length)
    {
        XxHash3 hash = new();
        byte[] buffer = new byte[1 << 16];
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 0, FileOptions.SequentialScan);
        for (long left = length; left > 0;)
        {
            int read = file.Read(buffer, 0, (int)Math.Min(left, buffer.Length));
            if (read == 0)
            {
                break;
            }

            hash.Append(buffer.AsSpan(0, read));
            left -= read;
        }

        return hash.GetCurrentHashAsUInt64();
    }
}
