using System.Text;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Scheduling;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>The guests of the course as neighbours: each does exactly what it does alone, and the same fleet runs in the same order every time.</summary>
public sealed class FleetGuestTests
{
    private static readonly string[] s_names = ["hello", "hello-multiboot", "traps", "interrupts", "paging", "smc", "tasks", "keyboard", "tss", "disk", "compute-sha256", "rings", "v8086", "triple-fault"];

    public static IEnumerable<object[]> Engines => GuestRunner.EngineRows;

    [Theory]
    [MemberData(nameof(Engines))]
    public void Each_guest_goes_its_own_way(EngineKind engine)
    {
        (Fleet first, List<TraceHash> hashes) = Run(engine, 1);
        using (first)
        {
            for (int n = 0; n < s_names.Length; n++)
            {
                GuestRun alone = GuestRunner.Run(GuestCatalog.Find(s_names[n]), engine);
                FleetGuest guest = first.Guests[n];
                Assert.Equal(
                    (s_names[n], alone.Stop.Kind, alone.Stop.Code, alone.Serial, alone.Instructions, alone.TraceHash),
                    (guest.Name, guest.Stop!.Kind, guest.Stop.Code, guest.Machine!.SerialOutput, guest.Machine.InstructionsRetired, hashes[n].Value));
            }

            (Fleet second, List<TraceHash> again) = Run(engine, 1);
            using (second)
            {
                Assert.Equal((first.ScheduleHash, first.Slices, first.Now), (second.ScheduleHash, second.Slices, second.Now));
                Assert.Equal(hashes.Select(hash => hash.Value), again.Select(hash => hash.Value));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public void With_threads_each_guest_still_goes_its_own_way(EngineKind engine)
    {
        (Fleet single, List<TraceHash> hashes) = Run(engine, 1);
        (Fleet threads, List<TraceHash> others) = Run(engine, 3);
        using (single)
        using (threads)
        {
            Assert.Equal(hashes.Select(hash => hash.Value), others.Select(hash => hash.Value));
            Assert.Equal(single.Guests.Select(guest => guest.Machine!.InstructionsRetired), threads.Guests.Select(guest => guest.Machine!.InstructionsRetired));
        }
    }

    private static (Fleet Fleet, List<TraceHash> Hashes) Run(EngineKind engine, int threads)
    {
        List<TraceHash> hashes = [];
        Fleet fleet = new(s_names.Select(GuestCatalog.Find).Select((guest, n) => new FleetGuestOptions
        {
            Name = guest.Name,
            Weight = (uint)(100 + (n * 50)),
            Create = seat =>
            {
                TraceHash hash = new();
                hashes.Add(hash);
                VirtualMachine vm = VirtualMachine.Create(File.ReadAllBytes(guest.ImagePath), seat.Apply(GuestRunner.Options(guest, engine, hash)));
                vm.Input.Enqueue(Encoding.Latin1.GetBytes(guest.SerialInput ?? ""));
                return vm;
            },
        }), new FleetOptions { Threads = threads, Slice = 100_000 });
        Assert.Equal(FleetStop.AllStopped, fleet.Run(new FleetLimits { Timeout = TimeSpan.FromSeconds(120) }));
        return (fleet, hashes);
    }
}
