using System.Runtime.InteropServices;

namespace ToyVmm.Hardware.Memory;

/// <summary>
/// Anonymous memory with a file descriptor (memfd_create(2)), so that the same pages can be mapped at several host addresses:
/// guest RAM once for the VMM and, page by page, into the windows that mirror the guest's address spaces. Linux only.
/// </summary>
/// <remarks>
/// On either side of the first mapping lie a <see cref="Canary"/> and, beyond it, a page that cannot be accessed: a store that misses by a
/// little shows, one that runs on faults.
/// </remarks>
public sealed unsafe partial class SharedMemory : IDisposable
{
    private const int None = 0;
    private const int ReadWrite = 3;
    private const int Shared = 1;
    private const int Private = 2;
    private const int Fixed = 0x10;
    private const int Anonymous = 0x20;
    private const int NoReserve = 0x4000;
    private const int Margin = 2 * Canary.Size;

    private SharedMemory(int descriptor, byte* address, nuint length)
    {
        Descriptor = descriptor;
        Address = address;
        Length = length;
    }

    /// <summary>The file descriptor.</summary>
    public int Descriptor { get; }

    /// <summary>Host address of byte 0.</summary>
    public byte* Address { get; private set; }

    /// <summary>Bytes.</summary>
    public nuint Length { get; }

    /// <summary>True while nobody has stored beside it.</summary>
    public bool IsIntact => Canary.IsIntact(Address - Canary.Size) && Canary.IsIntact(Address + Length);

    /// <summary>Makes zeroed memory, mapped readable and writable; pages cost nothing until they are used.</summary>
    /// <param name="length">Bytes, whole pages.</param>
    /// <returns>Null where the host does not have it.</returns>
    public static SharedMemory? TryCreate(nuint length)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        const uint CloseOnExec = 1;
        int descriptor = MemfdCreate("toyvmm", CloseOnExec);
        if (descriptor < 0)
        {
            return null;
        }

        nint reserved = FTruncate(descriptor, (nint)length) == 0 ? MMap(0, length + (2 * Margin), None, Private | Anonymous | NoReserve, -1, 0) : -1;
        if (reserved == -1)
        {
            _ = Close(descriptor);
            return null;
        }

        // The canaries first, then the file between them.
        nint address = reserved + Margin;
        if (MProtect(address - Canary.Size, length + (2 * Canary.Size), ReadWrite) != 0 || MMap(address, length, ReadWrite, Shared | Fixed, descriptor, 0) == -1)
        {
            _ = MUnmap(reserved, length + (2 * Margin));
            _ = Close(descriptor);
            return null;
        }

        Canary.Fill((byte*)address - Canary.Size);
        Canary.Fill((byte*)address + length);
        return new SharedMemory(descriptor, (byte*)address, length);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Address != null)
        {
            _ = MUnmap((nint)Address - Margin, Length + (2 * Margin));
            _ = Close(Descriptor);
            Address = null;
        }
    }

    [LibraryImport("libc", EntryPoint = "memfd_create", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MemfdCreate(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "ftruncate")]
    private static partial int FTruncate(int descriptor, nint length);

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint MMap(nint address, nuint length, int protection, int flags, int descriptor, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int MProtect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int MUnmap(nint address, nuint length);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
