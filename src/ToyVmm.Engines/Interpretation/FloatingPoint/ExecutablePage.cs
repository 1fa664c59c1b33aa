namespace ToyVmm.Engines.Interpretation.FloatingPoint;

/// <summary>A page of machine code, never writable and executable at once: written first, then made executable. Linux only.</summary>
internal sealed unsafe class ExecutablePage : IDisposable
{
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

        nint address = HostMemory.AllocateSparse(size, HostMemory.Read | HostMemory.Write);
        if (address == 0)
        {
            return null;
        }

        code.CopyTo(new Span<byte>((byte*)address, (int)size));
        if (HostMemory.Protect(address, size, HostMemory.Read | HostMemory.Execute))
        {
            return new ExecutablePage((byte*)address, size);
        }

        HostMemory.Unmap(address, size);
        return null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Address != null)
        {
            HostMemory.Unmap((nint)Address, _size);
            Address = null;
        }
    }
}
