using System.Text;
using ToyVmm.Engines;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>Who watches the exits of a guest makes its port accesses leave the engine; who does not, has them performed in place. The guest cannot tell.</summary>
public sealed class PortAccessTests
{
    [Theory]
    [MemberData(nameof(GuestRunner.Everything), MemberType = typeof(GuestRunner))]
    public void A_guest_does_the_same_whether_or_not_its_exits_are_watched(string name, EngineKind engine)
    {
        GuestImage guest = GuestCatalog.Find(name);
        if (guest.IsCompute)
        {
            guest = guest with { Append = "1" };
        }

        Assert.Equal(Run(guest, engine, watched: true), Run(guest, engine, watched: false));
    }

    private static string Run(GuestImage guest, EngineKind engine, bool watched)
    {
        TraceHash traps = new();
        VirtualMachineOptions options = GuestRunner.Options(guest, engine, traps) with { ExitObserver = watched ? (_, _) => { } : null };
        using VirtualMachine vm = VirtualMachine.Create(File.ReadAllBytes(guest.ImagePath), options);
        if (guest.SerialInput is { } typed)
        {
            vm.Input.Enqueue(Encoding.Latin1.GetBytes(typed));
        }

        StopReason stop = vm.Run(new RunLimits { MaxInstructions = 3_000_000_000, Timeout = TimeSpan.FromSeconds(120) });
        string exits = string.Join(", ", vm.Statistics.Exits.OrderBy(exit => exit.Key).Select(exit => $"{exit.Key} {exit.Value}"));
        return $"{stop.Kind} {stop.ExitStatus}; {exits}; {traps.Value:X} {traps.Events}; {vm.Now}; {vm.SerialOutput}";
    }
}
