using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Time;
using ToyVmm.Tests.Interrupts;
using ToyVmm.Tests.Properties;
using Xunit;

namespace ToyVmm.Tests.Devices;

public sealed class Ps2MouseTests
{
    private readonly VirtualClock _clock = new(1_000_000);
    private readonly Ps2Mouse _mouse;

    public Ps2MouseTests() => _mouse = new Ps2Mouse(_clock);

    [Fact]
    public void ResetAnswersWithTheSelfTestAndTheId()
    {
        Assert.Equal([0xFA, 0xAA, 0x00], Ask(0xFF));
        Assert.Equal([0xFA, 0x00], Ask(0xF2));
        Assert.Equal([0xFA, 0x00, 2, 100], Ask(0xE9));
        Assert.False(_mouse.IsReporting);
    }

    [Fact]
    public void NothingIsReportedUntilItIsEnabled()
    {
        _mouse.Move(new MouseEvent(5, 5, 0, MouseButtons.Left));
        Wait(100);
        Assert.False(_mouse.HasData);
        Assert.Equal([0xFA], Ask(0xF4));
        Wait(100);
        Assert.False(_mouse.HasData);           // what was before is forgotten
        _mouse.Move(new MouseEvent(3, -2, 0, MouseButtons.Left));
        Wait(10);
        Assert.Equal([0x29, 3, 0xFE], Take());
        _mouse.Move(new MouseEvent(0, 0, 0, MouseButtons.None));
        Wait(10);
        Assert.Equal([0x08, 0, 0], Take());
        _mouse.Move(new MouseEvent(0, 0, 0, MouseButtons.None));
        Wait(100);
        Assert.False(_mouse.HasData);           // nothing new
    }

    [Theory]
    [InlineData(MouseButtons.Left, 0x09, 0x24)]
    [InlineData(MouseButtons.Right, 0x0A, 0x21)]
    [InlineData(MouseButtons.Middle, 0x0C, 0x22)]
    public void ButtonsHaveTheirBitsInReportAndStatus(MouseButtons button, byte report, byte status)
    {
        _ = Ask(0xF4);
        _mouse.Move(new MouseEvent(0, 0, 0, button));
        Wait(10);
        Assert.Equal([report, 0, 0], Take());
        Assert.Equal([0xFA, status, 2, 100], Ask(0xE9));
    }

    [Theory]
    [InlineData(255, 0x08, 0xFF)]
    [InlineData(256, 0x48, 0xFF)]
    [InlineData(-256, 0x18, 0x00)]
    [InlineData(-257, 0x58, 0x00)]
    [InlineData(int.MaxValue, 0x48, 0xFF)]
    [InlineData(int.MinValue, 0x58, 0x00)]
    public void CountersHaveNineBitsAndTellOverflow(int delta, byte first, byte second)
    {
        _ = Ask(0xF4);
        _mouse.Move(new MouseEvent(delta, 0, 0, MouseButtons.None));
        Wait(10);
        Assert.Equal([first, second, 0], Take());
        _mouse.Move(new MouseEvent(0, delta, 0, MouseButtons.None));
        Wait(20);
        int shifted = 0x08 | ((first & 0x50) << 1);
        Assert.Equal([shifted, 0, second], Take());
    }

    [Fact]
    public void TheSampleRateBoundsTheReports()
    {
        _ = Ask(0xF3);
        _ = Ask(20);
        _ = Ask(0xF4);
        int reports = 0;
        int moved = 0;
        for (int millisecond = 0; millisecond < 1000; millisecond++)
        {
            _mouse.Move(new MouseEvent(1, 0, 0, MouseButtons.None));
            Wait(1);
            if (_mouse.HasData)
            {
                reports++;
                moved += Take()[1];
            }
        }

        Assert.Equal(20, reports);
        Assert.InRange(moved, 940, 1000);
        Wait(100);
        Assert.Equal(1000, moved + Take()[1]);  // nothing is lost
    }

    [Theory]
    [InlineData(new[] { 0, 1, 2, 3, 4, 5, 6, 20, -2, -4, -5, -100 }, new[] { 0, 1, 1, 3, 6, 9, 12, 40, -1, -6, -9, -200 })]
    public void ScalingIsForTheStreamOnly(int[] counts, int[] doubled)
    {
        Assert.Equal([0xFA], Ask(0xE7));
        _ = Ask(0xF4);
        for (int n = 1; n < counts.Length; n++)
        {
            _mouse.Move(new MouseEvent(counts[n], 0, 0, MouseButtons.None));
            Wait(20);
            Assert.Equal((byte)doubled[n], (byte)Take()[1]);
        }

        _ = Ask(0xF0);
        _mouse.Move(new MouseEvent(20, 0, 0, MouseButtons.None));
        Assert.Equal([0xFA, 0x08, 20, 0], Ask(0xEB));
        Assert.Equal([0xFA, 0x70, 2, 100], Ask(0xE9));
        _ = Ask(0xE6);
        Assert.Equal([0xFA, 0x60, 2, 100], Ask(0xE9));
    }

    [Fact]
    public void TheResolutionIsCountsAMillimetre()
    {
        (byte Setting, int Counts)[] rows = [(0, 2), (1, 5), (2, 10), (3, 20)];
        foreach ((byte setting, int counts) in rows)
        {
            _ = Ask(0xE8);
            Assert.Equal([0xFA], Ask(setting));
            _mouse.Move(new MouseEvent(10, 0, 0, MouseButtons.None));
            Assert.Equal([0xFA, 0x08, counts, 0], Ask(0xEB));
            Assert.Equal(setting, Ask(0xE9)[2]);
        }
    }

    [Fact]
    public void RemoteModeReportsWhenAsked()
    {
        _ = Ask(0xF4);
        Assert.Equal([0xFA], Ask(0xF0));
        _mouse.Move(new MouseEvent(7, 0, 0, MouseButtons.Right));
        Wait(100);
        Assert.False(_mouse.HasData);
        Assert.Equal([0xFA, 0x0A, 7, 0], Ask(0xEB));
        Assert.Equal([0xFA, 0x0A, 0, 0], Ask(0xEB));
        Assert.Equal([0xFA], Ask(0xEA));
        Assert.True(_mouse.IsReporting);
    }

    [Fact]
    public void WrapModeEchoes()
    {
        _ = Ask(0xF4);
        Assert.Equal([0xFA], Ask(0xEE));
        Assert.Equal([0xF4], Ask(0xF4));
        Assert.Equal([0x12], Ask(0x12));
        _mouse.Move(new MouseEvent(7, 0, 0, MouseButtons.None));
        Wait(100);
        Assert.False(_mouse.HasData);
        Assert.Equal([0xFA], Ask(0xEC));
        Assert.True(_mouse.IsReporting);
        _ = Ask(0xEE);
        Assert.Equal([0xFA, 0xAA, 0x00], Ask(0xFF));
    }

    [Fact]
    public void TheKnockMakesAWheelMouse()
    {
        foreach (byte rate in (byte[])[200, 100, 80])
        {
            Assert.Equal([0xFA, 0x00], Ask(0xF2));
            _ = Ask(0xF3);
            _ = Ask(rate);
        }

        Assert.Equal([0xFA, 0x03], Ask(0xF2));
        _ = Ask(0xF4);
        _mouse.Move(new MouseEvent(1, 2, -1, MouseButtons.None));
        Wait(20);
        Assert.Equal([0x08, 1, 2, 0xFF], Take());
        _mouse.Move(new MouseEvent(0, 0, 100, MouseButtons.None));
        Wait(20);
        Assert.Equal([0x08, 0, 0, 7], Take());
        Assert.Equal([0xFA, 0xAA, 0x00], Ask(0xFF));
    }

    [Fact]
    public void ASecondSenselessByteIsAnError()
    {
        Assert.Equal([0xFE], Ask(0x42));
        Assert.Equal([0xFC], Ask(0x42));
        Assert.Equal([0xFE], Ask(0x42));
        Assert.Equal([0xFA], Ask(0xF3));
        Assert.Equal([0xFE], Ask(99));
        Assert.Equal([0xFA], Ask(60));
        Assert.Equal(60, Ask(0xE9)[3]);
    }

    [Fact]
    public void ResendGivesTheLastPacketAgain()
    {
        int[] status = Ask(0xE9);
        Assert.Equal(status, Ask(0xFE));
        Assert.Equal(status, Ask(0xFE));
    }

    [Fact]
    public void ThroughTheControllerWithItsInterrupt()
    {
        RecordingLine irq1 = new();
        RecordingLine irq12 = new();
        Keyboard8042 controller = new(_clock, irq1, irq12, new(), () => { }, new Ps2Keyboard(_clock), _mouse);
        controller.WritePort(4, 1, 0x60);
        controller.WritePort(0, 1, 0x47);       // both interrupts, both ports
        foreach (byte answer in (byte[])[0xFA, 0xAA, 0x00])
        {
            if (answer == 0xFA)
            {
                controller.WritePort(4, 1, 0xD4);
                controller.WritePort(0, 1, 0xFF);
            }

            Wait(1);
            Assert.Equal((true, false), (irq12.Level, irq1.Level));
            Assert.Equal(0x21u, controller.ReadPort(4, 1) & 0x21);
            Assert.Equal(answer, controller.ReadPort(0, 1));
            Assert.False(irq12.Level);
        }

        controller.WritePort(4, 1, 0xD4);
        controller.WritePort(0, 1, 0xF4);
        Wait(1);
        Assert.Equal(0xFAu, controller.ReadPort(0, 1));
        controller.WritePort(4, 1, 0xA7);       // the port's clock is held: the mouse waits
        _mouse.Move(new MouseEvent(9, 0, 0, MouseButtons.None));
        Wait(50);
        Assert.False(irq12.Level);
        controller.WritePort(4, 1, 0xA8);
        Wait(1);
        Assert.True(irq12.Level);
        Assert.Equal(0x08u, controller.ReadPort(0, 1));
        controller.WritePort(4, 1, 0xD3);       // a byte as if from the mouse
        controller.WritePort(0, 1, 0x5A);
        Assert.Equal((0x21u, 0x5Au), (controller.ReadPort(4, 1) & 0x21, controller.ReadPort(0, 1)));
        controller.WritePort(4, 1, 0xA9);
        Assert.Equal((0x01u, 0x00u), (controller.ReadPort(4, 1) & 0x21, controller.ReadPort(0, 1)));
    }

    /// <summary>Any bytes and any movements: nothing throws, every byte is answered, and the output stays short.</summary>
    [Fact]
    public void AnyConversationIsAnswered()
    {
        for (ulong seed = 0; seed < 50; seed++)
        {
            EdgeRandom random = new(seed);
            for (int step = 0; step < 500; step++)
            {
                if (random.OneIn(2))
                {
                    _mouse.Move(new MouseEvent((int)random.UInt32(), (int)random.UInt32(), (int)random.UInt32(), (MouseButtons)random.Below(16)));
                    Wait((ulong)random.Below(20));
                }
                else
                {
                    int[] answer = Ask((byte)(random.OneIn(2) ? 0xE6 + random.Below(26) : random.Below(256)));
                    Assert.InRange(answer.Length, step == 0 ? 0 : 1, 8);
                }
            }
        }
    }

    private void Wait(ulong milliseconds) => _clock.AdvanceTo(_clock.Now + (milliseconds * 1000));

    private int[] Ask(byte value)
    {
        _mouse.Receive(value);
        return Take();
    }

    private int[] Take()
    {
        List<int> bytes = [];
        while (_mouse.HasData)
        {
            bytes.Add(_mouse.Send());
        }

        return [.. bytes];
    }
}
