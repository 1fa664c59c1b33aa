using System.Diagnostics.CodeAnalysis;
using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>The sectors of a disk that its image does not have: those that were written and are kept in memory.</summary>
/// <param name="sectorCount">Sectors on the disk.</param>
internal sealed class WrittenSectors(long sectorCount) : ISavedState, ICheckpoints
{
    private readonly Dictionary<long, byte[]> _sectors = [];

    // For each checkpoint the sectors that were written to since: what they held, null where that was what the image has. Arrays are never changed.
    private readonly List<Dictionary<long, byte[]?>> _checkpoints = [];

    /// <summary>What was written to a sector.</summary>
    /// <returns>False where nothing was.</returns>
    public bool TryGet(long sector, [MaybeNullWhen(false)] out byte[] content) => _sectors.TryGetValue(sector, out content);

    /// <summary>Writes a sector.</summary>
    public void Write(long sector, ReadOnlySpan<byte> content)
    {
        if (_checkpoints.Count > 0)
        {
            _ = _checkpoints[^1].TryAdd(sector, _sectors.GetValueOrDefault(sector));
        }

        _sectors[sector] = content.ToArray();
    }

    /// <inheritdoc/>
    public void AddCheckpoint() => _checkpoints.Add([]);

    /// <inheritdoc/>
    public void ReturnTo(int index)
    {
        for (int log = _checkpoints.Count - 1; log >= index; log--)
        {
            foreach ((long sector, byte[]? content) in _checkpoints[log])
            {
                if (content is null)
                {
                    _ = _sectors.Remove(sector);
                }
                else
                {
                    _sectors[sector] = content;
                }
            }
        }

        _checkpoints.RemoveRange(index + 1, _checkpoints.Count - index - 1);
        _checkpoints[index].Clear();
    }

    /// <inheritdoc/>
    public void RemoveCheckpoint(int index)
    {
        if (index > 0)
        {
            foreach ((long sector, byte[]? content) in _checkpoints[index])
            {
                _ = _checkpoints[index - 1].TryAdd(sector, content);
            }
        }

        _checkpoints.RemoveAt(index);
    }

    /// <inheritdoc/>
    public ulong CheckpointBytes(int index) => (ulong)_checkpoints[index].Count * DiskGeometry.SectorSize;

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        if (state.IsInPlace)
        {
            return;
        }

        long sectors = sectorCount;
        state.Range(ref sectors, sectorCount, sectorCount);
        int count = state.Count(_sectors.Count, int.MaxValue);
        if (!state.IsRestoring)
        {
            // In order: equal contents are saved as equal bytes.
            foreach ((long number, byte[] content) in _sectors.OrderBy(sector => sector.Key))
            {
                _ = state.Pass((ulong)number);
                state.Bytes(content);
            }

            return;
        }

        _sectors.Clear();
        for (; count > 0 && state.Error is null; count--)
        {
            long number = 0;
            byte[] content = new byte[DiskGeometry.SectorSize];
            state.Range(ref number, 0, sectorCount - 1);
            state.Bytes(content);
            _sectors[number] = content;
        }
    }
}
