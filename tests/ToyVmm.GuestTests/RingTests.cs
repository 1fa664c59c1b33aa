using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Scheduling;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>Two guests, connected by the configuration, exchange words through a page that both have; unconnected they get nothing.</summary>
public sealed class RingTests
{
    private const string Received = "guest 1 of the ring\nreceived 1000 words, checksum C04AA532\n";
    private const string Sent = "guest 0 of the ring\nsent 1000 words; the other guest's checksum is theirs\n";

    public static TheoryData<EngineKind, EngineKind, int> Pairs
    {
        get
        {
            TheoryData<EngineKind, EngineKind, int> rows = [];
            foreach (EngineKind first in GuestRunner.Engines)
            {
                foreach (EngineKind second in GuestRunner.Engines)
                {
                    rows.Add(first, second, 1);
                    rows.Add(first, second, 2);
                }
            }

            return rows;
        }
    }

    /// <summary>A thousand words arrive, whatever runs which guest, in turns and side by side.</summary>
    [Theory]
    [MemberData(nameof(Pairs))]
    public void Connected_guests_exchange_words(EngineKind first, EngineKind second, int threads)
    {
        using Fleet fleet = new([Member("sender", first, "receiver"), Member("receiver", second)], new FleetOptions { Threads = threads });
        Assert.Equal(FleetStop.AllStopped, fleet.Run(new FleetLimits { Timeout = TimeSpan.FromSeconds(60) }));
        Assert.Equal([Sent, Received], fleet.Guests.Select(guest => guest.Machine!.SerialOutput));
        Assert.All(fleet.Guests, guest => Assert.Equal((StopKind.HypercallExit, 0u), (guest.Stop!.Kind, guest.Stop.Code)));
    }

    /// <summary>In turns the exchange is the same every time, to the count.</summary>
    [Fact]
    public void The_exchange_is_deterministic()
    {
        (ulong, ulong, ulong) Run()
        {
            using Fleet fleet = new([Member("sender", EngineKind.Auto, "receiver"), Member("receiver", EngineKind.Auto)], new FleetOptions());
            _ = fleet.Run();
            return (fleet.ScheduleHash, fleet.Guests[0].Status.Instructions, fleet.Guests[1].Status.Instructions);
        }

        Assert.Equal(Run(), Run());
    }

    /// <summary>Without a connection neither gets anywhere; a third guest beside a pair is alone.</summary>
    [Fact]
    public void Unconnected_guests_get_nothing()
    {
        using Fleet fleet = new([Member("sender", EngineKind.Auto, "receiver"), Member("receiver", EngineKind.Auto), Member("a", EngineKind.Auto), Member("b", EngineKind.Auto)], new FleetOptions());
        Assert.Equal(FleetStop.AllStopped, fleet.Run());
        Assert.Equal([Sent, Received], fleet.Guests.Take(2).Select(guest => guest.Machine!.SerialOutput));
        for (int number = 2; number < 4; number++)
        {
            Assert.Equal($"guest {number} of the ring\nshare: not permitted; event_send: not permitted: nobody else is there\n", fleet.Guests[number].Machine!.SerialOutput);
        }
    }

    private static FleetGuestOptions Member(string name, EngineKind engine, params string[] connect) => new()
    {
        Name = name,
        Connect = connect,
        Create = seat => VirtualMachine.Create(
            File.ReadAllBytes(GuestCatalog.Find("ring").ImagePath),
            seat.Apply(new VirtualMachineOptions { Engine = engine, Machine = new MachineConfig { MemorySize = 4u << 20 } })),
    };
}
