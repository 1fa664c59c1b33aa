using ToyVmm.Engines;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Loading;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.GuestTests;

/// <summary>The translator beside the interpreter, in step: registers, flags, segment caches, control registers, x87 and SSE, memory, TLB, traps and exits.</summary>
public sealed class LockStepTests(ITestOutputHelper output)
{
    // A prime: pieces end at ever other places of a guest's loops.
    private const ulong GuestInterval = 10_007;

    /// <summary>Every guest, compared every 10,007 instructions, its memory every 50 times.</summary>
    [TranslatorTheory]
    [MemberData(nameof(GuestCatalog.Names), MemberType = typeof(GuestCatalog))]
    public void A_guest_goes_the_same_way_on_both_engines(string name)
    {
        GuestImage guest = GuestCatalog.Find(name);
        if (guest.IsCompute)
        {
            guest = guest with { Append = "1" };
        }

        (VirtualMachine reference, TraceHash expected) = Create(guest, EngineKind.Interpreter);
        (VirtualMachine translated, TraceHash actual) = Create(guest, EngineKind.Translator);
        using (reference)
        using (translated)
        {
            LockStepOutcome outcome = LockStep.Run(
                new(reference, expected), new(translated, actual), new LockStepOptions { Interval = GuestInterval, MemoryInterval = 50 * GuestInterval });
            output.WriteLine($"{outcome.Instructions} instructions, {outcome.Comparisons} comparisons, {translated.Vcpu.Translation!.HostInstructions} instructions on the host");
            Assert.Null(outcome.Difference);
            Assert.Equal(reference.SerialOutput, translated.SerialOutput);
        }
    }

    /// <summary>Debian's kernel from its first instruction to power-off, compared every million instructions, its 128 MiB and its TLB every 50 million.</summary>
    [TranslatorFact(NeedsFile = ".guests/linux/initrd.gz")]
    public void Debians_kernel_goes_the_same_way_on_both_engines()
    {
        (VirtualMachine reference, TraceHash expected) = Linux(EngineKind.Interpreter);
        (VirtualMachine translated, TraceHash actual) = Linux(EngineKind.Translator);
        using (reference)
        using (translated)
        {
            LockStepOutcome outcome = LockStep.Run(new(reference, expected), new(translated, actual), new LockStepOptions { MaxInstructions = 30_000_000_000 });
            output.WriteLine($"{outcome.Instructions} instructions, {outcome.Comparisons} comparisons, {expected.Events} traps and exits");
            Assert.Null(outcome.Difference);
            Assert.Equal(StopKind.PowerOff, outcome.Stop.Kind);
            Assert.Equal(reference.SerialOutput, translated.SerialOutput);
        }
    }

    private static (VirtualMachine Machine, TraceHash Trace) Create(GuestImage guest, EngineKind engine)
    {
        TraceHash trace = new();
        VirtualMachine vm = GuestRunner.Create(guest, engine, trace);
        if (guest.SerialInput is { } typed)
        {
            vm.Input.Enqueue(System.Text.Encoding.Latin1.GetBytes(typed));
        }

        return (vm, trace);
    }

    private static (VirtualMachine Machine, TraceHash Trace) Linux(EngineKind engine)
    {
        TraceHash trace = new();
        VirtualMachine vm = VirtualMachine.Create(
            File.ReadAllBytes(LinuxGuest.Kernel),
            new VirtualMachineOptions
            {
                Engine = engine,
                Observer = trace,
                ExitObserver = trace.OnExit,
                Machine = new Hardware.MachineConfig { MemorySize = 128u << 20 },
                Load = new LoadOptions { CommandLine = "console=ttyS0 quiet", InitialRamDisk = File.ReadAllBytes(LinuxGuest.InitialRamDisk) },
            });
        return (vm, trace);
    }
}

/// <summary>A theory that needs a host on which the translator runs.</summary>
public sealed class TranslatorTheoryAttribute : TheoryAttribute
{
    /// <summary>Sets the reason to skip.</summary>
    public TranslatorTheoryAttribute() => Skip = VirtualMachine.TranslatorUnavailable;

    /// <summary>A file, relative to the repository, that must be there too.</summary>
    public string? NeedsFile
    {
        get;
        set
        {
            field = value;
            Skip ??= value is null || File.Exists(Path.Combine(GuestCatalog.RepositoryRoot, value))
                ? null
                : $"not there: {value} (tools/install-test-tools.sh fetches it)";
        }
    }
}
