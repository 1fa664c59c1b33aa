using ToyVmm.Engines.Classification;
using ToyVmm.Tests.Fuzz;
using ToyVmm.Tests.Properties;
using Xunit;

namespace ToyVmm.Tests.Classification;

/// <summary>Wrong on purpose, but an engine: random guests do not make it throw, budgets hold exactly, and slices change nothing.</summary>
public sealed class NaiveMonitorFuzzTests
{
    [Theory]
    [InlineData(HostileKind.RealBytes, 1_000)]
    [InlineData(HostileKind.Real, 1_500)]
    [InlineData(HostileKind.Flat, 1_500)]
    [InlineData(HostileKind.Tables, 2_000)]
    [InlineData(HostileKind.Virtual8086, 1_000)]
    public void Random_guests_end_the_same_way_in_slices(HostileKind kind, int standardCases)
    {
        ulong first = FuzzSettings.FirstSeed();
        using FuzzMachine machine = new();
        NaiveMonitor monitor = NaiveMonitor.Attach(machine.Engine);
        int cases = FuzzSettings.Cases(standardCases);
        for (int n = 0; n < cases; n++)
        {
            HostileGuest guest = new(kind, first + (ulong)n);
            FuzzOutcome whole = machine.Run(guest);
            FuzzOutcome sliced = machine.Run(guest, new EdgeRandom(first + (ulong)n));
            Assert.True(whole == sliced, $"{kind}, seed 0x{first + (ulong)n:X}: {whole} and {sliced}");
        }

        Assert.True(monitor.Unnoticed > 0);
    }
}
