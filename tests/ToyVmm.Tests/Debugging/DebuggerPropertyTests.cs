using System.Globalization;
using ToyVmm.Debugging;
using ToyVmm.Engines;
using ToyVmm.Engines.Decoding;
using ToyVmm.Tests.Fuzz;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Verification.Programs;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Debugging;

/// <summary>
/// The debugger on random programs - paging, faults, interrupts, self-modifying code, every mode -, against an observer that sees every instruction: stops are exactly where they should be,
/// on every engine, and the guest's end is the same to the bit.
/// </summary>
public sealed unsafe class DebuggerPropertyTests(ITestOutputHelper output)
{
    private const int StandardCases = 12;
    private const ulong MostInstructions = 20_000;

    private static readonly EngineSetting[] s_engines = VirtualMachine.TranslatorUnavailable is null
        ? [EngineSetting.Interpreter, .. EngineSetting.Translators.Where(setting => setting.Slice == 0)]
        : [EngineSetting.Interpreter];

    [Fact]
    public void Breakpoints_stop_at_every_execution_and_nowhere_else() => ForEachProgram((image, random) =>
    {
        List<Executed> trace = Trace(image, out Ending ending);
        uint[] addresses = [.. Enumerable.Range(0, 6).Select(_ => trace[random.Next(trace.Count)].Linear)];
        string[] expected = [.. trace.Skip(1).Where(one => addresses.Contains(one.Linear)).Select(one => $"{one.Point} {one.Linear:x8}")];
        foreach (EngineSetting engine in s_engines)
        {
            using VirtualMachine vm = ProgramMachine.Create(image, engine);
            using DebugSession session = new(vm);
            foreach (uint address in addresses.Distinct())
            {
                _ = session.Breakpoints.Add(new LinearSpec(address));
            }

            List<string> stops = RunThrough(session, ending, stop => $"{stop.Point} {vm.Cpu.Cs.Base + vm.Cpu.Eip:x8}");
            AssertEqual(expected, stops, engine.Name);
            AssertEnd(ending, vm, engine.Name);
        }
    });

    [Fact]
    public void Watchpoints_stop_behind_every_change_and_nowhere_else() => ForEachProgram((image, random) =>
    {
        DataSpec[] specs = [.. Enumerable.Range(0, 3).Select(_ => new DataSpec(ProgramLayout.Body + (uint)random.Next((int)ProgramLayout.BodySize), (uint)random.Next(1, 16), WatchAccess.Change, IsPhysical: true))];
        List<string> expected = Changes(image, specs, out Ending ending);
        foreach (EngineSetting engine in s_engines)
        {
            using VirtualMachine vm = ProgramMachine.Create(image, engine);
            using DebugSession session = new(vm);
            foreach (DataSpec spec in specs)
            {
                _ = session.Breakpoints.Add(spec);
            }

            List<string> stops = RunThrough(session, ending, stop => $"{stop.Point} {vm.Cpu.Cs.Base + vm.Cpu.Eip:x8} {string.Join(',', stop.Breakpoints.Select(hit => hit.Breakpoint.Id))}");
            AssertEqual(expected, stops, engine.Name);
            AssertEnd(ending, vm, engine.Name);
        }
    });

    [Fact]
    public void Watchpoints_of_every_kind_stop_at_the_same_places_on_every_engine() => ForEachProgram((image, random) =>
    {
        _ = Trace(image, out Ending ending);
        DataSpec[] specs = [.. Enumerable.Range(0, 4).Select(n => new DataSpec(ProgramLayout.Body + (uint)random.Next(-0x8000, (int)ProgramLayout.BodySize), (uint)random.Next(1, 64), (WatchAccess)n, IsPhysical: random.Next(2) == 0))];
        List<string>? expected = null;
        foreach (EngineSetting engine in s_engines)
        {
            using VirtualMachine vm = ProgramMachine.Create(image, engine);
            using DebugSession session = new(vm);
            foreach (DataSpec spec in specs)
            {
                _ = session.Breakpoints.Add(spec);
            }

            List<string> stops = RunThrough(session, ending, stop => $"{stop.Point} {vm.Cpu.Cs.Base + vm.Cpu.Eip:x8} {stop.Text}");
            AssertEqual(expected ??= stops, stops, engine.Name);
            AssertEnd(ending, vm, engine.Name);
        }
    });

    [Fact]
    public void Every_kind_of_step_stops_at_an_instruction_that_is_executed() => ForEachProgram((image, random) =>
    {
        Dictionary<ExecutionPoint, uint> trace = [];
        foreach (Executed one in Trace(image, out Ending ending))
        {
            trace[one.Point] = one.Linear;
        }

        foreach (EngineSetting engine in s_engines)
        {
            Random same = new(1);
            using VirtualMachine vm = ProgramMachine.Create(image, engine);
            using DebugSession session = new(vm);
            for (int n = 0; n < 300 && session.Ended is null && session.Point.Instructions < MostInstructions - 100; n++)
            {
                ExecutionPoint before = session.Point;
                DebugStop stop = session.Step((StepKind)same.Next(0, (int)StepKind.Interrupt));
                if (stop.Cause == StopCause.Ended)
                {
                    break;
                }

                Assert.Equal(StopCause.Stepped, stop.Cause);
                Assert.True(stop.Point > before, $"{engine.Name}: {before} to {stop.Point}");
                if (trace.TryGetValue(stop.Point, out uint linear))
                {
                    Assert.Equal(linear, vm.Cpu.Cs.Base + vm.Cpu.Eip);
                }
            }
        }
    });

    [Fact]
    public void A_step_back_undoes_a_step() => ForEachProgram((image, random) =>
    {
        _ = Trace(image, out Ending ending);
        foreach (EngineSetting engine in s_engines)
        {
            Random same = new(2);
            using VirtualMachine vm = ProgramMachine.Create(image, engine);
            using DebugSession session = new(vm);
            for (int n = 0; n < 12; n++)
            {
                _ = session.RunToInstruction((ulong)same.Next((int)ending.Point.Instructions));
                if (session.Ended is not null)
                {
                    break;
                }

                Stack<string> way = [];
                for (int steps = 0; steps < 20 && session.Ended is null; steps++)
                {
                    way.Push(Where(vm));
                    _ = session.Step(StepKind.Instruction);
                }

                if (session.Ended is not null && way.TryPeek(out string? before) && before.StartsWith($"{session.Point} ", StringComparison.Ordinal))
                {
                    // The last step did not come to its end.
                    _ = way.Pop();
                }

                while (way.TryPop(out string? expected))
                {
                    DebugStop stop = session.ReverseStep();
                    Assert.True(stop.Cause == StopCause.Stepped, $"{engine.Name}: {stop.Cause} {stop.Text}");
                    string found = Where(vm);
                    Assert.True(expected == found, $"{engine.Name}: {expected} expected, {found} found");
                }
            }

            _ = session.GoToInstruction(0);
            Assert.Equal(new ExecutionPoint(0, 0), session.Point);
            session.Dispose();
            AssertEnd(ending, vm, engine.Name);
        }
    });

    [Fact]
    public void Going_back_meets_the_same_stops_in_the_opposite_order() => ForEachProgram((image, random) =>
    {
        List<Executed> trace = Trace(image, out Ending ending);
        uint[] addresses = [.. Enumerable.Range(0, 3).Select(_ => trace[random.Next(trace.Count)].Linear)];
        foreach (EngineSetting engine in s_engines)
        {
            using VirtualMachine vm = ProgramMachine.Create(image, engine);
            using DebugSession session = new(vm);
            foreach (uint address in addresses.Distinct())
            {
                _ = session.Breakpoints.Add(new LinearSpec(address));
            }

            _ = session.Breakpoints.Add(new DataSpec(ProgramLayout.Body + ProgramLayout.Data, 64, WatchAccess.Write, IsPhysical: true));
            _ = session.Breakpoints.Add(new VectorSpec(14));
            _ = session.Breakpoints.Add(new InstructionSpec(500));
            List<string> stops = [];
            while (stops.Count < 60)
            {
                DebugStop stop = session.RunToInstruction(ending.Point.Instructions);
                if (stop.Cause != StopCause.Breakpoint)
                {
                    break;
                }

                stops.Add(Where(vm) + " " + stop.Text);
            }

            if (stops.Count == 60)
            {
                // The last one is where the guest stands.
                stops.RemoveAt(59);
            }

            for (int n = stops.Count - 1; n >= Math.Max(0, stops.Count - 20); n--)
            {
                DebugStop stop = session.ReverseContinue();
                string found = Where(vm) + " " + stop.Text;
                Assert.True(stops[n] == found, $"{engine.Name}: {stops[n]} expected, {stop.Cause} {found} found");
            }

            session.Breakpoints.Clear();
            DebugStop begin = session.ReverseContinue();
            Assert.Equal(StopCause.HistoryBegin, begin.Cause);
            Assert.Equal(new ExecutionPoint(0, 0), session.Point);
            _ = session.RunToInstruction(ending.Point.Instructions);
            session.Dispose();
            AssertEnd(ending, vm, engine.Name);
        }
    });

    [Fact]
    public void The_last_write_is_the_last_one() => ForEachProgram((image, random) =>
    {
        _ = Trace(image, out Ending ending);
        ulong present = (ulong)random.NextInt64((long)ending.Point.Instructions) + 1;
        DataSpec spec = new(ProgramLayout.Body + ProgramLayout.Stack + (uint)random.Next(0x1F00), 16, WatchAccess.Write, IsPhysical: true);
        string? expected = null;
        foreach (EngineSetting engine in s_engines)
        {
            using VirtualMachine vm = ProgramMachine.Create(image, engine);
            using DebugSession session = new(vm);
            _ = session.RunToInstruction(present);
            ExecutionPoint here = session.Point;
            DebugStop stop = session.GoToLastWrite(spec.Address, spec.Length, isPhysical: true);
            string found = $"{stop.Cause} {Where(vm)}";
            Assert.Equal(expected ??= found, found);
            _ = session.Breakpoints.Add(spec);
            if (stop.Cause == StopCause.Reached)
            {
                Assert.Equal(StopCause.Breakpoint, session.Step(StepKind.Instruction).Cause);
            }

            while (session.Point < here)
            {
                // From there to the present nobody stores there again.
                Assert.NotEqual(StopCause.Breakpoint, session.Step(StepKind.Instruction).Cause);
            }
        }
    });

    private static string Where(VirtualMachine vm) =>
        $"{vm.Point} {vm.Cpu.Cs.Base + vm.Cpu.Eip:x8} {StateHash.OfCpu(vm.Vcpu):x16} {StateHash.OfMemory(vm.Machine.Memory):x16}";

    private void ForEachProgram(Action<byte[], Random> check)
    {
        ulong first = FuzzSettings.FirstSeed();
        output.WriteLine($"seed 0x{first:X}");
        for (ulong n = 0; n < (ulong)FuzzSettings.Cases(StandardCases); n++)
        {
            ulong seed = first + n;
            try
            {
                check(new ProgramImage(ProgramGenerator.Generate(seed)).Bytes.ToArray(), new Random((int)seed));
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"the program of seed 0x{seed:X}: {e.Message}", e);
            }
        }
    }

    private static List<string> RunThrough(DebugSession session, Ending ending, Func<DebugStop, string> describe)
    {
        List<string> stops = [];
        while (session.Ended is null)
        {
            DebugStop stop = session.RunToInstruction(ending.Point.Instructions);
            if (stop.Cause != StopCause.Breakpoint)
            {
                break;
            }

            stops.Add(describe(stop));
            if (session.Point.Instructions >= ending.Point.Instructions)
            {
                break;
            }
        }

        return stops;
    }

    // Every instruction that is begun, once: neither the pieces of a string instruction nor one that waited for a device begin it again.
    private static List<Executed> Trace(byte[] image, out Ending ending)
    {
        Recorder recorder = new();
        using VirtualMachine vm = ProgramMachine.Create(image, EngineSetting.Interpreter, recorder);
        _ = vm.Run(new RunLimits { MaxInstructions = MostInstructions });
        ending = new Ending(vm.Point, StateHash.OfCpu(vm.Vcpu), StateHash.OfMemory(vm.Machine.Memory));
        ulong end = ending.Point.Instructions;
        return [.. recorder.Executed.Where(one => one.Point.Instructions < end)];
    }

    private static List<string> Changes(byte[] image, DataSpec[] specs, out Ending ending)
    {
        using VirtualMachine vm = ProgramMachine.Create(image, EngineSetting.Interpreter);
        using DebugSession session = new(vm);
        List<string> changes = [];
        byte[][] old = [.. specs.Select(spec => Bytes(session, spec))];
        while (session.Ended is null && session.Point.Instructions < MostInstructions)
        {
            _ = session.Step(StepKind.Instruction);
            List<int> changed = [];
            for (int n = 0; n < specs.Length; n++)
            {
                byte[] now = Bytes(session, specs[n]);
                if (!old[n].AsSpan().SequenceEqual(now) && session.Machine.Vcpu.Mmu.Peek((uint)specs[n].Address) is not null)
                {
                    changed.Add(n + 1);
                }

                old[n] = now;
            }

            if (changed.Count > 0 && session.Ended is null)
            {
                changes.Add($"{session.Point} {vm.Cpu.Cs.Base + vm.Cpu.Eip:x8} {string.Join(',', changed)}");
            }
        }

        ending = new Ending(vm.Point, StateHash.OfCpu(vm.Vcpu), StateHash.OfMemory(vm.Machine.Memory));
        return changes;
    }

    private static byte[] Bytes(DebugSession session, DataSpec spec)
    {
        byte[] bytes = new byte[spec.Length];
        return bytes[..(spec.IsPhysical ? session.Memory.ReadPhysical(spec.Address, bytes) : session.Memory.ReadLinear((uint)spec.Address, bytes))];
    }

    private static void AssertEqual(IEnumerable<string> expected, IEnumerable<string> actual, string engine)
    {
        string[] wanted = [.. expected];
        string[] got = [.. actual];
        int n = 0;
        while (n < wanted.Length && n < got.Length && wanted[n] == got[n])
        {
            n++;
        }

        Assert.True(
            n == wanted.Length && n == got.Length,
            string.Create(CultureInfo.InvariantCulture, $"{engine}: of {wanted.Length} and {got.Length} stops number {n} is the first that differs: {wanted.ElementAtOrDefault(n) ?? "none"} expected, {got.ElementAtOrDefault(n) ?? "none"} found"));
    }

    private static void AssertEnd(Ending expected, VirtualMachine vm, string engine)
    {
        if (vm.Point.Instructions < expected.Point.Instructions)
        {
            _ = vm.Run(new RunLimits { MaxInstructions = expected.Point.Instructions - vm.Point.Instructions });
        }

        Ending actual = new(vm.Point, StateHash.OfCpu(vm.Vcpu), StateHash.OfMemory(vm.Machine.Memory));
        Assert.True(expected == actual, $"{engine}: {expected} expected at the end, {actual} found");
    }

    private readonly record struct Executed(ExecutionPoint Point, uint Linear);

    private readonly record struct Ending(ExecutionPoint Point, ulong Cpu, ulong Memory);

    private sealed class Recorder : IEngineObserver
    {
        public List<Executed> Executed { get; } = [];

        public bool WantsInstructions => true;

        public void BeforeInstruction(Vcpu vcpu)
        {
            ExecutionPoint point = new(vcpu.State->Retired, vcpu.EventsDelivered);
            if (Executed.Count == 0 || Executed[^1].Point != point)
            {
                Executed.Add(new Executed(point, vcpu.State->Cs.Base + vcpu.State->Eip));
            }
        }

        public void BeforeTrap(Vcpu vcpu, in TrapInfo trap)
        {
        }
    }
}
