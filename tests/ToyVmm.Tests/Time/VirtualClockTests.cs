using ToyVmm.Hardware.Time;
using Xunit;

namespace ToyVmm.Tests.Time;

public sealed class VirtualClockTests
{
    [Fact]
    public void InstructionOfIsTheFirstInstantOfATick()
    {
        Random random = new(1);
        for (int round = 0; round < 20_000; round++)
        {
            ulong frequency = 1 + (ulong)random.NextInt64(1L << random.Next(1, 40));
            ulong hz = 1 + (ulong)random.NextInt64(1L << random.Next(1, 32));
            ulong tick = (ulong)random.NextInt64(1L << random.Next(1, 24)); // 2^40 x 2^24 fits 64 bits
            VirtualClock clock = new(frequency);
            ulong at = clock.InstructionOf(tick, hz);
            if (at > 0)
            {
                clock.AdvanceTo(at - 1);
                Assert.True(clock.Ticks(hz) < tick, $"F={frequency} hz={hz} tick={tick}: reached before {at}");
            }

            clock.AdvanceTo(at);
            Assert.True(clock.Ticks(hz) >= tick, $"F={frequency} hz={hz} tick={tick}: not reached at {at}");
        }
    }

    [Fact]
    public void ConversionsSaturate()
    {
        VirtualClock clock = new(1);
        Assert.Equal(ulong.MaxValue, new VirtualClock(ulong.MaxValue).InstructionOf(ulong.MaxValue, 1));
        clock.AdvanceTo(ulong.MaxValue);
        Assert.Equal(ulong.MaxValue, clock.Ticks(1_193_182));
        Assert.Throws<ArgumentOutOfRangeException>(() => clock.InstructionOf(1, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new VirtualClock(0));
    }

    [Fact]
    public void TimersFireInOrderOfDeadlineThenOfCreation()
    {
        VirtualClock clock = new(1000);
        List<string> log = [];
        ClockTimer a = clock.CreateTimer("a", () => log.Add($"a@{clock.Now}"));
        ClockTimer b = clock.CreateTimer("b", () => log.Add($"b@{clock.Now}"));
        ClockTimer c = clock.CreateTimer("c", () => log.Add($"c@{clock.Now}"));
        c.Arm(10);
        b.Arm(20);
        a.Arm(20);
        Assert.Equal(10ul, clock.NextDeadline);

        clock.AdvanceTo(9);
        Assert.Empty(log);
        clock.AdvanceTo(100);

        Assert.Equal(["c@10", "a@20", "b@20"], log);
        Assert.Equal(100ul, clock.Now);
        Assert.Equal(ulong.MaxValue, clock.NextDeadline);
    }

    [Fact]
    public void APeriodicTimerRearmsInsideItsCallback()
    {
        VirtualClock clock = new(1000);
        List<ulong> fired = [];
        ClockTimer timer = null!;
        timer = clock.CreateTimer("periodic", () =>
        {
            fired.Add(clock.Now);
            timer.Arm(clock.Now + 7);
        });
        timer.Arm(7);

        clock.AdvanceTo(30);

        Assert.Equal([7ul, 14, 21, 28], fired);
        Assert.Equal(35ul, clock.NextDeadline);
    }

    [Fact]
    public void ADeadlineInThePastCountsAsTheNextTick()
    {
        VirtualClock clock = new(1000);
        int fired = 0;
        ClockTimer timer = clock.CreateTimer("late", () => fired++);
        clock.AdvanceTo(50);
        timer.Arm(10);

        clock.AdvanceTo(50);
        Assert.Equal(0, fired);
        clock.AdvanceTo(51);
        Assert.Equal(1, fired);
    }

    [Fact]
    public void CancelledAndMovedTimersDoNotFireAtTheOldDeadline()
    {
        VirtualClock clock = new(1000);
        int fired = 0;
        ClockTimer timer = clock.CreateTimer("t", () => fired++);
        timer.Arm(10);
        timer.Cancel();
        clock.AdvanceTo(20);
        timer.Arm(30);
        timer.Arm(40);
        clock.AdvanceTo(39);
        Assert.Equal(0, fired);
        clock.AdvanceTo(40);
        Assert.Equal(1, fired);
    }

    [Fact]
    public void MisuseIsRefused()
    {
        VirtualClock clock = new(1000);
        clock.AdvanceTo(10);
        Assert.Throws<ArgumentOutOfRangeException>(() => clock.AdvanceTo(9));
        ClockTimer other = clock.CreateTimer("other", () => { });
        ClockTimer timer = clock.CreateTimer("recursive", () => clock.AdvanceTo(12));
        timer.Arm(11);
        other.Arm(12);
        Assert.Throws<InvalidOperationException>(() => clock.AdvanceTo(20));
    }
}
