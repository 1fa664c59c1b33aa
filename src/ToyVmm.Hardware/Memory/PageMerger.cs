namespace ToyVmm.Hardware.Memory;

/// <summary>
/// Lets machines have equal pages once: pages of zeros are nobody's, and pages that lie at one address and have the same bytes in several machines are in one file
/// for all of them, until somebody writes to one (as Linux's KSM does among processes; Waldspurger, "Memory Resource Management in VMware ESX Server", 2002).
/// Clones begin like that; this is for what they have made equal again, and for machines that are no clones.
/// </summary>
public static class PageMerger
{
    private const uint PageSize = GuestPhysicalAddress.PageSize;

    /// <summary>Merges what is equal now.</summary>
    /// <param name="memories">RAM of machines that do not run. Their engines must forget what they know of pages that may be written to.</param>
    /// <returns>Pages that went back to the host.</returns>
    public static ulong Merge(IReadOnlyList<GuestMemory> memories)
    {
        ArgumentNullException.ThrowIfNull(memories);
        GuestMemory[] shared = [.. memories.Where(memory => memory.IsShared)];
        uint capacity = shared.Length == 0 ? 0 : shared.Max(memory => memory.Capacity);
        Common common = new(capacity);
        ulong freed = 0;
        List<List<GuestMemory>> groups = [];
        for (uint page = 0; page < capacity / PageSize; page++)
        {
            groups.Clear();
            foreach (GuestMemory memory in shared)
            {
                if (!memory.IsMergeable(page))
                {
                    continue;
                }

                ReadOnlySpan<byte> content = memory.PageContent(page);
                if (content.IndexOfAnyExcept((byte)0) < 0)
                {
                    memory.ReplacePage(page, null);
                    freed++;
                    continue;
                }

                List<GuestMemory>? equal = null;
                foreach (List<GuestMemory> group in groups)
                {
                    equal ??= group[0].PageContent(page).SequenceEqual(content) ? group : null;
                }

                if (equal is null)
                {
                    groups.Add(equal = []);
                }

                equal.Add(memory);
            }

            foreach (List<GuestMemory> same in groups.Where(same => same.Count > 1))
            {
                if (common.TryKeep(page, same[0].PageContent(page)) is { } file)
                {
                    same.ForEach(memory => memory.ReplacePage(page, file));
                    freed += (ulong)same.Count - 1;
                }
            }
        }

        common.Release();
        return freed;
    }

    // One place for each page; of several groups of machines with different bytes at one address the first is merged.
    private sealed class Common(uint capacity)
    {
        private MemoryFile? _file;
        private long _last = -1;

        public MemoryFile? TryKeep(uint page, ReadOnlySpan<byte> content)
        {
            _file ??= MemoryFile.TryCreate(capacity);
            if (_file is null || page == _last || !_file.TryWrite((ulong)page * PageSize, content))
            {
                return null;
            }

            _last = page;
            return _file;
        }

        public void Release() => _file?.Release();
    }
}
