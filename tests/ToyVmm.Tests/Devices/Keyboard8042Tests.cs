using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Time;
using ToyVmm.Tests.Interrupts;
using Xunit;

namespace ToyVmm.Tests.Devices;

public sealed class Keyboard8042Tests
{
    [Theory]
    [InlineData(0xAA, 0x55)]
    [InlineData(0xA4, 0xF1)]
    [InlineData(0xA9, 0x00)]
    [InlineData(0xAB, 0x00)]
    [InlineData(0x20, 0x65)]
    [InlineData(0xC0, 0x80)]
    [InlineData(0xE0, 0x01)]
    public void ControllerCommandsAnswerAtOnce(byte command, byte answer)
    {
        Fixture f = new();
        f.Command(command);
        Assert.Equal(1, f.Status & 1);
        Assert.Equal(answer, f.Data());
        Assert.Equal(0, f.Status & 1);
    }

    [Fact]
    public void TheCommandByteAndTheMemoryReadBack()
    {
        Fixture f = new();
        for (int index = 0; index < 32; index++)
        {
            f.Command((byte)(0x60 + index), (byte)(0x30 + index));
        }

        for (int index = 0; index < 32; index++)
        {
            f.Command((byte)(0x20 + index));
            Assert.Equal(0x30 + index, f.Data());
        }
    }

    [Fact]
    public void PortEnablesAreBitsOfTheCommandByte()
    {
        Fixture f = new();
        (byte Command, byte Bit, bool Set)[] rows = [(0xAD, 0x10, true), (0xAE, 0x10, false), (0xA7, 0x20, true), (0xA8, 0x20, false)];
        foreach ((byte command, byte bit, bool set) in rows)
        {
            f.Command(command);
            f.Command(0x20);
            Assert.Equal(set, (f.Data() & bit) != 0);
        }
    }

    [Fact]
    public void StatusTellsCommandFromDataAndMirrorsTheSystemFlag()
    {
        Fixture f = new();
        Assert.Equal(0x14, f.Status);
        f.Command(0xAD);
        Assert.Equal(0x1C, f.Status);
        f.Write(0xEE);
        Assert.Equal(0x14, f.Status);
        f.Command(0x60, 0x00);
        Assert.Equal(0x10, f.Status);
    }

    [Fact]
    public void KeysArriveTranslatedWithOneInterruptEach()
    {
        Fixture f = new();
        f.Keyboard.KeyEvent(Ps2Key.A, true);
        Assert.False(f.Irq1.Level);
        f.Frame();
        Assert.True(f.Irq1.Level);
        Assert.Equal(0x1E, f.Data());
        Assert.False(f.Irq1.Level);
        Assert.Equal(0x1E, f.Data());       // an empty buffer gives the last byte again
        f.Keyboard.KeyEvent(Ps2Key.A, false);
        f.Frame();
        Assert.Equal(0x9E, f.Data());
        Assert.Equal(2, f.Irq1.Rises);
    }

    [Fact]
    public void ADisabledKeyboardWaits()
    {
        Fixture f = new();
        f.Command(0xAD);
        f.Keyboard.KeyEvent(Ps2Key.A, true);
        f.Frame();
        Assert.Equal(0, f.Status & 1);
        f.Command(0xAE);
        f.Frame();
        Assert.Equal(0x1E, f.Data());
    }

    [Fact]
    public void WithoutTheInterruptEnableAPolledByteStillArrives()
    {
        Fixture f = new();
        f.Command(0x60, 0x44);
        f.Keyboard.KeyEvent(Ps2Key.Enter, true);
        f.Frame();
        Assert.False(f.Irq1.Level);
        Assert.Equal(0x1C, f.Data());
    }

    [Fact]
    public void TheOutputPortDrivesA20AndReset()
    {
        Fixture f = new();
        f.Command(0xD1, 0xDD);
        Assert.False(f.A20.Enabled);
        f.Command(0xD0);
        Assert.Equal(0x01, f.Data() & 0x03);
        f.Command(0xD1, 0xDF);
        Assert.True(f.A20.Enabled);
        f.Command(0xDD);
        Assert.False(f.A20.Enabled);
        f.Command(0xDF);
        Assert.True(f.A20.Enabled);
        Assert.Equal(0, f.Resets);
        f.Command(0xFE);
        Assert.Equal(1, f.Resets);
        f.Command(0xFF);                    // pulses nothing
        f.Command(0xFD);
        Assert.Equal(1, f.Resets);
        f.Command(0xF0);
        Assert.Equal(2, f.Resets);
        f.Command(0xD1, 0xDE);
        Assert.Equal(3, f.Resets);
    }

    [Fact]
    public void BytesCanBePutIntoTheOutputBuffer()
    {
        Fixture f = new();
        f.Command(0xD2, 0x42);
        Assert.True(f.Irq1.Level);
        Assert.Equal(0x42, f.Data());
        f.Command(0x60, 0x47);
        f.Command(0xD3, 0x43);
        Assert.Equal(0x21, f.Status & 0x21);
        Assert.False(f.Irq1.Level);
        Assert.True(f.Irq12.Level);
        Assert.Equal(0x43, f.Data());
    }

    [Fact]
    public void AnAbsentMouseTimesOut()
    {
        Fixture f = new();
        f.Command(0xD4, 0xF2);
        Assert.Equal(0x61, f.Status & 0x61);
        Assert.Equal(0xFE, f.Data());
        Assert.Equal(0x00, f.Status & 0x61);
    }

    [Fact]
    public void ADeviceAtTheAuxiliaryPortIsReached()
    {
        VirtualClock clock = new(1_000_000);
        RecordingLine irq12 = new();
        Ps2Keyboard second = new(clock); // any PS/2 device will do
        Keyboard8042 controller = new(clock, new RecordingLine(), irq12, new A20Gate(), () => { }, new Ps2Keyboard(clock), second);
        controller.WritePort(4, 1, 0x60);
        controller.WritePort(0, 1, 0x47);
        controller.WritePort(4, 1, 0xD4);
        controller.WritePort(0, 1, 0xEE);
        clock.AdvanceTo(clock.Now + 100);
        Assert.True(irq12.Level);
        Assert.Equal(0x21u, controller.ReadPort(4, 1) & 0x21);
        Assert.Equal(0xEEu, controller.ReadPort(0, 1));
    }

    [Fact]
    public void AnswersThatCrossAKeyWaitForTheBuffer()
    {
        Fixture f = new();
        f.Keyboard.KeyEvent(Ps2Key.A, true);
        f.Frame();
        f.Command(0x20);
        Assert.Equal(0x1E, f.Data());
        Assert.Equal(0x65, f.Data());
    }

    private sealed class Fixture
    {
        public Fixture()
        {
            A20.Set(true);
            Keyboard = new Ps2Keyboard(Clock);
            Controller = new Keyboard8042(Clock, Irq1, Irq12, A20, () => Resets++, Keyboard);
        }

        public VirtualClock Clock { get; } = new(1_000_000);

        public RecordingLine Irq1 { get; } = new();

        public RecordingLine Irq12 { get; } = new();

        public A20Gate A20 { get; } = new();

        public Ps2Keyboard Keyboard { get; }

        public Keyboard8042 Controller { get; }

        public int Resets { get; private set; }

        public byte Status => (byte)Controller.ReadPort(4, 1);

        public byte Data() => (byte)Controller.ReadPort(0, 1);

        public void Write(byte value) => Controller.WritePort(0, 1, value);

        public void Command(byte command) => Controller.WritePort(4, 1, command);

        public void Command(byte command, byte argument)
        {
            Command(command);
            Write(argument);
        }

        public void Frame() => Clock.AdvanceTo(Clock.Now + (2 * Keyboard8042.FrameMicroseconds));
    }
}
