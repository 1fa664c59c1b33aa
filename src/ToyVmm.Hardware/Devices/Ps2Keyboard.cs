using ToyVmm.Hardware.State;
using ToyVmm.Hardware.Time;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// A PS/2 keyboard: scan code sets 1, 2 and 3, a 16-byte buffer with overrun, typematic repeat, and the commands of the IBM PS/2
/// keyboard technical reference. Keys are pressed by <see cref="KeyEvent"/> or <see cref="Type"/>.
/// </summary>
public sealed class Ps2Keyboard : IPs2Device, ISavedState
{
    private const int BufferSize = 16;
    private const byte Acknowledge = 0xFA;
    private const byte ResendRequest = 0xFE;
    private const byte SelfTestPassed = 0xAA;
    private const byte DefaultTypematic = 0x2B;     // 500 ms, then 10.9 a second

    private readonly VirtualClock _clock;
    private readonly ClockTimer _repeat;
    private readonly Queue<byte> _responses = new();
    private readonly Queue<byte> _codes = new();
    private readonly Queue<(Ps2Key Key, bool Pressed)> _typed = new();
    private readonly byte[] _types = new byte[256]; // set 3 key types
    private byte _argumentOf;                       // the command that waits for its argument; 0 for none
    private byte _lastSent;
    private byte _typematic;
    private Ps2Key? _repeating;
    private bool _scanning;
    private bool _control;
    private bool _alt;

    /// <summary>Makes a keyboard that has passed its self-test and scans.</summary>
    /// <param name="clock">What typematic repeat is timed by.</param>
    public Ps2Keyboard(VirtualClock clock)
    {
        ArgumentNullException.ThrowIfNull(clock);
        _clock = clock;
        _repeat = clock.CreateTimer("PS/2 typematic", Repeat);
        Reset();
    }

    /// <inheritdoc/>
    public bool HasData => _responses.Count + _codes.Count > 0;

    /// <inheritdoc/>
    public Action? DataReady { get; set; }

    /// <summary>The lights: bit 0 Scroll Lock, bit 1 Num Lock, bit 2 Caps Lock.</summary>
    public byte Leds { get; private set; }

    /// <summary>The scan code set in use: 1, 2 or 3.</summary>
    public int ScanCodeSet { get; private set; } = 2;

    /// <summary>True when another key's codes fit the buffer with room to spare: whoever holds keys back goes on.</summary>
    public bool HasRoom => _codes.Count <= BufferSize / 2;

    /// <summary>How many events of <see cref="Type"/> still wait for room in the buffer.</summary>
    public int PendingEvents => _typed.Count;

    /// <inheritdoc/>
    /// <remarks>Text that <see cref="Type"/> still holds back is the user's, not the keyboard's, and stays.</remarks>
    public void Reset()
    {
        _responses.Clear();
        _argumentOf = 0;
        _lastSent = 0;
        _control = _alt = false;
        Leds = 0;
        SetDefaults();
        _scanning = true;
    }

    /// <summary>A key goes down or up. When the buffer has no room for its codes the overrun code takes their place, as on the real keyboard.</summary>
    /// <param name="key">The key.</param>
    /// <param name="pressed">Down, or up.</param>
    public void KeyEvent(Ps2Key key, bool pressed)
    {
        _control = key is Ps2Key.LeftControl or Ps2Key.RightControl ? pressed : _control;
        _alt = key is Ps2Key.LeftAlt or Ps2Key.RightAlt ? pressed : _alt;
        if (!_scanning)
        {
            return;
        }

        Enqueue(CodesOf(key, pressed));
        if (pressed && IsTypematic(key))
        {
            _repeating = key;
            _repeat.Arm(_clock.Now + Milliseconds(250UL * (uint)(((_typematic >> 5) & 3) + 1)));
        }
        else if (pressed || _repeating == key)
        {
            StopRepeating();
        }
    }

    /// <summary>Types text on a US keyboard. It is fed in as the guest takes the codes, so no length overruns the buffer.</summary>
    /// <param name="text">Characters that <see cref="Ps2UsLayout.TryFind"/> knows.</param>
    /// <returns>How many characters had no key and were left out.</returns>
    public int Type(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int unknown = 0;
        foreach (char character in text)
        {
            if (!Ps2UsLayout.TryFind(character, out Ps2Key key, out Ps2Key? modifier))
            {
                unknown++;
                continue;
            }

            if (modifier is { } held)
            {
                _typed.Enqueue((held, true));
            }

            _typed.Enqueue((key, true));
            _typed.Enqueue((key, false));
            if (modifier is { } released)
            {
                _typed.Enqueue((released, false));
            }
        }

        FeedTyped();
        return unknown;
    }

    /// <inheritdoc/>
    public byte Send()
    {
        Queue<byte> source = _responses.Count > 0 ? _responses : _codes;
        if (!source.TryDequeue(out byte value))
        {
            return 0;
        }

        _lastSent = value;
        FeedTyped();
        return value;
    }

    /// <inheritdoc/>
    public void Receive(byte value)
    {
        byte command = _argumentOf;
        _argumentOf = 0;
        if (command != 0 && TakeArgument(command, value))
        {
            return;
        }

        Execute(value);
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        state.Queue(_responses, BufferSize);
        state.Queue(_codes, BufferSize + 1);
        (Ps2Key Key, bool Pressed)[] typed = [.. _typed];
        int count = state.Count(typed.Length, int.MaxValue);
        _typed.Clear();
        for (int n = 0; n < count; n++)
        {
            (Ps2Key key, bool pressed) = state.IsRestoring ? default : typed[n];
            key = (Ps2Key)state.Choice((int)key, (int)Ps2Key.Pause);
            state.Value(ref pressed);
            _typed.Enqueue((key, pressed));
        }

        state.Bytes(_types);
        state.Value(ref _argumentOf);
        state.Value(ref _lastSent);
        state.Value(ref _typematic);
        const int NoKey = (int)Ps2Key.Pause + 1;
        int repeating = state.Choice(_repeating is { } held ? (int)held : NoKey, NoKey);
        _repeating = repeating == NoKey ? null : (Ps2Key)repeating;
        state.Value(ref _scanning);
        state.Value(ref _control);
        state.Value(ref _alt);
        Leds = state.Pass(Leds);
        ScanCodeSet = state.Choice(ScanCodeSet, 3);
        state.Require(ScanCodeSet >= 1);
    }

    // An argument is below 0xED; anything else is a new command, and the old one is forgotten.
    private bool TakeArgument(byte command, byte argument)
    {
        if (argument >= 0xED)
        {
            return false;
        }

        switch (command)
        {
            case 0xED:
                Leds = (byte)(argument & 7);
                Respond(Acknowledge);
                break;
            case 0xF0 when argument == 0:
                Respond(Acknowledge, (byte)ScanCodeSet);
                break;
            case 0xF0 when argument <= 3:
                ScanCodeSet = argument;
                _codes.Clear();
                Respond(Acknowledge);
                break;
            case 0xF0:
                Respond(ResendRequest);
                break;
            case 0xF3:
                _typematic = (byte)(argument & 0x7F);
                Respond(Acknowledge);
                break;
            default: // FB, FC, FD: one key's type; further keys may follow until the next command
                _types[argument] = TypeOf(command);
                _argumentOf = command;
                Respond(Acknowledge);
                break;
        }

        return true;
    }

    private void Execute(byte command)
    {
        switch (command)
        {
            case 0xEE:
                Respond(0xEE);
                break;
            case 0xED or 0xF0 or 0xF3 or 0xFB or 0xFC or 0xFD:
                _argumentOf = command;
                Respond(Acknowledge);
                break;
            case 0xF2:
                Respond(Acknowledge, 0xAB, 0x83);
                break;
            case 0xF4:
                _codes.Clear();
                _scanning = true;
                Respond(Acknowledge);
                FeedTyped();
                break;
            case 0xF5:
                SetDefaults();
                _scanning = false;
                Respond(Acknowledge);
                break;
            case 0xF6:
                SetDefaults();
                Respond(Acknowledge);
                break;
            case >= 0xF7 and <= 0xFA:
                Array.Fill(_types, TypeOf((byte)(command + 4)));
                Respond(Acknowledge);
                break;
            case 0xFE:
                Respond(_lastSent);
                break;
            case 0xFF:
                Reset();
                Respond(Acknowledge, SelfTestPassed);
                FeedTyped();
                break;
            default:
                Respond(ResendRequest);
                break;
        }
    }

    // F7/FB typematic, F8/FC make and break, F9/FD make only; FA (as FE here) is both.
    private static byte TypeOf(byte command) => command switch
    {
        0xFB => Ps2ScanCodes.Typematic,
        0xFC => Ps2ScanCodes.MakeBreak,
        0xFD => Ps2ScanCodes.MakeOnly,
        _ => Ps2ScanCodes.Typematic | Ps2ScanCodes.MakeBreak,
    };

    private void SetDefaults()
    {
        _codes.Clear();
        _typematic = DefaultTypematic;
        ScanCodeSet = 2;
        Ps2ScanCodes.FillDefaultTypes(_types);
        StopRepeating();
    }

    private void Respond(params ReadOnlySpan<byte> bytes)
    {
        // A host that never reads the answers must not make them pile up.
        if (_responses.Count + bytes.Length > BufferSize)
        {
            _responses.Clear();
        }

        foreach (byte value in bytes)
        {
            _responses.Enqueue(value);
        }

        DataReady?.Invoke();
    }

    private byte[] CodesOf(Ps2Key key, bool pressed)
    {
        if (ScanCodeSet == 3)
        {
            byte code = Ps2ScanCodes.Set3(key);
            return pressed ? [code] : (_types[code] & Ps2ScanCodes.MakeBreak) != 0 ? [Ps2ScanCodes.BreakPrefix, code] : [];
        }

        byte[] set2 = Ps2ScanCodes.Set2(key, pressed, _control, _alt);
        return ScanCodeSet == 1 ? Ps2ScanCodes.ToSet1(set2) : set2;
    }

    private bool IsTypematic(Ps2Key key) =>
        key != Ps2Key.Pause && (ScanCodeSet != 3 || (_types[Ps2ScanCodes.Set3(key)] & Ps2ScanCodes.Typematic) != 0);

    private void Enqueue(byte[] codes)
    {
        if (codes.Length == 0)
        {
            return;
        }

        if (_codes.Count + codes.Length <= BufferSize)
        {
            foreach (byte code in codes)
            {
                _codes.Enqueue(code);
            }
        }
        else if (_codes.Count <= BufferSize)
        {
            // The seventeenth place holds the overrun code: 0xFF in set 1, 0x00 in the others.
            byte overrun = (byte)(ScanCodeSet == 1 ? 0xFF : 0x00);
            if (_codes.Count == 0 || _codes.Last() != overrun)
            {
                _codes.Enqueue(overrun);
            }
        }

        DataReady?.Invoke();
    }

    private void FeedTyped()
    {
        while (_scanning && HasRoom && _typed.TryDequeue(out (Ps2Key Key, bool Pressed) next))
        {
            KeyEvent(next.Key, next.Pressed);
        }
    }

    // The typematic byte: period = (8 + A) x 2^B x 4.17 ms, with A in bits 2-0 and B in bits 4-3.
    private void Repeat()
    {
        if (_repeating is not { } key)
        {
            return;
        }

        Enqueue(CodesOf(key, pressed: true));
        ulong units = (ulong)(8 + (_typematic & 7)) << ((_typematic >> 3) & 3);
        _repeat.Arm(_clock.Now + Math.Max(1, (ulong)((UInt128)_clock.Frequency * units * 417 / 100_000)));
    }

    private void StopRepeating()
    {
        _repeating = null;
        _repeat.Cancel();
    }

    private ulong Milliseconds(ulong count) => Math.Max(1, (ulong)((UInt128)_clock.Frequency * count / 1000));
}
