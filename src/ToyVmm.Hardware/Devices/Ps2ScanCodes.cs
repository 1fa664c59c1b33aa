namespace ToyVmm.Hardware.Devices;

/// <summary>
/// What a PS/2 keyboard sends for each key (IBM PS/2 keyboard technical reference, "Scan code tables"). Set 1 is set 2 put through
/// the 8042's translation table, so only sets 2 and 3 are written down.
/// </summary>
internal static class Ps2ScanCodes
{
    public const byte Extended = 0xE0;
    public const byte BreakPrefix = 0xF0;

    /// <summary>Set 3 key types: repeats; sends a break code; both bits may be set.</summary>
    public const byte MakeOnly = 0;
    public const byte Typematic = 1;
    public const byte MakeBreak = 2;

    // The 8042's translation of set 2 codes 0x00-0x7F to set 1.
    private static ReadOnlySpan<byte> Translation =>
    [
        0xFF, 0x43, 0x41, 0x3F, 0x3D, 0x3B, 0x3C, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3E, 0x0F, 0x29, 0x59,
        0x65, 0x38, 0x2A, 0x70, 0x1D, 0x10, 0x02, 0x5A, 0x66, 0x71, 0x2C, 0x1F, 0x1E, 0x11, 0x03, 0x5B,
        0x67, 0x2E, 0x2D, 0x20, 0x12, 0x05, 0x04, 0x5C, 0x68, 0x39, 0x2F, 0x21, 0x14, 0x13, 0x06, 0x5D,
        0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5E, 0x6A, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5F,
        0x6B, 0x33, 0x25, 0x17, 0x18, 0x0B, 0x0A, 0x60, 0x6C, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0C, 0x61,
        0x6D, 0x73, 0x28, 0x74, 0x1A, 0x0D, 0x62, 0x6E, 0x3A, 0x36, 0x1C, 0x1B, 0x75, 0x2B, 0x63, 0x76,
        0x55, 0x56, 0x77, 0x78, 0x79, 0x7A, 0x0E, 0x7B, 0x7C, 0x4F, 0x7D, 0x4B, 0x47, 0x7E, 0x7F, 0x6F,
        0x52, 0x53, 0x50, 0x4C, 0x4D, 0x48, 0x01, 0x45, 0x57, 0x4E, 0x51, 0x4A, 0x37, 0x49, 0x46, 0x54,
    ];

    // Key, set 2 code, set 3 code, whether set 2 prefixes E0, type in set 3 after power-on. In the order of the enumeration.
    private static readonly (Ps2Key Key, byte Set2, byte Set3, bool Prefixed, byte Type)[] s_keys =
    [
        (Ps2Key.Escape, 0x76, 0x08, false, MakeOnly),
        (Ps2Key.F1, 0x05, 0x07, false, MakeOnly),
        (Ps2Key.F2, 0x06, 0x0F, false, MakeOnly),
        (Ps2Key.F3, 0x04, 0x17, false, MakeOnly),
        (Ps2Key.F4, 0x0C, 0x1F, false, MakeOnly),
        (Ps2Key.F5, 0x03, 0x27, false, MakeOnly),
        (Ps2Key.F6, 0x0B, 0x2F, false, MakeOnly),
        (Ps2Key.F7, 0x83, 0x37, false, MakeOnly),
        (Ps2Key.F8, 0x0A, 0x3F, false, MakeOnly),
        (Ps2Key.F9, 0x01, 0x47, false, MakeOnly),
        (Ps2Key.F10, 0x09, 0x4F, false, MakeOnly),
        (Ps2Key.F11, 0x78, 0x56, false, MakeOnly),
        (Ps2Key.F12, 0x07, 0x5E, false, MakeOnly),
        (Ps2Key.Backquote, 0x0E, 0x0E, false, Typematic),
        (Ps2Key.Digit1, 0x16, 0x16, false, Typematic),
        (Ps2Key.Digit2, 0x1E, 0x1E, false, Typematic),
        (Ps2Key.Digit3, 0x26, 0x26, false, Typematic),
        (Ps2Key.Digit4, 0x25, 0x25, false, Typematic),
        (Ps2Key.Digit5, 0x2E, 0x2E, false, Typematic),
        (Ps2Key.Digit6, 0x36, 0x36, false, Typematic),
        (Ps2Key.Digit7, 0x3D, 0x3D, false, Typematic),
        (Ps2Key.Digit8, 0x3E, 0x3E, false, Typematic),
        (Ps2Key.Digit9, 0x46, 0x46, false, Typematic),
        (Ps2Key.Digit0, 0x45, 0x45, false, Typematic),
        (Ps2Key.Minus, 0x4E, 0x4E, false, Typematic),
        (Ps2Key.Equal, 0x55, 0x55, false, Typematic),
        (Ps2Key.Backspace, 0x66, 0x66, false, Typematic),
        (Ps2Key.Tab, 0x0D, 0x0D, false, Typematic),
        (Ps2Key.Q, 0x15, 0x15, false, Typematic),
        (Ps2Key.W, 0x1D, 0x1D, false, Typematic),
        (Ps2Key.E, 0x24, 0x24, false, Typematic),
        (Ps2Key.R, 0x2D, 0x2D, false, Typematic),
        (Ps2Key.T, 0x2C, 0x2C, false, Typematic),
        (Ps2Key.Y, 0x35, 0x35, false, Typematic),
        (Ps2Key.U, 0x3C, 0x3C, false, Typematic),
        (Ps2Key.I, 0x43, 0x43, false, Typematic),
        (Ps2Key.O, 0x44, 0x44, false, Typematic),
        (Ps2Key.P, 0x4D, 0x4D, false, Typematic),
        (Ps2Key.LeftBracket, 0x54, 0x54, false, Typematic),
        (Ps2Key.RightBracket, 0x5B, 0x5B, false, Typematic),
        (Ps2Key.Backslash, 0x5D, 0x5C, false, Typematic),
        (Ps2Key.CapsLock, 0x58, 0x14, false, MakeBreak),
        (Ps2Key.A, 0x1C, 0x1C, false, Typematic),
        (Ps2Key.S, 0x1B, 0x1B, false, Typematic),
        (Ps2Key.D, 0x23, 0x23, false, Typematic),
        (Ps2Key.F, 0x2B, 0x2B, false, Typematic),
        (Ps2Key.G, 0x34, 0x34, false, Typematic),
        (Ps2Key.H, 0x33, 0x33, false, Typematic),
        (Ps2Key.J, 0x3B, 0x3B, false, Typematic),
        (Ps2Key.K, 0x42, 0x42, false, Typematic),
        (Ps2Key.L, 0x4B, 0x4B, false, Typematic),
        (Ps2Key.Semicolon, 0x4C, 0x4C, false, Typematic),
        (Ps2Key.Quote, 0x52, 0x52, false, Typematic),
        (Ps2Key.Enter, 0x5A, 0x5A, false, Typematic),
        (Ps2Key.LeftShift, 0x12, 0x12, false, MakeBreak),
        (Ps2Key.IntlBackslash, 0x61, 0x13, false, Typematic),
        (Ps2Key.Z, 0x1A, 0x1A, false, Typematic),
        (Ps2Key.X, 0x22, 0x22, false, Typematic),
        (Ps2Key.C, 0x21, 0x21, false, Typematic),
        (Ps2Key.V, 0x2A, 0x2A, false, Typematic),
        (Ps2Key.B, 0x32, 0x32, false, Typematic),
        (Ps2Key.N, 0x31, 0x31, false, Typematic),
        (Ps2Key.M, 0x3A, 0x3A, false, Typematic),
        (Ps2Key.Comma, 0x41, 0x41, false, Typematic),
        (Ps2Key.Period, 0x49, 0x49, false, Typematic),
        (Ps2Key.Slash, 0x4A, 0x4A, false, Typematic),
        (Ps2Key.RightShift, 0x59, 0x59, false, MakeBreak),
        (Ps2Key.LeftControl, 0x14, 0x11, false, MakeBreak),
        (Ps2Key.LeftAlt, 0x11, 0x19, false, MakeBreak),
        (Ps2Key.Space, 0x29, 0x29, false, Typematic),
        (Ps2Key.RightAlt, 0x11, 0x39, true, MakeOnly),
        (Ps2Key.RightControl, 0x14, 0x58, true, MakeOnly),
        (Ps2Key.LeftMeta, 0x1F, 0x8B, true, MakeOnly),
        (Ps2Key.RightMeta, 0x27, 0x8C, true, MakeOnly),
        (Ps2Key.Menu, 0x2F, 0x8D, true, MakeOnly),
        (Ps2Key.Insert, 0x70, 0x67, true, MakeOnly),
        (Ps2Key.Home, 0x6C, 0x6E, true, MakeOnly),
        (Ps2Key.PageUp, 0x7D, 0x6F, true, MakeOnly),
        (Ps2Key.Delete, 0x71, 0x64, true, Typematic),
        (Ps2Key.End, 0x69, 0x65, true, MakeOnly),
        (Ps2Key.PageDown, 0x7A, 0x6D, true, MakeOnly),
        (Ps2Key.Up, 0x75, 0x63, true, Typematic),
        (Ps2Key.Left, 0x6B, 0x61, true, Typematic),
        (Ps2Key.Down, 0x72, 0x60, true, Typematic),
        (Ps2Key.Right, 0x74, 0x6A, true, Typematic),
        (Ps2Key.NumLock, 0x77, 0x76, false, MakeOnly),
        (Ps2Key.KeypadDivide, 0x4A, 0x77, true, MakeOnly),
        (Ps2Key.KeypadMultiply, 0x7C, 0x7E, false, MakeOnly),
        (Ps2Key.KeypadSubtract, 0x7B, 0x84, false, MakeOnly),
        (Ps2Key.Keypad7, 0x6C, 0x6C, false, MakeOnly),
        (Ps2Key.Keypad8, 0x75, 0x75, false, MakeOnly),
        (Ps2Key.Keypad9, 0x7D, 0x7D, false, MakeOnly),
        (Ps2Key.KeypadAdd, 0x79, 0x7C, false, Typematic),
        (Ps2Key.Keypad4, 0x6B, 0x6B, false, MakeOnly),
        (Ps2Key.Keypad5, 0x73, 0x73, false, MakeOnly),
        (Ps2Key.Keypad6, 0x74, 0x74, false, MakeOnly),
        (Ps2Key.Keypad1, 0x69, 0x69, false, MakeOnly),
        (Ps2Key.Keypad2, 0x72, 0x72, false, MakeOnly),
        (Ps2Key.Keypad3, 0x7A, 0x7A, false, MakeOnly),
        (Ps2Key.Keypad0, 0x70, 0x70, false, MakeOnly),
        (Ps2Key.KeypadDecimal, 0x71, 0x71, false, MakeOnly),
        (Ps2Key.KeypadEnter, 0x5A, 0x79, true, MakeOnly),
        (Ps2Key.ScrollLock, 0x7E, 0x5F, false, MakeOnly),
        (Ps2Key.PrintScreen, 0x7C, 0x57, true, MakeOnly),
        (Ps2Key.Pause, 0x77, 0x62, false, MakeOnly),
    ];

    /// <summary>The set 1 code of a set 2 code; F7 and System Request lie above the table, anything else up there stays itself.</summary>
    public static byte Translate(byte set2) => set2 switch
    {
        < 0x80 => Translation[set2],
        0x83 => 0x41,
        0x84 => 0x54,
        _ => set2,
    };

    /// <summary>Fills the set 3 key types, indexed by set 3 code, with the power-on values.</summary>
    public static void FillDefaultTypes(Span<byte> types)
    {
        types.Fill(Typematic);
        foreach ((_, _, byte set3, _, byte type) in s_keys)
        {
            types[set3] = type;
        }
    }

    /// <summary>The set 3 code of a key.</summary>
    public static byte Set3(Ps2Key key) => s_keys[(int)key].Set3;

    /// <summary>The bytes of a key event in set 2. Pause has no break: its make carries everything.</summary>
    /// <param name="key">The key.</param>
    /// <param name="pressed">Make, or break.</param>
    /// <param name="control">A control key is down: Pause becomes Break.</param>
    /// <param name="alt">An Alt key is down: Print Screen becomes System Request.</param>
    public static byte[] Set2(Ps2Key key, bool pressed, bool control, bool alt)
    {
        switch (key)
        {
            case Ps2Key.Pause when !pressed:
                return [];
            case Ps2Key.Pause when control:
                return [Extended, 0x7E, Extended, BreakPrefix, 0x7E];
            case Ps2Key.Pause:
                return [0xE1, 0x14, 0x77, 0xE1, BreakPrefix, 0x14, BreakPrefix, 0x77];
            case Ps2Key.PrintScreen when alt:
                return pressed ? [0x84] : [BreakPrefix, 0x84];
            case Ps2Key.PrintScreen:
                return pressed ? [Extended, 0x12, Extended, 0x7C] : [Extended, BreakPrefix, 0x7C, Extended, BreakPrefix, 0x12];
            default:
                (_, byte code, _, bool prefixed, _) = s_keys[(int)key];
                return (prefixed, pressed) switch
                {
                    (false, true) => [code],
                    (false, false) => [BreakPrefix, code],
                    (true, true) => [Extended, code],
                    (true, false) => [Extended, BreakPrefix, code],
                };
        }
    }

    /// <summary>Set 2 bytes as set 1 bytes: break prefixes become bit 7.</summary>
    public static byte[] ToSet1(byte[] set2)
    {
        List<byte> set1 = new(set2.Length);
        bool isBreak = false;
        foreach (byte code in set2)
        {
            if (code == BreakPrefix)
            {
                isBreak = true;
                continue;
            }

            set1.Add((byte)(Translate(code) | (isBreak ? 0x80 : 0)));
            isBreak = false;
        }

        return [.. set1];
    }
}
