using ToyVmm.Hardware.Devices;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Replay;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.GuestTests;

/// <summary>run --record, and toyvmm replay.</summary>
public sealed class CommandLineReplayTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("interpreter", "auto")]
    [InlineData("auto", "interpreter")]
    public void A_run_is_recorded_and_replayed_with_its_output_and_status(string recordedOn, string replayedOn)
    {
        using TemporaryFile file = new(".rec");
        ToolResult run = CommandLine.RunWithInput("hello\nthere", "run", "echo", "--record", file.Path, "--engine", recordedOn);
        Assert.Contains($"{file.Path}: the run is recorded in ", run.Errors, StringComparison.Ordinal);
        ToolResult replay = CommandLine.RunWithInput("nobody listens", "replay", file.Path, "--engine", replayedOn);
        Assert.Equal((run.Status, run.Output), (replay.Status, replay.Output));
        Assert.Contains("toyvmm: the replay is the recorded run: 1 mark agrees\n", replay.Errors, StringComparison.Ordinal);
        ToolResult both = CommandLine.Run("replay", file.Path, "--verify");
        Assert.Equal(0, both.Status);
        Assert.Matches(@"^interpreter +\d+ instructions in \d+ ms: the replay is the recorded run: 1 mark agrees\n", both.Output);
    }

    [Fact]
    public void A_recording_says_what_is_in_it()
    {
        using TemporaryFile file = new(".rec");
        Assert.Equal(0, CommandLine.Run("run", "hello", "--record", file.Path, "-q").Status);
        ToolResult info = CommandLine.Run("replay", "--info", file.Path);
        Assert.Equal((0, ""), (info.Status, info.Errors));
        foreach (string line in (string[])["run of            hello, executed by", "image             in the recording, ", "inputs            none", "length            173 instructions", "end               the guest powered off, exit status 0"])
        {
            Assert.Contains(line, info.Output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_recording_is_debugged_forward_and_back()
    {
        using TemporaryFile file = new(".rec");
        ToolResult run = CommandLine.RunWithInput("hello\nthere", "run", "echo", "--record", file.Path);
        List<string> transcripts = [];
        foreach (string engine in GuestRunner.Engines.Select(GuestRunner.NameOf))
        {
            ToolResult debug = CommandLine.RunWithInput(
                "goto 900\npoint\nrstep 2\npoint\nport in 0x3f8\ncontinue\npoint\ncontinue\npoint\nrcontinue\npoint\nrcontinue\ndelete\ncontinue\n", "debug", "--replay", file.Path, "--engine", engine);
            Assert.Equal((run.Status, ""), (debug.Status, debug.Errors));
            string[] points = [.. debug.Output.Split('\n').Where(line => line.StartsWith("point ", StringComparison.Ordinal)).Select(line => line.Split(' ')[1])];
            Assert.Equal(5, points.Length);
            Assert.StartsWith("900:", points[0], StringComparison.Ordinal);
            Assert.StartsWith("898:", points[1], StringComparison.Ordinal);
            Assert.Equal(points[2], points[4]);
            Assert.NotEqual(points[2], points[3]);
            Assert.Contains("com1| HELLO", debug.Output, StringComparison.Ordinal);
            Assert.Contains("the beginning of what is kept of the guest's history", debug.Output, StringComparison.Ordinal);
            transcripts.Add(debug.Output);
        }

        Assert.Single(transcripts.Distinct());
        Assert.Equal(72, CommandLine.Run("run", "tasks", "--record", file.Path, "--max-instructions", "1234567", "-q").Status);
        ToolResult end = CommandLine.RunWithInput("continue\nrstep\npoint\ncontinue\npoint\n", "debug", "--replay", file.Path);
        Assert.Equal(2, end.Output.Split("the end of the recording; from here the guest goes on live").Length - 1);
        Assert.Contains("point 1234566:", end.Output, StringComparison.Ordinal);
        Assert.Contains("point 1234567:", end.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Halt_ok_and_limits_are_the_recorded_run_s()
    {
        using TemporaryFile file = new(".rec");
        Assert.Equal(0, CommandLine.RunWithInput("x", "run", "echo", "--record", file.Path, "--halt-ok", "-q").Status);
        Assert.Equal(0, CommandLine.Run("replay", file.Path, "-q").Status);
        Assert.Equal(72, CommandLine.Run("run", "tasks", "--record", file.Path, "--max-instructions", "1234567", "-q").Status);
        ToolResult replay = CommandLine.Run("replay", file.Path);
        Assert.Equal(72, replay.Status);
        Assert.Contains("the limit of 1234567 instructions is reached after 1234567 instructions", replay.Errors, StringComparison.Ordinal);
        Assert.Contains("marks agree", replay.Errors, StringComparison.Ordinal);
        ToolResult shorter = CommandLine.Run("replay", file.Path, "--max-instructions", "1000");
        Assert.Equal(72, shorter.Status);
        Assert.Contains("the replay did not come to its end; so far 0 marks", shorter.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_that_goes_on_from_a_snapshot_is_recorded()
    {
        using TemporaryFile snapshot = new(".toyvmm");
        using TemporaryFile file = new(".rec");
        Assert.Equal(0, CommandLine.Run("snapshot", "tasks", "-o", snapshot.Path, "--at-instructions", "1M", "-q").Status);
        ToolResult run = CommandLine.Run("run", "--from", snapshot.Path, "--record", file.Path, "-q");
        ToolResult replay = CommandLine.Run("replay", file.Path);
        Assert.Equal((0, run.Output), (replay.Status, replay.Output));
        Assert.Contains("begins at         instruction 1000000\n", CommandLine.Run("replay", "--info", file.Path).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Damage_is_told_and_a_cut_is_told_and_replayed()
    {
        using TemporaryFile file = new(".rec");
        Assert.Equal(0, CommandLine.Run("run", "tasks", "--record", file.Path, "-q").Status);
        byte[] whole = File.ReadAllBytes(file.Path);
        byte[] damaged = [.. whole];
        damaged[^40] ^= 1;
        File.WriteAllBytes(file.Path, damaged);
        ToolResult refused = CommandLine.Run("replay", file.Path);
        Assert.Equal((65, ""), (refused.Status, refused.Output));
        Assert.Matches(@"^toyvmm: the recording .* cannot be used: the .* is damaged.* \(at file offset 0x[0-9A-F]+\)\. Copy it again, or record the run again\.\n$", refused.Errors);

        File.WriteAllBytes(file.Path, whole[..^60]);
        ToolResult cut = CommandLine.Run("replay", file.Path);
        Assert.Equal(65, cut.Status);
        Assert.StartsWith("starting 3 tasks\n", cut.Output, StringComparison.Ordinal);
        Assert.Contains("has no end: it was cut, or whoever wrote it was. As far as it goes, ", cut.Errors, StringComparison.Ordinal);

        File.WriteAllBytes(file.Path, whole[..1000]);
        Assert.Matches(@"cannot be used: the section FILE is cut \(at file offset 0x[0-9A-F]+\), before anything of the run\. ", CommandLine.Run("replay", file.Path).Errors);

        File.WriteAllText(file.Path, "no recording");
        Assert.Contains("it is no recording", CommandLine.Run("replay", file.Path).Errors, StringComparison.Ordinal);
        Assert.Equal(66, CommandLine.Run("replay", "/no/such/recording").Status);
    }

    [Theory]
    [InlineData(64, "is for one guest", "run", "hello", "tasks", "--record", "/tmp/never.rec")]
    [InlineData(64, "only --record has a use for them", "run", "hello", "--record-files")]
    [InlineData(64, "what a debugger changes, no recording knows of", "run", "hello", "--record", "/tmp/never.rec", "--gdb", "0")]
    [InlineData(66, "cannot write the recording /no/such/folder/x: there is no such directory\n", "run", "hello", "--record", "/no/such/folder/x")]
    [InlineData(64, "the naive engine is wrong on purpose, and no other engine goes its way again", "run", "popek", "--engine", "naive", "--record", "/tmp/never.rec")]
    [InlineData(64, "--engine and --verify: one or the other", "replay", "x", "--verify", "--engine", "auto")]
    public void What_makes_no_sense_is_refused(int status, string message, params string[] arguments)
    {
        ToolResult result = CommandLine.Run(arguments);
        Assert.Equal(status, result.Status);
        Assert.Contains(message, result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_disk_that_is_written_to_is_no_part_of_a_recording()
    {
        using TemporaryFile disk = CommandLine.File(new byte[1 << 16], ".img");
        using TemporaryFile file = new(".rec");
        ToolResult refused = CommandLine.Run("run", "hello", "--disk", disk.Path, "--record", file.Path);
        Assert.Equal(64, refused.Status);
        Assert.Contains("add ,snapshot to have the writes forgotten at the end, or ,readonly", refused.Errors, StringComparison.Ordinal);
        Assert.Equal(0, CommandLine.Run("run", "hello", "--disk", $"{disk.Path},snapshot", "--record", file.Path, "-q").Status);
        Assert.Equal(0, CommandLine.Run("replay", file.Path, "-q").Status);
        File.WriteAllBytes(disk.Path, [.. Enumerable.Repeat((byte)7, 1 << 16)]);
        ToolResult changed = CommandLine.Run("replay", file.Path);
        Assert.Equal(65, changed.Status);
        Assert.Contains("has changed since the recording was made: other bytes stand in it", changed.Errors, StringComparison.Ordinal);
    }

    /// <summary>Debian's kernel boots while somebody types, moves the mouse and presses keys: the same again, on either engine.</summary>
    [RequiresFileFact(LinuxGuest.LastFile)]
    public void A_booting_kernel_with_input_is_replayed()
    {
        using MemoryStream file = new();
        using VirtualMachine vm = LinuxGuest.Create(GuestRunner.Engines[^1], "console=ttyS0 quiet", _ => { });
        using MachineRecorder recorder = MachineRecorder.Start(vm, new KeptOpen(file));
        bool ended = false;
        Thread typist = new(() =>
        {
            Random random = new(5);
            while (!Volatile.Read(ref ended))
            {
                vm.Input.Enqueue([(byte)random.Next(256)]);
                vm.Input.Enqueue(new MouseEvent(random.Next(-9, 9), random.Next(-9, 9), 0, MouseButtons.None));
                _ = vm.Input.Enqueue([new KeyInput(Ps2Key.A, true), new KeyInput(Ps2Key.A, false)]);
                Thread.Sleep(random.Next(8));
            }
        });
        typist.Start();
        StopReason stop = recorder.Run(new RunLimits { MaxInstructions = 300_000_000, Timeout = LinuxGuest.Limit });
        Volatile.Write(ref ended, true);
        typist.Join();
        recorder.Finish(stop, stop.ExitStatus);
        Recording recording = Recording.Read("boot", file.ToArray());
        output.WriteLine($"{recording}; {recording.Bytes} bytes");
        Assert.InRange(recording.Log.Count, 5, int.MaxValue);
        foreach (EngineKind engine in GuestRunner.Engines)
        {
            using VirtualMachine again = recording.CreateMachine(new VirtualMachineOptions { Engine = engine, SerialOutput = _ => { } });
            ReplayVerdict verdict = new RecordingPlayer(recording, again).Run(new RunLimits { Timeout = LinuxGuest.Limit });
            Assert.True(verdict.IsComplete, $"{engine}: {verdict}");
        }
    }
}
