using System.Text;

namespace ToyVmm.Debugging.Terminal;

/// <summary>
/// What a guest sends through COM1, as lines that cannot be taken for the debugger's: each begins with a mark, and what could steer a terminal is left out.
/// </summary>
/// <param name="write">Takes a line, without its end.</param>
public sealed class SerialText(Action<string> write)
{
    /// <summary>What each line begins with.</summary>
    public const string Mark = "com1| ";

    private const int LongestLine = 1000;
    private readonly StringBuilder _line = new();
    private bool _inSequence;

    /// <summary>Takes a byte.</summary>
    public void Add(byte value)
    {
        if (_inSequence)
        {
            // An escape sequence ends with a letter (ECMA-48 5.4).
            _inSequence = value is not (>= 0x40 and <= 0x7E) || value == '[';
            return;
        }

        switch (value)
        {
            case 0x1B:
                _inSequence = true;
                break;
            case (byte)'\n':
                Flush(always: true);
                break;
            case (byte)'\b' when _line.Length > 0:
                _line.Length--;
                break;
            case (byte)'\t' or (>= 0x20 and < 0x7F):
                _ = _line.Append((char)value);
                break;
            case >= 0x80:
                _ = _line.Append('?');
                break;
        }

        if (_line.Length >= LongestLine)
        {
            Flush();
        }
    }

    /// <summary>Gives out a line that has no end yet: the guest stands still.</summary>
    public void Flush() => Flush(always: false);

    private void Flush(bool always)
    {
        if (always || _line.Length > 0)
        {
            write(Mark + _line);
            _ = _line.Clear();
        }
    }
}
