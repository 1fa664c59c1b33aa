using ToyVmm.Engines;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>Every guest, end to end, on every engine: what it must print, how it must end, and that it does so twice.</summary>
public sealed class GuestRunTests
{
    // By default, everything at once, after one use; with so small a cache that it is dropped again and again; with one view for all address
    // spaces and privilege levels; and with a fault for each sensitive instruction.
    private static readonly TranslatorOptions[] s_translators =
    [
        new(), new() { Hotness = 0 }, new() { Hotness = 1 }, new() { Hotness = 0, CodeCacheBytes = 64 << 10, Verify = true },
        new() { Hotness = 0, Views = 1, Verify = true }, new() { Hotness = 0, TrapOnly = true },
    ];

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

    /// <summary>The options above bite: guests that change rings or address spaces fight for the one view, and each sensitive instruction faults.</summary>
    [Theory]
    [InlineData("rings")]
    [InlineData("nano")]
    public void One_view_is_fought_for_and_trapping_faults(string name)
    {
        if (VirtualMachine.TranslatorUnavailable is not null)
        {
            return;
        }

        GuestImage guest = GuestCatalog.Find(name);
        TranslationStatistics usual = Statistics(guest, new() { Hotness = 0 });
        TranslationStatistics one = Statistics(guest, new() { Hotness = 0, Views = 1 });
        TranslationStatistics trapping = Statistics(guest, new() { Hotness = 0, TrapOnly = true });
        Assert.True(usual.ViewEvictions < one.ViewEvictions, $"{usual.ViewEvictions} evictions, with one view {one.ViewEvictions}");
        Assert.True(usual.HiddenFaults < one.HiddenFaults, $"{usual.HiddenFaults} hidden faults, with one view {one.HiddenFaults}");
        Assert.True(usual.HostFaults < trapping.HostFaults, $"{usual.HostFaults} faults, trapping {trapping.HostFaults}");
    }

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

    private static TranslationStatistics Statistics(GuestImage guest, TranslatorOptions options)
    {
        using VirtualMachine vm = GuestRunner.Create(guest, EngineKind.Translator, new TraceHash(), options);
        StopReason stop = vm.Run(new RunLimits { MaxInstructions = 3_000_000_000, Timeout = TimeSpan.FromSeconds(120) });
        Assert.Equal(guest.ExpectedStatus, stop.ExitStatus);
        return vm.Vcpu.Translation!;
    }
}
