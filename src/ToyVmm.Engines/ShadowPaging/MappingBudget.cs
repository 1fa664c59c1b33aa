using System.Globalization;

namespace ToyVmm.Engines.ShadowPaging;

/// <summary>
/// Counts the host mappings of all views in the process against what Linux allows one process (vm.max_map_count, 65,530 by
/// default): at the wall mmap fails, for the runtime too.
/// </summary>
/// <param name="most">The most; null for three quarters of what Linux allows.</param>
internal sealed class MappingBudget(int? most = null)
{
    private const int Default = 65_530;

    private readonly int _most = most ?? (Limit() / 4 * 3);
    private int _count;

    /// <summary>True when no more should be added.</summary>
    public bool IsSpent => Volatile.Read(ref _count) >= _most;

    /// <summary>Notes mappings made, or given back (negative).</summary>
    public void Change(int mappings) => _ = Interlocked.Add(ref _count, mappings);

    private static int Limit()
    {
        try
        {
            return int.Parse(File.ReadAllText("/proc/sys/vm/max_map_count"), CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or OverflowException)
        {
            return Default;
        }
    }
}
