namespace ToyVmm.Hardware.Memory;

/// <summary>
/// RAM as it was at one moment: nobody can change it any more, and any number of machines can go on from it, each copying only the pages that it
/// writes to. Made by <see cref="GuestMemory.Freeze"/>.
/// </summary>
public sealed class MemoryImage : IDisposable
{
    private int _disposed;

    internal MemoryImage(GuestMemory memory, IReadOnlyList<MemoryFile> layers, ushort[]? layerOf, MemoryFile marks)
    {
        RamSize = memory.RamSize;
        Capacity = memory.Capacity;
        Layers = [.. layers.Select(layer => layer.Hold())];
        LayerOf = layerOf;
        Marks = marks;
        RomPages = memory.RomPages;
        BalloonPages = memory.BalloonPages;
    }

    /// <summary>Bytes of RAM.</summary>
    public uint RamSize { get; }

    /// <summary>What it may grow to.</summary>
    public uint Capacity { get; }

    /// <summary>The files that its pages lie in.</summary>
    internal IReadOnlyList<MemoryFile> Layers { get; }

    /// <summary>Which of them has each page, at the offset that is the page's address; null where the first has all. <see cref="RamPages.Zeros"/>: none.</summary>
    internal ushort[]? LayerOf { get; }

    /// <summary>Kinds and marks of all pages, to begin with.</summary>
    internal MemoryFile Marks { get; }

    /// <summary>Pages that the guest has given away.</summary>
    internal uint BalloonPages { get; }

    /// <summary>The pages of read-only images outside RAM.</summary>
    internal RomPages RomPages { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            foreach (MemoryFile layer in Layers)
            {
                layer.Release();
            }

            Marks.Release();
        }
    }
}
