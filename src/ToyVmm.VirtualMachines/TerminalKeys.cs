using System.Globalization;
using System.Text;
using ToyVmm.Hardware.Devices;

namespace ToyVmm.VirtualMachines;

/// <summary>
/// Turns what a terminal sends for its keys into presses and releases of a PS/2 keyboard with the US layout: characters, control
/// characters, Alt (an escape before the character), and the sequences of ECMA-48 and xterm ("XTerm Control Sequences", PC-style function
/// keys) for arrows, editing and function keys with their modifiers, also in the forms of the Linux console and rxvt.
/// </summary>
/// <remarks>
/// A terminal tells no releases, so each key is released at once. The Escape key sends the byte that begins all sequences: the caller
/// calls <see cref="Flush"/> when nothing has followed for a moment. Characters without a key (accents) are left out.
/// </remarks>
public sealed class TerminalKeys
{
    private const byte Escape = 0x1B;
    private const int LongestSequence = 16;
    private const int Shift = 1;
    private const int Alt = 2;
    private const int Control = 4;

    private readonly List<byte> _pending = [];

    /// <summary>True in the middle of a sequence, or behind a lone Escape.</summary>
    public bool IsPending => _pending.Count > 0;

    /// <summary>Takes bytes.</summary>
    /// <param name="bytes">What the terminal sent.</param>
    /// <returns>What happens at the keyboard.</returns>
    public IReadOnlyList<KeyInput> Decode(ReadOnlySpan<byte> bytes)
    {
        List<KeyInput> keys = [];
        foreach (byte value in bytes)
        {
            if (_pending.Count == 0 && value != Escape)
            {
                Type(keys, value, 0);
                continue;
            }

            _pending.Add(value);
            Parse(keys);
        }

        return keys;
    }

    /// <summary>Nothing follows: what is pending was typed as it stands.</summary>
    public IReadOnlyList<KeyInput> Flush()
    {
        List<KeyInput> keys = [];
        if (_pending.Count == 2)
        {
            Type(keys, _pending[1], Alt);   // Alt-[ and Alt-O look like the beginning of a sequence
        }
        else
        {
            foreach (byte value in _pending)
            {
                Type(keys, value, 0);
            }
        }

        _pending.Clear();
        return keys;
    }

    private void Parse(List<KeyInput> keys)
    {
        if (_pending.Count == 1)
        {
            return;
        }

        byte last = _pending[^1];
        switch (_pending[1])
        {
            case Escape:
                Press(keys, Ps2Key.Escape, 0);
                _pending.RemoveAt(0);
                return;
            case (byte)'[':
                if (_pending.Count == 2 || (_pending.Count == 3 && last == '['))
                {
                    return; // the Linux console's F1 to F5 are ESC [ [ A to E
                }

                if (last is < 0x40 or > 0x7E && last != '$' && _pending.Count < LongestSequence)
                {
                    return;
                }

                break;
            case (byte)'O':
                if (_pending.Count == 2 || (char.IsAsciiDigit((char)last) && _pending.Count < LongestSequence))
                {
                    return;
                }

                break;
            default:
                _pending.Clear();
                Type(keys, last, Alt);
                return;
        }

        string sequence = Encoding.Latin1.GetString([.. _pending.Skip(1)]);
        _pending.Clear();
        if (Find(sequence) is var (key, modifiers))
        {
            Press(keys, key, modifiers);
        }
    }

    // "[1;5A", "OP", "[3~", "[[A"
    private static (Ps2Key Key, int Modifiers)? Find(string sequence)
    {
        char final = sequence[^1];
        if (sequence.StartsWith("[[", StringComparison.Ordinal))
        {
            return final is >= 'A' and <= 'E' ? (Ps2Key.F1 + (final - 'A'), 0) : null;
        }

        string[] numbers = sequence[1..^1].Split(';');
        int first = Number(numbers[0]);

        // xterm: 1 + the sum of Shift 1, Alt 2, Control 4. "ESC O 5 P" carries it in the first place.
        int modifiers = numbers.Length > 1 ? Number(numbers[1]) - 1 : sequence[0] == 'O' && first > 0 ? first - 1 : 0;
        Ps2Key? key = final switch
        {
            'A' => Ps2Key.Up,
            'B' => Ps2Key.Down,
            'C' => Ps2Key.Right,
            'D' => Ps2Key.Left,
            'E' => Ps2Key.Keypad5,
            'F' => Ps2Key.End,
            'H' => Ps2Key.Home,
            'P' or 'Q' or 'R' or 'S' => Ps2Key.F1 + (final - 'P'),
            'M' when sequence[0] == 'O' => Ps2Key.KeypadEnter,
            'Z' => Ps2Key.Tab,
            '~' => Numbered(first),
            _ => null,
        };
        return key is { } known ? (known, final == 'Z' ? Shift : Math.Max(modifiers, 0) & 7) : null;
    }

    // The numbers of the VT220 and of rxvt; those between the groups are not used.
    private static Ps2Key? Numbered(int number) => number switch
    {
        1 or 7 => Ps2Key.Home,
        2 => Ps2Key.Insert,
        3 => Ps2Key.Delete,
        4 or 8 => Ps2Key.End,
        5 => Ps2Key.PageUp,
        6 => Ps2Key.PageDown,
        >= 11 and <= 15 => Ps2Key.F1 + (number - 11),
        >= 17 and <= 21 => Ps2Key.F6 + (number - 17),
        23 or 24 => Ps2Key.F11 + (number - 23),
        _ => null,
    };

    private static int Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : 0;

    private static void Type(List<KeyInput> keys, byte value, int modifiers)
    {
        // The control characters beyond Ctrl-Z, by the keys of ASCII's columns 4 and 5.
        (Ps2Key Key, bool IsControl)? special = value switch
        {
            0x00 => (Ps2Key.Space, true),
            0x1C => (Ps2Key.Backslash, true),
            0x1D => (Ps2Key.RightBracket, true),
            0x1E => (Ps2Key.Digit6, true),
            0x1F => (Ps2Key.Minus, true),
            _ => null,
        };
        if (special is { } known)
        {
            Press(keys, known.Key, modifiers | Control);
        }
        else if (value < 0x80 && Ps2UsLayout.TryFind((char)value, out Ps2Key key, out Ps2Key? modifier))
        {
            Press(keys, key, modifiers | (modifier == Ps2Key.LeftShift ? Shift : modifier == Ps2Key.LeftControl ? Control : 0));
        }
    }

    private static void Press(List<KeyInput> keys, Ps2Key key, int modifiers)
    {
        ReadOnlySpan<(int Bit, Ps2Key Key)> held = [(Shift, Ps2Key.LeftShift), (Control, Ps2Key.LeftControl), (Alt, Ps2Key.LeftAlt)];
        foreach ((int bit, Ps2Key modifier) in held)
        {
            if ((modifiers & bit) != 0)
            {
                keys.Add(new KeyInput(modifier, true));
            }
        }

        keys.Add(new KeyInput(key, true));
        keys.Add(new KeyInput(key, false));
        for (int n = held.Length - 1; n >= 0; n--)
        {
            if ((modifiers & held[n].Bit) != 0)
            {
                keys.Add(new KeyInput(held[n].Key, false));
            }
        }
    }
}
