using Microsoft.Win32.SafeHandles;
using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// A disk in a raw image file of the host. A host error while the guest runs is a failed sector and an event, never an
/// exception.
/// </summary>
public sealed class FileDiskImage : IDiskImage, IDisposable, ISavedState
{
    private const int SectorSize = DiskGeometry.SectorSize;

    private readonly SafeFileHandle _file;
    private readonly DiskAccess _access;
    private readonly WrittenSectors _written;  // snapshots only
    private bool _unflushed;

    /// <summary>Opens the image.</summary>
    /// <param name="path">The raw image file.</param>
    /// <param name="access">What happens to writes.</param>
    /// <exception cref="IOException">The file cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be opened in this way.</exception>
    public FileDiskImage(string path, DiskAccess access)
    {
        bool writes = access == DiskAccess.ReadWrite;
        _file = File.OpenHandle(path, FileMode.Open, writes ? FileAccess.ReadWrite : FileAccess.Read, writes ? FileShare.Read : FileShare.ReadWrite, FileOptions.RandomAccess);
        _access = access;
        Length = RandomAccess.GetLength(_file);
        SectorCount = (Length + SectorSize - 1) / SectorSize;
        _written = new WrittenSectors(SectorCount);
    }

    /// <summary>Told of a host error: which sector (-1 for a flush), and what the host said.</summary>
    public event Action<long, Exception>? HostError;

    /// <summary>The file's size in bytes when it was opened.</summary>
    public long Length { get; }

    /// <inheritdoc/>
    public long SectorCount { get; }

    /// <inheritdoc/>
    public bool IsReadOnly => _access == DiskAccess.ReadOnly;

    /// <inheritdoc/>
    public bool TryRead(long sector, Span<byte> destination)
    {
        if (sector < 0 || sector >= SectorCount || destination.Length != SectorSize)
        {
            return false;
        }

        if (_written.TryGet(sector, out byte[]? changed))
        {
            changed.CopyTo(destination);
            return true;
        }

        try
        {
            int done = 0;
            while (done < SectorSize && RandomAccess.Read(_file, destination[done..], (sector * SectorSize) + done) is int read and > 0)
            {
                done += read;
            }

            destination[done..].Clear();  // behind the end of the file
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            HostError?.Invoke(sector, e);
            return false;
        }
    }

    /// <inheritdoc/>
    public bool TryWrite(long sector, ReadOnlySpan<byte> source)
    {
        if (IsReadOnly || sector < 0 || sector >= SectorCount || source.Length != SectorSize)
        {
            return false;
        }

        if (_access == DiskAccess.Snapshot)
        {
            _written.Write(sector, source);
            return true;
        }

        try
        {
            _unflushed = true;
            RandomAccess.Write(_file, source, sector * SectorSize);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            HostError?.Invoke(sector, e);
            return false;
        }
    }

    /// <inheritdoc/>
    public ICheckpoints? Written => _written;

    /// <inheritdoc/>
    public bool TryFlush()
    {
        if (!_unflushed)
        {
            return true;
        }

        try
        {
            RandomAccess.FlushToDisk(_file);
            _unflushed = false;
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException)
        {
            HostError?.Invoke(-1, e);
            return false;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    /// <inheritdoc/>
    /// <remarks>The sectors that a <see cref="DiskAccess.Snapshot"/> holds back; what is in the file stays there.</remarks>
    void ISavedState.Transfer(StateTransfer state) => ((ISavedState)_written).Transfer(state);
}
