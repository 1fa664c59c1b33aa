using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>The sectors of a disk that its image does not have: those that were written and are kept in memory.</summary>
internal static class WrittenSectors
{
    /// <summary>Saves or replaces them.</summary>
    /// <param name="state">Where to, or from.</param>
    /// <param name="sectors">The sectors, by number.</param>
    /// <param name="sectorCount">Sectors on the disk.</param>
    public static void Transfer(StateTransfer state, Dictionary<long, byte[]> sectors, long sectorCount)
    {
        state.Range(ref sectorCount, sectorCount, sectorCount);
        int count = state.Count(sectors.Count, int.MaxValue);
        if (!state.IsRestoring)
        {
            foreach ((long number, byte[] content) in sectors)
            {
                _ = state.Pass((ulong)number);
                state.Bytes(content);
            }

            return;
        }

        sectors.Clear();
        for (; count > 0 && state.Error is null; count--)
        {
            long number = 0;
            byte[] content = new byte[DiskGeometry.SectorSize];
            state.Range(ref number, 0, sectorCount - 1);
            state.Bytes(content);
            sectors[number] = content;
        }
    }
}
