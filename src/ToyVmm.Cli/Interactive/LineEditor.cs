using System.Text;

namespace ToyVmm.Cli.Interactive;

/// <summary>A line of text from a raw terminal: insertion, deletion, cursor keys, and the lines typed before.</summary>
/// <param name="read">Gives the next byte; -1 when there will be none.</param>
/// <param name="write">Takes text for the terminal.</param>
internal sealed class LineEditor(Func<int> read, Action<string> write)
{
    private const int Escape = 0x1B;
    private readonly List<string> _history = [];
    private readonly StringBuilder _line = new();
    private int _cursor;
    private int _recalled;
    private string _prompt = "";

    /// <summary>Reads a line.</summary>
    /// <param name="prompt">What stands before it.</param>
    /// <returns>The line; null for Ctrl-D on an empty line, or when input ends (<see cref="HasEnded"/>).</returns>
    public string? ReadLine(string prompt)
    {
        _prompt = prompt;
        _ = _line.Clear();
        _cursor = 0;
        _recalled = _history.Count;
        Draw();
        for (; ; )
        {
            int key = read();
            switch (key)
            {
                case -1:
                    HasEnded = true;
                    write("\r\n");
                    return null;
                case '\r' or '\n':
                    write("\r\n");
                    return Finish();
                case 'D' - 64 when _line.Length == 0:
                    write("\r\n");
                    return null;
                case 'C' - 64:
                    write("^C\r\n");
                    return "";
                default:
                    Edit(key);
                    Draw();
                    break;
            }
        }
    }

    /// <summary>True when there is no more input.</summary>
    public bool HasEnded { get; private set; }

    private string Finish()
    {
        string line = _line.ToString();
        if (line.Trim().Length > 0 && (_history.Count == 0 || _history[^1] != line))
        {
            _history.Add(line);
        }

        return line;
    }

    private void Edit(int key)
    {
        switch (key)
        {
            case 0x7F or 'H' - 64 when _cursor > 0:
                _ = _line.Remove(--_cursor, 1);
                break;
            case 'D' - 64 when _cursor < _line.Length:
                _ = _line.Remove(_cursor, 1);
                break;
            case 'U' - 64:
                _ = _line.Remove(0, _cursor);
                _cursor = 0;
                break;
            case 'K' - 64:
                _ = _line.Remove(_cursor, _line.Length - _cursor);
                break;
            case 'A' - 64:
                _cursor = 0;
                break;
            case 'E' - 64:
                _cursor = _line.Length;
                break;
            case 'P' - 64:
                Recall(-1);
                break;
            case 'N' - 64:
                Recall(+1);
                break;
            case Escape:
                EditBySequence();
                break;
            case >= ' ' and < 0x7F:
                _ = _line.Insert(_cursor++, (char)key);
                break;
        }
    }

    // ESC [ A to D, H, F and 3~: arrows, Home, End, Delete (ECMA-48, VT220); ESC O in application mode.
    private void EditBySequence()
    {
        if (read() is not ('[' or 'O'))
        {
            return;
        }

        int number = 0;
        int final = read();
        for (; final is >= '0' and <= '?'; final = read())
        {
            number = final is >= '0' and <= '9' ? (number * 10 % 1000) + final - '0' : number;
        }

        switch (final)
        {
            case 'A':
                Recall(-1);
                break;
            case 'B':
                Recall(+1);
                break;
            case 'C':
                _cursor = Math.Min(_cursor + 1, _line.Length);
                break;
            case 'D':
                _cursor = Math.Max(_cursor - 1, 0);
                break;
            case 'H':
                _cursor = 0;
                break;
            case 'F':
                _cursor = _line.Length;
                break;
            case '~' when number == 3:
                Edit('D' - 64);
                break;
        }
    }

    private void Recall(int step)
    {
        int wanted = _recalled + step;
        if (wanted < 0 || wanted > _history.Count)
        {
            return;
        }

        _recalled = wanted;
        _ = _line.Clear().Append(wanted < _history.Count ? _history[wanted] : "");
        _cursor = _line.Length;
    }

    private void Draw()
    {
        int back = _line.Length - _cursor;
        write($"\r{_prompt}{_line}\x1b[K{(back > 0 ? $"\x1b[{back}D" : "")}");
    }
}
