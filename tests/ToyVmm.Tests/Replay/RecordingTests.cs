using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware;
using ToyVmm.Tests.Properties;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Comparing;
using ToyVmm.VirtualMachines.Loading;
using ToyVmm.VirtualMachines.Replay;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Replay;

/// <summary>Recordings in files: whole ones replay, damaged ones are refused, and forged ones are found out.</summary>
public sealed class RecordingTests(ITestOutputHelper output)
{
    private static readonly EngineKind[] s_engines =
        Interpreter.TranslationUnavailable is null ? [EngineKind.Interpreter, EngineKind.Translator] : [EngineKind.Interpreter];

    [Fact]
    public void A_recording_replays_on_every_engine()
    {
        for (ulong seed = 1; seed <= 10; seed++)
        {
            byte[] bytes = RecordedRun.Record(seed, s_engines[seed % (ulong)s_engines.Length]);
            Recording recording = Recording.Read("test", bytes);
            Assert.InRange(recording.Log.Count, 5, int.MaxValue);
            Assert.InRange(recording.Marks.Count, 3, int.MaxValue);
            foreach (EngineKind engine in s_engines)
            {
                ReplayVerdict verdict = RecordedRun.Replay(bytes, engine);
                Assert.True(verdict.IsComplete, $"seed {seed}, {engine}: {verdict}");
                Assert.Equal((recording.End!.Stop.Kind, recording.Marks.Count), (verdict.Stop.Kind, verdict.MarksPassed));
            }
        }
    }

    /// <summary>A run without input is recorded in the same bytes each time; and the engine's name is all that tells engines apart.</summary>
    [Fact]
    public void The_same_run_gives_the_same_recording()
    {
        byte[] first = RecordedRun.Record(3, EngineKind.Interpreter);
        Assert.Equal(first, RecordedRun.Record(3, EngineKind.Interpreter));
        List<(string Tag, byte[] Payload)> other = RecordedRun.Sections(RecordedRun.Record(3, s_engines[^1]));
        Assert.Equal(RecordedRun.Sections(first).Skip(1), other.Skip(1), (a, b) => a.Tag == b.Tag && a.Payload.AsSpan().SequenceEqual(b.Payload));
    }

    [Theory]
    [InlineData(StopKind.InstructionLimit)]
    [InlineData(StopKind.Stopped)]
    [InlineData(StopKind.TimeLimit)]
    [InlineData(StopKind.ExitLimit)]
    [InlineData(StopKind.SerialLimit)]
    public void A_run_that_the_host_ends_is_replayed_to_there(StopKind kind)
    {
        // l: inc ecx; mov al, cl; out 3F8h, al; rep-free and endless
        byte[] image = [0xBA, 0xF8, 0x03, 0, 0, 0x41, 0x88, 0xC8, 0xEE, 0xEB, 0xFA];
        foreach (EngineKind recorded in s_engines)
        {
            VirtualMachine? running = null;
            int sent = 0;
            using VirtualMachine vm = running = InputGuest.Create(image, recorded, new VirtualMachineOptions
            {
                SerialOutput = _ =>
                {
                    if (++sent == 5000 && kind == StopKind.Stopped)
                    {
                        running!.RequestStop();
                    }
                },
                Limits = new ResourceLimits { SerialBytes = kind == StopKind.SerialLimit ? 3000 : ulong.MaxValue },
            });
            using KeptStream file = new();
            using MachineRecorder recorder = MachineRecorder.Start(vm, file);
            StopReason stop = recorder.Run(new RunLimits
            {
                MaxInstructions = kind == StopKind.InstructionLimit ? 123_457 : ulong.MaxValue,
                MaxExits = kind == StopKind.ExitLimit ? 1234 : ulong.MaxValue,
                Timeout = kind == StopKind.TimeLimit ? TimeSpan.FromMilliseconds(50) : Timeout.InfiniteTimeSpan,
            });
            Assert.Equal(kind, stop.Kind);
            recorder.Finish(stop, stop.ExitStatus);
            foreach (EngineKind engine in s_engines)
            {
                Recording recording = Recording.Read("test", file.Bytes);
                using VirtualMachine again = recording.CreateMachine(new VirtualMachineOptions { Engine = engine, SerialOutput = _ => { } });
                ReplayVerdict verdict = new RecordingPlayer(recording, again).Run(new RunLimits { Timeout = TimeSpan.FromSeconds(30) });
                Assert.True(verdict.IsComplete, verdict.ToString());
                Assert.Equal((kind, stop.Detail, vm.Now), (verdict.Stop.Kind, verdict.Stop.Detail, again.Now));
            }
        }
    }

    /// <summary>A string instruction that is interrupted in its middle has no moment of its own: nothing is taken there, and a stop there counts as one before it.</summary>
    [Fact]
    public void Stops_and_input_within_a_long_string_instruction_are_replayed()
    {
        // mov edi, 100000h; l: mov ecx, 80000h; rep stosb; inc eax; mov edi, 100000h; in al, 60h; jmp l
        byte[] image = [0xBF, 0, 0, 0x10, 0, 0xB9, 0, 0, 0x08, 0, 0xF3, 0xAA, 0x40, 0xBF, 0, 0, 0x10, 0, 0xE4, 0x60, 0xEB, 0xEF];
        foreach (EngineKind recorded in s_engines)
        {
            using VirtualMachine vm = InputGuest.Create(image, recorded);
            using KeptStream file = new();
            using MachineRecorder recorder = MachineRecorder.Start(vm, file, new RecordingOptions { MarkDistance = 1000 });
            bool ended = false;
            Thread bother = new(() =>
            {
                EdgeRandom random = new(1);
                while (!Volatile.Read(ref ended))
                {
                    InputGuest.Poke(vm, random);
                    Thread.SpinWait(random.Below(5000));
                    vm.RequestStop();
                    Thread.SpinWait(random.Below(5000));
                }
            });
            bother.Start();
            int inside = 0;
            StopReason stop = new(StopKind.Stopped, 0, "");
            for (int n = 0; n < 400 || (!vm.Vcpu.IsInsideString && n < 4000); n++)
            {
                stop = recorder.Run(new RunLimits { MaxInstructions = 2000 });
                inside += vm.Vcpu.IsInsideString ? 1 : 0;
            }

            Volatile.Write(ref ended, true);
            bother.Join();
            recorder.Finish(stop, stop.ExitStatus);
            output.WriteLine($"{recorded}: {vm.InstructionsRetired} instructions, {inside} stops within a string instruction, {Recording.Read("test", file.Bytes).Log.Count} inputs");
            foreach (EngineKind engine in s_engines)
            {
                ReplayVerdict verdict = RecordedRun.Replay(file.Bytes, engine);
                Assert.True(verdict.IsComplete, $"{recorded} on {engine}: {verdict}");
            }
        }
    }

    [Fact]
    public void Whoever_flips_a_bit_is_told_where()
    {
        byte[] bytes = RecordedRun.Record(4, EngineKind.Interpreter, limit: 9000);
        EdgeRandom random = new(1);
        for (int at = 0; at < bytes.Length; at++)
        {
            byte[] damaged = [.. bytes];
            damaged[at] ^= (byte)(1 << random.Below(8));
            RecordingException e = Assert.Throws<RecordingException>(() => Recording.Read("test", damaged));
            Assert.Equal(RecordingProblem.Invalid, e.Problem);
            Assert.StartsWith("the recording test cannot be used: ", e.Message, StringComparison.Ordinal);
        }
    }

    /// <summary>A recording that was cut replays to its last whole section, and says so; or it does not even say which machine it is of.</summary>
    [Fact]
    public void A_cut_recording_replays_as_far_as_it_goes()
    {
        byte[] bytes = RecordedRun.Record(4, EngineKind.Interpreter, limit: 40_000);
        ulong reached = 0;
        int replayed = 0;
        for (int length = 0; length < bytes.Length; length += length < bytes.Length - 200 ? 7 : 1)
        {
            byte[] cut = bytes[..length];
            Recording? recording = null;
            try
            {
                recording = Recording.Read("test", cut);
            }
            catch (RecordingException e)
            {
                Assert.Equal(RecordingProblem.Invalid, e.Problem);
                continue;
            }

            Assert.Null(recording.End);
            Assert.True(recording.LastMoment.Instructions >= reached);
            if (recording.LastMoment.Instructions > reached)
            {
                reached = recording.LastMoment.Instructions;
                ReplayVerdict verdict = RecordedRun.Replay(cut, s_engines[replayed++ % s_engines.Length]);
                Assert.True(verdict.Stop.Kind == StopKind.ReplayEnded && !verdict.IsComplete && verdict.Difference is null, verdict.ToString());
                Assert.Equal(recording.Marks.Count, verdict.MarksPassed);
            }
        }

        Assert.InRange(replayed, 3, int.MaxValue);
    }

    /// <summary>Without all of its files the machine would be another one: it is the cut that is told of.</summary>
    [Fact]
    public void A_recording_cut_before_its_run_says_so()
    {
        byte[] bytes = RecordedRun.Record(4, EngineKind.Interpreter, limit: 9000);
        List<(string Tag, byte[] Payload)> sections = RecordedRun.Sections(bytes);
        int files = sections.FindIndex(section => section.Tag == RecordingFormat.File);
        Assert.InRange(files, 1, int.MaxValue);
        string Refuse(byte[] cut) => Assert.Throws<RecordingException>(() => Recording.Read("x", cut)).Message;
        byte[] without = RecordedRun.Build(sections.Take(files));
        Assert.Equal("the recording x cannot be used: it ends, before anything of the run. Copy it again, or record the run again.", Refuse(without));
        byte[] with = RecordedRun.Build(sections.Take(files + 1));
        Assert.Equal(
            $"the recording x cannot be used: the section {RecordingFormat.File.Trim()} is cut (at file offset 0x{without.Length:X}), before anything of the run. Copy it again, or record the run again.",
            Refuse(with[..^1]));
        Assert.Contains("the head of a section is cut", Refuse(with[..(without.Length + 5)]), StringComparison.Ordinal);
    }

    /// <summary>An input at another instruction: found before the next mark that follows it, and not reported before the last one that agrees.</summary>
    [Fact]
    public void An_input_that_was_moved_is_found()
    {
        int found = 0;
        for (ulong seed = 1; seed <= 5; seed++)
        {
            byte[] bytes = RecordedRun.Record(seed, EngineKind.Interpreter);
            Recording recording = Recording.Read("test", bytes);
            for (int moved = 0; moved < recording.Log.Count; moved += 5)
            {
                InputMoment at = recording.Log[moved].At;
                InputMoment next = moved + 1 < recording.Log.Count ? recording.Log[moved + 1].At : recording.LastMoment;
                if (recording.Log[moved].Event is not SerialInput || next.Instructions <= at.Instructions + 1)
                {
                    continue;
                }

                byte[] forged = RecordedRun.ChangeEvents(
                    bytes, (n, input) => n == moved ? input with { At = input.At with { Instructions = input.At.Instructions + 1, Clock = input.At.Clock + 1 } } : input);
                ReplayVerdict verdict = RecordedRun.Replay(forged, s_engines[moved % s_engines.Length]);
                if (verdict.Difference is not { } difference)
                {
                    // Nobody looked in between: the run is the same.
                    Assert.True(verdict.IsComplete, verdict.ToString());
                    continue;
                }

                found++;
                Assert.Equal(81, verdict.Stop.ExitStatus);
                ulong before = recording.Marks.Where(mark => mark.At.Instructions <= at.Instructions).Select(mark => mark.At.Instructions).LastOrDefault();
                Assert.True(difference.AgreedAt >= before, $"{difference}; moved from {at}");
                Assert.True(difference.DiffersAt >= at.Instructions, $"{difference}; moved from {at}");
            }
        }

        Assert.InRange(found, 5, int.MaxValue);
    }

    [Fact]
    public void Another_byte_is_found_in_its_interval()
    {
        byte[] bytes = RecordedRun.Record(2, EngineKind.Interpreter);
        Recording recording = Recording.Read("test", bytes);
        int changed = Enumerable.Range(0, recording.Log.Count).First(n => n > 10 && recording.Log[n].Event is SerialInput);
        ulong at = recording.Log[changed].At.Instructions;
        byte[] forged = RecordedRun.ChangeEvents(bytes, (n, input) => n == changed ? input with { Event = new SerialInput((byte)(((SerialInput)input.Event).Value ^ 1)) } : input);
        ReplayDifference difference = RecordedRun.Replay(forged).Difference!;
        ulong[] marks = [0, .. recording.Marks.Select(mark => mark.At.Instructions)];
        Assert.Equal(marks.Last(mark => mark <= at), difference.AgreedAt);
        Assert.Equal(marks.First(mark => mark > at), difference.DiffersAt);
        output.WriteLine(difference.ToString());
        Assert.NotEqual("", difference.What);
    }

    [Fact]
    public void A_hash_that_was_changed_is_found_at_its_mark()
    {
        byte[] bytes = RecordedRun.Record(2, EngineKind.Interpreter);
        Recording recording = Recording.Read("test", bytes);
        List<(string Tag, byte[] Payload)> sections = RecordedRun.Sections(bytes);
        int[] marks = [.. Enumerable.Range(0, sections.Count).Where(n => sections[n].Tag == RecordingFormat.Mark)];
        for (int n = 0; n < marks.Length; n++)
        {
            byte[] payload = [.. sections[marks[n]].Payload];
            payload[^1] ^= 0x10;
            ReplayVerdict verdict = RecordedRun.Replay(RecordedRun.Build(sections.Select((section, at) => at == marks[n] ? (section.Tag, payload) : section)), s_engines[n % s_engines.Length]);
            bool isMemory = recording.Marks[n].Fingerprint!.Value.Memory is not null;
            Assert.Equal(recording.Marks[n].At.Instructions, verdict.Difference!.DiffersAt);
            Assert.Equal(isMemory || n == 0 ? 0 : recording.Marks[n - 1].At.Instructions, verdict.Difference.AgreedAt);
            Assert.Equal(isMemory ? "memory" : "the devices", verdict.Difference.What);
        }
    }

    [Fact]
    public void A_guest_that_ends_otherwise_is_found()
    {
        byte[] bytes = RecordedRun.Record(2, EngineKind.Interpreter);
        List<(string Tag, byte[] Payload)> sections = RecordedRun.Sections(bytes);
        byte[] end = [.. sections[^1].Payload];
        end[0] = (byte)StopKind.PowerOff;
        ReplayVerdict verdict = RecordedRun.Replay(RecordedRun.Build([.. sections.SkipLast(1), (RecordingFormat.End, end)]));
        Assert.Contains("in the recorded run", verdict.Difference!.What, StringComparison.Ordinal);

        // And one that goes on where the recorded one had ended.
        byte[] stopped = RecordedRun.Record(2, EngineKind.Interpreter, limit: 9000);
        sections = RecordedRun.Sections(stopped);
        end = [.. sections[^1].Payload];
        end[0] = (byte)StopKind.PowerOff;
        verdict = RecordedRun.Replay(RecordedRun.Build([.. sections.SkipLast(1), (RecordingFormat.End, end)]));
        Assert.Contains("the guest goes on", verdict.Difference!.What, StringComparison.Ordinal);
    }

    /// <summary>Whatever stands in a section whose checksum is right: an error or a difference, and never an exception of another kind.</summary>
    [Fact]
    public void Forged_sections_never_crash_a_replay()
    {
        byte[] bytes = RecordedRun.Record(6, EngineKind.Interpreter, limit: 4000);
        List<(string Tag, byte[] Payload)> sections = RecordedRun.Sections(bytes);
        EdgeRandom random = new(9);
        int refused = 0;
        for (int n = 0; n < 3000; n++)
        {
            int which = random.Below(sections.Count);
            byte[] payload = [.. sections[which].Payload];
            for (int changes = 1 + random.Below(3); changes > 0 && payload.Length > 0; changes--)
            {
                payload[random.Below(payload.Length)] = random.Byte();
            }

            byte[] forged = RecordedRun.Build(sections.Select((section, at) => at == which ? (section.Tag, random.Below(10) == 0 ? payload[..random.Below(payload.Length + 1)] : payload) : section));
            try
            {
                Recording recording = Recording.Read("test", forged);
                if (n % 10 == 0 && recording.Machine.MemorySize <= 16 << 20)
                {
                    using VirtualMachine vm = recording.CreateMachine(new VirtualMachineOptions { Engine = EngineKind.Interpreter });
                    _ = new RecordingPlayer(recording, vm).Run(new RunLimits { Timeout = TimeSpan.FromSeconds(2), MaxInstructions = 100_000 });
                }
            }
            catch (RecordingException e)
            {
                refused++;
                Assert.StartsWith("the ", e.Message, StringComparison.Ordinal);
            }
        }

        Assert.InRange(refused, 100, 3000);
    }

    [Fact]
    public void A_file_that_is_no_recording_is_refused()
    {
        string Refuse(byte[] bytes) => Assert.Throws<RecordingException>(() => Recording.Read("x", bytes)).Message;
        Assert.Equal("the recording x cannot be used: it is empty. Name a file that `toyvmm run --record` has written.", Refuse([]));
        Assert.Contains("it is no recording", Refuse([1, 2, 3]), StringComparison.Ordinal);
        Assert.Contains("it ends in its header", Refuse(RecordingFormat.Magic[..5].ToArray()), StringComparison.Ordinal);
        Assert.Contains("which machine was recorded", Refuse(RecordingFormat.Header()), StringComparison.Ordinal);
        byte[] newer = RecordingFormat.Header();
        newer[8] = 9;
        Assert.Contains("format version 9", Refuse(newer), StringComparison.Ordinal);
        RecordingException missing = Assert.Throws<RecordingException>(() => Recording.Open("/no/such/file"));
        Assert.Equal((RecordingProblem.Unreadable, "cannot read the recording /no/such/file: there is no such file"), (missing.Problem, missing.Message));
    }

    [Fact]
    public void A_machine_in_the_middle_of_its_life_is_recorded_with_a_snapshot()
    {
        EdgeRandom random = new(4);
        byte[] image = InputGuest.Random(random, 300);
        using VirtualMachine vm = InputGuest.Create(image, s_engines[^1]);
        vm.Input.Enqueue("abc"u8);
        _ = vm.Run(new RunLimits { MaxInstructions = 5000 });
        using KeptStream file = new();
        using MachineRecorder recorder = MachineRecorder.Start(vm, file, new RecordingOptions { MarkDistance = 1000 });
        InputGuest.Poke(vm, random);
        StopReason stop = recorder.Run(new RunLimits { MaxInstructions = 20_000 });
        recorder.Finish(stop, stop.ExitStatus);
        Recording recording = Recording.Read("test", file.Bytes);
        Assert.Equal((5000ul, RecordedFileRole.Snapshot, true), (recording.Start.Instructions, recording.Files[0].Role, recording.Files[0].IsInside));
        foreach (EngineKind engine in s_engines)
        {
            ReplayVerdict verdict = RecordedRun.Replay(file.Bytes, engine);
            Assert.True(verdict.IsComplete, $"{engine}: {verdict}");
        }
    }

    [Fact]
    public void A_large_image_stays_outside_and_is_known_by_its_hash()
    {
        string path = Path.GetTempFileName();
        try
        {
            byte[] image = InputGuest.Random(new EdgeRandom(1), 30);
            File.WriteAllBytes(path, image);
            using VirtualMachine vm = InputGuest.Create(image, EngineKind.Interpreter);
            using KeptStream file = new();
            using MachineRecorder recorder = MachineRecorder.Start(vm, file, new RecordingOptions { MostBytesInside = 10, ImagePath = path });
            StopReason stop = recorder.Run(new RunLimits { MaxInstructions = 2000 });
            recorder.Finish(stop, stop.ExitStatus);
            Assert.False(Recording.Read("test", file.Bytes).Files[0].IsInside);
            Assert.True(RecordedRun.Replay(file.Bytes).IsComplete);
            image[^1] ^= 1;
            File.WriteAllBytes(path, image);
            RecordingException changed = Assert.Throws<RecordingException>(() => RecordedRun.Replay(file.Bytes));
            Assert.Equal(RecordingProblem.Changed, changed.Problem);
            Assert.Contains("has changed since the run was recorded", changed.Message, StringComparison.Ordinal);
            File.Delete(path);
            Assert.Equal(RecordingProblem.Unreadable, Assert.Throws<RecordingException>(() => RecordedRun.Replay(file.Bytes)).Problem);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void What_a_replay_could_not_have_is_not_recorded()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, new byte[512 * 100]);
            VirtualMachineOptions With(DiskAccess access) => InputGuest.Options(EngineKind.Interpreter) with
            {
                Machine = new MachineConfig { MemorySize = 2u << 20, Disks = [new DiskConfig(path, access)] },
            };
            using VirtualMachine writes = VirtualMachine.Create(InputGuest.Random(new EdgeRandom(1), 10), With(DiskAccess.ReadWrite));
            RecordingException e = Assert.Throws<RecordingException>(() => MachineRecorder.Start(writes, new KeptStream()));
            Assert.Equal(RecordingProblem.NotRecordable, e.Problem);
            Assert.Contains(",snapshot", e.Message, StringComparison.Ordinal);

            using VirtualMachine reads = VirtualMachine.Create(InputGuest.Random(new EdgeRandom(1), 10), With(DiskAccess.Snapshot));
            using KeptStream file = new();
            using MachineRecorder recorder = MachineRecorder.Start(reads, file);
            StopReason stop = recorder.Run(new RunLimits { MaxInstructions = 1000 });
            recorder.Finish(stop, stop.ExitStatus);
            Assert.True(RecordedRun.Replay(file.Bytes).IsComplete);
            File.WriteAllBytes(path, [.. Enumerable.Repeat((byte)1, 512 * 100)]);
            Assert.Equal(RecordingProblem.Changed, Assert.Throws<RecordingException>(() => RecordedRun.Replay(file.Bytes)).Problem);
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>The disk of the host is full: the guest stops, and nobody believes that it was recorded.</summary>
    [Fact]
    public void A_recording_that_cannot_be_written_ends_the_run()
    {
        using VirtualMachine vm = InputGuest.Create(InputGuest.Random(new EdgeRandom(1), 10_000), EngineKind.Interpreter);
        using MachineRecorder recorder = MachineRecorder.Start(vm, new FullStream(6000), new RecordingOptions { MarkDistance = 1000 });
        StopReason stop = recorder.Run(new RunLimits { MaxInstructions = 10_000_000 });
        Assert.Equal((StopKind.HostFailure, "full"), (stop.Kind, recorder.Failure?.Message));
        recorder.Finish(stop, stop.ExitStatus);
        Assert.Throws<RecordingException>(() => MachineRecorder.Start(vm, new FullStream(10)));
    }

    [Fact]
    public void Events_are_coded_and_read_back()
    {
        EdgeRandom random = new(1);
        for (int n = 0; n < 2000; n++)
        {
            InputMoment before = new(random.Bits64() >> 20, random.Bits64() >> 30, random.Bits64() >> 2, 5);
            InputMoment after = new(before.Instructions + random.Byte(), before.Exits + random.Byte(), before.Clock + 255 + (random.Bits64() >> 40), 7);
            InputEvent happened = random.Below(4) switch
            {
                0 => new SerialInput(random.Byte()),
                1 => new MouseInput(new ToyVmm.Hardware.Devices.MouseEvent(unchecked((int)random.Bits64()), int.MinValue, -1, ToyVmm.Hardware.Devices.MouseButtons.Right)),
                2 => new HostTimeInput(random.Bits64()),
                _ => new AddMemoryInput((uint)random.Below(1000) << 12),
            };
            List<byte> bytes = [];
            InputMoment from = before;
            InputCodec.Write(bytes, new StampedInput(after, happened), ref from);
            ReadOnlySpan<byte> rest = bytes.ToArray();
            Assert.True(InputCodec.TryRead(ref rest, ref before, out StampedInput read));
            Assert.Equal(new StampedInput(after, happened), read);
            Assert.True(rest.IsEmpty);
        }

        for (int n = 0; n < 20_000; n++)
        {
            ReadOnlySpan<byte> rest = Enumerable.Range(0, random.Below(30)).Select(_ => random.Byte()).ToArray();
            InputMoment before = default;
            _ = InputCodec.TryRead(ref rest, ref before, out _);
        }
    }

    private sealed class FullStream(int room) : MemoryStream
    {
        private int _left = room;

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            _left -= buffer.Length;
            if (_left < 0)
            {
                throw new IOException("full");
            }
        }
    }
}
