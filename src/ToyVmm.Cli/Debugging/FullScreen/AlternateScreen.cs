namespace ToyVmm.Cli.Debugging.FullScreen;

/// <summary>The terminal's other screen (xterm's private mode 1049), for as long as this lives: however the process ends, short of SIGKILL, what was on the terminal is there again.</summary>
internal sealed class AlternateScreen : IDisposable
{
    private readonly DebugTerminal _terminal;
    private bool _isOn;

    /// <summary>Switches to it.</summary>
    public AlternateScreen(DebugTerminal terminal)
    {
        _terminal = terminal;
        terminal.Suspending = Leave;
        terminal.Resuming = Enter;
        AppDomain.CurrentDomain.ProcessExit += OnProcessEnd;
        AppDomain.CurrentDomain.UnhandledException += OnProcessEnd;
        Enter();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        AppDomain.CurrentDomain.ProcessExit -= OnProcessEnd;
        AppDomain.CurrentDomain.UnhandledException -= OnProcessEnd;
        _terminal.Suspending = null;
        _terminal.Resuming = null;
        Leave();
    }

    private void OnProcessEnd(object? sender, EventArgs e) => Leave();

    private void Enter()
    {
        _isOn = true;
        _terminal.Write("\x1b[?1049h\x1b[2J\x1b[H");
    }

    private void Leave()
    {
        if (_isOn)
        {
            _isOn = false;
            try
            {
                _terminal.Write("\x1b[0m\x1b[?25h\x1b[?1049l");
            }
            catch (IOException)
            {
                // The terminal has gone: there is nothing to restore.
            }
        }
    }
}
