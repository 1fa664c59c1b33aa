namespace ToyVmm.Hardware.Devices;

/// <summary>Which key of a US keyboard types which character.</summary>
public static class Ps2UsLayout
{
    private const string Plain = "`1234567890-=\b\tqwertyuiop[]\\asdfghjkl;'\nzxcvbnm,./ ";
    private const string Shifted = "~!@#$%^&*()_+\b\tQWERTYUIOP{}|ASDFGHJKL:\"\nZXCVBNM<>? ";

    private static ReadOnlySpan<Ps2Key> Keys =>
    [
        Ps2Key.Backquote, Ps2Key.Digit1, Ps2Key.Digit2, Ps2Key.Digit3, Ps2Key.Digit4, Ps2Key.Digit5, Ps2Key.Digit6, Ps2Key.Digit7,
        Ps2Key.Digit8, Ps2Key.Digit9, Ps2Key.Digit0, Ps2Key.Minus, Ps2Key.Equal, Ps2Key.Backspace,
        Ps2Key.Tab, Ps2Key.Q, Ps2Key.W, Ps2Key.E, Ps2Key.R, Ps2Key.T, Ps2Key.Y, Ps2Key.U, Ps2Key.I, Ps2Key.O, Ps2Key.P,
        Ps2Key.LeftBracket, Ps2Key.RightBracket, Ps2Key.Backslash,
        Ps2Key.A, Ps2Key.S, Ps2Key.D, Ps2Key.F, Ps2Key.G, Ps2Key.H, Ps2Key.J, Ps2Key.K, Ps2Key.L, Ps2Key.Semicolon, Ps2Key.Quote, Ps2Key.Enter,
        Ps2Key.Z, Ps2Key.X, Ps2Key.C, Ps2Key.V, Ps2Key.B, Ps2Key.N, Ps2Key.M, Ps2Key.Comma, Ps2Key.Period, Ps2Key.Slash, Ps2Key.Space,
    ];

    /// <summary>Finds the key for a character: printable ASCII, tab, line feed or carriage return (Enter), backspace or DEL (Backspace), escape, and control characters 1 to 26.</summary>
    /// <param name="character">The character.</param>
    /// <param name="key">The key to press.</param>
    /// <param name="modifier">Shift or Control to hold with it; null for none.</param>
    /// <returns>False when no key types it.</returns>
    public static bool TryFind(char character, out Ps2Key key, out Ps2Key? modifier)
    {
        char typed = character switch { '\r' => '\n', '\x7F' => '\b', _ => character };
        modifier = null;
        key = Ps2Key.Escape;
        if (typed == '\x1B')
        {
            return true;
        }

        int index = Plain.IndexOf(typed, StringComparison.Ordinal);
        if (index < 0)
        {
            index = Shifted.IndexOf(typed, StringComparison.Ordinal);
            modifier = Ps2Key.LeftShift;
        }

        if (index < 0 && typed is >= '\x01' and <= '\x1A')
        {
            index = Plain.IndexOf((char)(typed + 'a' - 1), StringComparison.Ordinal);
            modifier = Ps2Key.LeftControl;
        }

        if (index < 0)
        {
            return false;
        }

        key = Keys[index];
        return true;
    }
}
