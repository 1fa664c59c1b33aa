using System.Text;

namespace ToyVmm.Cli.Interactive;

/// <summary>A line of text from a raw terminal: insertion, deletion, cursor keys, the lines typed before, and completion.</summary>
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
    private int _shownFrom;         // the first character on the screen: a line longer than the terminal is wide moves below it

    /// <summary>The lines typed before, oldest first. Lines of earlier sessions may be added.</summary>
    public List<string> History => _history;

    /// <summary>What the Tab key may put in the place of the last word, and where that begins; null for no completion.</summary>
    public Func<string, (IReadOnlyList<string> Choices, int Start)>? Complete { get; init; }

    /// <summary>The terminal's width; null where it does not matter.</summary>
    public Func<int>? Columns { get; init; }

    /// <summary>Ends the line on the screen: by default, by going to the next one.</summary>
    public string EndOfLine { get; init; } = "\r\n";

    /// <summary>True when the last line was given up with Ctrl-C.</summary>
    public bool WasInterrupted { get; private set; }

    /// <summary>Reads a line.</summary>
    /// <param name="prompt">What stands before it.</param>
    /// <returns>The line; null for Ctrl-D on an empty line, or when input ends (<see cref="HasEnded"/>).</returns>
    public string? ReadLine(string prompt)
    {
        _prompt = prompt;
        _ = _line.Clear();
        _cursor = 0;
        _recalled = _history.Count;
        _shownFrom = 0;
        WasInterrupted = false;
        Draw();
        for (; ; )
        {
            int key = read();
            switch (key)
            {
                case -1:
                    HasEnded = true;
                    write(EndOfLine);
                    return null;
                case '\r' or '\n':
                    write(EndOfLine);
                    return Finish();
                case 'D' - 64 when _line.Length == 0:
                    write(EndOfLine);
                    return null;
                case 'C' - 64:
                    write("^C" + EndOfLine);
                    WasInterrupted = true;
                    return "";
                case '\t' when Complete is not null:
                    CompleteWord();
                    Draw();
                    break;
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
            case 'W' - 64:
                int word = _cursor;
                while (word > 0 && _line[word - 1] == ' ')
                {
                    word--;
                }

                while (word > 0 && _line[word - 1] != ' ')
                {
                    word--;
                }

                _ = _line.Remove(word, _cursor - word);
                _cursor = word;
                break;
            case 'B' - 64:
                _cursor = Math.Max(_cursor - 1, 0);
                break;
            case 'F' - 64:
                _cursor = Math.Min(_cursor + 1, _line.Length);
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

    // What all choices begin with is put in at once; where that is no more than is there, they are listed.
    private void CompleteWord()
    {
        const int MostListed = 60;
        (IReadOnlyList<string> choices, int start) = Complete!(_line.ToString(0, _cursor));
        if (choices.Count == 0)
        {
            write("\a");
            return;
        }

        string common = choices[0];
        foreach (string choice in choices)
        {
            common = common[..common.AsSpan().CommonPrefixLength(choice)];
        }

        string typed = _line.ToString(start, _cursor - start);
        if (choices.Count == 1 && !common.EndsWith('/'))
        {
            common += " ";
        }
        else if (common == typed && EndOfLine.Length > 0)
        {
            string more = choices.Count > MostListed ? $"  and {choices.Count - MostListed} more" : "";
            write($"\r\n{string.Join("  ", choices.Take(MostListed))}{more}\r\n");
            return;
        }

        _ = _line.Remove(start, typed.Length).Insert(start, common);
        _cursor = start + common.Length;
    }

    private void Draw()
    {
        int room = Columns is null ? int.MaxValue : Math.Max(8, Columns() - _prompt.Length - 1);
        if (_line.Length <= room || _cursor < _shownFrom)
        {
            _shownFrom = 0;
        }

        if (_cursor - _shownFrom > room)
        {
            _shownFrom = _cursor - (room / 2);
        }

        int length = Math.Min(room, _line.Length - _shownFrom);
        int back = length - (_cursor - _shownFrom);
        write($"\r{_prompt}{_line.ToString(_shownFrom, length)}\x1b[K{(back > 0 ? $"\x1b[{back}D" : "")}");
    }
}
