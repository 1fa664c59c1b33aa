using System.Globalization;
using System.Runtime.InteropServices;

namespace ToyVmm.VirtualMachines.Verification.Isolation;

/// <summary>What this process has of the host at a moment, in what a virtual machine takes: files, mappings, addresses, native memory.</summary>
/// <param name="Descriptors">Open files (proc(5), /proc/self/fd).</param>
/// <param name="Mappings">Mappings of the memory that machines share with their windows.</param>
/// <param name="Addresses">Bytes of address space, in units so large that the runtime's own heaps do not show; a window is 5 GiB, a jump table 16.</param>
/// <param name="NativeBytes">Bytes that malloc(3) has handed out, in all arenas; 0 where the C library does not tell.</param>
internal readonly record struct HostResources(long Descriptors, long Mappings, long Addresses, long NativeBytes)
{
    private const long AddressUnit = 1L << 30;
    private const int PageSize = 4096;

    // Smaller blocks are the runtime's, and come and go.
    private const long NativeGrain = 16 << 10;

    /// <summary>True where the host can be asked.</summary>
    public static bool IsAvailable => OperatingSystem.IsLinux() && Directory.Exists("/proc/self/fd");

    /// <summary>Asks the host.</summary>
    public static HostResources Now() => new(
        Directory.GetFileSystemEntries("/proc/self/fd").Length,
        File.ReadLines("/proc/self/maps").Count(line => line.Contains("memfd:toyvmm", StringComparison.Ordinal)),
        long.Parse(File.ReadAllText("/proc/self/statm").Split(' ')[0], CultureInfo.InvariantCulture) * PageSize / AddressUnit,
        AllocatedBytes());

    /// <summary>Which of them have grown since an earlier moment.</summary>
    public HostGrowth GrownSince(in HostResources earlier) =>
        (Descriptors > earlier.Descriptors ? HostGrowth.OpenFiles : 0) | (Mappings > earlier.Mappings ? HostGrowth.Mappings : 0)
        | (Addresses > earlier.Addresses ? HostGrowth.Addresses : 0) | (NativeBytes > earlier.NativeBytes + NativeGrain ? HostGrowth.NativeMemory : 0);

    private static unsafe long AllocatedBytes()
    {
        // struct mallinfo2 (mallinfo(3), glibc 2.33): ten size_t; hblkhd is number 4, uordblks number 7.
        nuint* information = stackalloc nuint[10];
        if (!NativeLibrary.TryGetExport(NativeLibrary.GetMainProgramHandle(), "mallinfo2", out nint function))
        {
            return 0;
        }

        // A structure of that size is returned through a pointer in the first argument (System V ABI, 3.2.3).
        _ = ((delegate* unmanaged<nuint*, nint>)function)(information);
        return (long)(information[4] + information[7]);
    }
}

/// <summary>What a process has more of than before.</summary>
[Flags]
internal enum HostGrowth
{
    None = 0,
    OpenFiles = 1,
    Mappings = 2,
    Addresses = 4,
    NativeMemory = 8,
    All = OpenFiles | Mappings | Addresses | NativeMemory,
}
