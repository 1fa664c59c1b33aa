using ToyVmm.Hardware;
using ToyVmm.Tests.Translation;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Scheduling;
using Xunit;
using static ToyVmm.Tests.Scheduling.FleetFixture;

namespace ToyVmm.Tests.Scheduling;

/// <summary>Caps, limits and restarts: each holds to the count, says what it is, and is one guest's business alone.</summary>
public sealed class FleetLimitTests
{
    private static readonly FleetOptions s_exact = new() { Accounting = FleetAccounting.Instructions, Slice = 10_000 };

    [Fact]
    public void A_cap_on_instructions_holds_in_each_period()
    {
        using Fleet fleet = new([Guest("capped", Busy) with { Caps = new GuestCaps { Instructions = 12_345, Period = 100_000 } }, Guest("free", Busy)], s_exact);
        fleet.Run(new FleetLimits { MaxSlices = 5000 });
        ulong periods = fleet.Now / 100_000;
        Assert.InRange(fleet.Guests[0].Status.Instructions, periods * 12_345, (periods + 1) * 12_345);
        Assert.InRange(fleet.Guests[0].Status.TimesThrottled, periods, periods + 1);
        Assert.Equal(fleet.Now, fleet.Guests[0].Status.Instructions + fleet.Guests[1].Status.Instructions); // nothing is lost
    }

    [TranslatorTheory]
    [InlineData(EngineKind.Interpreter)]
    [InlineData(EngineKind.Translator)]
    public void A_cap_on_exits_holds_in_each_period(EngineKind engine)
    {
        using Fleet fleet = new([Guest("capped", ExitStorm, engine: engine) with { Caps = new GuestCaps { Exits = 777, Period = 50_000 } }, Guest("free", Busy, engine: engine)], s_exact);
        fleet.Run(new FleetLimits { MaxSlices = 3000 });
        ulong periods = fleet.Now / 50_000;
        Assert.InRange(fleet.Guests[0].Status.Exits, periods * 777, (periods + 1) * 777);
    }

    /// <summary>Alone on its host a guest is throttled all the same: the clock jumps to its next period.</summary>
    [Fact]
    public void A_capped_guest_alone_waits_for_its_period()
    {
        using Fleet fleet = new([Guest("capped", Work(50_000)) with { Caps = new GuestCaps { Instructions = 1000, Period = 1_000_000 } }], s_exact);
        Assert.Equal(FleetStop.AllStopped, fleet.Run());
        Assert.Equal((StopKind.PowerOff, 100ul), (fleet.Guests[0].Stop!.Kind, fleet.Guests[0].Status.TimesThrottled));
        Assert.InRange(fleet.Now, 100_000_000ul, 100_001_000ul);
    }

    public static TheoryData<string, GuestLimits, byte[], StopKind> Limits => new()
    {
        { "instructions", new GuestLimits { Instructions = 54_321 }, Busy, StopKind.InstructionLimit },
        { "exits", new GuestLimits { Exits = 4321 }, ExitStorm, StopKind.ExitLimit },
        { "string exits", new GuestLimits { Exits = 4321 }, StringStorm, StopKind.ExitLimit },
        { "serial", new GuestLimits { Resources = new ResourceLimits { SerialBytes = 321 } }, Chatterbox, StopKind.SerialLimit },
        { "disk", new GuestLimits { Resources = new ResourceLimits { DiskWriteBytes = 5120 } }, DiskStorm, StopKind.DiskWriteLimit },
        { "host time", new GuestLimits { HostTime = TimeSpan.FromMilliseconds(5) }, Busy, StopKind.TimeLimit },
    };

    [Theory]
    [MemberData(nameof(Limits))]
    public void A_limit_ends_one_guest_exactly_and_no_other(string what, GuestLimits limits, byte[] image, StopKind kind)
    {
        foreach (FleetAccounting accounting in Enum.GetValues<FleetAccounting>())
        {
            string disk = Path.GetTempFileName();
            File.WriteAllBytes(disk, new byte[512 * 64]);
            VirtualMachineOptions options = Small() with { Machine = new MachineConfig { MemorySize = 1 << 20, Disks = [new DiskConfig(disk, DiskAccess.Snapshot)] } };
            using (Fleet fleet = new(
                [Guest("before", Work(300_000)), Guest(what, image, options: options) with { Limits = limits, Restart = new RestartPolicy { Mode = RestartMode.Always } }, Guest("behind", Sleeper(30, 100))],
                new FleetOptions { Accounting = accounting, Slice = 50_000 }))
            {
                Assert.Equal(FleetStop.AllStopped, fleet.Run());
                Assert.Equal([StopKind.PowerOff, kind, StopKind.PowerOff], fleet.Guests.Select(guest => guest.Stop!.Kind));
                GuestStatus status = fleet.Guests[1].Status;
                Assert.Equal(0u, status.Restarts); // what a limit ended is not started again
                Assert.Equal(
                    (Exact(limits.Instructions, status.Instructions), Exact(limits.Exits, status.Exits), Exact(limits.Resources.SerialBytes, status.SerialBytes), Exact(limits.Resources.DiskWriteBytes, status.DiskBytesWritten)),
                    (status.Instructions, status.Exits, status.SerialBytes, status.DiskBytesWritten));
            }

            File.Delete(disk);
        }

        static ulong Exact(ulong limit, ulong otherwise) => limit == ulong.MaxValue ? otherwise : limit;
    }

    [Fact]
    public void Restarts_are_counted_and_wait_longer_each_time()
    {
        List<ulong> starts = [];
        using Fleet fleet = new(
            [Guest("bad", Exit(5)) with { Restart = new RestartPolicy { Mode = RestartMode.OnFailure, Most = 5, BackOff = 1_000_000, LongestBackOff = 5_000_000 } }, Guest("good", Exit(0)) with { SuccessStatuses = [1], Restart = new RestartPolicy { Mode = RestartMode.OnFailure } }],
            s_exact with { SliceObserver = slice => starts.AddRange(slice.Guest.Number == 0 ? [slice.StartedAt] : []) });
        Assert.Equal(FleetStop.AllStopped, fleet.Run());
        Assert.Equal((5u, 0u, StopKind.DebugExit), (fleet.Guests[0].Restarts, fleet.Guests[1].Restarts, fleet.Guests[0].Stop!.Kind));
        Assert.Equal([0ul, 1, 2, 4, 5, 5], starts.Zip(starts.Skip(1), (a, b) => (b - a) / 1_000_000).Prepend(0ul));
    }

    /// <summary>The limits of a guest that is started again are those of all its lives together.</summary>
    [Fact]
    public void Limits_outlive_restarts()
    {
        using Fleet fleet = new([Guest("a", Work(1000)) with { Restart = new RestartPolicy { Mode = RestartMode.Always, Most = uint.MaxValue, BackOff = 10 }, Limits = new GuestLimits { Instructions = 10_500 } }], s_exact);
        Assert.Equal(FleetStop.AllStopped, fleet.Run());
        Assert.Equal((StopKind.InstructionLimit, 10_500ul, 5u), (fleet.Guests[0].Stop!.Kind, fleet.Guests[0].Status.Instructions, fleet.Guests[0].Restarts));
    }

    [Fact]
    public void A_restart_that_the_host_cannot_do_is_that_guests_end()
    {
        int lives = 0;
        FleetGuestOptions fragile = Guest("fragile", Exit(1)) with { Restart = new RestartPolicy { Mode = RestartMode.Always } };
        using Fleet fleet = new([fragile with { Create = seat => lives++ == 0 ? fragile.Create(seat) : throw new DriveException("disk.img", "there is no such file") }, Guest("other", Work(100_000))], s_exact);
        Assert.Equal(FleetStop.AllStopped, fleet.Run());
        Assert.Equal([StopKind.HostFailure, StopKind.PowerOff], fleet.Guests.Select(guest => guest.Stop!.Kind));
    }

    /// <summary>Even a bug of the monitor is one guest's end, and not hidden.</summary>
    [Fact]
    public void An_exception_is_one_guests_end()
    {
        VirtualMachineOptions broken = Small() with { SerialOutput = _ => throw new InvalidOperationException("broken") };
        using Fleet fleet = new([Guest("broken", Chatterbox, options: broken), Guest("other", Work(100_000))], s_exact);
        Assert.Equal(FleetStop.AllStopped, fleet.Run());
        Assert.Equal([StopKind.InternalError, StopKind.PowerOff], fleet.Guests.Select(guest => guest.Stop!.Kind));
        Assert.Equal(("broken", 74), (fleet.Guests[0].Failure?.Message, fleet.Guests[0].Stop!.ExitStatus));
    }
}
