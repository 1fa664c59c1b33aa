using ToyVmm.Tests.Translation;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Scheduling;
using Xunit;
using static ToyVmm.Tests.Scheduling.FleetFixture;

namespace ToyVmm.Tests.Scheduling;

/// <summary>Fleets of real machines: shares, sleep, yields, the clock, and that no guest's end is another's.</summary>
public sealed class FleetTests
{
    private static readonly FleetOptions s_exact = new() { Accounting = FleetAccounting.Instructions, Slice = 10_000 };

    [Fact]
    public void Instructions_are_shared_by_weight()
    {
        using Fleet fleet = new([Guest("a", Busy, 100), Guest("b", Busy, 200), Guest("c", ExitStorm, 300)], s_exact);
        Assert.Equal(FleetStop.SliceLimit, fleet.Run(new FleetLimits { MaxSlices = 1000 }));
        ulong total = fleet.Now;
        Assert.Equal(total, fleet.Guests.Aggregate(0ul, (sum, guest) => sum + guest.Status.Instructions));
        foreach (FleetGuest guest in fleet.Guests)
        {
            Assert.InRange(guest.Status.Instructions / (total * guest.Options.Weight / 600.0), 0.98, 1.02);
            Assert.Equal(guest.Machine!.InstructionsRetired, guest.Status.Instructions);
        }
    }

    [Fact]
    public void Each_guest_ends_for_itself()
    {
        using Fleet fleet = new([Guest("done", Work(1000)), Guest("seven", Exit(7)), Guest("dead", TripleFault), Guest("halted", [0xFA, 0xF4]), Guest("long", Work(200_000))], s_exact);
        Assert.Equal(FleetStop.AllStopped, fleet.Run());
        Assert.Equal([StopKind.PowerOff, StopKind.DebugExit, StopKind.TripleFault, StopKind.HaltedForever, StopKind.PowerOff], fleet.Guests.Select(guest => guest.Stop!.Kind));
        Assert.Equal([true, false, false, false, true], fleet.Guests.Select(guest => guest.Succeeded));
        Assert.Equal(400_004ul, fleet.Guests[4].Status.Instructions);
    }

    [Fact]
    public void Nothing_at_all_is_a_fleet_too()
    {
        using Fleet fleet = new([]);
        Assert.Equal(FleetStop.AllStopped, fleet.Run());
    }

    [Fact]
    public void Names_are_unique()
    {
        ArgumentException e = Assert.Throws<ArgumentException>(() => new Fleet([Guest("a", Busy), Guest("a", Busy)]));
        Assert.Contains("two guests are called a", e.Message, StringComparison.Ordinal);
    }

    /// <summary>A guest that sleeps 1 ms at a time uses what it does, wakes when the fleet's clock says so, and ends no earlier than that.</summary>
    [Fact]
    public void A_sleeping_guest_uses_nothing_and_wakes_in_time()
    {
        const ulong Slice = 10_000;
        ulong latest = 0;
        using Fleet fleet = new(
            [Guest("sleeper", Sleeper(50, 20)), Guest("busy", Busy), Guest("busy 2", Busy)],
            s_exact with { SliceObserver = slice => latest = slice.Guest.Number == 0 ? slice.StartedAt : latest });
        fleet.Run(new FleetLimits { MaxSlices = 10_000 });
        FleetGuest sleeper = fleet.Guests[0];
        Assert.Equal(StopKind.PowerOff, sleeper.Stop!.Kind);
        Assert.InRange(sleeper.Status.Instructions, 50ul * 40, 50ul * 50 + 100);

        // 50 ticks of 1,000 a second, the first at once or after one: and each was served within W / (8 w) + 1 slices.
        Assert.InRange(latest, 48_900_000ul, 50_100_000ul + (2 * Slice));
        Assert.InRange(sleeper.Status.LongestWait, 0ul, (3 / 8) + 1ul);
    }

    /// <summary>While all sleep the fleet's clock jumps to the first that wakes; nobody's own clock gets ahead of it.</summary>
    [Fact]
    public void The_clock_jumps_only_while_all_sleep()
    {
        Fleet? fleet = null;
        List<ulong> times = [];
        FleetOptions options = s_exact with
        {
            SliceObserver = slice =>
            {
                times.Add(slice.StartedAt);
                Assert.All(fleet!.Guests, guest => Assert.InRange(guest.Machine!.Machine.Clock.Now, 0ul, fleet.Now));
            },
        };
        using (fleet = new([Guest("a", Sleeper(20, 5)), Guest("b", Sleeper(20, 700))], options))
        {
            Assert.Equal(FleetStop.AllStopped, fleet.Run());
            Assert.InRange(fleet.Now, 18_900_000ul, 20_100_000ul);
            Assert.InRange(fleet.Guests.Aggregate(0ul, (sum, guest) => sum + guest.Status.Instructions), 0ul, 40_000ul);
            Assert.Equal(times.Order(), times);
        }
    }

    /// <summary>A guest alone in a fleet has the very same clock as without one.</summary>
    [Fact]
    public void Alone_in_a_fleet_is_as_without_one()
    {
        using VirtualMachine alone = VirtualMachine.Create(Sleeper(30, 3000), Small());
        Assert.Equal(StopKind.PowerOff, alone.Run().Kind);
        using Fleet fleet = new([Guest("a", Sleeper(30, 3000))], s_exact);
        Assert.Equal(FleetStop.AllStopped, fleet.Run());
        VirtualMachine vm = fleet.Guests[0].Machine!;
        Assert.Equal((alone.InstructionsRetired, alone.Machine.Clock.Now, alone.Statistics.IdleTicks), (vm.InstructionsRetired, vm.Machine.Clock.Now, vm.Statistics.IdleTicks));
        Assert.Equal(alone.Machine.Clock.Now, fleet.Now);
    }

    [Fact]
    public void Yield_gives_the_rest_of_the_slice_away()
    {
        using Fleet fleet = new([Guest("polite", Yielder), Guest("busy", Busy)], s_exact);
        fleet.Run(new FleetLimits { MaxSlices = 1000 });
        (GuestStatus polite, GuestStatus busy) = (fleet.Guests[0].Status, fleet.Guests[1].Status);

        // It gets a turn as often as its weight says, and uses a few instructions of it.
        Assert.InRange(polite.Instructions, polite.Slices * 2, polite.Slices * 3);
        Assert.InRange(busy.Instructions, (busy.Slices - 1) * s_exact.Slice, busy.Slices * s_exact.Slice);
        Assert.True(busy.Slices > 100);
    }

    [TranslatorTheory]
    [InlineData(EngineKind.Interpreter)]
    [InlineData(EngineKind.Translator)]
    public void The_same_fleet_has_the_same_interleaving(EngineKind engine)
    {
        (ulong Schedule, ulong Clock) Run()
        {
            using Fleet fleet = new(
                [Guest("a", Sleeper(20, 5000), 100, engine), Guest("b", Work(3_000_000), 300, engine), Guest("c", ExitStorm, 50, engine) with { Limits = new GuestLimits { Instructions = 500_000 } }]);
            Assert.Equal(FleetStop.AllStopped, fleet.Run());
            return (fleet.ScheduleHash, fleet.Now);
        }

        Assert.Equal(Run(), Run());
    }

    /// <summary>Charged by instructions, the interleaving does not even depend on the engine.</summary>
    [TranslatorFact]
    public void Both_engines_have_the_same_interleaving_of_instructions()
    {
        ulong Run(EngineKind engine)
        {
            using Fleet fleet = new([Guest("a", Sleeper(20, 5000), 100, engine), Guest("b", Work(300_000), 300, engine), Guest("c", Yielder, 100, engine)], s_exact);
            fleet.Run(new FleetLimits { MaxSlices = 500 });
            return fleet.ScheduleHash;
        }

        Assert.Equal(Run(EngineKind.Interpreter), Run(EngineKind.Translator));
    }

    /// <summary>No weight asks for more than one processor here: on a host with fewer than there are threads such a guest depends on how the host shares them.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void With_threads_the_shares_are_the_same(int threads)
    {
        uint[] weights = [100, 200, 150, 100, 200, 150, 100, 200, 100, 150];
        using Fleet fleet = new(weights.Select((weight, n) => Guest($"g{n}", Busy, weight)), s_exact with { Threads = threads, Slice = 20_000 });
        fleet.Run(new FleetLimits { MaxSlices = 5000 });
        double total = fleet.Guests.Sum(guest => (double)guest.Status.Instructions);
        Assert.All(fleet.Guests, guest => Assert.InRange(guest.Status.Instructions / (total * guest.Options.Weight / weights.Sum(weight => weight)), 0.95, 1.05));
    }

    /// <summary>On several threads each guest still does what it does alone, to the instruction.</summary>
    [Fact]
    public void With_threads_each_guest_is_deterministic()
    {
        byte[][] images = [Sleeper(40, 300), Work(100_000), Sleeper(25, 9000), Work(7), Exit(3), Sleeper(10, 10)];
        using Fleet fleet = new(images.Select((image, n) => Guest($"g{n}", image)), s_exact with { Threads = 3 });
        Assert.Equal(FleetStop.AllStopped, fleet.Run());
        foreach ((byte[] image, FleetGuest guest) in images.Zip(fleet.Guests))
        {
            using VirtualMachine alone = VirtualMachine.Create(image, Small());
            Assert.Equal(alone.Run(), guest.Stop);
            Assert.Equal((alone.InstructionsRetired, alone.Machine.Clock.Now), (guest.Status.Instructions, guest.Machine!.Machine.Clock.Now));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void A_fleet_can_be_stopped_from_another_thread(int threads)
    {
        using Fleet fleet = new([Guest("a", Busy), Guest("b", Busy), Guest("c", ExitStorm), Guest("d", Sleeper(60_000, 10))], new FleetOptions { Threads = threads });
        using Timer timer = new(_ => fleet.RequestStop(), null, 50, Timeout.Infinite);
        Assert.Equal(FleetStop.Stopped, fleet.Run());
        fleet.EndAll(new StopReason(StopKind.Stopped, 0, "stopped by the user"));
        Assert.All(fleet.Guests, guest => Assert.Equal(StopKind.Stopped, guest.Stop!.Kind));
    }

    [Fact]
    public void A_fleet_ends_at_its_time_limit_and_goes_on()
    {
        using Fleet fleet = new([Guest("a", Busy), Guest("b", Work(100))]);
        Assert.Equal(FleetStop.TimeLimit, fleet.Run(new FleetLimits { Timeout = TimeSpan.FromMilliseconds(30) }));
        ulong before = fleet.Guests[0].Status.Instructions;
        Assert.Equal(FleetStop.SliceLimit, fleet.Run(new FleetLimits { MaxSlices = 3 }));
        Assert.True(fleet.Guests[0].Status.Instructions > before);
        Assert.Equal(StopKind.PowerOff, fleet.Guests[1].Stop!.Kind);
    }
}
