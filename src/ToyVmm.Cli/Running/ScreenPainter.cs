using System.Text;
using ToyVmm.Cli.Hosting;
using ToyVmm.Hardware.Devices;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Running;

/// <summary>
/// Draws the guest's text screen on the terminal while the guest runs, 25 times a second and only the rows that have changed; at the
/// end the picture stays. A thread of its own looks at the display: a picture may mix two moments, as on a real screen, and
/// the guest does not lose time.
/// </summary>
internal sealed class ScreenPainter : IDisposable
{
    private const int PeriodMilliseconds = 40;

    // VGA's colour order to ANSI's: blue and red change places.
    private static ReadOnlySpan<byte> AnsiColours => [0, 4, 2, 6, 1, 5, 3, 7];

    private readonly VirtualMachine _vm;
    private readonly HostConsole _console;
    private readonly Thread _thread;
    private readonly ManualResetEventSlim _stop = new(false);
    private readonly StringBuilder _text = new();
    private readonly Lock _painting = new();
    private TextScreen? _shown;
    private volatile bool _all = true;          // the whole screen must be drawn: the terminal has changed
    private bool _paused;
    private int _top;                           // the first row shown: a small terminal shows the part with the cursor
    private (int Rows, int Columns) _size;
    private string? _note;          // stands in a graphics mode's place
    private bool _failed;

    /// <summary>Begins to draw.</summary>
    /// <param name="vm">The machine.</param>
    /// <param name="console">The terminal.</param>
    public ScreenPainter(VirtualMachine vm, HostConsole console)
    {
        _vm = vm;
        _console = console;
        _thread = new Thread(Run) { IsBackground = true, Name = "display" };
        _thread.Start();
    }

    /// <summary>Draws everything again, for the terminal's present size.</summary>
    public void Invalidate() => _all = true;

    /// <summary>Clears the terminal and leaves it to somebody else.</summary>
    public void Pause()
    {
        lock (_painting)
        {
            _paused = true;
            _ = _text.Append("\x1b[0m\x1b[2J\x1b[H\x1b[?25h");
            Send();
        }
    }

    /// <summary>Goes on drawing.</summary>
    public void Resume()
    {
        lock (_painting)
        {
            _paused = false;
            Invalidate();
        }
    }

    /// <summary>What is said in the place of a picture that only has dots.</summary>
    public static string GraphicsNote(Vga vga) => $"({vga.Mode}; --screenshot FILE.png takes the picture when the guest stops)";

    /// <summary>Draws the last picture and leaves the cursor below it.</summary>
    public void Dispose()
    {
        _stop.Set();
        _thread.Join();
        if (!_paused)
        {
            Paint();
        }

        _ = _text.Append($"\x1b[{(_shown?.Rows ?? 1) + 1};1H\x1b[?25h");
        Send();
        _stop.Dispose();
    }

    private void Run()
    {
        while (!_stop.Wait(PeriodMilliseconds) && !_failed)
        {
            lock (_painting)
            {
                if (!_paused)
                {
                    Paint();
                }
            }
        }
    }

    private void Paint()
    {
        Vga vga = _vm.Machine.Vga;
        if (!vga.IsTextMode)
        {
            PaintNote(GraphicsNote(vga));
            return;
        }

        _note = null;
        TextScreen screen = vga.ReadScreen();
        bool all = _all || _shown is null || _shown.Rows != screen.Rows || _shown.Columns != screen.Columns;
        _all = false;
        if (all)
        {
            _size = Posix.IsAvailable && Posix.TerminalSize(1) is { } size ? size : (int.MaxValue, int.MaxValue);
        }

        int rows = Math.Min(screen.Rows, _size.Rows);
        int top = Math.Clamp(screen.Cursor.Row - rows + 1, 0, screen.Rows - rows);
        all |= top != _top;
        _top = top;
        if (all)
        {
            _ = _text.Append("\x1b[0m\x1b[2J");
        }

        for (int row = top; row < top + rows; row++)
        {
            if (all || !SameRow(screen, _shown!, row))
            {
                AppendRow(screen, row);
            }
        }

        if (_text.Length > 0 || _shown!.Cursor != screen.Cursor)
        {
            _ = _text.Append($"\x1b[{screen.Cursor.Row - top + 1};{screen.Cursor.Column + 1}H").Append(screen.Cursor.Visible ? "\x1b[?25h" : "\x1b[?25l");
        }

        _shown = screen;
        Send();
    }

    // The terminal cannot show dots: it says what there is to see. The next text screen is drawn as a whole.
    private void PaintNote(string note)
    {
        if (note != _note || _all)
        {
            _all = false;
            _note = note;
            _shown = null;
            _ = _text.Append("\x1b[0m\x1b[2J\x1b[1;1H").Append(note).Append("\r\n");
            Send();
        }
    }

    private void AppendRow(TextScreen screen, int row)
    {
        _ = _text.Append($"\x1b[{row - _top + 1};1H");
        int attribute = -1;
        for (int column = 0; column < Math.Min(screen.Columns, _size.Columns); column++)
        {
            TextCell cell = screen[row, column];
            if (_console.UseColour && cell.Attribute != attribute)
            {
                attribute = cell.Attribute;
                int foreground = ((attribute & 8) != 0 ? 90 : 30) + AnsiColours[attribute & 7];
                bool bright = (attribute & 0x80) != 0 && !_vm.Machine.Vga.BlinkEnabled;
                int background = (bright ? 100 : 40) + AnsiColours[(attribute >> 4) & 7];
                string blinking = (attribute & 0x80) != 0 && _vm.Machine.Vga.BlinkEnabled ? "5;" : "";
                _ = _text.Append($"\x1b[0;{blinking}{foreground};{background}m");
            }

            _ = _text.Append(char.IsControl(cell.Character) ? ' ' : cell.Character);
        }

        _ = _text.Append("\x1b[0m");
    }

    private static bool SameRow(TextScreen a, TextScreen b, int row)
    {
        for (int column = 0; column < a.Columns; column++)
        {
            if (a[row, column] != b[row, column])
            {
                return false;
            }
        }

        return true;
    }

    private void Send()
    {
        if (_text.Length == 0 || _failed)
        {
            return;
        }

        try
        {
            _console.OutputStream.Write(Encoding.UTF8.GetBytes(_text.ToString()));
        }
        catch (IOException)
        {
            _failed = true; // the terminal is gone: SIGHUP stops the guest
        }

        _ = _text.Clear();
    }
}
