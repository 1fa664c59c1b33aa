using System.Text;
using ToyVmm.Debugging;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Replay;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>A recorded guest under the debugger: what came in comes again, forward and back, on both engines.</summary>
public sealed class RecordedHistoryTests
{
    [Fact]
    public void A_recorded_session_at_a_prompt_is_gone_through_forward_and_back()
    {
        (Recording recording, string serial) = Record("echo", "hello\nthere\n", new RunLimits());
        List<string>? expected = null;
        foreach (EngineKind engine in GuestRunner.Engines)
        {
            using VirtualMachine vm = recording.CreateMachine(new VirtualMachineOptions { Engine = engine });
            using DebugSession session = new(vm);
            Assert.Null(session.History.Unavailable);
            Assert.Equal(StopCause.Ended, session.Continue().Cause);
            Assert.Equal(serial, vm.SerialOutput);
            string end = Where(vm);
            List<string> seen = [end];

            // Every output, and back through all of them.
            Assert.Equal(StopCause.Reached, session.GoToInstruction(0).Cause);
            _ = session.Breakpoints.Add(new PortSpec(0x3F8, 0x3F8));
            List<string> hits = [];
            while (session.Continue().Cause == StopCause.Breakpoint)
            {
                hits.Add(Where(vm));
            }

            Assert.Equal(end, Where(vm));
            Assert.True(hits.Count > serial.Length, $"{hits.Count} accesses");
            for (int n = hits.Count - 1; n >= 0; n--)
            {
                Assert.Equal(StopCause.Breakpoint, session.ReverseContinue().Cause);
                Assert.Equal(hits[n], Where(vm));
            }

            Assert.Equal(StopCause.HistoryBegin, session.ReverseContinue().Cause);
            session.Breakpoints.Clear();

            // Steps, where the input comes.
            Stack<string> way = [];
            _ = session.GoToInstruction(1100);
            for (int n = 0; n < 150; n++)
            {
                way.Push(Where(vm));
                Assert.Equal(StopCause.Stepped, session.Step(StepKind.Instruction).Cause);
            }

            seen.AddRange(hits);
            seen.AddRange(way);
            while (way.TryPop(out string? before))
            {
                Assert.Equal(StopCause.Stepped, session.ReverseStep().Cause);
                Assert.Equal(before, Where(vm));
            }

            Assert.Equal(StopCause.Ended, session.Continue().Cause);
            Assert.Equal(end, Where(vm));
            Assert.Equal(expected ??= seen, seen);
        }
    }

    [Fact]
    public void A_recording_that_the_host_ended_has_an_end_and_the_guest_goes_on_live_from_there()
    {
        const ulong Length = 1_234_567;
        (Recording recording, _) = Record("tasks", null, new RunLimits { MaxInstructions = Length });
        foreach (EngineKind engine in GuestRunner.Engines)
        {
            using VirtualMachine vm = recording.CreateMachine(new VirtualMachineOptions { Engine = engine });
            using DebugSession session = new(vm);
            Assert.Equal((StopCause.HistoryEnd, Length), (session.Continue().Cause, session.Point.Instructions));
            string end = Where(vm);
            Assert.Equal(StopCause.Stepped, session.ReverseStep().Cause);
            Assert.Equal((StopCause.HistoryEnd, end), (session.Step(StepKind.Instruction).Cause, Where(vm)));
            _ = session.GoToInstruction(1000);
            Assert.Equal((StopCause.HistoryEnd, end), (session.GoToInstruction(Length * 2).Cause, Where(vm)));

            // Now it is known how it goes on.
            Assert.Equal(StopCause.Ended, session.Continue().Cause);
            Assert.Equal(StopKind.PowerOff, session.Ended!.Kind);
            _ = session.GoToInstruction(Length);
            Assert.Equal(end, Where(vm));
            Assert.Equal(StopCause.Ended, session.Continue().Cause);
        }
    }

    [Fact]
    public void A_change_in_the_past_of_a_recording_gives_the_guest_another_future()
    {
        (Recording recording, string serial) = Record("echo", "hello\n", new RunLimits());
        foreach (EngineKind engine in GuestRunner.Engines)
        {
            using VirtualMachine vm = recording.CreateMachine(new VirtualMachineOptions { Engine = engine });
            using DebugSession session = new(vm);
            _ = session.Continue();
            _ = session.GoToInstruction(300);
            session.NoteChange();
            vm.Input.Enqueue("other\n\x04"u8);
            Assert.Equal(StopCause.Ended, session.Continue().Cause);
            Assert.Contains("OTHER", vm.SerialOutput, StringComparison.Ordinal);
            Assert.DoesNotContain("HELLO", vm.SerialOutput, StringComparison.Ordinal);
            Assert.Contains("HELLO", serial, StringComparison.Ordinal);
        }
    }

    private static (Recording Recording, string Serial) Record(string name, string? typed, RunLimits limits)
    {
        GuestImage guest = GuestCatalog.Find(name);
        using MemoryStream file = new();
        using VirtualMachine vm = VirtualMachine.Create(File.ReadAllBytes(guest.ImagePath), new VirtualMachineOptions { Engine = GuestRunner.Engines[^1] });
        using MachineRecorder recorder = MachineRecorder.Start(vm, new KeptOpen(file), new RecordingOptions { Title = name });
        vm.Input.Enqueue(Encoding.Latin1.GetBytes(typed ?? ""));
        StopReason stop = recorder.Run(limits);
        recorder.Finish(stop, stop.ExitStatus);
        return (Recording.Read(name, file.ToArray()), vm.SerialOutput);
    }

    private static string Where(VirtualMachine vm) => $"{vm.Point} {StateHash.OfCpu(vm.Vcpu):x16} {StateHash.OfMemory(vm.Machine.Memory):x16}";
}
