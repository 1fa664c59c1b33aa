using System.Runtime.InteropServices;

namespace ToyVmm.Hardware.Memory;

/// <summary>
/// Anonymous memory with a file descriptor (memfd_create(2)): it can be mapped at several host addresses, and several machines can have the same
/// pages. Counted: it goes when the last that holds it lets go. Linux only.
/// </summary>
public sealed unsafe partial class MemoryFile
{
    private const int BlockSize = 512;
    private int _holders = 1;

    private MemoryFile(int descriptor, nuint length)
    {
        Descriptor = descriptor;
        Length = length;
    }

    /// <summary>The file descriptor.</summary>
    public int Descriptor { get; }

    /// <summary>Bytes.</summary>
    public nuint Length { get; }

    /// <summary>Bytes of memory that it takes now: pages that were touched and not given back.</summary>
    public ulong AllocatedBytes
    {
        get
        {
            const int EmptyPath = 0x1000;
            const uint Blocks = 0x400;
            const int BlocksOffset = 48; // struct statx (statx(2))
            byte* status = stackalloc byte[256];
            return StatX(Descriptor, "", EmptyPath, Blocks, status) == 0 ? *(ulong*)(status + BlocksOffset) * BlockSize : 0;
        }
    }

    /// <summary>Makes zeroed memory; pages cost nothing until they are used.</summary>
    /// <param name="length">Bytes, whole pages.</param>
    /// <returns>Null where the host does not have it.</returns>
    public static MemoryFile? TryCreate(nuint length)
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

        if (FTruncate(descriptor, (nint)length) == 0)
        {
            return new MemoryFile(descriptor, length);
        }

        _ = Close(descriptor);
        return null;
    }

    /// <summary>One more holds it.</summary>
    /// <returns>This.</returns>
    public MemoryFile Hold()
    {
        _ = Interlocked.Increment(ref _holders);
        return this;
    }

    /// <summary>One lets go of it; mappings live on.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _holders) == 0)
        {
            _ = Close(Descriptor);
        }
    }

    /// <summary>Stores bytes.</summary>
    /// <returns>False where the host has no memory for them.</returns>
    public bool TryWrite(ulong offset, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* source = bytes)
        {
            return PWrite(Descriptor, source, (nuint)bytes.Length, (nint)offset) == bytes.Length;
        }
    }

    /// <summary>Reads bytes.</summary>
    public bool TryRead(ulong offset, Span<byte> bytes)
    {
        fixed (byte* destination = bytes)
        {
            return PRead(Descriptor, destination, (nuint)bytes.Length, (nint)offset) == bytes.Length;
        }
    }

    /// <summary>The next bytes that the host has memory for: whole pages; all others are zeros.</summary>
    /// <param name="offset">Where to look from.</param>
    /// <returns>The first byte and the one behind the last; the length, twice, where there are none.</returns>
    public (ulong First, ulong End) NextAllocated(ulong offset)
    {
        const int SeekData = 3;
        const int SeekHole = 4;
        nint first = offset < Length ? LSeek(Descriptor, (nint)offset, SeekData) : -1;
        nint end = first < 0 ? -1 : LSeek(Descriptor, first, SeekHole);
        return first < 0 ? (Length, Length) : ((ulong)first, end < 0 ? Length : (ulong)end);
    }

    /// <summary>True where there is memory behind a byte; looking does not put any there, as a read would.</summary>
    public bool IsAllocated(ulong offset)
    {
        const int SeekData = 3;
        return LSeek(Descriptor, (nint)offset, SeekData) == (nint)offset;
    }

    /// <summary>Gives pages back to the host; they read as zeros afterwards.</summary>
    public void Punch(ulong offset, ulong length)
    {
        const int PunchHole = 2;
        const int KeepSize = 1;
        _ = FAllocate(Descriptor, PunchHole | KeepSize, (nint)offset, (nint)length);
    }

    [LibraryImport("libc", EntryPoint = "memfd_create", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MemfdCreate(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "ftruncate")]
    private static partial int FTruncate(int descriptor, nint length);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "pread")]
    private static partial nint PRead(int descriptor, byte* destination, nuint length, nint offset);

    [LibraryImport("libc", EntryPoint = "pwrite")]
    private static partial nint PWrite(int descriptor, byte* source, nuint length, nint offset);

    [LibraryImport("libc", EntryPoint = "lseek")]
    private static partial nint LSeek(int descriptor, nint offset, int whence);

    [LibraryImport("libc", EntryPoint = "fallocate")]
    private static partial int FAllocate(int descriptor, int mode, nint offset, nint length);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(int directory, string path, int flags, uint mask, byte* status);
}
