using System.Diagnostics;
using System.Text;
using ToyVmm.Engines;
using ToyVmm.Engines.Metering;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>The meter attributes all of a run's host time, counts what it attributes it to, and changes nothing else.</summary>
public sealed class CostMeterTests
{
    [Theory]
    [MemberData(nameof(GuestRunner.Everything), MemberType = typeof(GuestRunner))]
    public void A_metered_guest_does_the_same_and_the_parts_have_its_counts(string name, EngineKind engine)
    {
        GuestImage guest = GuestCatalog.Find(name);
        if (guest.IsCompute)
        {
            guest = guest with { Append = "1" };
        }

        using VirtualMachine plain = Run(guest, engine, metered: false, out _);
        using VirtualMachine metered = Run(guest, engine, metered: true, out TimeSpan elapsed);
        Assert.Null(plain.Statistics.Costs);
        Assert.Equal(Counts(plain), Counts(metered));
        CostReport costs = metered.Statistics.Costs!;

        TimeSpan sum = costs.Parts.Values.Concat(costs.Exits.Values).Aggregate(costs.MeterTime, (all, part) => all + part.Time);
        Assert.Equal(costs.Total, sum);
        Assert.InRange(costs.Total, TimeSpan.Zero, elapsed);
        Assert.All(costs.Parts.Values.Concat(costs.Exits.Values).Append(new CostPart(0, costs.MeterTime)), part => Assert.True(part.Time >= TimeSpan.Zero));
        Assert.All(metered.Vcpu.Costs!.Gross, part => Assert.Equal(part.Count > 0, part.Ticks > 0));
        Assert.DoesNotContain(ExitReason.PortIoPerformed, costs.Exits);
        foreach ((ExitReason reason, ulong count) in metered.Statistics.Exits)
        {
            ulong unseen = reason == ExitReason.PortIo ? metered.Statistics.LatchAccesses : 0;
            Assert.Equal((reason, count - unseen), (reason, costs.Exits.GetValueOrDefault(reason).Count));
        }

        if (metered.Vcpu.Translation is { } translation)
        {
            AssertTranslatorCounts(translation, costs);
        }
        else
        {
            CostKind[] kinds = [.. costs.Parts.Keys];
            Assert.Equal([CostKind.Interpretation, CostKind.Decoding, CostKind.Monitor], kinds);
        }
    }

    /// <summary>What is not in the parts is the way into the run and out of it.</summary>
    [Theory]
    [MemberData(nameof(GuestRunner.EngineRows), MemberType = typeof(GuestRunner))]
    public void The_parts_are_nearly_all_of_the_host_time(EngineKind engine)
    {
        GuestImage guest = GuestCatalog.Find("compute-sieve");
        using (Run(guest with { Append = "1" }, engine, metered: true, out _))
        {
            // What is compiled at the first use is compiled.
        }

        using VirtualMachine vm = Run(guest, engine, metered: true, out TimeSpan elapsed);
        CostReport costs = vm.Statistics.Costs!;
        Assert.InRange(costs.Total / elapsed, 0.8, 1);
        CostKind most = engine == EngineKind.Translator ? CostKind.GuestCode : CostKind.Interpretation;
        Assert.InRange(costs.Parts[most].Time / costs.Total, 0.25, 1);
    }

    /// <summary>Time at a prompt between two runs is nobody's, and counts go on.</summary>
    [Fact]
    public void Time_between_runs_is_not_measured()
    {
        GuestImage guest = GuestCatalog.Find("compute-fib") with { Append = "15" };
        using VirtualMachine vm = VirtualMachine.Create(File.ReadAllBytes(guest.ImagePath), Options(guest, EngineKind.Auto, metered: true));
        Assert.Equal(StopKind.InstructionLimit, vm.Run(new RunLimits { MaxInstructions = 1000 }).Kind);
        TimeSpan before = vm.Statistics.Costs!.Total;
        Thread.Sleep(50);
        Assert.Equal(before, vm.Statistics.Costs!.Total);
        long started = Stopwatch.GetTimestamp();
        Assert.Equal(guest.ExpectedStatus, vm.Run().ExitStatus);
        Assert.InRange(vm.Statistics.Costs!.Total - before, TimeSpan.Zero, Stopwatch.GetElapsedTime(started));
        Assert.Equal(2u, vm.Statistics.Costs!.Parts[CostKind.Monitor].Count);
    }

    /// <summary>A guest that sleeps on the host's clock does not make its HLT look dear.</summary>
    [Fact]
    public void Sleeping_is_a_part_of_its_own()
    {
        // sti; mov cx, 18; hlt (the BIOS has a tick of 55 ms); loop to the hlt; xor al, al; out 0xF4, al. One second: a busy host may lag behind,
        // and does not sleep until it has caught up.
        byte[] image = new byte[512];
        ReadOnlySpan<byte> code = [0xFB, 0xB9, 18, 0, 0xF4, 0xE2, 0xFD, 0x30, 0xC0, 0xE6, 0xF4];
        code.CopyTo(image);
        image[510] = 0x55;
        image[511] = 0xAA;
        using VirtualMachine vm = VirtualMachine.Create(image, new VirtualMachineOptions { MeterCosts = true, Pace = true });
        Assert.Equal(StopKind.DebugExit, vm.Run(new RunLimits { Timeout = TimeSpan.FromSeconds(60) }).Kind);
        CostReport costs = vm.Statistics.Costs!;
        Assert.True(costs.Parts[CostKind.Sleep].Time > TimeSpan.FromMilliseconds(20), costs.ToString());
        Assert.True(costs.Exits[ExitReason.Halt].Time < costs.Parts[CostKind.Sleep].Time, costs.ToString());
    }

    private static void AssertTranslatorCounts(TranslationStatistics translation, CostReport costs)
    {
        ulong Count(CostKind kind) => costs.Parts.GetValueOrDefault(kind).Count;
        Assert.Equal(translation.Entries, Count(CostKind.GuestCode));
        Assert.Equal(translation.Lookups, Count(CostKind.Lookup));
        Assert.Equal(translation.Links, Count(CostKind.Link));
        Assert.Equal(translation.FloatingPointLoads, Count(CostKind.FloatingPointLoad));
        Assert.Equal(translation.BudgetEnds, Count(CostKind.BudgetEnd));
        Assert.Equal(translation.TrueFaults, Count(CostKind.TrueFault));
        Assert.Equal(translation.HostFaults, Count(CostKind.HiddenFault) + Count(CostKind.TrueFault) + Count(CostKind.OtherFault));
        Assert.InRange(Count(CostKind.HiddenFault), 0u, translation.HiddenFaults);
        Assert.Equal(translation.BlocksTranslated, Count(CostKind.Translation));

        // Every entry ends in one way; a call-out that the budget does not reach is its end.
        Assert.Equal(
            translation.Entries,
            Count(CostKind.CallOut) + translation.Lookups + translation.Links + translation.FloatingPointLoads + translation.BudgetEnds + translation.HostFaults);
    }

    private static VirtualMachine Run(GuestImage guest, EngineKind engine, bool metered, out TimeSpan elapsed)
    {
        VirtualMachine vm = VirtualMachine.Create(File.ReadAllBytes(guest.ImagePath), Options(guest, engine, metered));
        if (guest.SerialInput is { } typed)
        {
            vm.Input.Enqueue(Encoding.Latin1.GetBytes(typed));
        }

        long started = Stopwatch.GetTimestamp();
        StopReason stop = vm.Run(new RunLimits { MaxInstructions = 3_000_000_000, Timeout = TimeSpan.FromSeconds(120) });
        elapsed = Stopwatch.GetElapsedTime(started);
        Assert.Equal(guest.ExpectedStatus, stop.ExitStatus);
        return vm;
    }

    // As the command line runs it: nobody watches, so that port accesses are performed in place.
    private static VirtualMachineOptions Options(GuestImage guest, EngineKind engine, bool metered) =>
        GuestRunner.Options(guest, engine, new(), new TranslatorOptions()) with { Observer = null, ExitObserver = null, MeterCosts = metered };

    private static string Counts(VirtualMachine vm)
    {
        TranslationStatistics? translation = vm.Vcpu.Translation;
        string exits = string.Join(", ", vm.Statistics.Exits.OrderBy(exit => exit.Key).Select(exit => $"{exit.Key} {exit.Value}"));
        string traps = string.Join(", ", vm.Statistics.Traps.OrderBy(trap => trap.Key).Select(trap => $"{trap.Key} {trap.Value}"));
        return $"{vm.Now}; {exits}; {traps}; {translation?.HostInstructions} on the host, {translation?.Entries} entries, {translation?.HostFaults} faults; {vm.SerialOutput}";
    }
}
