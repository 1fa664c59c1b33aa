using System.Text;

namespace ToyVmm.Cli.Fleets;

/// <summary>What one guest sends through COM1, cut into lines, each with the guest's name in front of it: for an output that it shares with others.</summary>
/// <param name="prefix">What stands before each line.</param>
/// <param name="toTerminal">True where control characters must not reach the output: another guest's lines stand there too.</param>
/// <param name="write">Takes a line with its prefix and its end.</param>
internal sealed class GuestLines(string prefix, bool toTerminal, Action<ReadOnlyMemory<byte>> write)
{
    // A guest that never ends its lines gets them ended.
    private const int LongestLine = 4096;

    private readonly byte[] _prefix = Encoding.UTF8.GetBytes(prefix);
    private readonly List<byte> _line = [];
    private bool _return;

    /// <summary>Takes one byte.</summary>
    public void Add(byte value)
    {
        // CR LF is one end of a line; what a lone CR would have overwritten stays readable.
        if (_return && value != (byte)'\n' && _line.Count > 0)
        {
            End();
        }

        _return = value == (byte)'\r';
        switch (value)
        {
            case (byte)'\r':
                break;
            case (byte)'\n':
                End();
                break;
            case < 0x20 or 0x7F when toTerminal && value != (byte)'\t':
                _line.Add((byte)'^');
                _line.Add((byte)(value ^ 0x40));
                break;
            default:
                _line.Add(value);
                break;
        }

        if (_line.Count >= LongestLine)
        {
            End();
        }
    }

    /// <summary>The guest has stopped: what it has begun is a line.</summary>
    public void Finish()
    {
        if (_line.Count > 0)
        {
            End();
        }
    }

    private void End()
    {
        write((byte[])[.. _prefix, .. _line, (byte)'\n']);
        _line.Clear();
    }
}
