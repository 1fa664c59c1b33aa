using ToyVmm.Hardware.Buses;
using Xunit;

namespace ToyVmm.Tests.Buses;

public sealed class PortBusTests
{
    [Fact]
    public void UnmappedPortsReadAllOnesAndAreReportedOnce()
    {
        PortBus bus = new();
        List<UnmappedAccess> reported = [];
        bus.UnmappedAccess = reported.Add;

        Assert.Equal(0xFFu, bus.Read(0x123, 1));
        Assert.Equal(0xFFFFu, bus.Read(0x123, 2));
        Assert.Equal(0xFFFF_FFFFu, bus.Read(0x123, 4));
        bus.Write(0x123, 2, 0xABCD_1234);

        Assert.Equal(
            [
                new UnmappedAccess(0x123, 1, false, 0xFF),
                new UnmappedAccess(0x123, 2, false, 0xFFFF),
                new UnmappedAccess(0x123, 4, false, 0xFFFF_FFFF),
                new UnmappedAccess(0x123, 2, true, 0x1234),
            ],
            reported);
    }

    [Fact]
    public void WideAccessToByteDevicesIsSplitLowPortFirst()
    {
        PortBus bus = new();
        Recorder low = new(1, 0x11);
        Recorder high = new(1, 0x22);
        bus.Map(0x40, 2, low);
        bus.Map(0x42, 2, high);

        Assert.Equal(0x22u << 24 | 0x22u << 16 | 0x11u << 8 | 0x11u, bus.Read(0x40, 4));
        bus.Write(0x40, 4, 0x0403_0201);

        Assert.Equal(["W0/1=1", "W1/1=2"], low.Log.Where(line => line[0] == 'W'));
        Assert.Equal(["W0/1=3", "W1/1=4"], high.Log.Where(line => line[0] == 'W'));
    }

    [Theory]
    [InlineData(4, 0xCF8, 4, "W0/4=4030201")]
    [InlineData(2, 0xCF8, 4, "W0/2=201 W2/2=403")]
    [InlineData(4, 0xCFA, 2, "W2/2=201")]
    [InlineData(4, 0xCF9, 2, "W1/1=1 W2/1=2")]
    public void WholeAccessNeedsWidthAndAlignment(int maximum, ushort port, int width, string expected)
    {
        PortBus bus = new();
        Recorder device = new(maximum, 0);
        bus.Map(0xCF8, 4, device);

        bus.Write(port, width, 0x0403_0201);

        Assert.Equal(expected, string.Join(' ', device.Log));
    }

    [Fact]
    public void AccessesThatPassTheLastPortDoNotWrap()
    {
        PortBus bus = new();
        Recorder first = new(4, 0x11);
        Recorder last = new(4, 0x22);
        bus.Map(0, 1, first);
        bus.Map(0xFFFF, 1, last);

        Assert.Equal(0xFFFF_FF22u, bus.Read(0xFFFF, 4));
        bus.Write(0xFFFF, 4, 0x0403_0201);

        Assert.Empty(first.Log);
        Assert.Equal(["R0/1", "W0/1=1"], last.Log);
    }

    [Fact]
    public void APartOfADeviceMayStartAtAnyOffset()
    {
        PortBus bus = new();
        Recorder device = new(1, 0);
        bus.Map(0x60, 1, device);
        bus.Map(0x64, 1, device, firstOffset: 4);

        bus.Write(0x64, 1, 7);

        Assert.Equal(["W4/1=7"], device.Log);
    }

    [Fact]
    public void AnUnmappedRangeCanBeMappedAgain()
    {
        PortBus bus = new();
        bus.Map(0x60, 4, new Recorder(1, 1));
        bus.Unmap(0x60, 4);
        bus.Map(0x60, 4, new Recorder(1, 2));

        Assert.Equal(2u, bus.Read(0x63, 1));
    }

    [Fact]
    public void BadMappingsAreRefused()
    {
        PortBus bus = new();
        bus.Map(0x60, 4, new Recorder(1, 1));

        Assert.Throws<InvalidOperationException>(() => bus.Map(0x63, 1, new Recorder(1, 1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => bus.Map(0xFFFF, 2, new Recorder(1, 1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => bus.Map(0x80, 0, new Recorder(1, 1)));
    }

    private sealed class Recorder(int maximum, uint answer) : IPortDevice
    {
        public List<string> Log { get; } = [];

        public int MaximumWidth => maximum;

        public uint ReadPort(uint offset, int width)
        {
            Log.Add($"R{offset}/{width}");
            return answer;
        }

        public void WritePort(uint offset, int width, uint value) => Log.Add($"W{offset}/{width}={value:x}");
    }
}
