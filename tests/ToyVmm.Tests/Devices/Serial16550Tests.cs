using System.Text;
using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Time;
using ToyVmm.Tests.Interrupts;
using Xunit;

namespace ToyVmm.Tests.Devices;

public sealed class Serial16550Tests
{
    [Fact]
    public void TextGoesToThePeerAndTheTransmitterIsAlwaysEmpty()
    {
        Fixture f = new();
        foreach (byte value in "hello"u8)
        {
            f.Write(0, value);
            Assert.Equal(0x60u, f.Read(5));
        }

        Assert.Equal("hello", f.Sent);
    }

    [Theory]
    [InlineData(0, 0x1F)]
    [InlineData(1, 0x3F)]
    [InlineData(2, 0x7F)]
    [InlineData(3, 0xFF)]
    public void TheWordLengthCutsTheCharacter(byte lineControl, byte expected)
    {
        Fixture f = new();
        f.Write(3, lineControl);
        f.Write(0, 0xFF);
        Assert.Equal(expected, (byte)f.Sent[0]);
    }

    [Fact]
    public void TheDivisorLatchHidesDataAndInterruptEnable()
    {
        Fixture f = new();
        f.Write(1, 0x05);
        f.Write(3, 0x83);
        f.Write(0, 0x01);
        f.Write(1, 0x00);
        Assert.Equal(0x01u, f.Read(0));
        Assert.Equal(0x00u, f.Read(1));
        Assert.Equal(115_200, f.Port.BaudRate);
        f.Write(3, 0x03);
        Assert.Equal(0x05u, f.Read(1));
        Assert.Equal("", f.Sent);
    }

    [Fact]
    public void RegistersHoldTheirWritableBitsOnly()
    {
        Fixture f = new();
        f.Write(1, 0xFF);
        f.Write(4, 0xFF);
        f.Write(7, 0xA5);
        Assert.Equal(0x0Fu, f.Read(1));
        Assert.Equal(0x1Fu, f.Read(4));
        Assert.Equal(0xA5u, f.Read(7));
        f.Write(5, 0xFF);
        f.Write(6, 0xFF);
        Assert.Equal(0x60u, f.Read(5));
    }

    [Fact]
    public void WithoutFifosANewCharacterReplacesTheUnreadOne()
    {
        Fixture f = new();
        Assert.True(f.Port.Receive((byte)'a'));
        Assert.False(f.Port.CanReceive);
        Assert.False(f.Port.Receive((byte)'b'));
        Assert.Equal(0x63u, f.Read(5));     // data ready, overrun
        Assert.Equal(0x61u, f.Read(5));     // reading LSR clears the error
        Assert.Equal('b', (char)f.Read(0));
        Assert.Equal(0x60u, f.Read(5));
        Assert.True(f.Port.CanReceive);
    }

    [Fact]
    public void WithFifosTheLateCharacterIsLost()
    {
        Fixture f = new();
        f.Write(2, 0x01);
        for (int index = 0; index < 16; index++)
        {
            Assert.True(f.Port.CanReceive);
            Assert.True(f.Port.Receive((byte)('a' + index)));
        }

        Assert.False(f.Port.CanReceive);
        Assert.False(f.Port.Receive((byte)'!'));
        Assert.Equal(0x63u, f.Read(5));
        Assert.Equal("abcdefghijklmnop", string.Concat(Enumerable.Range(0, 16).Select(_ => (char)f.Read(0))));
        Assert.Equal(16, f.RoomMade);
    }

    [Theory]
    [InlineData(0x01, 1)]
    [InlineData(0x41, 4)]
    [InlineData(0x81, 8)]
    [InlineData(0xC1, 14)]
    public void TriggerLevels(byte fifoControl, int trigger)
    {
        Fixture f = new();
        f.Write(4, 0x08);
        f.Write(1, 0x01);
        f.Write(2, fifoControl);
        for (int count = 1; count < trigger; count++)
        {
            _ = f.Port.Receive(0);
            Assert.False(f.Line.Level);
        }

        _ = f.Port.Receive(0);
        Assert.True(f.Line.Level);
        Assert.Equal(0xC4u, f.Read(2));
        _ = f.Read(0);
        Assert.False(f.Line.Level);
    }

    [Fact]
    public void CharactersBelowTheTriggerTimeOutAfterFourCharacterTimes()
    {
        Fixture f = new();
        f.Write(3, 0x83);
        f.Write(0, 12);         // 9600 baud
        f.Write(1, 0);
        f.Write(3, 0x03);       // 10 bits a character: 4 characters are 4.1667 ms
        f.Write(4, 0x08);
        f.Write(1, 0x01);
        f.Write(2, 0x81);
        _ = f.Port.Receive(1);
        f.Clock.AdvanceTo(4_166_000);
        Assert.False(f.Line.Level);
        f.Clock.AdvanceTo(4_167_000);
        Assert.True(f.Line.Level);
        Assert.Equal(0xCCu, f.Read(2));
        _ = f.Port.Receive(2);          // an arrival restarts the count
        Assert.False(f.Line.Level);
        f.Clock.AdvanceTo(10_000_000);
        Assert.Equal(0xCCu, f.Read(2));
        _ = f.Read(0);
        Assert.False(f.Line.Level);
        _ = f.Read(0);
        Assert.Equal(ulong.MaxValue, f.Clock.NextDeadline);
    }

    [Fact]
    public void InterruptsAreReportedByPriority()
    {
        Fixture f = new();
        f.Write(4, 0x08);
        f.Write(1, 0x0F);               // raises the transmitter interrupt
        f.Port.SetModemPins(false, true, false, true);
        _ = f.Port.Receive(1);
        _ = f.Port.Receive(2);          // overrun
        Assert.Equal(0x06u, f.Read(2));
        _ = f.Read(5);
        Assert.Equal(0x04u, f.Read(2));
        _ = f.Read(0);
        Assert.Equal(0x02u, f.Read(2)); // and reading it clears it
        Assert.Equal(0x00u, f.Read(2));
        Assert.Equal(0xA1u, f.Read(6));
        Assert.Equal(0x01u, f.Read(2));
        Assert.False(f.Line.Level);
    }

    [Fact]
    public void EveryCharacterSentGivesTheTransmitterInterruptAFreshEdge()
    {
        Fixture f = new();
        f.Write(4, 0x08);
        f.Write(1, 0x02);
        Assert.Equal(1, f.Line.Rises);
        f.Write(0, (byte)'a');
        Assert.Equal(2, f.Line.Rises);
        Assert.Equal(0x02u, f.Read(2));
        Assert.False(f.Line.Level);
        f.Write(0, (byte)'b');
        Assert.Equal(3, f.Line.Rises);
        f.Write(1, 0x00);
        Assert.False(f.Line.Level);
        f.Write(1, 0x02);
        Assert.True(f.Line.Level);
    }

    [Fact]
    public void Out2GatesTheInterrupt()
    {
        Fixture f = new();
        f.Write(1, 0x02);
        Assert.False(f.Line.Level);
        f.Write(4, 0x08);
        Assert.True(f.Line.Level);
    }

    [Fact]
    public void LoopbackReturnsDataAndConnectsTheModemLines()
    {
        Fixture f = new();
        f.Write(4, 0x10);
        f.Write(0, 0x5A);
        Assert.Equal("", f.Sent);
        Assert.Equal(0x5Au, f.Read(0));
        Assert.False(f.Port.CanReceive);
        Assert.False(f.Port.Receive(1));
        foreach ((byte control, uint status) in new[] { ((byte)0x11, 0x20u), ((byte)0x12, 0x10u), ((byte)0x14, 0x40u), ((byte)0x18, 0x80u), ((byte)0x1F, 0xF0u) })
        {
            f.Write(4, control);
            Assert.Equal(status, f.Read(6) & 0xF0);
        }
    }

    [Fact]
    public void ModemDeltasAreClearedByReadingAndRingReportsItsEnd()
    {
        Fixture f = new();
        Assert.Equal(0xB0u, f.Read(6));
        f.Port.SetModemPins(false, false, true, false);
        Assert.Equal(0x4Bu, f.Read(6));     // CTS, DSR, DCD changed; RI's rise is not reported
        Assert.Equal(0x40u, f.Read(6));
        f.Port.SetModemPins(false, false, false, false);
        Assert.Equal(0x04u, f.Read(6));
    }

    [Fact]
    public void ABreakIsAZeroWithItsFlagAtTheTopOfTheFifo()
    {
        Fixture f = new();
        f.Write(2, 0x01);
        _ = f.Port.Receive((byte)'x');
        _ = f.Port.ReceiveBreak();
        Assert.Equal(0xE1u, f.Read(5));     // an error somewhere in the FIFO, not at its top
        Assert.Equal('x', (char)f.Read(0));
        Assert.Equal(0xF1u, f.Read(5));
        Assert.Equal(0u, f.Read(0));
        Assert.Equal(0x60u, f.Read(5));
        f.Write(4, 0x10);
        f.Write(3, 0x43);                   // set break in loopback
        Assert.Equal(0x10u, f.Read(5) & 0x10);
    }

    [Fact]
    public void FifoControlClearsTheReceiver()
    {
        Fixture f = new();
        f.Write(2, 0x01);
        Assert.Equal(0xC1u, f.Read(2));
        _ = f.Port.Receive(1);
        f.Write(2, 0x03);
        Assert.Equal(0x60u, f.Read(5));
        _ = f.Port.Receive(1);
        f.Write(2, 0x00);
        Assert.Equal(0x60u, f.Read(5));
        Assert.Equal(0x01u, f.Read(2));
    }

    private sealed class Fixture : ISerialPeer
    {
        private readonly StringBuilder _sent = new();

        public Fixture() => Port = new Serial16550(Clock, Line) { Peer = this, RoomToReceive = () => RoomMade++ }.With8Bits();

        public VirtualClock Clock { get; } = new(1_000_000_000);

        public RecordingLine Line { get; } = new();

        public Serial16550 Port { get; }

        public int RoomMade { get; private set; }

        public string Sent => _sent.ToString();

        public void Transmit(byte value) => _sent.Append((char)value);

        public uint Read(uint register) => Port.ReadPort(register, 1);

        public void Write(uint register, byte value) => Port.WritePort(register, 1, value);
    }
}

internal static class SerialTestExtensions
{
    public static Serial16550 With8Bits(this Serial16550 port)
    {
        port.WritePort(3, 1, 3);
        return port;
    }
}
