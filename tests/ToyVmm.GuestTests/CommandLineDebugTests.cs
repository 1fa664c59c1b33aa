using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>`toyvmm debug` without a terminal: scripts, pipes, statuses, transcripts.</summary>
public sealed class CommandLineDebugTests
{
    public static TheoryData<string, string, string> Transcripts => new()
    {
        { "hello", "hello", "step\nsi 3\nregs\nflags\ndisas/4\nbreak 0000:7c05\nlog port out 0x3f8 if hits <= 3 \"sent {al:c}\"\nbl\np/x word [ss:sp]\nx/8xb 0x7c00\nstack/2\ninfo pic\npoint\ncontinue\n" },
        { "paging", "paging", "vector #PF\nc\nregs cr0 cr2 cr3\nseg\nidt 14\nwalk 0x40000010\nwalk eip\nwho esp\nvector #GP\ndelete 1\nmode\nspace\nbl\nc\n" },
        { "kernel", "kernel", "tbreak kernel_main\nc\nsymbols kernel_main\nbt\nstack 4\ngdt\ntss\nlist\nnext\nfinish\nautopsy\nrstep\nlastwrite dword [esp]\nrstep 2\npoint\ngoto 100_000\nwatch esp+4\nrcontinue\n" },
        { "traps", "traps", "trap\nexplain\nt 2\ntraps\nvector 0x80 if instructions > 0\ncontinue\nblock\n" },
    };

    /// <summary>What is written is the same on both engines, and held by files: TOYVMM_ACCEPT=1 writes them anew.</summary>
    [Theory]
    [MemberData(nameof(Transcripts))]
    public void A_transcript_is_the_reviewed_text(string name, string guest, string commands)
    {
        string file = Path.Combine(GuestCatalog.RepositoryRoot, "tests", "ToyVmm.GuestTests", "DebugTranscripts", name + ".txt");
        foreach (string engine in GuestRunner.Engines.Select(GuestRunner.NameOf))
        {
            ToolResult result = CommandLine.RunWithInput(commands, "debug", guest, "--engine", engine, "--keep-going");
            Assert.Equal("", result.Errors);
            if (Environment.GetEnvironmentVariable("TOYVMM_ACCEPT") == "1" && engine == "interpreter")
            {
                _ = Directory.CreateDirectory(Path.GetDirectoryName(file)!);
                File.WriteAllText(file, result.Output);
            }

            Assert.True(File.Exists(file), $"{file} is missing: run the tests with TOYVMM_ACCEPT=1 and review the diff");
            Assert.Equal(File.ReadAllText(file), result.Output);
        }
    }

    [Fact]
    public void The_guests_end_gives_the_status()
    {
        GuestImage guest = GuestCatalog.All.First(guest => guest.Name == "triple-fault");
        ToolResult result = CommandLine.RunWithInput("continue\n", "debug", guest.Name);
        Assert.Equal(guest.ExpectedStatus, result.Status);
        Assert.Contains("the guest has ended", result.Output, StringComparison.Ordinal);
        Assert.Equal(0, CommandLine.RunWithInput("step\n", "debug", guest.Name).Status);
        Assert.Equal(0, CommandLine.Run("debug", guest.Name).Status);
    }

    [Fact]
    public void Quit_sets_the_status_and_the_first_error_is_1()
    {
        Assert.Equal(9, CommandLine.RunWithInput("continue\nquit 9\nstep\n", "debug", "hello").Status);
        ToolResult failed = CommandLine.RunWithInput("step\nfrobnicate\nstep\n", "debug", "hello");
        Assert.Equal(1, failed.Status);
        Assert.Contains("frobnicate", failed.Errors, StringComparison.Ordinal);
        Assert.Equal(2, failed.Output.Split("(toyvmm) ").Length - 1);
        ToolResult going = CommandLine.RunWithInput("step\nfrobnicate\nstep\n", "debug", "hello", "--keep-going");
        Assert.Equal(0, going.Status);
        Assert.Contains("instruction 2", going.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_script_and_commands_come_from_files_and_the_command_line()
    {
        using TemporaryFile script = CommandLine.File("# a comment\n\nstep 2\nquit 5\n", ".txt");
        ToolResult result = CommandLine.Run("debug", "hello", "--script", script.Path, "-c", "step", "--break", "0x7c10");
        Assert.Equal(5, result.Status);
        Assert.Contains("instruction 3", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("\x1b", result.Output, StringComparison.Ordinal);
        Assert.Equal(66, CommandLine.Run("debug", "hello", "--script", script.Path + ".none").Status);
        Assert.Equal(64, CommandLine.Run("debug", "hello", "--break", "1+").Status);
        Assert.Equal(64, CommandLine.Run("debug", "hello", "--tui").Status);
        Assert.Equal(64, CommandLine.Run("debug", "hello", "--goto", "soon").Status);
        Assert.Equal(66, CommandLine.Run("debug", "there-is-no-such-guest").Status);
    }

    [Fact]
    public void A_session_begins_where_one_asks()
    {
        Assert.Contains("instruction 7", CommandLine.RunWithInput("where\n", "debug", "hello", "--goto", "7").Output, StringComparison.Ordinal);
        using TemporaryFile snapshot = new(".toyvmm");
        _ = CommandLine.RunWithInput($"si 5\nsnapshot {snapshot.Path}\n", "debug", "hello");
        Assert.Contains("instruction 5", CommandLine.RunWithInput("where\n", "debug", "--from", snapshot.Path).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_guests_output_is_marked_or_goes_to_a_file()
    {
        Assert.Contains("\ncom1| ", CommandLine.RunWithInput("c\n", "debug", "hello").Output, StringComparison.Ordinal);
        Assert.DoesNotContain("com1| ", CommandLine.RunWithInput("c\n", "debug", "hello", "--serial", "none").Output, StringComparison.Ordinal);
        using TemporaryFile file = new(".txt");
        _ = CommandLine.RunWithInput("c\n", "debug", "hello", "--serial", "file:" + file.Path);
        Assert.Equal(CommandLine.Run("run", "hello", "-q").Output, File.ReadAllText(file.Path));
    }

    [Fact]
    public void A_recording_in_the_place_of_the_image_is_replayed()
    {
        using TemporaryFile recording = new(".toyvmrec");
        Assert.Equal(0, CommandLine.Run("run", "hello", "-q", "--record", recording.Path).Status);
        ToolResult result = CommandLine.RunWithInput("c\n", "debug", recording.Path);
        Assert.Contains("com1| ", result.Output, StringComparison.Ordinal);
        Assert.Equal(CommandLine.RunWithInput("c\n", "debug", "--replay", recording.Path).Output, result.Output);
        ToolResult refused = CommandLine.Run("debug", recording.Path, "--memory", "8M");
        Assert.Equal(64, refused.Status);
        Assert.Contains("the recording says what the machine is", refused.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Who_leaves_a_recording_is_told_once()
    {
        const string Told = "the run is no longer the recorded one";
        using TemporaryFile recording = new(".toyvmrec");
        Assert.Equal(0, CommandLine.Run("run", "hello", "-q", "--record", recording.Path).Status);
        foreach (string change in new[] { "set eax = 5", "input \"x\"", "sendkey a" })
        {
            Assert.DoesNotContain(Told, CommandLine.RunWithInput("si 3\nx eip\nset eax\n", "debug", "--keep-going", "--replay", recording.Path).Output, StringComparison.Ordinal);
            ToolResult result = CommandLine.RunWithInput($"si 3\n{change}\n{change}\n", "debug", "--replay", recording.Path);
            Assert.Equal(2, result.Output.Split(Told).Length);
            Assert.DoesNotContain(Told, CommandLine.RunWithInput($"si 3\n{change}\n", "debug", "hello").Output, StringComparison.Ordinal);
        }

        Assert.Equal(0, CommandLine.Run("run", "hello", "-q", "--record", recording.Path, "--max-instructions", "20").Status & ~0x7F);
        Assert.Contains("the recording ended at instruction 20: behind that " + Told, CommandLine.RunWithInput("si 30\nsi 5\n", "debug", "--replay", recording.Path).Output, StringComparison.Ordinal);
        Assert.DoesNotContain(Told, CommandLine.RunWithInput("si 20\n", "debug", "--replay", recording.Path).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_source_folder_that_there_is_not_is_an_error()
    {
        ToolResult result = CommandLine.RunWithInput("where\n", "debug", "hello", "--source", "/no/such");
        Assert.Equal(66, result.Status);
        Assert.Contains("--source /no/such: there is no such directory", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Linear_mode_has_no_marks()
    {
        string output = CommandLine.RunWithInput("step\nregs\n", "debug", "hello", "--linear").Output;
        Assert.Contains("Next: ", output, StringComparison.Ordinal);
        Assert.DoesNotContain("=>", output, StringComparison.Ordinal);
    }
}
