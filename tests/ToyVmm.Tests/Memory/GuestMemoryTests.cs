using ToyVmm.Hardware.Memory;
using Xunit;

namespace ToyVmm.Tests.Memory;

/// <summary>Where guest memory ends: nothing is written or read beyond.</summary>
public sealed class GuestMemoryTests
{
    private const uint Size = 64 << 10;

    [Theory]
    [InlineData(Size - 4, 4, true)]
    [InlineData(Size - 4, 5, false)]
    [InlineData(Size - 1, 1, true)]
    [InlineData(Size - 1, 2, false)]
    [InlineData(Size, 0, true)]
    [InlineData(Size, 1, false)]
    [InlineData(Size + 1, 0, false)]
    [InlineData(ulong.MaxValue, 2, false)]
    [InlineData(0, (int)Size, true)]
    [InlineData(0, (int)Size + 1, false)]
    public void A_write_fits_or_does_nothing(ulong address, int length, bool fits)
    {
        using GuestMemory memory = new(Size);
        byte[] bytes = new byte[length];
        Array.Fill(bytes, (byte)0x5A);
        Assert.Equal(fits, memory.TryWrite(new GuestPhysicalAddress(address), bytes));
        byte[] all = new byte[Size];
        Assert.True(memory.TryRead(new GuestPhysicalAddress(0), all));
        Assert.Equal(fits ? length : 0, all.Count(value => value == 0x5A));
    }

    [Fact]
    public void What_lies_beyond_reads_as_ones()
    {
        using GuestMemory memory = new(Size);
        byte[] bytes = new byte[8];
        Assert.False(memory.TryRead(new GuestPhysicalAddress(Size - 4), bytes));
        Assert.Equal([0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF], bytes);
        Assert.Equal(uint.MaxValue, memory.ReadUInt32(new GuestPhysicalAddress(Size)));
    }
}
