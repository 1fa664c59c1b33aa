namespace ToyVmm.Cli.Debugging.FullScreen;

/// <summary>From the bytes of a terminal to names of keys: "a", "F5", "Up", "PageDown", "Ctrl-C", "Enter", "Escape", "Resize", "End of input".</summary>
internal sealed class KeyReader(DebugTerminal terminal)
{
    private const int SequenceMilliseconds = 50;    // a sequence arrives in one piece; an Escape stands alone

    /// <summary>The input has ended.</summary>
    public const string EndOfInput = "End of input";

    /// <summary>The terminal's size has changed.</summary>
    public const string Resize = "Resize";

    /// <summary>Waits for a key.</summary>
    public string Read()
    {
        int key = terminal.ReadKey();
        return key switch
        {
            -1 => EndOfInput,
            DebugTerminal.Resized => Resize,
            '\r' or '\n' => "Enter",
            '\t' => "Tab",
            0x7F or 8 => "Backspace",
            0x1B => Sequence(),
            < ' ' => "Ctrl-" + (char)(key + 64),
            _ => ((char)key).ToString(),
        };
    }

    // ESC [ n ~, ESC [ letter, ESC O letter: ECMA-48 and the VT220's keys as xterm sends them.
    private string Sequence()
    {
        if (terminal.ReadKey(SequenceMilliseconds) is not ('[' or 'O'))
        {
            return "Escape";
        }

        int number = 0;
        int final = terminal.ReadKey(SequenceMilliseconds) ?? -1;
        for (bool first = true; final is >= '0' and <= '?' or '['; final = terminal.ReadKey(SequenceMilliseconds) ?? -1)
        {
            first &= final != ';';
            number = first && final is >= '0' and <= '9' ? (number * 10 % 1000) + final - '0' : number;
        }

        return (final, number) switch
        {
            ('A', _) => "Up",
            ('B', _) => "Down",
            ('C', _) => "Right",
            ('D', _) => "Left",
            ('H', _) or ('~', 1) or ('~', 7) => "Home",
            ('F', _) or ('~', 4) or ('~', 8) => "End",
            ('~', 5) => "PageUp",
            ('~', 6) => "PageDown",
            ('P', _) or ('~', 11) => "F1",
            ('Q', _) or ('~', 12) => "F2",
            ('R', _) or ('~', 13) => "F3",
            ('S', _) or ('~', 14) => "F4",
            ('~', 15) => "F5",
            ('~', 17) => "F6",
            ('~', 18) => "F7",
            ('~', 19) => "F8",
            ('~', 20) => "F9",
            ('~', 21) => "F10",
            ('~', 23) => "F11",
            ('~', 24) => "F12",
            _ => "?key",
        };
    }
}
