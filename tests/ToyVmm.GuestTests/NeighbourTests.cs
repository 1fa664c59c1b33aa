using ToyVmm.Hardware;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;
using ToyVmm.VirtualMachines.Scheduling;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>
/// What a bad neighbour can take, by counts (by host time `toyvmm bench neighbour` measures it): of the work it is charged its share and no more, and what its
/// victim does in a slice is the same with it as without.
/// </summary>
public sealed class NeighbourTests
{
    private const int Slices = 1000;
    private static readonly string[] s_storms = ["exits", "code", "tables", "disk"];

    public static IEnumerable<object[]> Storms =>
        from engine in GuestRunner.Engines
        from storm in s_storms
        select new object[] { engine, storm };

    [Theory]
    [MemberData(nameof(Storms))]
    public void A_storm_takes_its_share_of_the_work(EngineKind engine, string storm)
    {
        (double share, double perSlice, ulong longest, ulong hash) = Run(engine, storm, FleetAccounting.Work);
        Assert.InRange(share, 0.48, 0.52);
        Assert.Equal(hash, Run(engine, storm, FleetAccounting.Work).Hash);

        // The victim's slices are as long as alone but for what it costs to begin one.
        (_, double alone, _, _) = Run(engine, null, FleetAccounting.Work);
        Assert.InRange(perSlice / alone, 0.97, 1.03);

        // No slice of the storm is much longer than a slice should be: 6 for a flush of a disk.
        Assert.InRange(longest, 0ul, 12_000_000ul);
    }

    /// <summary>What is not counted is not shared: with instructions alone a storm's slices are worth many of its victim's.</summary>
    [Theory]
    [MemberData(nameof(Storms))]
    public void Counting_instructions_alone_gives_a_storm_more(EngineKind engine, string storm)
    {
        (double share, double perSlice, _, _) = Run(engine, storm, FleetAccounting.Instructions);
        Assert.InRange(share, 0.498, 0.502);
        Assert.InRange(perSlice, 995_000, 1_000_000);
    }

    private static (double Share, double VictimPerSlice, ulong LongestSlice, ulong Hash) Run(EngineKind engine, string? storm, FleetAccounting accounting)
    {
        ulong longest = 0;
        List<FleetGuestOptions> guests = [Guest("victim", "compute-mix", "1000000", engine, [])];
        string disk = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(disk, new byte[1 << 20]);
            if (storm is not null)
            {
                guests.Add(Guest("storm", "noisy", $"storm={storm} loops=0", engine, storm == "disk" ? [new DiskConfig(disk, DiskAccess.Snapshot)] : []));
            }

            bool watched = false;
            using Fleet fleet = new(guests, new FleetOptions
            {
                Accounting = accounting,
                SliceObserver = slice => longest = watched ? Math.Max(longest, slice.Work) : longest,
            });
            int slices = accounting == FleetAccounting.Instructions ? Slices / 20 : storm == "disk" ? Slices * 4 : Slices;
            _ = fleet.Run(new FleetLimits { MaxSlices = 100 });
            List<GuestStatus> before = [.. fleet.Guests.Select(guest => guest.Status)];
            watched = true;
            _ = fleet.Run(new FleetLimits { MaxSlices = (ulong)slices });
            double work = fleet.Guests.Select((guest, n) => (double)(guest.Status.Work - before[n].Work)).Sum();
            GuestStatus victim = fleet.Guests[0].Status;
            return (
                storm is null ? 0 : (fleet.Guests[1].Status.Work - before[1].Work) / work,
                (double)(victim.Instructions - before[0].Instructions) / (victim.Slices - before[0].Slices),
                longest,
                fleet.ScheduleHash);
        }
        finally
        {
            File.Delete(disk);
        }
    }

    private static FleetGuestOptions Guest(string name, string image, string append, EngineKind engine, IReadOnlyList<DiskConfig> disks)
    {
        byte[] bytes = File.ReadAllBytes(GuestCatalog.Find(image).ImagePath);
        VirtualMachineOptions options = new()
        {
            Engine = engine,
            Machine = new MachineConfig { MemorySize = 16 << 20, Disks = disks },
            Load = new LoadOptions { CommandLine = append },
            SerialOutput = static _ => { },
        };
        return new FleetGuestOptions { Name = name, Create = seat => VirtualMachine.Create(bytes, seat.Apply(options)) };
    }
}
