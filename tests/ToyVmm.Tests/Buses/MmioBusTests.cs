using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.Memory;
using Xunit;

namespace ToyVmm.Tests.Buses;

public sealed class MmioBusTests
{
    [Fact]
    public void UnmappedAddressesReadAllOnesAndAreReported()
    {
        MmioBus bus = new();
        List<UnmappedAccess> reported = [];
        bus.UnmappedAccess = reported.Add;

        Assert.Equal(ulong.MaxValue, bus.Read(new GuestPhysicalAddress(0xF000_0000), 8));
        bus.Write(new GuestPhysicalAddress(0xF000_0000), 2, 0x12345);

        Assert.Equal([new UnmappedAccess(0xF000_0000, 8, false, ulong.MaxValue), new UnmappedAccess(0xF000_0000, 2, true, 0x2345)], reported);
    }

    [Fact]
    public void ADeviceSeesOffsetsAndWholeAccesses()
    {
        MmioBus bus = new();
        Bytes device = new();
        bus.Map(new GuestPhysicalAddress(0xFEE0_0000), 16, device);

        bus.Write(new GuestPhysicalAddress(0xFEE0_0004), 4, 0x0403_0201);

        Assert.Equal(["W4/4"], device.Log);
        Assert.Equal(0x0201ul, bus.Read(new GuestPhysicalAddress(0xFEE0_0004), 2));
    }

    [Fact]
    public void AnAccessAcrossTheEdgeIsSplitIntoBytes()
    {
        MmioBus bus = new();
        Bytes device = new();
        bus.Map(new GuestPhysicalAddress(0x1000), 16, device);

        bus.Write(new GuestPhysicalAddress(0x100E), 4, 0x0403_0201);

        Assert.Equal(["WE/1", "WF/1"], device.Log);
        Assert.Equal(0xFFFF_0201ul, bus.Read(new GuestPhysicalAddress(0x100E), 4));
    }

    [Fact]
    public void OverlapsAreRefusedAndRangesCanMove()
    {
        MmioBus bus = new();
        bus.Map(new GuestPhysicalAddress(0x1000), 0x1000, new Bytes());

        Assert.Throws<InvalidOperationException>(() => bus.Map(new GuestPhysicalAddress(0x1FFF), 1, new Bytes()));
        Assert.Throws<ArgumentOutOfRangeException>(() => bus.Map(new GuestPhysicalAddress(0x3000), 0, new Bytes()));
        Assert.True(bus.Unmap(new GuestPhysicalAddress(0x1000)));
        Assert.False(bus.Unmap(new GuestPhysicalAddress(0x1000)));
        bus.Map(new GuestPhysicalAddress(0x1FFF), 1, new Bytes());
    }

    private sealed class Bytes : IMmioDevice
    {
        private readonly byte[] _bytes = new byte[32];

        public List<string> Log { get; } = [];

        public ulong Read(uint offset, int width)
        {
            ulong value = 0;
            for (int index = 0; index < width; index++)
            {
                value |= (ulong)_bytes[offset + index] << (8 * index);
            }

            return value;
        }

        public void Write(uint offset, int width, ulong value)
        {
            Log.Add($"W{offset:X}/{width}");
            for (int index = 0; index < width; index++)
            {
                _bytes[offset + index] = (byte)(value >> (8 * index));
            }
        }
    }
}
