using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Interrupts;
using ToyVmm.Hardware.Time;
using ToyVmm.Tests.Interrupts;
using Xunit;

namespace ToyVmm.Tests.Devices;

public sealed class RtcMc146818Tests
{
    private const ulong Hz = 1_000_000;
    private static readonly int[] s_timeRegisters = [0, 2, 4, 6, 7, 8, 9, 0x32];
    private static readonly DateTimeOffset s_start = new(2026, 12, 31, 23, 59, 58, TimeSpan.Zero); // a Thursday

    [Fact]
    public void TheTimeRunsAndCarriesIntoEveryField()
    {
        Fixture f = new();
        Assert.Equal("58 59 23 05 31 12 26 20", f.Time());
        f.Seconds(2);
        Assert.Equal("00 00 00 06 01 01 27 20", f.Time());
        f.Seconds(59 * 86_400); // 1 March: 2027 is no leap year, January and February have 59 days
        Assert.Equal("00 00 00 02 01 03 27 20", f.Time());
    }

    [Theory]
    [InlineData(0x02, "58 59 23 05 31 12 26 20")] // BCD, 24 hours
    [InlineData(0x00, "58 59 91 05 31 12 26 20")] // BCD, 12 hours, afternoon
    [InlineData(0x06, "3A 3B 17 05 1F 0C 1A 14")] // binary
    [InlineData(0x04, "3A 3B 8B 05 1F 0C 1A 14")]
    public void TheFormatsOfRegisterB(byte registerB, string expected)
    {
        Fixture f = new();
        f.Write(0x0B, registerB);
        Assert.Equal(expected, f.Time());
    }

    [Theory]
    [InlineData(0, "12")]
    [InlineData(1, "01")]
    [InlineData(11, "11")]
    [InlineData(12, "92")]
    [InlineData(13, "81")]
    [InlineData(23, "91")]
    public void MidnightAndNoonAreTwelveInTwelveHourMode(int hour, string expected)
    {
        Fixture f = new(new DateTimeOffset(2026, 1, 1, hour, 0, 0, TimeSpan.Zero));
        f.Write(0x0B, 0x00);
        Assert.Equal(expected, $"{f.Read(4):X2}");
        byte shown = f.Read(4);
        f.Write(0x0B, 0x80);
        f.Write(0x04, shown);
        f.Write(0x0B, 0x00);
        f.Write(0x0B, 0x06);
        Assert.Equal(hour, f.Read(4));
    }

    [Fact]
    public void SetStopsTheClockAndReleasingItStartsFromWhatWasWritten()
    {
        Fixture f = new();
        f.Write(0x0B, 0x82);
        f.Seconds(10);
        Assert.Equal("58 59 23 05 31 12 26 20", f.Time());
        foreach ((int register, byte value) in new[] { (0, 0x59), (2, 0x59), (4, 0x23), (6, 0x03), (7, 0x28), (8, 0x02), (9, 0x28), (0x32, 0x20) }.Select(p => (p.Item1, (byte)p.Item2)))
        {
            f.Write(register, value);
        }

        f.Write(0x0B, 0x02);
        f.Seconds(1);
        Assert.Equal("00 00 00 04 29 02 28 20", f.Time());
    }

    [Fact]
    public void TheDividerResetHoldsTheClockAndTheFirstUpdateComesHalfASecondLater()
    {
        Fixture f = new();
        f.Write(0x0A, 0x76);
        f.Seconds(5);
        Assert.Equal(0x58, f.Read(0));
        f.Write(0x0A, 0x26);
        f.Microseconds(499_000);
        Assert.Equal(0x58, f.Read(0));
        f.Microseconds(2_000);
        Assert.Equal(0x59, f.Read(0));
    }

    [Fact]
    public void UipWarnsBeforeTheUpdateAndNeverDuringSet()
    {
        Fixture f = new();
        f.Microseconds(990_000);
        Assert.Equal(0x26, f.Read(0x0A));
        f.Microseconds(9_000);
        Assert.Equal(0xA6, f.Read(0x0A));
        Assert.Equal(0x58, f.Read(0));
        f.Microseconds(1_100);
        Assert.Equal(0x26, f.Read(0x0A));
        Assert.Equal(0x59, f.Read(0));
        f.Write(0x0B, 0x82);
        f.Microseconds(998_000);
        Assert.Equal(0x26, f.Read(0x0A));
    }

    [Theory]
    [InlineData(1, 256)]
    [InlineData(2, 128)]
    [InlineData(3, 8192)]
    [InlineData(4, 4096)]
    [InlineData(6, 1024)]
    [InlineData(10, 64)]
    [InlineData(15, 2)]
    public void PeriodicRates(byte rate, int expected)
    {
        Fixture f = new();
        f.Write(0x0A, (byte)(0x20 | rate));
        f.Write(0x0B, 0x42);
        _ = f.Read(0x0C);
        int interrupts = 0;
        ulong end = f.Clock.Now + (2 * Hz);
        while (f.Clock.NextDeadline <= end)
        {
            f.Clock.AdvanceTo(f.Clock.NextDeadline);
            Assert.True(f.Line.Level);
            Assert.Equal(0xC0, f.Read(0x0C) & 0xC0);
            Assert.False(f.Line.Level);
            interrupts++;
        }

        Assert.Equal(2 * expected, interrupts);
    }

    [Fact]
    public void FlagsAreSetWithoutInterruptsAndClearedByReading()
    {
        Fixture f = new();
        f.Seconds(1);
        Assert.Equal(ulong.MaxValue, f.Clock.NextDeadline);
        Assert.Equal(0x50, f.Read(0x0C)); // PF and UF, no IRQF
        Assert.Equal(0x00, f.Read(0x0C));
        Assert.False(f.Line.Level);
        f.Seconds(1);
        f.Write(0x0B, 0x12); // the flag is up already: enabling it interrupts at once
        Assert.True(f.Line.Level);
        Assert.Equal(0xD0, f.Read(0x0C) & 0xD0); // AF too: the alarm bytes are zero, and it is midnight
        Assert.False(f.Line.Level);
    }

    [Fact]
    public void TheUpdateEndedInterruptComesOnceASecondWithTheNewTime()
    {
        Fixture f = new();
        f.Write(0x0A, 0x20);
        f.Write(0x0B, 0x12);
        f.Seconds(1);
        Assert.True(f.Line.Level);
        Assert.Equal(0x59, f.Read(0));
        f.Seconds(3);
        Assert.Equal(1, f.Line.Rises); // not acknowledged: no further edges
        Assert.Equal(0x90, f.Read(0x0C) & 0xD0);
        f.Write(0x0B, 0x92);
        Assert.Equal(0x82, f.Read(0x0B)); // SET clears UIE
    }

    [Theory]
    [InlineData(0x00, 0x00, 0x00, 2)]       // at midnight
    [InlineData(0x30, 0xC0, 0xFF, 32)]      // each minute at :30
    [InlineData(0x00, 0x10, 0xC0, 602)]     // each hour at 10 minutes
    [InlineData(0xC0, 0xC0, 0xC0, 1)]       // each second
    [InlineData(0x57, 0x59, 0x23, 86_399)]  // tomorrow
    [InlineData(0x61, 0x00, 0x00, -1)]      // never: no second shows 61
    public void AlarmsWithDoNotCareCodes(byte second, byte minute, byte hour, int expected)
    {
        Fixture f = new();
        f.Write(0x01, second);
        f.Write(0x03, minute);
        f.Write(0x05, hour);
        f.Write(0x0B, 0x22);
        _ = f.Read(0x0C);
        if (expected < 0)
        {
            Assert.Equal(ulong.MaxValue, f.Clock.NextDeadline);
            return;
        }

        Assert.Equal((ulong)expected * Hz, f.Clock.NextDeadline);
        f.Clock.AdvanceTo(f.Clock.NextDeadline);
        Assert.True(f.Line.Level);
        Assert.Equal(0xA0, f.Read(0x0C) & 0xA0);
    }

    [Fact]
    public void TheIndexPortMasksTheNmiAndTheMemoryHolds()
    {
        Fixture f = new();
        f.Rtc.WritePort(0, 1, 0x8F);
        f.Rtc.WritePort(1, 1, 0x55);
        Assert.True(f.Nmi.Masked);
        f.Nmi.Raise();
        Assert.False(f.Nmi.Pending);
        Assert.Equal(0x55, f.Read(0x0F));
        Assert.True(f.Nmi.Pending);
        Assert.True(f.Nmi.Take());
        Assert.False(f.Nmi.Take());
        Assert.Equal(0x80, f.Read(0x0D));
        f.Write(0x0D, 0x00);
        Assert.Equal(0x80, f.Read(0x0D));
        Assert.Equal(0xFFu, f.Rtc.ReadPort(0, 1));
    }

    [Fact]
    public void ResetClearsInterruptsAndKeepsTimeAndMemory()
    {
        Fixture f = new();
        f.Write(0x40, 0x77);
        f.Write(0x0B, 0x7A);
        f.Seconds(2);
        Assert.True(f.Line.Level);
        f.Rtc.Reset();
        Assert.False(f.Line.Level);
        Assert.Equal(0x02, f.Read(0x0B));
        Assert.Equal(0x77, f.Read(0x40));
        Assert.Equal("00 00 00 06 01 01 27 20", f.Time());
    }

    [Fact]
    public void TheChecksumIsTheSumOfTheSetupBytes()
    {
        Fixture f = new();
        f.Rtc.SetMemory(0x10, 0xFF);
        f.Rtc.SetMemory(0x2D, 0x02);
        f.Rtc.StoreChecksum();
        Assert.Equal(0x01, f.Read(0x2E));
        Assert.Equal(0x01, f.Read(0x2F));
        Assert.Throws<ArgumentOutOfRangeException>(() => f.Rtc.SetMemory(0x0A, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => f.Rtc.SetMemory(0x80, 0));
    }

    [Fact]
    public void GarbageInTheClockNeverThrows()
    {
        Random random = new(7);
        Fixture f = new();
        for (int round = 0; round < 50_000; round++)
        {
            f.Rtc.WritePort(0, 1, (uint)random.Next(16) == 0 ? 0x32u : (uint)random.Next(14));
            f.Rtc.WritePort(1, 1, (uint)random.Next(256));
            _ = f.Rtc.ReadPort(1, 1);
            f.Clock.AdvanceTo(f.Clock.Now + (ulong)random.Next(2_000_000));
        }

        f.Clock.AdvanceTo(ulong.MaxValue / 4);
        _ = f.Time();
    }

    private sealed class Fixture
    {
        public Fixture(DateTimeOffset? start = null) => Rtc = new RtcMc146818(Clock, Line, Nmi, start ?? s_start);

        public VirtualClock Clock { get; } = new(Hz);

        public RecordingLine Line { get; } = new();

        public NmiGate Nmi { get; } = new();

        public RtcMc146818 Rtc { get; }

        public byte Read(int register)
        {
            Rtc.WritePort(0, 1, (uint)register);
            return (byte)Rtc.ReadPort(1, 1);
        }

        public void Write(int register, byte value)
        {
            Rtc.WritePort(0, 1, (uint)register);
            Rtc.WritePort(1, 1, value);
        }

        public void Seconds(ulong count) => Clock.AdvanceTo(Clock.Now + (count * Hz));

        public void Microseconds(ulong count) => Clock.AdvanceTo(Clock.Now + count);

        public string Time() => string.Join(' ', s_timeRegisters.Select(register => $"{Read(register):X2}"));
    }
}
