namespace ToyVmm.Hardware.Memory;

/// <summary>A <see cref="MemoryFile"/> that is mapped as a whole, with canaries beside it. Linux only.</summary>
public sealed unsafe class SharedMemory : IDisposable
{
    private readonly MemoryFile _file;
    private readonly HostWindow _window;

    private SharedMemory(MemoryFile file, HostWindow window)
    {
        _file = file;
        _window = window;
    }

    /// <summary>The file descriptor.</summary>
    public int Descriptor => _file.Descriptor;

    /// <summary>Host address of byte 0.</summary>
    public byte* Address => _window.Address;

    /// <summary>Bytes.</summary>
    public nuint Length => _file.Length;

    /// <summary>True while nobody has stored beside it.</summary>
    public bool IsIntact => _window.IsIntact;

    /// <summary>Makes zeroed memory, mapped readable and writable; pages cost nothing until they are used.</summary>
    /// <param name="length">Bytes, whole pages.</param>
    /// <returns>Null where the host does not have it.</returns>
    public static SharedMemory? TryCreate(nuint length)
    {
        if (MemoryFile.TryCreate(length) is not { } file)
        {
            return null;
        }

        if (HostWindow.TryReserve(length) is not { } window)
        {
            file.Release();
            return null;
        }

        if (window.TryMap(0, length, file, 0, writable: true))
        {
            return new SharedMemory(file, window);
        }

        window.Dispose();
        file.Release();
        return null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Address != null)
        {
            _window.Dispose();
            _file.Release();
        }
    }
}
