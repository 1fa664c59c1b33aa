using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Interrupts;
using ToyVmm.Hardware.Time;
using Xunit;

namespace ToyVmm.Tests.Devices;

/// <summary>The ACPI fixed registers, by ACPI 4.8.3 and the 82371AB data sheet 7.2.</summary>
public sealed class PowerManagementPiix4Tests
{
    private const uint Status = 0;
    private const uint Enable = 2;
    private const uint Control = 4;
    private const uint Timer = 8;
    private const ulong HalfPeriod = 1UL << 23;

    private readonly VirtualClock _clock = new(PowerManagementPiix4.TimerFrequency); // an instruction a timer tick
    private readonly CallbackLine _sci = new(_ => { });
    private readonly PowerManagementPiix4 _device;
    private int _powerOffs;

    public PowerManagementPiix4Tests() => _device = new PowerManagementPiix4(_clock, _sci, () => _powerOffs++);

    [Theory]
    [InlineData(Control, 2, 0x2000, true)]
    [InlineData(Control, 2, 0x3400, true)]
    [InlineData(Control, 4, 0x2000, true)]
    [InlineData(Control + 1, 1, 0x20, true)]
    [InlineData(Control, 2, 0x1C01, false)]
    [InlineData(Control, 1, 0x20, false)]
    [InlineData(Status, 4, 0x2000_2000, false)]
    public void PowerGoesOffWithSleepEnable(uint offset, int width, uint value, bool off)
    {
        _device.WritePort(offset, width, value);
        Assert.Equal(off ? 1 : 0, _powerOffs);
        Assert.Equal(0u, _device.ReadPort(Control, 2) & 0x2000);
    }

    [Fact]
    public void TheMachineIsInAcpiModeAndKeepsTheSleepType()
    {
        Assert.Equal(1u, _device.ReadPort(Control, 2));
        _device.WritePort(Control, 2, 0x1400);
        Assert.Equal(0x1401u, _device.ReadPort(Control, 2));
        _device.WritePort(Control + 1, 1, 0x08);
        Assert.Equal(0x0801u, _device.ReadPort(Control, 2));
        _device.Reset();
        Assert.Equal(1u, _device.ReadPort(Control, 2));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0x12_3456, 0x12_3456)]
    [InlineData(0xFF_FFFF, 0xFF_FFFF)]
    [InlineData(0x100_0005, 5)]
    public void TheTimerHas24Bits(ulong ticks, uint shown)
    {
        _clock.AdvanceTo(ticks);
        _device.WritePort(Timer, 4, 0xFFFF_FFFF); // read-only
        Assert.Equal(shown, _device.ReadPort(Timer, 4));
        Assert.Equal(shown >> 8, (_device.ReadPort(Timer + 1, 1) & 0xFF) | ((_device.ReadPort(Timer + 2, 1) & 0xFF) << 8));
    }

    [Fact]
    public void TheTimerRunsAtItsCrystalWhateverTheClock()
    {
        VirtualClock clock = new(1_000_000_000);
        PowerManagementPiix4 device = new(clock, _sci, () => { });
        clock.AdvanceTo(1_000_000_000);
        Assert.Equal(3_579_545u, device.ReadPort(Timer, 4));
    }

    [Fact]
    public void EachChangeOfBit23SetsTheStatusAndAOneClearsIt()
    {
        _clock.AdvanceTo(HalfPeriod - 1);
        Assert.Equal(0u, _device.ReadPort(Status, 2));
        _clock.AdvanceTo(HalfPeriod);
        Assert.Equal(1u, _device.ReadPort(Status, 2));
        Assert.False(_sci.Level);
        _device.WritePort(Status, 2, 0xFFFE);
        Assert.Equal(1u, _device.ReadPort(Status, 2));
        _device.WritePort(Status, 2, 1);
        Assert.Equal(0u, _device.ReadPort(Status, 2));
        _clock.AdvanceTo(2 * HalfPeriod);
        Assert.Equal(1u, _device.ReadPort(Status, 2));
    }

    [Fact]
    public void AnEnabledTimerRaisesTheSciOnTimeAndHoldsIt()
    {
        _device.WritePort(Enable, 2, 1);
        Assert.Equal(HalfPeriod, _clock.NextDeadline);
        _clock.AdvanceTo(HalfPeriod);
        Assert.True(_sci.Level);
        Assert.Equal(ulong.MaxValue, _clock.NextDeadline);
        _device.WritePort(Status, 2, 1);
        Assert.False(_sci.Level);
        Assert.Equal(2 * HalfPeriod, _clock.NextDeadline);
        _device.WritePort(Enable, 2, 0);
        Assert.Equal(ulong.MaxValue, _clock.NextDeadline);
    }

    [Fact]
    public void ThePowerButtonInterruptsWhenEnabled()
    {
        _device.PressPowerButton();
        Assert.Equal(0x100u, _device.ReadPort(Status, 2));
        Assert.False(_sci.Level);
        _device.WritePort(Enable, 2, 0x100);
        Assert.True(_sci.Level);
        _device.WritePort(Status + 1, 1, 1);
        Assert.False(_sci.Level);
        Assert.Equal(0x100u, _device.ReadPort(Enable, 2));
    }

    [Fact]
    public void OnlyEventsThatExistCanBeEnabled()
    {
        _device.WritePort(Enable, 2, 0xFFFF);
        Assert.Equal(0x0521u, _device.ReadPort(Enable, 2));
        Assert.Equal(0x0521_0000u, _device.ReadPort(Status, 4));
    }

    [Fact]
    public void RandomAccessesKeepTheInvariants()
    {
        Random random = new(20);
        int[] widths = [1, 2, 4];
        ulong now = 0;
        for (int access = 0; access < 100_000; access++)
        {
            now += (ulong)random.Next(1 << 20);
            _clock.AdvanceTo(now);
            int width = widths[random.Next(3)];
            uint offset = (uint)(random.Next(PowerManagementPiix4.PortCount) & -width);
            if (random.Next(2) == 0)
            {
                _device.WritePort(offset, width, (uint)random.NextInt64(1L << (8 * width)));
            }
            else
            {
                _ = _device.ReadPort(offset, width);
            }

            uint events = _device.ReadPort(Status, 4);
            Assert.Equal((events & (events >> 16) & 0x101) != 0, _sci.Level);
            Assert.Equal((uint)now & 0xFF_FFFF, _device.ReadPort(Timer, 4));
        }
    }
}
