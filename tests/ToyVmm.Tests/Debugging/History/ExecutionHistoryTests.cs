using System.Globalization;
using ToyVmm.Debugging.History;
using ToyVmm.Engines;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Verification.Programs;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Debugging.History;

/// <summary>
/// A history of random programs - every mode, faults, self-modifying code, input -, gone through to and fro: each moment is as it was the first time, on every engine.
/// </summary>
public sealed class ExecutionHistoryTests(ITestOutputHelper output)
{
    private const int Programs = 25;

    public static TheoryData<string> Settings => [.. new[] { EngineSetting.Interpreter }.Concat(EngineSetting.Translators).Where(setting => setting.Slice == 0).Select(setting => setting.Name)];

    [Theory]
    [MemberData(nameof(Settings))]
    public void AnyMomentIsAsItWas(string name) => ForEachProgram(name, (vm, history, random) =>
    {
        // Live: pieces of any length, with input that comes at any moment.
        Dictionary<ExecutionPoint, Fingerprint> moments = new() { [vm.Point] = Fingerprint.Of(vm) };
        for (int piece = 0; piece < 30; piece++)
        {
            if (random.Next(4) == 0)
            {
                // What comes in at a moment belongs to it.
                vm.Input.Enqueue([(byte)random.Next(256), (byte)piece]);
                _ = history.Run(new RunLimits { MaxInstructions = 0 });
                moments[vm.Point] = Fingerprint.Of(vm);
            }

            vm.Stops = random.Next(3) == 0 ? new StopSet { Events = EventStops.Delivered } : null;
            StopReason reason = history.Run(new RunLimits { MaxInstructions = (ulong)Math.Pow(2000, random.NextDouble()) });
            vm.Stops = null;
            moments[vm.Point] = Fingerprint.Of(vm);
            if (reason.Kind is not (StopKind.InstructionLimit or StopKind.Breakpoint))
            {
                break;
            }
        }

        List<ExecutionPoint> points = [.. moments.Keys.Order()];
        Assert.Equal((points[0], points[^1]), (history.Begin, history.End));
        for (int journey = 0; journey < 40; journey++)
        {
            ExecutionPoint target = points[random.Next(points.Count)];
            Assert.Null(history.GoTo(target));
            Check(moments, vm, $"journey {journey} to {target}");
            if (random.Next(3) == 0)
            {
                _ = history.Run(new RunLimits { MaxInstructions = (ulong)random.Next(0, (int)Math.Min(5000, history.End.Instructions - vm.InstructionsRetired + 1)) });
                Check(moments, vm, $"on from {target}");
            }
        }

        Assert.Null(history.GoTo(history.End));
        Assert.Equal(points[^1], vm.Point);
        Check(moments, vm, "the end");
        Assert.False(history.IsInPast);
    });

    [Theory]
    [MemberData(nameof(Settings))]
    public void AStepBackUndoesAStep(string name) => ForEachProgram(name, (vm, history, random) =>
    {
        _ = history.Run(new RunLimits { MaxInstructions = (ulong)random.Next(3000) });
        List<(ExecutionPoint Point, Fingerprint State)> steps = [(vm.Point, Fingerprint.Of(vm))];
        for (int step = 0; step < 30; step++)
        {
            vm.Stops = new StopSet { Events = EventStops.Delivered };
            StopReason reason = history.Run(new RunLimits { MaxInstructions = 1 });
            vm.Stops = null;
            if (vm.Point != steps[^1].Point)
            {
                steps.Add((vm.Point, Fingerprint.Of(vm)));
            }

            if (reason.Kind is not (StopKind.InstructionLimit or StopKind.Breakpoint))
            {
                break;
            }
        }

        for (int step = steps.Count - 2; step >= 0; step--)
        {
            ExecutionPoint from = vm.Point;
            Assert.True(history.StepBack());
            Assert.True(steps[step].Point == vm.Point, $"back from {from} of {string.Join(", ", steps.Select(one => one.Point))}: {vm.Point}, not {steps[step].Point}");
            Fingerprint found = Fingerprint.Of(vm);
            Assert.True(steps[step].State == found, $"step {step}: {steps[step].State.DifferenceFrom(found)}");
        }

        Assert.Null(history.GoTo(history.Begin));
        Assert.False(history.StepBack());
        Assert.Null(history.GoTo(steps[^1].Point));
        Assert.Equal(steps[^1].State, Fingerprint.Of(vm));
    });

    [Theory]
    [MemberData(nameof(Settings))]
    public void TheLastHitIsFound(string name) => ForEachProgram(name, (vm, history, random) =>
    {
        // Addresses that are met, often or seldom.
        List<uint> seen = [];
        for (int n = 0; n < 20; n++)
        {
            _ = history.Run(new RunLimits { MaxInstructions = (ulong)random.Next(1, 700) });
            seen.Add(vm.Cpu.Cs.Base + vm.Cpu.Eip);
        }

        ExecutionPoint present = vm.Point;
        StopSet stops = new() { Linear = new HashSet<uint> { seen[random.Next(seen.Count)] } };
        Assert.Null(history.GoTo(history.Begin));
        List<ExecutionPoint> hits = [];
        vm.Stops = stops;
        while (ToHit(vm, history, present, hits.Count == 0) == SearchStep.Found && vm.Point < present)
        {
            hits.Add(vm.Point);
        }

        vm.Stops = null;
        Assert.Null(history.GoTo(present));
        vm.Stops = stops;
        for (int n = hits.Count - 1; n >= 0 && n > hits.Count - 6; n--)
        {
            Assert.Equal(hits[n], history.FindLast((end, here) => ToHit(vm, history, end, here)));
            Assert.Equal(hits[n], vm.Point);
        }

        if (hits.Count > 0)
        {
            Assert.Null(history.GoTo(hits[0]));
            Assert.Null(history.FindLast((end, here) => ToHit(vm, history, end, here)));
            Assert.Equal(history.Begin, vm.Point);
        }

        output.WriteLine($"{hits.Count} hits up to {present}");
    });

    [Fact]
    public void AChangeMakesAnotherFuture() => ForEachProgram(EngineSetting.Interpreter.Name, (vm, history, random) =>
    {
        _ = history.Run(new RunLimits { MaxInstructions = 1000 });
        ExecutionPoint middle = vm.Point;
        _ = history.Run(new RunLimits { MaxInstructions = 500 });
        Assert.Null(history.GoTo(middle));
        Assert.True(history.IsInPast || history.End == middle);
        history.NoteChange();
        vm.Cpu.Edi ^= 0x55;
        vm.Vcpu.NotifyStateChanged();
        uint changed = vm.Cpu.Edi;
        Assert.Equal(middle, history.End);
        _ = history.Run(new RunLimits { MaxInstructions = 50 });
        ExecutionPoint end = vm.Point;
        Fingerprint there = Fingerprint.Of(vm);
        if (end == middle)
        {
            return;
        }

        // Within the new future, and behind the change itself.
        Assert.Null(history.GoTo(middle));
        Assert.Equal(changed, vm.Cpu.Edi);
        Assert.Null(history.GoTo(end));
        Assert.Equal(there, Fingerprint.Of(vm));

        // Before it: undone.
        Assert.True(history.StepBack());
        Assert.Null(history.GoTo(history.Begin));
        Assert.Equal(middle, history.End);
        Assert.Null(history.GoTo(middle));
        Assert.Equal(changed ^ 0x55, vm.Cpu.Edi);
    });

    [Fact]
    public void OutputIsShownOnce()
    {
        // L: mov dx, 3F8h; mov al, 'a' + n; out dx, al; inc; jmp
        byte[] image = [0xBA, 0xF8, 0x03, 0xB0, 0x61, 0xEE, 0xFE, 0xC0, 0xEB, 0xFB];
        List<byte> shown = [];
        using VirtualMachine vm = VirtualMachine.Create(image, new VirtualMachineOptions { Engine = EngineKind.Interpreter, SerialOutput = shown.Add, Load = new() { Format = VirtualMachines.Loading.ImageFormat.Raw } });
        using ExecutionHistory history = new(vm);
        _ = history.Run(new RunLimits { MaxInstructions = 30 });
        byte[] once = [.. shown];
        Assert.True(once.Length > 5);
        ExecutionPoint end = history.End;
        Assert.Null(history.GoTo(history.Begin));
        _ = history.Run(new RunLimits { MaxInstructions = 20 });
        Assert.Equal(once, shown);
        Assert.Null(history.GoTo(end));
        _ = history.Run(new RunLimits { MaxInstructions = 3 });
        Assert.Equal(once.Length + 1, shown.Count);

        // Another future says something else.
        Assert.Null(history.GoTo(new ExecutionPoint(14, 0)));
        history.NoteChange();
        vm.Cpu.Eax = 'X';
        int before = shown.Count;
        _ = history.Run(new RunLimits { MaxInstructions = 3 });
        Assert.Contains((byte)('X' & 0x1F), shown[before..]);      // the port was not programmed: 5 bits
    }

    [Fact]
    public void MemoryIsLimitedAndTheHistoryThenBeginsLater()
    {
        // JMP $, while the host stores.
        using VirtualMachine vm = VirtualMachine.Create(new byte[] { 0xEB, 0xFE }, new VirtualMachineOptions { Engine = EngineKind.Interpreter, Load = new() { Format = VirtualMachines.Loading.ImageFormat.Raw } });
        using ExecutionHistory history = new(vm, new HistoryOptions { MostBytes = 1 << 20, LeastDistance = TimeSpan.Zero, Distance = TimeSpan.Zero, Cost = 1e9 });
        for (int n = 0; n < 300; n++)
        {
            Assert.True(vm.Machine.Memory.TryWrite(new(0x10_0000 + ((ulong)n * 4096)), [(byte)(n | 1), 2, 3]));
            Assert.True(vm.Machine.Memory.TryWrite(new(0x18_0000 + ((ulong)(n % 7) * 4096)), [(byte)n]));
            _ = history.Run(new RunLimits { MaxInstructions = 50 });
            Assert.InRange(history.Bytes, 0ul, 2ul << 20);
        }

        output.WriteLine($"{history.Checkpoints} checkpoints, {history.Bytes} bytes, from {history.Begin} to {history.End}");
        ExecutionPoint end = history.End;
        Assert.Null(history.GoTo(history.Begin));
        Assert.Null(history.GoTo(end));
    }

    private void ForEachProgram(string name, Action<VirtualMachine, ExecutionHistory, Random> check)
    {
        EngineSetting setting = EngineSetting.Translators.FirstOrDefault(setting => setting.Name == name, EngineSetting.Interpreter);
        ulong seed = Environment.GetEnvironmentVariable("TOYVMM_SEED") is { } text ? ulong.Parse(text, CultureInfo.InvariantCulture) : (ulong)Random.Shared.Next();
        for (ulong program = seed; program < seed + Programs; program++)
        {
            ProgramImage image = new(ProgramGenerator.Generate(program));
            using VirtualMachine vm = ProgramMachine.Create(image.Bytes, setting);
            using ExecutionHistory history = new(vm, new HistoryOptions { LeastDistance = TimeSpan.Zero, Distance = TimeSpan.FromTicks(program % 2 == 0 ? 1 : 500) });
            try
            {
                check(vm, history, new Random((int)program));
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"TOYVMM_SEED={program}: {e.Message}", e);
            }
        }
    }

    private static SearchStep ToHit(VirtualMachine vm, ExecutionHistory history, ExecutionPoint end, bool countsHere)
    {
        vm.Vcpu.PassedAt = countsHere ? (ulong.MaxValue, ulong.MaxValue) : (vm.Point.Instructions, vm.Point.Events);
        while (vm.Point < end)
        {
            vm.Vcpu.StopHits.Clear();
            StopReason reason = history.RunTo(end);
            if (vm.Vcpu.StopHits.Any(hit => hit.Kind == StopHitKind.Code))
            {
                return SearchStep.Found;
            }

            if (reason.Kind != StopKind.Breakpoint)
            {
                break;
            }
        }

        return SearchStep.NotFound;
    }

    private static void Check(Dictionary<ExecutionPoint, Fingerprint> moments, VirtualMachine vm, string where)
    {
        if (moments.TryGetValue(vm.Point, out Fingerprint? expected))
        {
            Fingerprint found = Fingerprint.Of(vm);
            Assert.True(expected == found, $"{where}, at {vm.Point}: {expected.DifferenceFrom(found)}");
        }
    }
}
