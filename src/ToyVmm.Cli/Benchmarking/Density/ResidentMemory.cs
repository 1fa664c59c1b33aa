using System.Globalization;
using ToyVmm.Cli.Hosting;

namespace ToyVmm.Cli.Benchmarking.Density;

/// <summary>
/// How much of the host's memory processes have: the proportional set size, in which a page that several processes have counts for each with its share
/// (Linux proc(5), smaps_rollup). The kernel's own memory for a process - page tables, stacks, namespaces - is not in it.
/// </summary>
internal static class ResidentMemory
{
    /// <summary>True where the host tells.</summary>
    public static bool IsKnown => File.Exists("/proc/self/smaps_rollup");

    /// <summary>Bytes of a process.</summary>
    /// <param name="process">Its number; null for this one.</param>
    /// <exception cref="IOException">The process is gone.</exception>
    public static long Of(int? process = null)
    {
        string path = string.Create(CultureInfo.InvariantCulture, $"/proc/{(process is { } id ? id : "self")}/smaps_rollup");
        string line = File.ReadLines(path).First(text => text.StartsWith("Pss:", StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }

    /// <summary>
    /// Bytes of this process, with what is in its memory files (memfd_create(2)) but mapped nowhere, after everything that nobody refers to is gone.
    /// </summary>
    public static long Settled()
    {
        for (int n = 0; n < 3; n++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }

        string[] rollup = File.ReadAllLines("/proc/self/smaps_rollup");
        long Field(string name) => 1024 * long.Parse(
            rollup.First(line => line.StartsWith(name, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
        return Field("Pss:") + Math.Max(MemoryFileBytes() - Field("Pss_Shmem:"), 0);
    }

    private static long MemoryFileBytes()
    {
        long bytes = 0;
        foreach (string entry in Directory.EnumerateFileSystemEntries("/proc/self/fd"))
        {
            string? target = File.ResolveLinkTarget(entry, returnFinalTarget: false)?.FullName;
            if (target is not null && target.Contains("memfd:", StringComparison.Ordinal))
            {
                bytes += Posix.AllocatedBytes(int.Parse(Path.GetFileName(entry), CultureInfo.InvariantCulture));
            }
        }

        return bytes;
    }
}
