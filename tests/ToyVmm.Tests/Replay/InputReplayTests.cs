using ToyVmm.Engines;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Tests.Properties;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Replay;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Replay;

/// <summary>A machine that is given a log goes the recorded way: on either engine, however it is cut, from the start or from a state in between.</summary>
public sealed class InputReplayTests(ITestOutputHelper output)
{
    private static readonly EngineKind[] s_engines =
        Interpreter.TranslationUnavailable is null ? [EngineKind.Interpreter, EngineKind.Translator] : [EngineKind.Interpreter];

    [Fact]
    public void A_run_with_random_input_is_replayed_on_both_engines_however_it_is_cut()
    {
        int inputs = 0;
        for (ulong seed = 1; seed <= 40; seed++)
        {
            EdgeRandom random = new(seed);
            byte[] image = InputGuest.Random(random, 100 + random.Below(200));
            using VirtualMachine vm = InputGuest.Create(image, s_engines[seed % (ulong)s_engines.Length]);
            InputLog log = InputLog.Of(vm);
            StopReason stop = RunWithInput(vm, random);
            Assert.True(stop.Kind is StopKind.DebugExit or StopKind.HaltedForever, $"{stop}");
            inputs += log.Count;
            foreach (EngineKind engine in s_engines)
            {
                foreach (int cut in (int[])[0, 1, 2])
                {
                    using VirtualMachine again = InputGuest.Create(image, engine, new VirtualMachineOptions { ExitObserver = cut == 2 ? (_, _) => { } : null });
                    again.Replay = new InputReplayer(log) { End = vm.Now };
                    if (stop.Kind == StopKind.DebugExit)
                    {
                        again.Input.Enqueue("not to be seen"u8);    // a guest that sleeps at the end would be woken there
                    }

                    StopReason same = cut == 0 ? again.Run() : RunInPieces(again, new EdgeRandom(seed + 1000));
                    Assert.True(same.Kind == stop.Kind, $"seed {seed}, {engine}, cut {cut}: {same}; {again.Divergence}");
                    AssertSame(vm, again);
                    Assert.True(again.Replay.IsAtEnd(again));
                }
            }
        }

        output.WriteLine($"{inputs} inputs");
        Assert.InRange(inputs, 1000, int.MaxValue);
    }

    [Fact]
    public void Input_from_another_thread_while_the_guest_keeps_host_time_is_replayed()
    {
        for (ulong seed = 1; seed <= 4; seed++)
        {
            EdgeRandom random = new(seed);
            byte[] image = InputGuest.Random(random, 2000);
            using VirtualMachine vm = InputGuest.Create(image, s_engines[seed % (ulong)s_engines.Length], new VirtualMachineOptions { Pace = seed % 2 == 0 ? true : null });
            InputLog log = InputLog.Of(vm);
            vm.Input.Open();
            bool ended = false;
            Thread typist = new(() =>
            {
                EdgeRandom own = new(seed + 77);
                for (int n = 0; n < 300 && !Volatile.Read(ref ended); n++)
                {
                    InputGuest.Poke(vm, own);
                    Thread.SpinWait(own.Below(20_000));
                }
            });
            typist.Start();
            StopReason stop = vm.Run(new RunLimits { Timeout = TimeSpan.FromSeconds(1) });
            Volatile.Write(ref ended, true);
            typist.Join();
            output.WriteLine($"{seed}: {stop.Kind}, {log.Count} inputs, {log.Count - log.CountBefore(new InputMoment(vm.InstructionsRetired / 2, 0, 0))} of them in the second half, {vm.Now}");
            foreach (EngineKind engine in s_engines)
            {
                using VirtualMachine again = InputGuest.Create(image, engine);
                again.Replay = new InputReplayer(log) { End = vm.Now, StopsAtEnd = stop.Kind is StopKind.TimeLimit };
                StopReason same = again.Run();
                Assert.True(same.Kind == (stop.Kind == StopKind.TimeLimit ? StopKind.ReplayEnded : stop.Kind), $"seed {seed}, {engine}: {same}");
                AssertSame(vm, again);
            }
        }
    }

    /// <summary>The place in the log is part of the state: a machine that goes back takes again what it took then.</summary>
    [Fact]
    public void A_restored_state_goes_on_in_the_log_where_it_was()
    {
        for (ulong seed = 1; seed <= 20; seed++)
        {
            EdgeRandom random = new(seed);
            byte[] image = InputGuest.Random(random, 200);
            using VirtualMachine vm = InputGuest.Create(image, s_engines[^1]);
            InputLog log = InputLog.Of(vm);
            _ = vm.Run(new RunLimits { MaxInstructions = 500 });
            byte[] state = vm.SaveState();
            byte[] memory = Memory(vm).ToArray();
            StopReason stop = RunWithInput(vm, random, () =>
            {
                if (random.Below(50) == 0)
                {
                    state = vm.SaveState();
                    memory = Memory(vm).ToArray();
                }
            });
            MachineFingerprint end = MachineFingerprint.Of(vm, withMemory: true);
            vm.Replay = new InputReplayer(log) { End = vm.Now };
            vm.Stops = null;
            vm.Input.Enqueue("for later"u8);
            for (int n = 0; n < 2; n++)
            {
                memory.CopyTo(Memory(vm));
                vm.RestoreState(state);
                Assert.False(vm.Replay.IsAtEnd(vm));
                StopReason same = RunInPieces(vm, random);
                Assert.True(same.Kind == stop.Kind, $"seed {seed}: {same}");
                Assert.Equal((seed, end), (seed, MachineFingerprint.Of(vm, withMemory: true)));
                Assert.True(vm.Replay.IsAtEnd(vm));
            }

            Assert.False(vm.Input.IsEmpty);
        }
    }

    [Fact]
    public void Resets_and_stops_are_replayed()
    {
        EdgeRandom random = new(5);
        byte[] image = InputGuest.Random(random, 300);
        using VirtualMachine vm = InputGuest.Create(image, EngineKind.Interpreter);
        InputLog log = InputLog.Of(vm);
        for (int n = 0; n < 5; n++)
        {
            for (int piece = 0; piece < 30; piece++)
            {
                InputGuest.Poke(vm, random);
                if (random.Below(10) == 0)
                {
                    vm.RequestStop();
                }

                _ = vm.Run(new RunLimits { MaxInstructions = (ulong)random.Below(1000) });
            }

            vm.Reset();
        }

        StopReason stop = RunWithInput(vm, random);
        foreach (EngineKind engine in s_engines)
        {
            using VirtualMachine again = InputGuest.Create(image, engine);
            again.Replay = new InputReplayer(log) { End = vm.Now };
            StopReason same = again.Run();
            Assert.True(same.Kind == stop.Kind, $"{engine}: {same}");
            AssertSame(vm, again);
        }
    }

    /// <summary>An input that is moved is found: at once where its moment never is, or by the next one that does not fit.</summary>
    [Fact]
    public void A_moment_that_the_machine_passes_is_a_divergence()
    {
        EdgeRandom random = new(3);
        byte[] image = InputGuest.Random(random, 300);
        using VirtualMachine vm = InputGuest.Create(image, EngineKind.Interpreter);
        InputLog log = InputLog.Of(vm);
        _ = RunWithInput(vm, random);
        int found = 0;
        for (int moved = 0; moved < log.Count; moved += 7)
        {
            InputLog wrong = new(log.First);
            for (int n = 0; n <= moved; n++)
            {
                wrong.Add(n == moved ? log[n] with { At = log[n].At with { Exits = log[n].At.Exits + 100 } } : log[n]);
            }

            using VirtualMachine again = InputGuest.Create(image, s_engines[^1]);
            again.Replay = new InputReplayer(wrong) { End = vm.Now };
            StopReason stop = again.Run(new RunLimits { MaxInstructions = 2 * vm.InstructionsRetired });
            Assert.Equal((moved, StopKind.ReplayDiverged, 81), (moved, stop.Kind, stop.ExitStatus));
            Assert.Equal((moved, (long)moved), (moved, again.Divergence!.Index));
            Assert.Equal(stop.Kind, again.Run().Kind);
            found++;
        }

        Assert.InRange(found, 5, int.MaxValue);
    }

    [Fact]
    public void A_log_is_searched_by_moment()
    {
        InputLog log = new();
        for (ulong n = 0; n < 100; n++)
        {
            log.Add(new StampedInput(new InputMoment(n / 3 * 10, n / 3, n / 3 * 10), new SerialInput((byte)n)));
        }

        Assert.Equal(0, log.CountBefore(default));
        Assert.Equal(3, log.CountBefore(new InputMoment(1, 0, 0)));
        Assert.Equal(3, log.CountBefore(new InputMoment(10, 1, 10)));
        Assert.Equal(6, log.CountBefore(new InputMoment(10, 2, 10)));
        Assert.Equal(100, log.CountBefore(new InputMoment(10_000, 0, 0)));
        Assert.Throws<ArgumentException>(() => log.Add(new StampedInput(default, new StopInput())));
        log.Truncate(5);
        Assert.Equal(5, log.Count);
    }

    private static StopReason RunWithInput(VirtualMachine vm, EdgeRandom random, Action? between = null)
    {
        for (; ; )
        {
            if (random.Below(3) == 0)
            {
                InputGuest.Poke(vm, random);
            }

            // Now and then as a debugger would: to the first instruction of a handler.
            vm.Stops = random.Below(8) == 0 ? new StopSet { Events = EventStops.Delivered } : null;
            StopReason stop = vm.Run(new RunLimits { MaxInstructions = 1 + (ulong)random.Below(random.Below(4) == 0 ? 5 : 700), MaxExits = random.Below(8) == 0 ? 1 + (ulong)random.Below(20) : ulong.MaxValue });
            vm.Vcpu.StopHits.Clear();
            if (stop.Kind is not (StopKind.InstructionLimit or StopKind.ExitLimit or StopKind.Breakpoint))
            {
                return stop;
            }

            between?.Invoke();
        }
    }

    private static StopReason RunInPieces(VirtualMachine vm, EdgeRandom random)
    {
        for (; ; )
        {
            if (random.Below(10) == 0)
            {
                vm.RequestStop();
            }

            StopReason stop = vm.Run(new RunLimits { MaxInstructions = 1 + (ulong)random.Below(random.Below(4) == 0 ? 5 : 2000), MaxExits = random.Below(8) == 0 ? 1 + (ulong)random.Below(20) : ulong.MaxValue });
            if (stop.Kind is not (StopKind.InstructionLimit or StopKind.ExitLimit or StopKind.Stopped))
            {
                return stop;
            }
        }
    }

    private static void AssertSame(VirtualMachine expected, VirtualMachine actual)
    {
        Assert.Equal(expected.Now, actual.Now);
        Assert.Equal(expected.InputsTaken, actual.InputsTaken);
        Assert.Null(StateDifference.OfCpus(expected.Vcpu, actual.Vcpu));
        Assert.Null(StateDifference.OfMemories(expected.Machine.Memory, actual.Machine.Memory));
        Assert.Null(MachineFingerprint.Of(expected, withMemory: true).Differs(MachineFingerprint.Of(actual, withMemory: true)));
        Assert.Null(StateDifference.OfTlbs(expected.Vcpu.Mmu.Tlb, actual.Vcpu.Mmu.Tlb));
        Assert.Equal(expected.SerialOutput, actual.SerialOutput);
    }

    private static unsafe Span<byte> Memory(VirtualMachine vm) => new(vm.Machine.Memory.RamBase, (int)vm.Machine.Memory.RamSize);
}
