using System.Runtime.InteropServices;

namespace ToyVmm.Hardware.Memory;

/// <summary>
/// Zeroed host memory of which most is never touched: tables with a place for each page of an address space. It comes from the host directly. An allocator
/// gives such a block out again when it was freed, and then has to clear it: all of it becomes resident, and clearing takes longer than everything else.
/// </summary>
public static unsafe partial class SparseMemory
{
    private const int ReadWrite = 3;
    private const int Anonymous = 0x4022;   // MAP_PRIVATE, MAP_ANONYMOUS, MAP_NORESERVE
    private const int NoHugePage = 15;

    /// <summary>Takes memory; pages cost nothing until they are touched.</summary>
    /// <param name="bytes">How much.</param>
    /// <exception cref="InsufficientMemoryException">The host does not have it.</exception>
    public static byte* Allocate(nuint bytes)
    {
        if (!OperatingSystem.IsLinux())
        {
            return (byte*)NativeMemory.AllocZeroed(bytes);
        }

        nint address = MMap(0, bytes, ReadWrite, Anonymous, -1, 0);
        if (address == -1)
        {
            throw new InsufficientMemoryException($"the host does not give {bytes} bytes of addresses");
        }

        // One touch would take 2 MiB.
        _ = MAdvise(address, bytes, NoHugePage);
        return (byte*)address;
    }

    /// <summary>Gives it back.</summary>
    /// <param name="memory">What <see cref="Allocate"/> gave; null for nothing.</param>
    /// <param name="bytes">As many as were taken.</param>
    public static void Free(void* memory, nuint bytes)
    {
        if (!OperatingSystem.IsLinux())
        {
            NativeMemory.Free(memory);
        }
        else if (memory != null)
        {
            _ = MUnmap((nint)memory, bytes);
        }
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint MMap(nint address, nuint length, int protection, int flags, int descriptor, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int MUnmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int MAdvise(nint address, nuint length, int advice);
}
