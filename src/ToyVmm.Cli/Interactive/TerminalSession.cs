using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;
using ToyVmm.Cli.Hosting;
using ToyVmm.Cli.Running;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Monitoring;

namespace ToyVmm.Cli.Interactive;

/// <summary>
/// A guest on a terminal: every key goes to it (to COM1, or to the PS/2 keyboard while its screen is drawn), but for those behind Ctrl-A; and
/// the monitor prompt. A thread reads the terminal; the thread that runs the machine shows the prompt.
/// </summary>
internal sealed class TerminalSession : IDisposable
{
    private const int NoMoreKeysMilliseconds = 50;  // behind an escape: a sequence arrives in one piece
    private readonly VirtualMachine _vm;
    private readonly HostConsole _console;
    private readonly RawTerminal _terminal;
    private readonly TerminalKeys? _keyboard;
    private readonly EscapeKeys _escape = new();
    private readonly BlockingCollection<int> _promptKeys = [];
    private readonly LineEditor _editor;
    private readonly Lock _taking = new();
    private readonly PosixSignalRegistration[] _registrations;
    private readonly string _newLine;
    private volatile bool _prompting;
    private volatile bool _helpWanted;

    private TerminalSession(VirtualMachine vm, HostConsole console, RawTerminal terminal, bool toKeyboard)
    {
        _vm = vm;
        _console = console;
        _terminal = terminal;
        _keyboard = toKeyboard ? new TerminalKeys() : null;
        _editor = new LineEditor(_promptKeys.Take, Write);
        _newLine = console.Error.NewLine;
        if (console.ErrorIsTerminal)
        {
            console.Error.NewLine = "\r\n"; // the terminal does not do that any more
        }

        // kill -TSTP and the shell's fg: the shell gets its terminal as it was, and we get ours back.
        _registrations = OperatingSystem.IsWindows() ? [] :
        [
            PosixSignalRegistration.Create(PosixSignal.SIGTSTP, _ => _terminal.Suspend()),
            PosixSignalRegistration.Create(PosixSignal.SIGCONT, _ =>
            {
                _terminal.Resume();
                Painter?.Invalidate();
            }),
            PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ => Painter?.Invalidate()),
        ];
    }

    /// <summary>What draws the guest's screen on the same terminal; null for nothing.</summary>
    public ScreenPainter? Painter { get; set; }

    /// <summary>Called when the user leaves, or asks for the prompt; null has the machine stopped.</summary>
    public Action? StopWanted { get; set; }

    /// <summary>True when the user has asked for the prompt: <see cref="Prompt"/> shows it.</summary>
    public bool PromptWanted => _prompting;

    /// <summary>Takes the terminal.</summary>
    /// <param name="vm">The guest.</param>
    /// <param name="console">The terminal.</param>
    /// <param name="toKeyboard">True to send keys to the PS/2 keyboard, false to COM1.</param>
    /// <param name="quiet">True for no hint.</param>
    /// <returns>Null where the terminal cannot be made raw.</returns>
    public static TerminalSession? Start(VirtualMachine vm, HostConsole console, bool toKeyboard, bool quiet)
    {
        if (RawTerminal.Enter() is not { } terminal)
        {
            return null;
        }

        TerminalSession session = new(vm, console, terminal, toKeyboard);
        if (!quiet)
        {
            console.Error.WriteLine("toyvmm: Ctrl-A X leaves, Ctrl-A H help");
        }

        vm.Input.Open();
        new Thread(session.Pump) { IsBackground = true, Name = "terminal" }.Start();
        return session;
    }

    /// <summary>Shows the prompt until the guest is to go on, or the run to end. The machine is not running meanwhile.</summary>
    /// <returns><see cref="MonitorAction.Continue"/> or <see cref="MonitorAction.Quit"/>.</returns>
    public MonitorAction Prompt()
    {
        Painter?.Pause();
        Write("\r\n");
        if (_helpWanted)
        {
            _helpWanted = false;
            WriteLines(EscapeKeys.HelpText);
        }

        MonitorCommands commands = new(_vm);
        MonitorAction action = MonitorAction.Prompt;
        while (action == MonitorAction.Prompt)
        {
            string? line = _editor.ReadLine("(toyvmm) ");
            if (line is null)
            {
                action = _editor.HasEnded ? MonitorAction.Quit : MonitorAction.Continue;
                break;
            }

            MonitorReply reply = commands.Execute(line);
            WriteLines(reply.Text);
            action = reply.Action;
        }

        if (action == MonitorAction.Continue)
        {
            Painter?.Resume();
        }

        ReturnToGuest();

        return action;
    }

    /// <summary>Ends a prompt from another thread.</summary>
    public void Interrupt() => _promptKeys.Add(-1);

    /// <summary>Gives the terminal back. The thread stays in its read until the process ends: a read of a terminal cannot be called back.</summary>
    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
        {
            registration.Dispose();
        }

        _terminal.Dispose();
        _console.Error.NewLine = _newLine;
    }

    private void Pump()
    {
        try
        {
            byte[] buffer = new byte[4096];
            for (; ; )
            {
                if (_keyboard is { IsPending: true } keys && !StandardInput.WaitForInput(NoMoreKeysMilliseconds))
                {
                    lock (_taking)
                    {
                        _ = _vm.Input.Enqueue(keys.Flush());
                    }
                }

                int count = StandardInput.Read(buffer);
                if (count <= 0)
                {
                    break;
                }

                lock (_taking)
                {
                    Take(buffer.AsSpan(0, count));
                }
            }

            _vm.Input.Close();
            Interrupt();
        }
        catch (ObjectDisposedException)
        {
            // The machine is gone while the last byte arrived.
        }
    }

    // What was typed behind the command that ended the prompt is the guest's.
    private void ReturnToGuest()
    {
        lock (_taking)
        {
            _prompting = false;
            List<byte> left = [];
            while (_promptKeys.TryTake(out int key))
            {
                if (key >= 0)
                {
                    left.Add((byte)key);
                }
            }

            Take(CollectionsMarshal.AsSpan(left));
        }
    }

    private void Take(ReadOnlySpan<byte> bytes)
    {
        List<byte> guests = new(bytes.Length);
        foreach (byte value in bytes)
        {
            if (_prompting)
            {
                _promptKeys.Add(value);
                continue;
            }

            EscapeAction action = _escape.Take(value, out byte passed);
            switch (action)
            {
                case EscapeAction.Pass:
                    guests.Add(passed);
                    break;
                case EscapeAction.Leave:
                    RequestStop();
                    break;
                case EscapeAction.Help when Painter is null:
                    _console.Error.WriteLine();
                    WriteLines(EscapeKeys.HelpText);
                    break;
                case EscapeAction.Help or EscapeAction.Monitor:
                    // A screen that is drawn leaves no place for the list: it stands above the prompt.
                    _helpWanted = action == EscapeAction.Help;
                    _prompting = true;
                    RequestStop();
                    break;
            }
        }

        if (_keyboard is not null)
        {
            _ = _vm.Input.Enqueue(_keyboard.Decode(CollectionsMarshal.AsSpan(guests)));
        }
        else
        {
            _vm.Input.Enqueue(CollectionsMarshal.AsSpan(guests));
        }
    }

    private void RequestStop()
    {
        if (StopWanted is { } stop)
        {
            stop();
        }
        else
        {
            _vm.RequestStop();
        }
    }

    private void WriteLines(string text)
    {
        if (text.Length > 0)
        {
            Write(text.ReplaceLineEndings("\r\n") + "\r\n");
        }
    }

    private void Write(string text)
    {
        if (!_console.OutputIsTerminal)
        {
            _console.Error.Write(text);
            return;
        }

        try
        {
            _console.OutputStream.Write(Encoding.UTF8.GetBytes(text));
        }
        catch (IOException)
        {
            Interrupt(); // the terminal is gone: there will be no answer
        }
    }
}
