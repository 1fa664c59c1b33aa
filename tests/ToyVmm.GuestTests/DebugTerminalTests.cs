using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>`toyvmm debug` on a terminal: the prompt and the full-screen view.</summary>
public sealed class DebugTerminalTests
{
    // jmp $
    private static readonly byte[] s_loop = [0xEB, 0xFE];

    [RequiresToolFact("script", "sh", "stty")]
    public void The_prompt_edits_completes_recalls_and_repeats()
    {
        string state = Directory.CreateTempSubdirectory("toyvmm-test-").FullName;
        try
        {
            using (PseudoTerminal terminal = Run("hello", "", state))
            {
                _ = terminal.WaitFor("(toyvmm) ");
                terminal.Send("ste\tx\x7F\r");
                _ = terminal.WaitFor("instruction 1");
                _ = terminal.WaitFor("(toyvmm) ");
                terminal.Send("\r");
                _ = terminal.WaitFor("instruction 2");
                _ = terminal.WaitFor("(toyvmm) ");
                terminal.Send("regs cr\t");
                _ = terminal.WaitFor("cr0");
                terminal.Send("\x03");
                _ = terminal.WaitFor("(toyvmm) ");
                terminal.Send("point\r");
                _ = terminal.WaitFor("point 2:0");
                _ = terminal.WaitFor("(toyvmm) ");
                terminal.Send("\x1B[A\x1B[A\r");
                _ = terminal.WaitFor("instruction 3");
                terminal.Send("q\r");
                EndsWith(terminal, 0);
            }

            // The next session has the history.
            Assert.Contains("point", File.ReadAllText(Path.Combine(state, "toyvmm", "debug_history")), StringComparison.Ordinal);
            using PseudoTerminal next = Run("hello", "", state);
            _ = next.WaitFor("(toyvmm) ");
            next.Send("\x1B[A\x1B[A\x1B[A\r");
            _ = next.WaitFor("point 0:0");
            next.Send("\x04");
            EndsWith(next, 0);
        }
        finally
        {
            Directory.Delete(state, recursive: true);
        }
    }

    [RequiresToolFact("script", "sh", "stty")]
    public void Ctrl_C_stops_the_guest_and_not_the_debugger()
    {
        using TemporaryFile image = CommandLine.File(s_loop);
        using PseudoTerminal terminal = Run(image.Path, "--linear");
        _ = terminal.WaitFor("(toyvmm) ");
        terminal.Send("continue\r");
        Thread.Sleep(500);
        terminal.Send("\x03");
        _ = terminal.WaitFor("Paused.");
        _ = terminal.WaitFor("(toyvmm) ");
        terminal.Send("\x03");
        _ = terminal.WaitFor("(toyvmm) ");
        terminal.Send("step\r");
        _ = terminal.WaitFor("Next: jmp");
        terminal.Send("quit 7\r");
        EndsWith(terminal, 7);
    }

    [RequiresToolFact("script", "sh", "stty")]
    public void The_terminal_is_the_guests_when_asked()
    {
        // mov dx, 0x3FB; mov al, 3; out dx, al; the loop of an echo until 'q', then power off.
        byte[] echo =
        [
            0xBA, 0xFB, 0x03, 0xB0, 0x03, 0xEE,
            0xBA, 0xFD, 0x03, 0xEC, 0xA8, 0x01, 0x74, 0xFB, 0xBA, 0xF8, 0x03, 0xEC, 0x3C, (byte)'q', 0x74, 0x03, 0xEE, 0xEB, 0xED,
            0xBA, 0x04, 0x06, 0xB8, 0x00, 0x20, 0xEF,
        ];
        using TemporaryFile image = CommandLine.File(echo);
        using PseudoTerminal terminal = Run(image.Path, "");
        _ = terminal.WaitFor("(toyvmm) ");
        terminal.Send("interact\r");
        _ = terminal.WaitFor("Ctrl-C stops the guest");
        terminal.Send("abc;");
        _ = terminal.WaitFor("abc;");
        terminal.Send("\x03");
        _ = terminal.WaitFor("paused");
        _ = terminal.WaitFor("(toyvmm) ");
        terminal.Send("input \"q\"\r");
        _ = terminal.WaitFor("(toyvmm) ");
        terminal.Send("c\r");
        _ = terminal.WaitFor("the guest has ended");
        terminal.Send("quit\r");
        EndsWith(terminal, 0);
    }

    [RequiresToolFact("script", "sh", "stty")]
    public void The_full_screen_view_shows_the_guest_and_gives_the_terminal_back()
    {
        using PseudoTerminal terminal = Run("hello", "--tui", rows: 24);
        _ = terminal.WaitFor("\x1b[?1049h");
        _ = terminal.WaitFor("registers");
        _ = terminal.WaitFor("? keys");
        terminal.Send("s");
        _ = terminal.WaitFor(" 1:0");
        _ = terminal.WaitFor("? keys");
        terminal.Send("\x1B[B");
        _ = terminal.WaitFor("? keys");
        terminal.Send("b");
        _ = terminal.WaitFor("*0000");
        _ = terminal.WaitFor("? keys");
        terminal.Send("?");
        _ = terminal.WaitFor("key goes back");
        terminal.Send("x");
        _ = terminal.WaitFor("? keys");
        terminal.Send(":help bl\r");
        _ = terminal.WaitFor("breakpoints");
        _ = terminal.WaitFor("any key goes back");
        terminal.Send("x");
        _ = terminal.WaitFor("? keys");
        terminal.Send("S");
        _ = terminal.WaitFor(" 0:0");
        _ = terminal.WaitFor("? keys");
        terminal.Send("c");
        _ = terminal.WaitFor("breakpoint 1");
        _ = terminal.WaitFor("? keys");
        terminal.Send("q");
        _ = terminal.WaitFor("\x1b[?1049l");
        _ = terminal.WaitFor("(toyvmm) ");
        terminal.Send("quit 3\r");
        EndsWith(terminal, 3);
    }

    [RequiresToolFact("script", "sh", "stty", "pkill")]
    public void A_signal_gives_the_terminal_back_from_the_full_screen_view()
    {
        using TemporaryFile mark = new(".mark");
        using PseudoTerminal terminal = Run("hello", "--tui", before: $"(while ! test -e '{mark.Path}'; do sleep 0.1; done; pkill -TERM -P $$ dotnet) & ");
        _ = terminal.WaitFor("? keys");
        File.WriteAllText(mark.Path, "");
        _ = terminal.WaitFor("\x1b[?1049l");
        EndsWith(terminal, 143);
    }

    [RequiresToolFact("script", "sh", "stty")]
    public void A_small_terminal_is_told_what_the_view_needs()
    {
        using PseudoTerminal terminal = Run("hello", "--tui", rows: 20);
        _ = terminal.WaitFor("needs 80 columns and 24 rows; this terminal has 80 and 20");
        terminal.Send("q");
        _ = terminal.WaitFor("(toyvmm) ");
        terminal.Send("q\r");
        EndsWith(terminal, 0);
    }

    // Without a folder for the state the history goes below a regular file, where nobody can make a directory, root included.
    private static PseudoTerminal Run(string image, string options, string? state = null, int rows = 24, string before = "") =>
        new($"stty rows {rows} cols 80; S=$(stty -g); {before}XDG_STATE_HOME='{state ?? CommandLine.Tool + "/none"}' dotnet {CommandLine.Tool} debug {image} {options}; E=$?; test \"$S\" = \"$(stty -g)\" && echo same settings; exit $E");

    private static void EndsWith(PseudoTerminal terminal, int status)
    {
        _ = terminal.WaitFor("same settings");
        Assert.Equal(status, terminal.WaitForExit());
    }
}
