using System.Globalization;
using Xunit;

namespace ToyVmm.GuestTests;

/// <summary>`toyvmm run` on a terminal: keys, the prompt, the settings of the terminal afterwards, statuses.</summary>
public sealed class TerminalTests
{
    // Sends back what COM1 receives, in bytes of 8 bits, until a 'q', then powers off:
    //   mov dx, 0x3FB; mov al, 3; out dx, al
    //   l: mov dx, 0x3FD; w: in al, dx; test al, 1; jz w; mov dx, 0x3F8; in al, dx; cmp al, 'q'; je d; out dx, al; jmp l
    //   d: mov dx, 0x604; mov ax, 0x2000; out dx, ax
    private static readonly byte[] s_echo =
    [
        0xBA, 0xFB, 0x03, 0xB0, 0x03, 0xEE,
        0xBA, 0xFD, 0x03, 0xEC, 0xA8, 0x01, 0x74, 0xFB, 0xBA, 0xF8, 0x03, 0xEC, 0x3C, (byte)'q', 0x74, 0x03, 0xEE, 0xEB, 0xED,
        0xBA, 0x04, 0x06, 0xB8, 0x00, 0x20, 0xEF,
    ];

    // Waits for a scan code, and hands it to the debug exit port: k: in al, 0x64; test al, 1; jz k; in al, 0x60; out 0xF4, al
    private static readonly byte[] s_keyboard = [0xE4, 0x64, 0xA8, 0x01, 0x74, 0xFA, 0xE4, 0x60, 0xE6, 0xF4];

    [RequiresToolFact("script", "sh", "stty")]
    public void Every_key_reaches_the_guest_unchanged_and_so_does_a_terminals_answer()
    {
        using TemporaryFile image = CommandLine.File(s_echo);
        using PseudoTerminal terminal = Run(image, "");
        _ = terminal.WaitFor("Ctrl-A X leaves, Ctrl-A H help");
        string keys = "\x03\x1A\x1C\x11\x13\r\n\x7F\x1B[24;80R\xE9";
        terminal.Send(keys + ".");
        Assert.EndsWith(keys + ".", terminal.WaitFor("."), StringComparison.Ordinal);
        terminal.Send("\x01" + "a;");
        Assert.EndsWith("\x01;", terminal.WaitFor(";"), StringComparison.Ordinal);
        terminal.Send("q");
        _ = terminal.WaitFor("powered off");
        EndsWith(terminal, 0);
    }

    [RequiresToolFact("script", "sh", "stty")]
    public void Ctrl_A_X_leaves()
    {
        using TemporaryFile image = CommandLine.File(s_echo);
        using PseudoTerminal terminal = Run(image, "");
        _ = terminal.WaitFor("help");
        terminal.Send("\x01h");
        _ = terminal.WaitFor("the monitor prompt");
        terminal.Send("\x01x");
        _ = terminal.WaitFor("stopped by the user");
        EndsWith(terminal, 130);
    }

    [RequiresToolFact("script", "sh", "stty")]
    public void The_monitor_prompt_stops_the_guest_and_lets_it_go_on()
    {
        using TemporaryFile image = CommandLine.File(s_echo);
        using PseudoTerminal terminal = Run(image, "-q");
        terminal.Send("\x01" + "c");
        _ = terminal.WaitFor("(toyvmm) ");
        terminal.Send("info registerz\x7Fs\r");
        _ = terminal.WaitFor("EIP=00007c");
        _ = terminal.WaitFor("(toyvmm) ");
        terminal.Send("frobnicate\r");
        _ = terminal.WaitFor("no such command");
        terminal.Send("\x1B[A\x1B[A\r");
        _ = terminal.WaitFor("EIP=00007c");
        terminal.Send("cont\r");
        terminal.Send("!");
        _ = terminal.WaitFor("!");
        terminal.Send("\x01" + "c");
        _ = terminal.WaitFor("(toyvmm) ");
        terminal.Send("quit\r");
        EndsWith(terminal, 130);
    }

    [RequiresToolFact("script", "sh", "stty", "pkill")]
    public void A_signal_restores_the_terminal_also_at_the_prompt()
    {
        using TemporaryFile image = CommandLine.File(s_echo);
        using TemporaryFile mark = new(".mark");
        using PseudoTerminal terminal = Run(image, "", $"(while ! test -e '{mark.Path}'; do sleep 0.1; done; pkill -TERM -P $$ dotnet) & ");
        _ = terminal.WaitFor("help");
        terminal.Send("\x01" + "c");
        _ = terminal.WaitFor("(toyvmm) ");
        File.WriteAllText(mark.Path, "");
        EndsWith(terminal, 143);
    }

    [RequiresToolFact("script", "sh", "stty")]
    public void With_the_screen_on_the_terminal_keys_go_to_the_keyboard()
    {
        using TemporaryFile image = CommandLine.File(s_keyboard);
        using PseudoTerminal terminal = Run(image, "--display text");
        _ = terminal.WaitFor("help");
        terminal.Send("\x1B[A"); // the arrow: E0 48 in scan code set 1
        EndsWith(terminal, ((0xE0 << 1) | 1) & 0xFF);
    }

    [RequiresToolFact("script", "sh", "stty")]
    public void Pace_may_be_chosen_once()
    {
        Assert.Equal(64, CommandLine.Run("run", "hello", "--pace", "--no-pace").Status);
    }

    private static PseudoTerminal Run(TemporaryFile image, string arguments, string before = "") =>
        new($"echo settings-before $(stty -g); {before}dotnet '{CommandLine.Tool}' run {image.Path} {arguments}; echo status $?; echo settings-after $(stty -g) end");

    private static void EndsWith(PseudoTerminal terminal, int status)
    {
        _ = terminal.WaitFor(string.Create(CultureInfo.InvariantCulture, $"status {status}\r\n"));
        _ = terminal.WaitFor(" end");
        _ = terminal.WaitForExit();
        string settings = terminal.Seen.Split("settings-before ")[1].Split('\r')[0];
        Assert.Equal(settings, terminal.Seen.Split("settings-after ")[1].Split(" end")[0]);
    }
}
