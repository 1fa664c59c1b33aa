using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Time;
using ToyVmm.Tests.Interrupts;
using Xunit;

namespace ToyVmm.Tests.Devices;

public sealed class Pit8254Tests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void EveryModeAgreesWithTheDataSheetPulseByPulse(int mode)
    {
        for (int seed = 0; seed < 150; seed++)
        {
            RunAgainstModel(seed, new Random(seed * 8 + mode), mode);
        }
    }

    [Theory]
    [InlineData(0, 4, "L L L L L H H H H")]         // OUT rises N + 1 pulses after the write
    [InlineData(2, 3, "H H H L H H L H H L")]       // low during the last pulse of each period
    [InlineData(3, 4, "H H H L L H H L L H")]
    [InlineData(3, 5, "H H H H L L H H H L L H")]   // odd: (N + 1) / 2 high, (N - 1) / 2 low
    [InlineData(4, 2, "H H H L H H H H")]           // a strobe of one pulse
    public void WaveformsOfTheDataSheet(int mode, byte count, string expected)
    {
        (VirtualClock clock, Pit8254 pit, RecordingLine line) = Make();
        pit.WritePort(3, 1, (uint)(0x10 | (mode << 1)));
        pit.WritePort(0, 1, count);
        List<string> levels = [];
        for (ulong pulse = 0; levels.Count < (expected.Length + 1) / 2; pulse++)
        {
            clock.AdvanceTo(pulse);
            Assert.Equal(pit.Output(0), line.Level);
            levels.Add(line.Level ? "H" : "L");
        }

        Assert.Equal(expected, string.Join(' ', levels));
    }

    [Fact]
    public void ModeOneAndFiveWaitForTheGate()
    {
        (VirtualClock clock, Pit8254 pit, _) = Make();
        pit.SetGate(2, false);
        pit.WritePort(3, 1, 0x92);                  // counter 2, LSB, mode 1
        pit.WritePort(2, 1, 3);
        clock.AdvanceTo(10);
        Assert.True(pit.Output(2));
        pit.SetGate(2, true);
        Assert.Equal("H L L L H", Levels(clock, pit, 10, 5));

        pit.SetGate(2, false);
        pit.WritePort(3, 1, 0x9A);                  // mode 5
        pit.WritePort(2, 1, 3);
        pit.SetGate(2, true);
        Assert.Equal("H H H H L H", Levels(clock, pit, 14, 6));
    }

    [Fact]
    public void ALatchedCountStandsStillUntilItIsRead()
    {
        (VirtualClock clock, Pit8254 pit, _) = Make();
        pit.WritePort(3, 1, 0x34);
        pit.WritePort(0, 1, 0x00);
        pit.WritePort(0, 1, 0x10);
        clock.AdvanceTo(1 + 0x123);
        pit.WritePort(3, 1, 0x00);                  // latch counter 0
        clock.AdvanceTo(500);
        pit.WritePort(3, 1, 0x00);                  // ignored: the first latch has not been read
        Assert.Equal(0x1000u - 0x123, pit.ReadPort(0, 1) | (pit.ReadPort(0, 1) << 8));
        Assert.Equal(0x1000u - 499, pit.ReadPort(0, 1) | (pit.ReadPort(0, 1) << 8));
    }

    [Fact]
    public void ReadBackLatchesStatusBeforeCountAndSeveralCounters()
    {
        (VirtualClock clock, Pit8254 pit, _) = Make();
        pit.WritePort(3, 1, 0x36);
        pit.WritePort(3, 1, 0x54);
        pit.WritePort(1, 1, 18);
        pit.WritePort(3, 1, 0xC6);                  // status and count of counters 0 and 1
        Assert.Equal(0x80u | 0x40 | 0x36, pit.ReadPort(0, 1));  // OUT, null count, RW=3 mode 3
        Assert.Equal(0x80u | 0x40 | 0x14, pit.ReadPort(1, 1));
        clock.AdvanceTo(5);
        Assert.Equal(0u, pit.ReadPort(1, 1));       // the count latched before it was loaded
        pit.WritePort(3, 1, 0xE4);                  // status of counter 1 only
        Assert.Equal(0x80u | 0x14, pit.ReadPort(1, 1));
        Assert.Equal(14u, pit.ReadPort(1, 1));
    }

    [Fact]
    public void ReadAndWriteFlipFlopsAreSeparate()
    {
        (VirtualClock clock, Pit8254 pit, _) = Make();
        pit.WritePort(3, 1, 0x34);
        pit.WritePort(0, 1, 0x34);
        pit.WritePort(0, 1, 0x12);
        clock.AdvanceTo(1);
        Assert.Equal(0x34u, pit.ReadPort(0, 1));
        pit.WritePort(0, 1, 0x78);
        Assert.Equal(0x12u, pit.ReadPort(0, 1));
        pit.WritePort(0, 1, 0x56);
        clock.AdvanceTo(1 + 0x1234);
        Assert.Equal(0x78u, pit.ReadPort(0, 1));
        Assert.Equal(0x56u, pit.ReadPort(0, 1));
    }

    [Fact]
    public void BcdCountsInDecimal()
    {
        (VirtualClock clock, Pit8254 pit, _) = Make();
        pit.WritePort(3, 1, 0x35);
        pit.WritePort(0, 1, 0x00);
        pit.WritePort(0, 1, 0x10);                  // 1000
        clock.AdvanceTo(2);
        Assert.Equal(0x0999u, pit.ReadPort(0, 1) | (pit.ReadPort(0, 1) << 8));
        clock.AdvanceTo(1 + 999);
        Assert.False(pit.Output(0));
    }

    [Theory]
    [InlineData(1_000_000_000ul)]
    [InlineData(1_193_182ul)]
    [InlineData(33_333ul)]      // slower than the counter: several edges fall into one instruction
    public void TheInterruptRateIsExactAtAnyClock(ulong frequency)
    {
        VirtualClock clock = new(frequency);
        RecordingLine line = new();
        Pit8254 pit = new(clock, line);
        pit.WritePort(3, 1, 0x34);
        pit.WritePort(0, 1, 11932 & 0xFF);
        pit.WritePort(0, 1, 11932 >> 8);            // about 100 Hz
        int before = line.Rises;
        clock.AdvanceTo(10 * frequency);
        Assert.Equal((int)((11_931_820 - 1) / 11932), line.Rises - before);
    }

    [Fact]
    public void PulsesShorterThanAnInstructionStillGiveEdges()
    {
        VirtualClock clock = new(10_000);
        RecordingLine line = new();
        Pit8254 pit = new(clock, line);
        pit.WritePort(3, 1, 0x14);
        pit.WritePort(0, 1, 100);   // an instruction lasts 119 pulses
        int before = line.Rises;
        for (ulong now = 1; now <= 100; now++)
        {
            clock.AdvanceTo(now);
        }

        Assert.InRange(line.Rises - before, 90, 100);
    }

    [Fact]
    public void AnIdleCounterNeedsNoTimer()
    {
        (VirtualClock clock, Pit8254 pit, _) = Make();
        Assert.Equal(ulong.MaxValue, clock.NextDeadline);
        pit.WritePort(3, 1, 0x30);
        pit.WritePort(0, 1, 100);
        pit.WritePort(0, 1, 0);
        clock.AdvanceTo(200);
        Assert.Equal(ulong.MaxValue, clock.NextDeadline);
    }

    private static (VirtualClock Clock, Pit8254 Pit, RecordingLine Line) Make()
    {
        VirtualClock clock = new(Pit8254.Frequency);
        RecordingLine line = new();
        return (clock, new Pit8254(clock, line), line);
    }

    private static string Levels(VirtualClock clock, Pit8254 pit, ulong from, int count)
    {
        List<string> levels = [];
        for (int index = 0; index < count; index++)
        {
            clock.AdvanceTo(from + (ulong)index);
            levels.Add(pit.Output(2) ? "H" : "L");
        }

        return string.Join(' ', levels);
    }

    private static void RunAgainstModel(int seed, Random random, int mode)
    {
        (VirtualClock clock, Pit8254 pit, RecordingLine line) = Make();
        Pit8254Model model = new();
        int access = random.Next(1, 4);
        bool bcd = random.Next(3) == 0;
        pit.WritePort(3, 1, (uint)((access << 4) | (mode << 1) | (bcd ? 1 : 0)));
        model.Control(access, mode, bcd);
        bool gate = true;
        bool second = false;
        for (ulong pulse = 1; pulse <= 400; pulse++)
        {
            string context = $"mode {mode} seed {seed} pulse {pulse} access {access} bcd {bcd}";
            clock.AdvanceTo(pulse);
            model.Clock();
            Assert.True(model.Out == pit.Output(0) && model.Out == line.Level, $"{context}: OUT should be {model.Out}");
            int action = random.Next(40);
            if (action < 3)
            {
                // Counts from 2, small so that they expire; now and then one that wraps.
                byte value = (byte)(second || access == 2 ? random.Next(8) / 7 : random.Next(16) == 0 ? 0x90 : random.Next(2, 10));
                if (access == 2 && value == 0 && random.Next(4) > 0)
                {
                    value = 1;
                }

                pit.WritePort(0, 1, value);
                model.Write(value);
                second = access == 3 && !second;
            }
            else if (action < 6)
            {
                gate = !gate;
                pit.SetGate(0, gate);
                model.Gate(gate);
            }

            Assert.True(model.Out == pit.Output(0) && model.Out == line.Level, $"{context} action {action}: OUT should be {model.Out}");
            pit.WritePort(3, 1, 0xC2);
            uint status = pit.ReadPort(0, 1);
            Assert.True(((status & 0x40) != 0) == model.NullCount, $"{context}: null count should be {model.NullCount}");
            uint low = pit.ReadPort(0, 1);
            uint count = access == 3 ? low | (pit.ReadPort(0, 1) << 8) : access == 2 ? low << 8 : low;
            uint expected = (uint)(access == 3 ? model.Count : access == 2 ? model.Count & 0xFF00 : model.Count & 0xFF);
            Assert.True(count == expected, $"{context} action {action}: count 0x{count:x}, should be 0x{expected:x}");
        }
    }
}
