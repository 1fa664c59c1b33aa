namespace ToyVmm.Hardware.Devices;

/// <summary>The keys of a 104-key US keyboard (and the 102nd of European ones), by what is printed on them.</summary>
public enum Ps2Key
{
    /// <summary>The Escape key.</summary>
    Escape,

    /// <summary>The F1 key.</summary>
    F1,

    /// <summary>The F2 key.</summary>
    F2,

    /// <summary>The F3 key.</summary>
    F3,

    /// <summary>The F4 key.</summary>
    F4,

    /// <summary>The F5 key.</summary>
    F5,

    /// <summary>The F6 key.</summary>
    F6,

    /// <summary>The F7 key.</summary>
    F7,

    /// <summary>The F8 key.</summary>
    F8,

    /// <summary>The F9 key.</summary>
    F9,

    /// <summary>The F10 key.</summary>
    F10,

    /// <summary>The F11 key.</summary>
    F11,

    /// <summary>The F12 key.</summary>
    F12,

    /// <summary>The key left of 1: ` and ~.</summary>
    Backquote,

    /// <summary>The 1 of the main block.</summary>
    Digit1,

    /// <summary>The 2 of the main block.</summary>
    Digit2,

    /// <summary>The 3 of the main block.</summary>
    Digit3,

    /// <summary>The 4 of the main block.</summary>
    Digit4,

    /// <summary>The 5 of the main block.</summary>
    Digit5,

    /// <summary>The 6 of the main block.</summary>
    Digit6,

    /// <summary>The 7 of the main block.</summary>
    Digit7,

    /// <summary>The 8 of the main block.</summary>
    Digit8,

    /// <summary>The 9 of the main block.</summary>
    Digit9,

    /// <summary>The 0 of the main block.</summary>
    Digit0,

    /// <summary>The Minus key.</summary>
    Minus,

    /// <summary>The Equal key.</summary>
    Equal,

    /// <summary>The Backspace key.</summary>
    Backspace,

    /// <summary>The Tab key.</summary>
    Tab,

    /// <summary>The Q key.</summary>
    Q,

    /// <summary>The W key.</summary>
    W,

    /// <summary>The E key.</summary>
    E,

    /// <summary>The R key.</summary>
    R,

    /// <summary>The T key.</summary>
    T,

    /// <summary>The Y key.</summary>
    Y,

    /// <summary>The U key.</summary>
    U,

    /// <summary>The I key.</summary>
    I,

    /// <summary>The O key.</summary>
    O,

    /// <summary>The P key.</summary>
    P,

    /// <summary>The Left Bracket key.</summary>
    LeftBracket,

    /// <summary>The Right Bracket key.</summary>
    RightBracket,

    /// <summary>The Backslash key.</summary>
    Backslash,

    /// <summary>The Caps Lock key.</summary>
    CapsLock,

    /// <summary>The A key.</summary>
    A,

    /// <summary>The S key.</summary>
    S,

    /// <summary>The D key.</summary>
    D,

    /// <summary>The F key.</summary>
    F,

    /// <summary>The G key.</summary>
    G,

    /// <summary>The H key.</summary>
    H,

    /// <summary>The J key.</summary>
    J,

    /// <summary>The K key.</summary>
    K,

    /// <summary>The L key.</summary>
    L,

    /// <summary>The Semicolon key.</summary>
    Semicolon,

    /// <summary>The Quote key.</summary>
    Quote,

    /// <summary>The Enter key.</summary>
    Enter,

    /// <summary>The Left Shift key.</summary>
    LeftShift,

    /// <summary>The key right of the left shift on 102-key boards.</summary>
    IntlBackslash,

    /// <summary>The Z key.</summary>
    Z,

    /// <summary>The X key.</summary>
    X,

    /// <summary>The C key.</summary>
    C,

    /// <summary>The V key.</summary>
    V,

    /// <summary>The B key.</summary>
    B,

    /// <summary>The N key.</summary>
    N,

    /// <summary>The M key.</summary>
    M,

    /// <summary>The Comma key.</summary>
    Comma,

    /// <summary>The Period key.</summary>
    Period,

    /// <summary>The Slash key.</summary>
    Slash,

    /// <summary>The Right Shift key.</summary>
    RightShift,

    /// <summary>The Left Control key.</summary>
    LeftControl,

    /// <summary>The Left Alt key.</summary>
    LeftAlt,

    /// <summary>The Space key.</summary>
    Space,

    /// <summary>The Right Alt key.</summary>
    RightAlt,

    /// <summary>The Right Control key.</summary>
    RightControl,

    /// <summary>The left Windows key.</summary>
    LeftMeta,

    /// <summary>The right Windows key.</summary>
    RightMeta,

    /// <summary>The application menu key.</summary>
    Menu,

    /// <summary>The Insert key.</summary>
    Insert,

    /// <summary>The Home key.</summary>
    Home,

    /// <summary>The Page Up key.</summary>
    PageUp,

    /// <summary>The Delete key.</summary>
    Delete,

    /// <summary>The End key.</summary>
    End,

    /// <summary>The Page Down key.</summary>
    PageDown,

    /// <summary>The Up key.</summary>
    Up,

    /// <summary>The Left key.</summary>
    Left,

    /// <summary>The Down key.</summary>
    Down,

    /// <summary>The Right key.</summary>
    Right,

    /// <summary>The Num Lock key.</summary>
    NumLock,

    /// <summary>The Keypad Divide key.</summary>
    KeypadDivide,

    /// <summary>The Keypad Multiply key.</summary>
    KeypadMultiply,

    /// <summary>The Keypad Subtract key.</summary>
    KeypadSubtract,

    /// <summary>The Keypad 7 key.</summary>
    Keypad7,

    /// <summary>The Keypad 8 key.</summary>
    Keypad8,

    /// <summary>The Keypad 9 key.</summary>
    Keypad9,

    /// <summary>The Keypad Add key.</summary>
    KeypadAdd,

    /// <summary>The Keypad 4 key.</summary>
    Keypad4,

    /// <summary>The Keypad 5 key.</summary>
    Keypad5,

    /// <summary>The Keypad 6 key.</summary>
    Keypad6,

    /// <summary>The Keypad 1 key.</summary>
    Keypad1,

    /// <summary>The Keypad 2 key.</summary>
    Keypad2,

    /// <summary>The Keypad 3 key.</summary>
    Keypad3,

    /// <summary>The Keypad 0 key.</summary>
    Keypad0,

    /// <summary>The Keypad Decimal key.</summary>
    KeypadDecimal,

    /// <summary>The Keypad Enter key.</summary>
    KeypadEnter,

    /// <summary>The Scroll Lock key.</summary>
    ScrollLock,

    /// <summary>Print Screen; System Request with Alt.</summary>
    PrintScreen,

    /// <summary>Pause; Break with Control.</summary>
    Pause,
}
