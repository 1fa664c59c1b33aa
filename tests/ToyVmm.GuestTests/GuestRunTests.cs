using ToyVmm.Engines;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>Every guest, end to end, on every engine: what it must print, how it must end, and that it does so twice.</summary>
public sealed class GuestRunTests
{
    // By default, everything at once, after one use; and with so small a cache that it is dropped again and again.
    private static readonly TranslatorOptions[] s_translators =
        [new(), new() { Hotness = 0 }, new() { Hotness = 1 }, new() { Hotness = 0, CodeCacheBytes = 64 << 10, Verify = true }];

    [Theory]
    [MemberData(nameof(GuestRunner.Everything), MemberType = typeof(GuestRunner))]
    public void A_guest_prints_and_ends_as_its_head_says(string name, EngineKind engine)
    {
        GuestImage guest = GuestCatalog.Find(name);
        GuestRun run = GuestRunner.Run(guest, engine);
        if (guest.ExpectedSerial is { } expected)
        {
            Assert.Equal(expected, run.Serial);
        }

        Assert.All(guest.ExpectedSerialParts, part => Assert.Contains(part, run.Serial, StringComparison.Ordinal));
        Assert.True(guest.ExpectedStatus == run.Stop.ExitStatus, $"status {run.Stop.ExitStatus} ({run.Stop.Detail}), expected {guest.ExpectedStatus}");
    }

    /// <summary>The same guest twice: the same instructions, traps, exits and registers.</summary>
    [Theory]
    [MemberData(nameof(GuestRunner.Everything), MemberType = typeof(GuestRunner))]
    public void A_guest_does_the_same_every_time(string name, EngineKind engine)
    {
        GuestImage guest = GuestCatalog.Find(name);
        if (guest.IsCompute)
        {
            guest = guest with { Append = "2" };
        }

        GuestRun first = GuestRunner.Run(guest, engine);
        GuestRun second = GuestRunner.Run(guest, engine);
        Assert.Equal((first.Instructions, first.TraceHash, first.Serial), (second.Instructions, second.TraceHash, second.Serial));
    }

    /// <summary>Cut into slices of an odd length, a run goes the same way: budgets are exact and leave no trace.</summary>
    [Theory]
    [MemberData(nameof(GuestRunner.Everything), MemberType = typeof(GuestRunner))]
    public void A_guest_does_the_same_in_slices(string name, EngineKind engine)
    {
        GuestImage guest = GuestCatalog.Find(name);
        if (guest.IsCompute)
        {
            guest = guest with { Append = "1" };
        }

        GuestRun whole = GuestRunner.Run(guest, engine);
        GuestRun sliced = GuestRunner.Run(guest, engine, sliceInstructions: 997);
        Assert.Equal((whole.Instructions, whole.TraceHash, whole.Stop.Kind), (sliced.Instructions, sliced.TraceHash, sliced.Stop.Kind));
    }

    /// <summary>Every trap and every exit comes at the same instruction, whatever executes the guest, and however soon it is translated.</summary>
    [Theory]
    [MemberData(nameof(Guests))]
    public void A_guest_does_the_same_on_every_engine(string name)
    {
        GuestImage guest = GuestCatalog.Find(name);
        if (guest.IsCompute)
        {
            guest = guest with { Append = "2" };
        }

        GuestRun interpreted = GuestRunner.Run(guest, EngineKind.Interpreter);
        foreach (EngineKind engine in GuestRunner.Engines)
        {
            foreach (TranslatorOptions options in s_translators)
            {
                GuestRun run = GuestRunner.Run(guest, engine, translator: options);
                Assert.True(
                    (interpreted.Instructions, interpreted.TraceHash, interpreted.Serial) == (run.Instructions, run.TraceHash, run.Serial),
                    $"{engine}, {options}: {run.Instructions} instructions for {interpreted.Instructions}, '{run.Serial}'");
            }
        }
    }

    public static IEnumerable<object[]> Guests => GuestCatalog.All.Select(guest => new object[] { guest.Name });

    /// <summary>The autopsy of the guest that dies on purpose names the chain and its first cause.</summary>
    [Fact]
    public void A_triple_fault_comes_with_an_autopsy()
    {
        GuestRun run = GuestRunner.Run(GuestCatalog.Find("triple-fault"), EngineKind.Interpreter);
        Assert.Equal(StopKind.TripleFault, run.Stop.Kind);
        Autopsy autopsy = Assert.IsType<Autopsy>(run.Stop.Autopsy);
        Assert.True(autopsy.Chain.Count >= 3);
        Assert.All(autopsy.Chain, fault => Assert.NotEmpty(fault.Cause));
        Assert.Contains(autopsy.Tables, line => line.StartsWith("IDT base", StringComparison.Ordinal));
    }
}
