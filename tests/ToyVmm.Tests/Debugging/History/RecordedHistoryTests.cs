using System.Globalization;
using ToyVmm.Debugging.History;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Replay;
using ToyVmm.VirtualMachines.Verification.Programs;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Debugging.History;

/// <summary>Random programs are recorded with input, and gone through to and fro in the recording: each moment is as it was when it was recorded, on every engine, up to the recording's end.</summary>
public sealed class RecordedHistoryTests(ITestOutputHelper output)
{
    private const int Programs = 12;

    public static TheoryData<string> Settings => ExecutionHistoryTests.Settings;

    [Theory]
    [MemberData(nameof(Settings))]
    public void Any_moment_of_a_recording_is_as_it_was(string name) => ForEachRecording(name, (vm, history, recorded, random) =>
    {
        Assert.Equal((recorded.Points[0], recorded.Points[^1]), (history.Begin, history.End));
        Assert.Equal(history.Begin != history.End, history.IsInPast);
        Assert.Equal(history.IsInPast, history.EndIsRecorded);

        // Anywhere, before anything of it was run.
        for (int journey = 0; journey < 30; journey++)
        {
            ExecutionPoint target = recorded.Points[random.Next(recorded.Points.Count)];
            Assert.Null(history.GoTo(target));
            recorded.Check(vm, $"journey {journey} to {target}");
            if (history.IsInPast && random.Next(2) == 0)
            {
                _ = history.Run(new RunLimits { MaxInstructions = (ulong)random.Next(5000) });
                recorded.Check(vm, $"on from {target}");
                Assert.InRange(vm.InstructionsRetired, target.Instructions, history.End.Instructions);
            }

            if (vm.Point > history.Begin && random.Next(2) == 0)
            {
                Assert.True(history.StepBack());
                recorded.Check(vm, "back");
            }
        }

        Assert.Null(history.GoTo(history.End));
        recorded.Check(vm, "the end");
        Assert.Equal(recorded.Points[^1], vm.Point);
    });

    [Theory]
    [MemberData(nameof(Settings))]
    public void A_run_stops_at_the_end_of_the_recording_and_goes_on_live_from_there(string name) => ForEachRecording(name, (vm, history, recorded, random) =>
    {
        for (int time = 0; time < 2; time++)
        {
            if (!history.IsInPast)
            {
                return;
            }

            StopReason reason = history.Run();
            Assert.Equal((recorded.Points[^1], recorded.Stop.Kind == StopKind.InstructionLimit ? StopKind.ReplayEnded : recorded.Stop.Kind), (vm.Point, reason.Kind));
            recorded.Check(vm, "the end");
            Assert.False(history.IsInPast);
            Assert.Null(history.GoTo(history.Begin));
            recorded.Check(vm, "the beginning");
        }

        // Beyond the end nobody comes but by going on from there.
        StopReason moved = history.MoveTo(new ExecutionPoint(history.End.Instructions + 50, 0));
        if (recorded.Stop.Kind != StopKind.InstructionLimit)
        {
            return;
        }

        ExecutionPoint end = recorded.Points[^1];
        Assert.Equal((StopKind.ReplayEnded, end), (moved.Kind, vm.Point));
        _ = history.Run(new RunLimits { MaxInstructions = 30 });
        ExecutionPoint beyond = vm.Point;
        Fingerprint there = Fingerprint.Of(vm);
        Assert.Equal((beyond, beyond == end), (history.End, history.EndIsRecorded));
        Assert.Null(history.GoTo(end));
        recorded.Check(vm, "the end, from beyond");
        Assert.Null(history.GoTo(beyond));
        Assert.Equal(there, Fingerprint.Of(vm));
    });

    [Theory]
    [MemberData(nameof(Settings))]
    public void A_change_leaves_the_recording(string name) => ForEachRecording(name, (vm, history, recorded, random) =>
    {
        ExecutionPoint middle = recorded.Points[recorded.Points.Count / 2];
        int inputs = recorded.Log.Count;
        Assert.Null(history.GoTo(middle));
        history.NoteChange();
        vm.Cpu.Edi ^= 0x55;
        vm.Vcpu.NotifyStateChanged();
        uint changed = vm.Cpu.Edi;
        Assert.Equal((middle, false, false), (history.End, history.IsInPast, history.EndIsRecorded));
        vm.Input.Enqueue("live"u8);
        _ = history.Run(new RunLimits { MaxInstructions = 200 });
        ExecutionPoint end = vm.Point;
        Fingerprint there = Fingerprint.Of(vm);
        if (end == middle)
        {
            return;
        }

        Assert.Null(history.GoTo(middle));
        Assert.Equal(changed, vm.Cpu.Edi);
        Assert.Null(history.GoTo(end));
        Assert.Equal(there, Fingerprint.Of(vm));

        // What went before is the recording's still; and the recording has not lost anything.
        Assert.Null(history.GoTo(history.Begin));
        recorded.Check(vm, "the beginning");
        Assert.Null(history.GoTo(middle));
        Assert.Equal(changed ^ 0x55, vm.Cpu.Edi);       // COM1 has taken more of what was typed
        Assert.Equal(inputs, recorded.Log.Count);
    });

    [Theory]
    [MemberData(nameof(Settings))]
    public void Without_the_history_the_machine_replays_on(string name) => ForEachRecording(name, (vm, history, recorded, random) =>
    {
        Assert.Null(history.GoTo(recorded.Points[recorded.Points.Count / 3]));
        history.Dispose();
        StopReason stop = vm.Run(new RunLimits { MaxInstructions = recorded.Points[^1].Instructions - vm.InstructionsRetired });
        Assert.Equal(recorded.Points[^1], vm.Point);
        Assert.NotEqual(StopKind.ReplayDiverged, stop.Kind);
    });

    private void ForEachRecording(string name, Action<VirtualMachine, ExecutionHistory, Recorded, Random> check)
    {
        EngineSetting setting = EngineSetting.Translators.FirstOrDefault(setting => setting.Name == name, EngineSetting.Interpreter);
        ulong seed = Environment.GetEnvironmentVariable("TOYVMM_SEED") is { } text ? ulong.Parse(text, CultureInfo.InvariantCulture) : (ulong)Random.Shared.Next();
        int inputs = 0;
        for (ulong program = seed; program < seed + Programs; program++)
        {
            try
            {
                Recorded recorded = Recorded.Make(program);
                Recording recording = Recording.Read("recording", recorded.File);
                recorded.Log = recording.Log;
                inputs += recording.Log.Count;
                using VirtualMachine vm = recording.CreateMachine(new VirtualMachineOptions { Engine = setting.Engine, Translator = setting.Translator });
                using ExecutionHistory history = new(vm, new HistoryOptions { LeastDistance = TimeSpan.Zero, Distance = TimeSpan.FromTicks(program % 2 == 0 ? 1 : 500) });
                Assert.Null(history.Unavailable);
                check(vm, history, recorded, new Random((int)program));
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"TOYVMM_SEED={program}: {e.Message}", e);
            }
        }

        output.WriteLine($"{inputs} inputs in {Programs} recordings");
    }

    private sealed record Recorded(byte[] File, Dictionary<ExecutionPoint, Fingerprint> Moments, List<ExecutionPoint> Points, StopReason Stop)
    {
        public InputLog Log { get; set; } = new();

        // A run of the interpreter in pieces, with input between them; ended by the host after so many instructions, or by the guest.
        public static Recorded Make(ulong seed)
        {
            Random random = new((int)seed);
            using VirtualMachine vm = ProgramMachine.Create(new ProgramImage(ProgramGenerator.Generate(seed)).Bytes, EngineSetting.Interpreter);
            using MemoryStream file = new();
            using MachineRecorder recorder = MachineRecorder.Start(vm, file, new RecordingOptions { MarkDistance = 1000 });
            Dictionary<ExecutionPoint, Fingerprint> moments = new() { [vm.Point] = Fingerprint.Of(vm) };
            StopReason stop;
            int piece = 0;
            do
            {
                if (random.Next(3) == 0)
                {
                    vm.Input.Enqueue([(byte)random.Next(256), (byte)piece]);
                    _ = recorder.Run(new RunLimits { MaxInstructions = 0 });
                    moments[vm.Point] = Fingerprint.Of(vm);
                }

                stop = recorder.Run(new RunLimits { MaxInstructions = (ulong)Math.Pow(2000, random.NextDouble()) });
                moments[vm.Point] = Fingerprint.Of(vm);
            }
            while (++piece < 30 && stop.Kind == StopKind.InstructionLimit);
            recorder.Finish(stop, stop.ExitStatus);
            return new Recorded(file.ToArray(), moments, [.. moments.Keys.Order()], stop);
        }

        public void Check(VirtualMachine vm, string where)
        {
            if (Moments.TryGetValue(vm.Point, out Fingerprint? expected))
            {
                Fingerprint found = Fingerprint.Of(vm);
                Assert.True(expected == found, $"{where}, at {vm.Point}: {expected.DifferenceFrom(found)}");
            }
        }
    }
}
