using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text;
using ToyVmm.Cli.Hosting;
using ToyVmm.Debugging;

namespace ToyVmm.Cli.Debugging;

/// <summary>
/// The terminal of a debugging session, in raw mode. A thread reads it: Ctrl-C stops a guest that runs, and what else is typed meanwhile waits for the prompt, or goes
/// to the guest while the terminal is its serial line.
/// </summary>
internal sealed class DebugTerminal : IDisposable
{
    /// <summary>Among the keys: the terminal's size has changed.</summary>
    public const int Resized = -2;

    private const byte ControlC = 3;
    private readonly HostConsole _console;
    private readonly DebugSession _session;
    private readonly RawTerminal _terminal;
    private readonly BlockingCollection<int> _keys = [];
    private readonly PosixSignalRegistration[] _registrations;
    private readonly Lock _writing = new();
    private readonly string _newLine;
    private volatile bool _runs;
    private volatile bool _isGuests;
    private volatile bool _wantsSizes;

    private DebugTerminal(HostConsole console, DebugSession session, RawTerminal terminal)
    {
        (_console, _session, _terminal) = (console, session, terminal);
        _newLine = console.Error.NewLine;
        console.Error.NewLine = "\r\n";
        _registrations = OperatingSystem.IsWindows() ? [] :
        [
            PosixSignalRegistration.Create(PosixSignal.SIGTSTP, _ =>
            {
                Suspending?.Invoke();
                _terminal.Suspend();
            }),
            PosixSignalRegistration.Create(PosixSignal.SIGCONT, _ =>
            {
                _terminal.Resume();
                Resuming?.Invoke();
                Resize();
            }),
            PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ => Resize()),
        ];
    }

    /// <summary>Called before the process is stopped and the shell gets its terminal.</summary>
    public Action? Suspending { get; set; }

    /// <summary>Called when it goes on.</summary>
    public Action? Resuming { get; set; }

    /// <summary>The terminal's size.</summary>
    public (int Rows, int Columns) Size => Posix.TerminalSize(1) ?? (24, 80);

    /// <summary>True to have <see cref="Resized"/> among the keys.</summary>
    public bool WantsSizes
    {
        set => _wantsSizes = value;
    }

    /// <summary>Takes the terminal.</summary>
    /// <returns>Null where it cannot be made raw.</returns>
    public static DebugTerminal? Start(HostConsole console, DebugSession session)
    {
        if (!console.OutputIsTerminal || Environment.GetEnvironmentVariable("TERM") == "dumb" || RawTerminal.Enter() is not { } terminal)
        {
            return null;
        }

        DebugTerminal started = new(console, session, terminal);
        new Thread(started.Pump) { IsBackground = true, Name = "terminal" }.Start();
        return started;
    }

    /// <summary>The next key: a byte, <see cref="Resized"/>, or -1 when there will be none.</summary>
    public int ReadKey() => _keys.Take();

    /// <summary>The next key, if it comes soon.</summary>
    public int? ReadKey(int milliseconds) => _keys.TryTake(out int key, milliseconds) ? key : null;

    /// <summary>The next byte: -1 when there will be none.</summary>
    public int ReadByte()
    {
        int key;
        do
        {
            key = _keys.Take();
        }
        while (key == Resized);
        return key;
    }

    /// <summary>Does something that lets the guest run: Ctrl-C stops it meanwhile.</summary>
    /// <param name="run">What to do.</param>
    /// <param name="guests">True to give the guest what is typed.</param>
    public T Run<T>(Func<T> run, bool guests = false)
    {
        _isGuests = guests;
        _runs = true;
        try
        {
            return run();
        }
        finally
        {
            _runs = false;
            _isGuests = false;
        }
    }

    /// <summary>Ends the reading, from another thread.</summary>
    public void End()
    {
        _session.RequestPause();
        _keys.Add(-1);
    }

    /// <summary>Writes text as it is.</summary>
    /// <exception cref="BrokenPipeException">The terminal has gone.</exception>
    public void Write(string text)
    {
        lock (_writing)
        {
            _console.OutputStream.Write(Encoding.UTF8.GetBytes(text));
        }
    }

    /// <summary>Writes lines.</summary>
    public void WriteLines(string text) => Write(text.ReplaceLineEndings("\r\n") + "\r\n");

    /// <inheritdoc/>
    /// <remarks>The thread stays in its read until the process ends: a read of a terminal cannot be called back.</remarks>
    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
        {
            registration.Dispose();
        }

        _terminal.Dispose();
        _console.Error.NewLine = _newLine;
    }

    private void Resize()
    {
        if (_wantsSizes)
        {
            _keys.Add(Resized);
        }
    }

    private void Pump()
    {
        try
        {
            byte[] buffer = new byte[4096];
            for (int count = StandardInput.Read(buffer); count > 0; count = StandardInput.Read(buffer))
            {
                foreach (byte value in buffer.AsSpan(0, count))
                {
                    Take(value);
                }
            }

            End();
        }
        catch (ObjectDisposedException)
        {
            // The machine is gone while the last byte arrived.
        }
    }

    private void Take(byte value)
    {
        if (_runs && value == ControlC)
        {
            _session.RequestPause();
        }
        else if (_runs && _isGuests)
        {
            _session.Machine.Input.Enqueue([value]);
        }
        else
        {
            _keys.Add(value);
        }
    }
}
