using System.Globalization;
using System.Text;
using ToyVmm.Debugging.Traps;
using ToyVmm.Engines;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;

namespace ToyVmm.GuestTests.Traps;

/// <summary>The traps of the guests: held by files, the same on both engines, and without a trace in the guest.</summary>
public sealed class GuestTrapTests
{
    private const ulong MostInstructions = 200_000;
    private static readonly string s_folder = Path.Combine(GuestCatalog.RepositoryRoot, "tests", "ToyVmm.GuestTests", "Traps");

    /// <summary>Guests whose traps are held by a file: how many there are of each kind, and the first of each kind explained.</summary>
    public static IEnumerable<object[]> Held =>
        ((IEnumerable<string>)["hello", "hello-flat", "paging", "paging-pae", "rings", "tasks", "tss", "v8086", "interrupts", "smc", "popek", "traps", "triple-fault"]).Select(name => new object[] { name });

    [Theory]
    [MemberData(nameof(Held))]
    public void Traps_are_the_reviewed_ones_on_every_engine(string name)
    {
        string? expected = null;
        foreach (EngineKind engine in GuestRunner.Engines)
        {
            string actual = Describe(Record(name, engine));
            expected ??= actual;
            Assert.Equal(expected, actual);
        }

        string file = Path.Combine(s_folder, name + ".traps.txt");
        if (Environment.GetEnvironmentVariable("TOYVMM_ACCEPT") == "1")
        {
            File.WriteAllText(file, expected);
        }

        Assert.True(File.Exists(file), $"{file} is missing: run the tests with TOYVMM_ACCEPT=1 and review the diff");
        Assert.Equal(File.ReadAllText(file), expected);
    }

    [Theory]
    [MemberData(nameof(Held))]
    public void A_recorder_never_changes_the_guest(string name)
    {
        foreach (EngineKind engine in GuestRunner.Engines)
        {
            using VirtualMachine plain = Create(name, engine);
            StopReason stop = plain.Run(new RunLimits { MaxInstructions = 1_000_000 });
            using VirtualMachine recorded = Create(name, engine);
            int count = 0;
            using TrapRecorder recorder = new(recorded, _ => count++);
            recorder.Attach();
            Assert.Equal(stop.Kind, recorded.Run(new RunLimits { MaxInstructions = 1_000_000 }).Kind);
            Assert.True(count > 0);
            Assert.Equal(StateHash.OfCpu(plain.Vcpu), StateHash.OfCpu(recorded.Vcpu));
            Assert.Equal(StateHash.OfMemory(plain.Machine.Memory), StateHash.OfMemory(recorded.Machine.Memory));
            Assert.Equal(StateHash.OfTlb(plain.Vcpu.Mmu.Tlb), StateHash.OfTlb(recorded.Vcpu.Mmu.Tlb));
            Assert.Equal(plain.Point, recorded.Point);
            Assert.Equal(plain.SerialOutput, recorded.SerialOutput);
        }
    }

    /// <summary>Recorded in pieces, with the recorder taken off in between: the same traps wherever it was on.</summary>
    [Theory]
    [InlineData("paging")]
    [InlineData("tasks")]
    [InlineData("v8086")]
    public void A_walk_from_trap_to_trap_finds_each_one_once(string name)
    {
        List<Trap> all = Record(name, EngineKind.Interpreter);
        foreach (EngineKind engine in GuestRunner.Engines)
        {
            using VirtualMachine vm = Create(name, engine);
            TrapStepper stepper = new(vm);
            foreach (Trap expected in all.Take(400))
            {
                TrapStop stop = stepper.Next();
                Assert.NotNull(stop.Trap);
                Assert.Equal(expected.Point, stop.Trap.Point);
                Assert.Equal(TrapText.Line(expected), TrapText.Line(stop.Trap));
                Assert.True(stop.Stop.Kind == StopKind.Breakpoint || expected.Number == (ulong)all.Count, stop.Stop.Detail);

                // The machine stands where the trap has left it.
                Assert.Equal(expected.After.Eip, vm.Cpu.Eip);
                Assert.Equal(expected.After.Cs.Selector, vm.Cpu.Cs.Selector);
                Assert.Equal(expected.After.Retired, vm.InstructionsRetired);
            }
        }
    }

    /// <summary>Runs freely, at full speed, up to somewhere, and looks for the next trap from there: it is one of those that a whole recording has.</summary>
    [Fact]
    public void A_walk_may_begin_anywhere()
    {
        List<Trap> all = Record("paging", EngineKind.Interpreter);
        foreach (EngineKind engine in GuestRunner.Engines)
        {
            foreach (ulong start in (ReadOnlySpan<ulong>)[1, 100, 1_000, 5_000, 20_000])
            {
                using VirtualMachine vm = Create("paging", engine);
                _ = vm.Run(new RunLimits { MaxInstructions = start });
                Trap found = new TrapStepper(vm).Next().Trap!;
                Trap expected = all.First(trap => trap.Point >= new ExecutionPoint(start, 0));
                Assert.Equal(TrapText.Line(expected), TrapText.Line(found));
                Assert.Equal(TrapText.Explain(expected).Split('\n')[1..], TrapText.Explain(found).Split('\n')[1..]);
            }
        }
    }

    [Fact]
    public void A_walk_takes_filters()
    {
        Assert.True(TrapFilter.TryParse("page-fault, exception", out TrapFilter faults, out _));
        Assert.True(TrapFilter.TryParse("vector:0x20", out TrapFilter timer, out _));
        using VirtualMachine paging = Create("paging", EngineKind.Interpreter);
        Assert.Equal(TrapKind.PageFault, new TrapStepper(paging).Next(faults).Trap!.Kind);
        using VirtualMachine tasks = Create("interrupts", EngineKind.Interpreter);
        TrapStop stop = new TrapStepper(tasks).Next(timer);
        Assert.Equal(0x20, stop.Trap!.Events[0].Vector);
        Assert.False(TrapFilter.TryParse("pagefault", out _, out string? unknown));
        Assert.Contains("page-fault", unknown, StringComparison.Ordinal);
        Assert.False(TrapFilter.TryParse("vector:256", out _, out string? tooLarge));
        Assert.Contains("0 to 255", tooLarge, StringComparison.Ordinal);
    }

    /// <summary>Each event that the trace of today tells of is in exactly one trap object, in the same order.</summary>
    [Theory]
    [MemberData(nameof(Held))]
    public void No_event_is_missing(string name)
    {
        EventList events = new();
        using VirtualMachine plain = VirtualMachine.Create(
            File.ReadAllBytes(GuestCatalog.Find(name).ImagePath), GuestRunner.Options(GuestCatalog.Find(name), EngineKind.Interpreter, new TraceHash()) with { Observer = events, ExitObserver = null });
        _ = plain.Run(new RunLimits { MaxInstructions = MostInstructions });
        List<string> recorded = [.. Record(name, EngineKind.Interpreter).SelectMany(trap => trap.Events).Select(item => TraceWriter.Describe(item))];
        Assert.Equal(events.All, recorded);
    }

    private static List<Trap> Record(string name, EngineKind engine)
    {
        List<Trap> traps = [];
        using VirtualMachine vm = Create(name, engine);
        using TrapRecorder recorder = new(vm, traps.Add);
        recorder.Attach();
        _ = vm.Run(new RunLimits { MaxInstructions = MostInstructions });
        recorder.Finish();
        return traps;
    }

    private static VirtualMachine Create(string name, EngineKind engine)
    {
        GuestImage guest = GuestCatalog.Find(name);
        return VirtualMachine.Create(File.ReadAllBytes(guest.ImagePath), GuestRunner.Options(guest, engine, new TraceHash()) with { Observer = null, ExitObserver = null });
    }

    private static string Describe(List<Trap> traps)
    {
        StringBuilder text = new();
        foreach (IGrouping<TrapKind, Trap> kind in traps.GroupBy(trap => trap.Kind).OrderBy(kind => kind.Key))
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"{kind.Count(),6} {TrapText.Name(kind.Key)}\n");
        }

        HashSet<(TrapKind, string, int)> seen = [];
        foreach (Trap trap in traps)
        {
            string mnemonic = trap.Kind is TrapKind.HiddenFault ? "" : trap.Instruction.Text.Split(' ')[0];
            if (seen.Add((trap.Kind, mnemonic, trap.Events.IsEmpty ? -1 : trap.Events[0].Vector)) && seen.Count <= 40)
            {
                _ = text.Append('\n').Append(TrapText.Line(trap)).Append('\n').Append(TrapText.Explain(trap));
            }
        }

        return text.ToString();
    }

    private sealed class EventList : IEngineObserver
    {
        public List<string> All { get; } = [];

        public bool WantsInstructions => false;

        public void BeforeInstruction(Vcpu vcpu)
        {
        }

        public void BeforeTrap(Vcpu vcpu, in TrapInfo trap) => All.Add(TraceWriter.Describe(trap));
    }
}
