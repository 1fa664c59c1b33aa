using System.Runtime.InteropServices;

namespace ToyVmm.Hardware.Memory;

/// <summary>
/// Host addresses into which <see cref="MemoryFile"/>s are mapped. On either side lie a <see cref="Canary"/> and, beyond it, a page that cannot be
/// accessed: a store that misses by a little shows, one that runs on faults. Linux only.
/// </summary>
internal sealed unsafe partial class HostWindow : IDisposable
{
    private const int None = 0;
    private const int Read = 1;
    private const int ReadWrite = 3;
    private const int Shared = 1;
    private const int Private = 2;
    private const int Fixed = 0x10;
    private const int Anonymous = 0x20;
    private const int NoReserve = 0x4000;
    private const int Margin = 2 * Canary.Size;

    private readonly nuint _length;

    private HostWindow(byte* address, nuint length)
    {
        Address = address;
        _length = length;
    }

    /// <summary>The first address.</summary>
    public byte* Address { get; private set; }

    /// <summary>True while nobody has stored beside it.</summary>
    public bool IsIntact => Canary.IsIntact(Address - Canary.Size) && Canary.IsIntact(Address + _length);

    /// <summary>Reserves addresses; null where the host does not give them. Nothing is mapped.</summary>
    /// <param name="length">Bytes, whole pages.</param>
    public static HostWindow? TryReserve(nuint length)
    {
        nint reserved = MMap(0, length + (2 * Margin), None, Private | Anonymous | NoReserve, -1, 0);
        if (reserved == -1)
        {
            return null;
        }

        byte* address = (byte*)reserved + Margin;
        if (MProtect((nint)address - Canary.Size, Canary.Size, ReadWrite) != 0 || MProtect((nint)address + (nint)length, Canary.Size, ReadWrite) != 0)
        {
            _ = MUnmap(reserved, length + (2 * Margin));
            return null;
        }

        Canary.Fill(address - Canary.Size);
        Canary.Fill(address + length);
        return new HostWindow(address, length);
    }

    /// <summary>Maps a part of a file, in place of what was there.</summary>
    /// <param name="offset">Where in the window.</param>
    /// <param name="length">Bytes, whole pages.</param>
    /// <param name="file">The file; null for zeros.</param>
    /// <param name="fileOffset">Its first byte.</param>
    /// <param name="writable">False for reading only.</param>
    /// <returns>False where the host refuses (vm.max_map_count).</returns>
    public bool TryMap(nuint offset, nuint length, MemoryFile? file, ulong fileOffset, bool writable)
    {
        int flags = file is null ? Private | Anonymous | NoReserve | Fixed : Shared | Fixed;
        return MMap((nint)(Address + offset), length, writable ? ReadWrite : Read, flags, file?.Descriptor ?? -1, (nint)fileOffset) != -1;
    }

    /// <summary>Lets everything be read only.</summary>
    public bool TryProtect() => MProtect((nint)Address, _length, Read) == 0;

    /// <summary>Maps a file whose changes stay in this process, nowhere in particular; 0 where the host refuses.</summary>
    public static nint MapCopy(MemoryFile file)
    {
        nint address = MMap(0, file.Length, ReadWrite, Private | NoReserve, file.Descriptor, 0);
        return address == -1 ? 0 : address;
    }

    /// <summary>Takes a mapping away.</summary>
    public static void Unmap(nint address, nuint length) => _ = MUnmap(address, length);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Address != null)
        {
            _ = MUnmap((nint)Address - Margin, _length + (2 * Margin));
            Address = null;
        }
    }

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint MMap(nint address, nuint length, int protection, int flags, int descriptor, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect")]
    private static partial int MProtect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int MUnmap(nint address, nuint length);
}
