using ToyVmm.Debugging.Terminal;

namespace ToyVmm.Cli.Debugging;

/// <summary>Where the guest's serial output goes: marked lines between those of the debugger, as it is while the terminal is the guest's, or a window of the full-screen view.</summary>
internal sealed class GuestOutput
{
    private const int MostLines = 2000;
    private readonly SerialText _lines;
    private readonly Action<string> _writeLine;
    private readonly Stream? _file;

    /// <summary>Makes an output.</summary>
    /// <param name="writeLine">Takes marked lines.</param>
    /// <param name="file">Takes the bytes instead; null for the terminal.</param>
    public GuestOutput(Action<string> writeLine, Stream? file)
    {
        (_writeLine, _file) = (writeLine, file);
        _lines = new SerialText(Line);
    }

    /// <summary>The last lines, without marks, for the full-screen view.</summary>
    public List<string> Recent { get; } = [];

    /// <summary>Takes bytes as they are, while the terminal is the guest's serial line; null otherwise.</summary>
    public Action<byte>? Raw { get; set; }

    /// <summary>Called instead of writing lines: the full-screen view draws itself.</summary>
    public Action? Changed { get; set; }

    /// <summary>Takes a byte of the guest.</summary>
    public void Add(byte value)
    {
        if (_file is not null)
        {
            _file.WriteByte(value);
        }
        else if (Raw is { } raw)
        {
            raw(value);
        }
        else
        {
            _lines.Add(value);
        }
    }

    /// <summary>The guest stands still: a line without an end is shown too.</summary>
    public void Flush()
    {
        _lines.Flush();
        _file?.Flush();
    }

    /// <summary>A line of a log point.</summary>
    public void Log(string line)
    {
        _lines.Flush();
        Show("log: " + line, "log: " + line);
    }

    private void Line(string line) => Show(line, line[SerialText.Mark.Length..]);

    private void Show(string line, string text)
    {
        Recent.Add(text);
        if (Recent.Count > MostLines)
        {
            Recent.RemoveRange(0, MostLines / 2);
        }

        if (Changed is { } changed)
        {
            changed();
        }
        else
        {
            _writeLine(line);
        }
    }
}
