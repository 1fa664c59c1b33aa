using ToyVmm.Engines;
using ToyVmm.Engines.Translation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Tests.Translation;
using ToyVmm.VirtualMachines;
using Xunit;

namespace ToyVmm.Tests.Verification;

/// <summary>Each thing that isolation says, violated on purpose: the checker must report it.</summary>
public sealed unsafe class IsolationViolationTests
{
    [Fact]
    public void A_store_below_RAM() => Reports("host memory beside guest RAM was changed", run => run.Machine.Machine.Memory.RamBase[-1] ^= 1);

    [Fact]
    public void A_store_above_RAM() => Reports("host memory beside guest RAM was changed", run => run.Machine.Machine.Memory.RamBase[run.Machine.Machine.Memory.RamSize] ^= 1);

    [TranslatorFact]
    public void A_store_above_RAM_that_is_mapped_twice() =>
        Reports("Translator: host memory beside guest RAM was changed", OnTranslator(run => run.Machine.Machine.Memory.RamBase[run.Machine.Machine.Memory.RamSize + 4095] ^= 1));

    [Fact]
    public void A_store_below_the_state() => Reports("host memory beside the CPU's state was changed", run => ((byte*)run.Machine.Vcpu.Frame)[-1] ^= 1);

    [Fact]
    public void A_store_above_the_state() => Reports("host memory beside the CPU's state was changed", run => ((byte*)run.Machine.Vcpu.State)[sizeof(CpuState) + 64] ^= 1);

    [Fact]
    public void An_instruction_too_many() => Reports("was not held", run => run.Machine.Run(new RunLimits { MaxInstructions = 1 }), seed => StaysInside(seed));

    [Fact]
    public void An_exception_out_of_Run() => Reports("an exception came out of Run: InvalidOperationException", _ => throw new InvalidOperationException("on purpose"));

    [TranslatorFact]
    public void A_block_that_nobody_verified() =>
        Reports("verified", OnTranslator(run => run.Machine.Vcpu.Translation!.BlocksTranslated++));

    [TranslatorFact]
    public void Engines_that_disagree_about_a_register() => Reports("the engines do not end alike", OnTranslator(run => run.Machine.Cpu.Ecx ^= 4));

    [TranslatorFact]
    public void Engines_that_disagree_about_memory() =>
        Reports("the engines do not end alike", OnTranslator(run => run.Machine.Machine.Memory.RamBase[0xF_FFFF] ^= 1));

    [Fact]
    public void A_state_that_no_CPU_can_have() =>
        Reports("not one that a CPU can have", run => run.Machine.Cpu.OtherFlags |= 0x8000_0000, seed => StaysInside(seed));

    [TranslatorFact]
    public void A_window_that_shows_something_else()
    {
        using SharedMemory other = SharedMemory.TryCreate(4096)!;
        Reports("something that is not the guest's RAM is mapped in its window", MapsInto(HostRangeKind.View, other.Descriptor, HostMemory.Read), AsksForWindows);
    }

    [TranslatorFact]
    public void A_window_that_can_be_executed() =>
        Reports("a page of a window can be executed", MapsInto(HostRangeKind.View, descriptor: null, HostMemory.Read | HostMemory.Execute), AsksForWindows);

    [TranslatorFact]
    public void A_guard_that_is_not_empty() =>
        Reports("something is mapped beside a window", MapsInto(HostRangeKind.Guard, descriptor: null, HostMemory.Read), AsksForWindows);

    [TranslatorFact]
    public void Emitted_code_that_can_be_written() => Reports(
        "emitted code can be written where it runs",
        OnTranslator(run =>
        {
            HostRange code = run.Machine.HostRanges.First(range => range.Kind == HostRangeKind.Code);
            Assert.True(HostMemory.Protect(code.First + (ExecutableArena.ChunkSize - 4096), 4096, HostMemory.Read | HostMemory.Write | HostMemory.Execute));
        }),
        AsksForWindows);

    [Fact]
    public void A_neighbour_with_something_shared() => Reports(
        "a neighbour's history is another one",
        new IsolationSabotage { BesideNeighbour = (run, neighbour) => neighbour.Machine.Memory.RamBase[0x20_0000] += 1 },
        seed => new IsolationCase(seed).HasNeighbour);

    [Fact]
    public void A_neighbour_that_loses_an_instruction_of_its_time() => Reports(
        "a neighbour's history is another one",
        new IsolationSabotage { BesideNeighbour = (run, neighbour) => neighbour.Cpu.TscOffset++ },
        seed => new IsolationCase(seed).HasNeighbour);

    private static void Reports(string expected, Action<HostileRun> afterSlice, Predicate<ulong>? wanted = null) =>
        Reports(expected, new IsolationSabotage { AfterSlice = afterSlice }, wanted);

    private static void Reports(string expected, IsolationSabotage sabotage, Predicate<ulong>? wanted = null)
    {
        ulong seed = 1;
        while (wanted is not null && !wanted(seed))
        {
            seed++;
        }

        using (ICaseChecker honest = new IsolationProperty(countsResources: false).CreateChecker())
        {
            Assert.Null(honest.Check(seed, new VerificationTally()));
        }

        using IsolationChecker checker = new IsolationProperty(countsResources: false).CreateChecker(sabotage);
        Counterexample? found = checker.Check(seed, new VerificationTally());
        Assert.NotNull(found);
        Assert.Equal("isolation", found.Property);
        Assert.Equal(seed, found.Seed);
        Assert.Contains(expected, found.Summary, StringComparison.Ordinal);
        Assert.NotEmpty(found.Detail);
    }

    private static Action<HostileRun> OnTranslator(Action<HostileRun> action) => run =>
    {
        if (run.Engine == EngineKind.Translator)
        {
            action(run);
        }
    };

    private static Action<HostileRun> MapsInto(HostRangeKind kind, int? descriptor, int protection) => OnTranslator(run =>
    {
        HostRange range = run.Machine.HostRanges.First(candidate => candidate.Kind == kind);
        Assert.True(HostMemory.MapShared(range.First + 0x0F00_0000, 4096, protection, descriptor ?? run.Machine.Machine.Memory.Backing(default).Descriptor, 0, populate: false));
    });

    private static bool AsksForWindows(ulong seed) => new IsolationCase(seed).AsksForWindows;

    // One that ends where its schedule does.
    private static bool StaysInside(ulong seed)
    {
        using HostileRun run = new(new IsolationCase(seed), EngineKind.Interpreter, drives: null, sabotage: null);
        while (run.RunSlice())
        {
        }

        return run.Stop?.Kind == StopKind.InstructionLimit;
    }
}
