using System.Diagnostics;
using ToyVmm.Cli.Interactive;
using ToyVmm.Debugging;
using ToyVmm.Debugging.Inspecting;
using ToyVmm.Debugging.Registers;
using ToyVmm.Debugging.Terminal;
using static System.FormattableString;

namespace ToyVmm.Cli.Debugging.FullScreen;

/// <summary>The full-screen view: registers, code, stack, what was delivered, what the guest prints, and a line for commands. A key is a command (<see cref="ViewKeys"/>).</summary>
internal sealed class FullScreenDebugger : IDisposable
{
    private const int MostTraps = 500;
    private const int RedrawMilliseconds = 100;     // while the guest runs
    private static readonly string[] s_registers = ["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "esp", "eip", "eflags", "cs", "ss", "ds", "es", "fs", "gs", "cr0", "cr3"];

    private readonly DebugTerminal _terminal;
    private readonly CommandInterpreter _interpreter;
    private readonly GuestOutput _output;
    private readonly List<string> _history;
    private readonly string _imageName;
    private readonly ScreenRenderer _renderer;
    private readonly AlternateScreen _screen;
    private readonly KeyReader _keys;
    private readonly List<string> _traps = [];
    private uint? _codeTop;             // the first line of the code window; null to follow the next instruction
    private uint _cursor;               // the address of the line of the cursor
    private string? _lastTrap;
    private string _answer = "";
    private bool _isError;
    private int _pageTop;
    private bool _runs;
    private long _drawn;

    /// <summary>Takes the screen.</summary>
    public FullScreenDebugger(DebugTerminal terminal, CommandInterpreter interpreter, GuestOutput output, List<string> history, string imageName, bool colours)
    {
        (_terminal, _interpreter, _output, _history, _imageName) = (terminal, interpreter, output, history, imageName);
        _renderer = new ScreenRenderer(colours);
        _screen = new AlternateScreen(terminal);
        _keys = new KeyReader(terminal);
        terminal.WantsSizes = true;
        output.Changed = DrawNowAndThen;
        _answer = interpreter.DescribeStop();
        FollowNext();
    }

    private DebugSession Session => _interpreter.Session;

    /// <summary>Works until the user leaves.</summary>
    /// <returns>Behind q an empty answer; what <c>quit</c> at the command line gave; a quit where the input ends.</returns>
    public CommandReply Execute()
    {
        for (; ; )
        {
            Draw();
            string key = _keys.Read();
            switch (key)
            {
                case KeyReader.EndOfInput:
                    return new CommandReply("", Action: CommandAction.Quit);
                case "q" or "F3":
                    return new CommandReply("");
                case ":" or "Enter":
                    if (CommandLine() is { } over)
                    {
                        return over;
                    }

                    break;
                default:
                    Press(key);
                    break;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _output.Changed = null;
        _terminal.WantsSizes = false;
        _screen.Dispose();
    }

    private void Press(string key)
    {
        if (ViewKeys.Find(key) is { Command: { } command })
        {
            CommandReply reply = Do(command);
            if (command == "explain")
            {
                ShowPage("the last trap", reply.Text.Split('\n'));
            }

            return;
        }

        switch (key)
        {
            case "Up":
                Move(-1);
                break;
            case "Down":
                Move(+1);
                break;
            case "PageUp":
                Move(-CodeRows);
                break;
            case "PageDown":
                Move(CodeRows);
                break;
            case "g" or "Home":
                FollowNext();
                break;
            case "b" or "F9":
                ToggleBreakpoint();
                break;
            case "h" or "F4":
                Do(Invariant($"until 0x{_cursor:x}"));
                break;
            case "?" or "F1":
                ShowPage("keys", ViewKeys.Help);
                break;
            case "o" or "F2":
                ShowPage("the last answer", _answer.Split('\n'));
                break;
        }
    }

    private int CodeRows => Math.Max(1, ScreenRenderer.Lines(_terminal.Size.Rows).Code);

    private CommandReply Do(string command)
    {
        CommandReply reply;
        _runs = true;
        try
        {
            reply = _terminal.Run(() => _interpreter.Execute(command));
        }
        finally
        {
            _runs = false;
        }

        _output.Flush();
        (_answer, _isError) = (reply.Text, reply.IsError);
        // A trap that was stepped through is told by its own line; what else was delivered by what the stop says.
        string[] stepped = [.. _interpreter.TrapLines];
        string? line = stepped.Length > 0 && stepped[^1] != _lastTrap ? stepped[^1]
            : Session.LastStop.Event is { } happened ? $"{Session.LastStop.Point} {StopDescription.Event(happened)}" : null;
        _lastTrap = stepped.LastOrDefault();
        if (line is not null && (_traps.Count == 0 || _traps[^1] != line))
        {
            _traps.Add(line);

            if (_traps.Count > MostTraps)
            {
                _traps.RemoveRange(0, MostTraps / 2);
            }
        }

        FollowNext();
        return reply;
    }

    private CommandReply? CommandLine()
    {
        (int rows, int columns) = _terminal.Size;
        _terminal.Write(Invariant($"\x1b[{rows};1H\x1b[K\x1b[?25h"));
        LineEditor editor = new(_terminal.ReadByte, _terminal.Write)
        {
            EndOfLine = "",
            Columns = () => columns,
            Complete = line => (_interpreter.Complete(line, out int start), start),
        };
        editor.History.AddRange(_history);
        string? line = editor.ReadLine(":");
        if (line is null)
        {
            return editor.HasEnded ? new CommandReply("", Action: CommandAction.Quit) : null;
        }

        if (editor.WasInterrupted || line.Trim().Length == 0)
        {
            return null;
        }

        _history.Add(line);
        CommandReply reply = Do(line);
        switch (reply.Action)
        {
            case CommandAction.Quit:
                return reply;
            case CommandAction.Interact:
                // The guest's serial line has no place here: as continue.
                _ = Do("continue");
                break;
        }

        // What has more lines than the message line is a page of its own, but for the stops that the windows show.
        if (reply.Text.Contains('\n', StringComparison.Ordinal) && !reply.Text.Contains("\n=> ", StringComparison.Ordinal))
        {
            ShowPage(line.Trim(), reply.Text.Split('\n'));
        }

        return null;
    }

    private void ShowPage(string title, IReadOnlyList<string> lines)
    {
        _pageTop = 0;
        for (; ; )
        {
            (int rows, int columns) = _terminal.Size;
            int page = Math.Max(1, rows - 5);
            _pageTop = Math.Clamp(_pageTop, 0, Math.Max(0, lines.Count - page));
            _terminal.Write(_renderer.Render(
                new ScreenContents
                {
                    Status = Status(),
                    Page = (title, [.. lines.Skip(_pageTop).Take(page).Select(line => new ScreenLine(line))]),
                    Message = lines.Count > page ? Invariant($"lines {_pageTop + 1} to {Math.Min(lines.Count, _pageTop + page)} of {lines.Count}: arrows and pages move, any other key goes back") : "any key goes back",
                },
                Math.Max(rows, 8),
                columns));
            int step = _keys.Read() switch { "Up" => -1, "Down" => 1, "PageUp" => -page, "PageDown" or " " => page, "Home" => -lines.Count, "End" => lines.Count, KeyReader.Resize => 0, _ => int.MaxValue };
            if (step == int.MaxValue)
            {
                return;
            }

            _pageTop += step;
        }
    }

    private void ToggleBreakpoint()
    {
        Breakpoint? present = Session.Breakpoints.FirstOrDefault(one => one.Spec is LinearSpec spec && spec.Address == _cursor);
        if (present is not null)
        {
            _ = Session.Breakpoints.Remove(present.Id);
            _answer = Invariant($"breakpoint {present.Id} is removed");
        }
        else
        {
            _answer = _interpreter.Execute(Invariant($"break 0x{_cursor:x}")).Text;
        }

        _isError = false;
    }

    private void FollowNext()
    {
        _codeTop = null;
        _cursor = Session.Cpu.Cs.Base + Session.Cpu.Eip;
    }

    // Instructions have no beginning when one looks backwards: from some bytes before, the listing that meets this address counts.
    private void Move(int lines)
    {
        _codeTop ??= _cursor;
        for (int n = 0; n < Math.Abs(lines); n++)
        {
            _cursor = lines > 0 ? Disassemble(_cursor, 2) is [_, CodeLine next] ? next.Address : _cursor : Before(_cursor);
        }

        List<CodeLine> shown = Fitting(_codeTop.Value, CodeRows);
        if (!shown.Any(line => line.Address == _cursor))
        {
            _codeTop = lines > 0 ? shown.Count > 1 && Math.Abs(lines) == 1 ? shown[1].Address : _cursor : _cursor;
        }
    }

    private uint Before(uint address)
    {
        for (uint back = 15; back >= 1; back--)
        {
            IReadOnlyList<CodeLine> lines = Disassemble(address - back, 16);
            for (int n = 0; n + 1 < lines.Count; n++)
            {
                if (lines[n + 1].Address == address)
                {
                    return lines[n].Address;
                }
            }
        }

        return address - 1;
    }

    private void DrawNowAndThen()
    {
        if (!_runs || Stopwatch.GetElapsedTime(_drawn).TotalMilliseconds >= RedrawMilliseconds)
        {
            Draw();
        }
    }

    private void Draw()
    {
        _drawn = Stopwatch.GetTimestamp();
        (int rows, int columns) = _terminal.Size;
        if (rows < ScreenRenderer.LeastRows || columns < ScreenRenderer.LeastColumns)
        {
            _terminal.Write(Invariant($"\x1b[H\x1b[2JThe full-screen view needs {ScreenRenderer.LeastColumns} columns and {ScreenRenderer.LeastRows} rows; this terminal has {columns} and {rows}.\r\nq goes back to the prompt."));
            return;
        }

        (int code, int traps, int output, int stack) = ScreenRenderer.Lines(rows);
        _terminal.Write(_renderer.Render(
            new ScreenContents
            {
                Status = Status(),
                Registers = Registers(),
                Code = [.. Code(code)],
                Stack = [.. Session.Inspector.StackWords(Math.Min(3, stack / 3), stack - Math.Min(3, stack / 3)).Select(StackLine)],
                Traps = [.. _traps.TakeLast(traps).Select(line => new ScreenLine(line))],
                Output = [.. _output.Recent.TakeLast(output).Select(line => new ScreenLine(line))],
                Message = Message(),
            },
            rows,
            columns));
    }

    private string Status()
    {
        string state = _runs ? "running; Ctrl-C stops it" : Session.Ended is { } end ? $"ended: {end.Detail}" : Session.LastStop.Text is { Length: > 0 } text ? text : "stopped";
        return Invariant($" {_imageName}  {Session.Machine.EngineName}  {Session.Point.Instructions:N0}:{Session.Point.Events:N0}  {state}");
    }

    private string Message()
    {
        string first = _answer.Split('\n')[0];
        return _isError ? "error: " + first : "? keys  s step  n over  f out  t trap  c continue  S C back  : command  q leave";
    }

    private List<ScreenLine> Registers()
    {
        List<ScreenLine> lines = [];
        for (int n = 0; n < s_registers.Length; n += 2)
        {
            (string left, bool leftChanged) = Register(s_registers[n]);
            (string right, bool rightChanged) = Register(s_registers[n + 1]);
            lines.Add(new ScreenLine($"{left,-15} {right}", IsMarked: leftChanged || rightChanged));
        }

        lines.Add(new ScreenLine(" " + StopDescription.Flags(Session)));
        return lines;
    }

    private (string Text, bool Changed) Register(string name)
    {
        RegisterField field = RegisterTable.Find(name)!;
        bool changed = _interpreter.ChangedRegisters.Contains(name);
        string digits = field.Bits == 16 ? Invariant($"{(uint)field.Read(Session.Machine):x4}") : Invariant($"{(uint)field.Read(Session.Machine):x8}");
        return ($"{(changed ? '*' : ' ')}{(name == "eflags" ? "efl" : name),-3} {digits}", changed);
    }

    private static ScreenLine StackLine(StackWord word)
    {
        bool isTop = word.Pointers.Contains("SP", StringComparison.Ordinal);
        string value = word.Value is { } known ? Invariant($"{known:x8}") : "????????";
        string pointers = word.Pointers.Length > 0 ? "<- " + word.Pointers.Trim() : "";
        return new ScreenLine(string.Join(' ', ((string[])[Invariant($"{(isTop ? "=>" : "  ")} {word.Offset:x8}  {value}"), word.Name, pointers]).Where(part => part.Length > 0)), IsCurrent: isTop);
    }

    private IReadOnlyList<CodeLine> Disassemble(uint linear, int count) => Session.Inspector.Disassemble(new CodePlace(linear), count);

    // As many instructions as rows hold, with the names and the source lines above them.
    private List<CodeLine> Fitting(uint linear, int rows)
    {
        List<CodeLine> lines = [];
        foreach (CodeLine line in Disassemble(linear, rows))
        {
            rows -= 1 + (line.Symbol is null ? 0 : 1) + (line.Source is null ? 0 : 1);
            if (rows < 0 && lines.Count > 0)
            {
                break;
            }

            lines.Add(line);
        }

        return lines;
    }

    private IEnumerable<ScreenLine> Code(int rows)
    {
        uint next = Session.Cpu.Cs.Base + Session.Cpu.Eip;
        HashSet<uint> stops = [.. Session.Breakpoints.Where(one => one.IsEnabled).Select(one => one.Spec).OfType<LinearSpec>().Select(spec => spec.Address)];
        List<ScreenLine> shown = [];
        foreach (CodeLine line in Fitting(_codeTop ?? next, rows))
        {
            if (line.Symbol is { } symbol)
            {
                shown.Add(new ScreenLine(symbol + ":"));
            }

            if (line.Source is { } source)
            {
                shown.Add(new ScreenLine($"; {source}  {Session.Inspector.Sources.Text(source)?.Trim()}".TrimEnd()));
            }

            bool stopsHere = stops.Contains(line.Address);
            string operand = line.Operand.Length > 0 ? " " + line.Operand : "";
            shown.Add(new ScreenLine(Invariant($"{(line.IsCurrent ? "=>" : "  ")}{(stopsHere ? '*' : ' ')}{line.Address:x8} {line.Instruction.Text}{operand}"), line.IsCurrent, stopsHere, line.Address == _cursor && _codeTop is not null));
        }

        return shown.Take(rows);
    }
}
