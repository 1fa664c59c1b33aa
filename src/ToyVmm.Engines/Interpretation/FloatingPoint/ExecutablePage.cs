using System.Runtime.InteropServices;

namespace ToyVmm.Engines.Interpretation.FloatingPoint;

/// <summary>A page of machine code, never writable and executable at once: written first, then made executable. Linux only.</summary>
internal sealed unsafe partial class ExecutablePage : IDisposable
{
    private const int PROT_READ = 1;
    private const int PROT_WRITE = 2;
    private const int PROT_EXEC = 4;
    private const int MAP_PRIVATE = 0x02;
    private const int MAP_ANONYMOUS = 0x20;

    private readonly nuint _size;

    private ExecutablePage(byte* address, nuint size)
    {
        Address = address;
        _size = size;
    }

    /// <summary>Its first byte; null after <see cref="Dispose"/>.</summary>
    public byte* Address { get; private set; }

    /// <summary>Makes a page with code in it.</summary>
    /// <param name="code">At most a page of it.</param>
    /// <returns>Null where the system is not Linux, or refuses executable memory (a hardened kernel may).</returns>
    public static ExecutablePage? TryCreate(ReadOnlySpan<byte> code)
    {
        nuint size = (nuint)Environment.SystemPageSize;
        if (!OperatingSystem.IsLinux() || (nuint)code.Length > size)
        {
            return null;
        }

        nint address = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (address is -1 or 0)
        {
            return null;
        }

        code.CopyTo(new Span<byte>((byte*)address, (int)size));
        if (mprotect(address, size, PROT_READ | PROT_EXEC) == 0)
        {
            return new ExecutablePage((byte*)address, size);
        }

        _ = munmap(address, size);
        return null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Address != null)
        {
            _ = munmap((nint)Address, _size);
            Address = null;
        }
    }

    [LibraryImport("libc")]
    private static partial nint mmap(nint address, nuint length, int protection, int flags, int fd, nint offset);

    [LibraryImport("libc")]
    private static partial int mprotect(nint address, nuint length, int protection);

    [LibraryImport("libc")]
    private static partial int munmap(nint address, nuint length);
}
