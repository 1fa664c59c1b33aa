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

    /// <summary>What happens to writes.</summary>
    public DiskAccess Access => (DiskAccess)_access;

    /// <summary>True for the disc in the CD-ROM drive.</summary>
    public bool IsDisc => _isDisc;

    /// <summary>Looks at a file.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static SnapshotDrive Of(string path, DiskAccess access, bool isDisc)
    {
        FileInfo file = new(path);
        return new SnapshotDrive
        {
            _path = file.FullName,
            _length = (ulong)file.Length,
            _modified = (ulong)file.LastWriteTimeUtc.Ticks,
            _hash = Hash(path),
            _access = (int)access,
            _isDisc = isDisc,
        };
    }

    /// <summary>Checks that the file is the one that the machine had.</summary>
    /// <exception cref="SnapshotException">It is missing, or has changed.</exception>
    public void Check()
    {
        try
        {
            FileInfo file = new(_path);
            if (!file.Exists)
            {
                throw new SnapshotException(SnapshotProblem.Unreadable, $"the drive {_path} of the snapshot is not there. Put the file back: the snapshot does not hold it.");
            }

            bool same = (ulong)file.Length == _length && ((ulong)file.LastWriteTimeUtc.Ticks == _modified || Hash(_path) == _hash);
            if (!same)
            {
                string how = (ulong)file.Length != _length ? $"it has {file.Length} bytes and had {_length}" : "other bytes stand in it";
                throw new SnapshotException(
                    SnapshotProblem.DriveChanged,
                    $"the drive {_path} has changed since the snapshot was taken: {how}. Put the file back as it was. A machine whose disks are given as FILE,snapshot leaves them as they are.");
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new SnapshotException(SnapshotProblem.Unreadable, $"the drive {_path} of the snapshot cannot be read: {e.Message}", e);
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

    private static ulong Hash(string path)
    {
        XxHash3 hash = new();
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 1 << 20, FileOptions.SequentialScan);
        hash.Append(file);
        return hash.GetCurrentHashAsUInt64();
    }
}
