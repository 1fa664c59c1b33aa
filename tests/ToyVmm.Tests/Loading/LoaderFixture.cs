using System.Text;
using ToyVmm.Hardware.Memory;
using ToyVmm.VirtualMachines.Loading;
using Xunit;

namespace ToyVmm.Tests.Loading;

/// <summary>A guest memory of 32 MiB and short ways to load into it and to look at it.</summary>
public abstract class LoaderFixture : IDisposable
{
    protected GuestMemory Memory { get; } = new(32 << 20);

    public void Dispose()
    {
        Memory.Dispose();
        GC.SuppressFinalize(this);
    }

    protected LoadedImage Load(byte[] image, LoadOptions? options = null)
    {
        LoadResult result = ImageLoader.Load(image, Memory, options ?? new LoadOptions());
        Assert.True(result.Succeeded, result.Error?.ToString());
        return result.Image;
    }

    /// <summary>The image is refused, at that offset, in those words, and memory stays zero.</summary>
    protected LoadError Refused(byte[] image, string what, long? offset, LoadOptions? options = null)
    {
        LoadResult result = ImageLoader.Load(image, Memory, options ?? new LoadOptions());
        Assert.False(result.Succeeded);
        Assert.Contains(what, result.Error.What, StringComparison.Ordinal);
        Assert.Equal(offset, result.Error.Offset);
        Assert.NotEmpty(result.Error.Advice);
        Assert.True(MemoryIsZero(), "a refused image has changed guest memory");
        return result.Error;
    }

    protected byte[] Read(uint address, int length)
    {
        byte[] bytes = new byte[length];
        Assert.True(Memory.TryRead(new GuestPhysicalAddress(address), bytes));
        return bytes;
    }

    protected uint Word(uint address) => Memory.ReadUInt32(new GuestPhysicalAddress(address));

    protected string Text(uint address)
    {
        byte[] bytes = Read(address, 256);
        return Encoding.UTF8.GetString(bytes, 0, Array.IndexOf(bytes, (byte)0));
    }

    protected unsafe bool MemoryIsZero() => !new ReadOnlySpan<byte>(Memory.RamBase, (int)Memory.RamSize).ContainsAnyExcept((byte)0);

    /// <summary>The GDT that the entry state names holds flat segments under its selectors.</summary>
    protected void AssertFlat(EntryState entry)
    {
        Assert.True(entry.ProtectedMode);
        Assert.Null(entry.RealModeSegments);
        ProtectedModeSegments segments = Assert.IsType<ProtectedModeSegments>(entry.ProtectedModeSegments);
        Assert.Equal((0x10, 0x18, 31), (segments.CodeSelector, segments.DataSelector, segments.GdtLimit));
        Assert.Equal([0x0000FFFFu, 0x00CF9B00u], [Word(segments.GdtBase + 0x10), Word(segments.GdtBase + 0x14)]);
        Assert.Equal([0x0000FFFFu, 0x00CF9300u], [Word(segments.GdtBase + 0x18), Word(segments.GdtBase + 0x1C)]);
        Assert.Equal(2u, entry.Eflags);
    }
}
