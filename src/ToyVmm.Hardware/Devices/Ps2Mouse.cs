using ToyVmm.Hardware.State;
using ToyVmm.Hardware.Time;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// A PS/2 mouse with three buttons (IBM PS/2 hardware interface technical reference, "mouse": commands, modes, data report) that becomes
/// a wheel mouse by Microsoft's knock: sample rates 200, 100, 80 in a row. It is moved by <see cref="Move"/>.
/// </summary>
/// <remarks>After power-on it has passed its self-test, and reports nothing until the host enables it.</remarks>
public sealed class Ps2Mouse : IPs2Device, ISavedState
{
    private const byte Acknowledge = 0xFA;
    private const byte ResendRequest = 0xFE;        // the host is to say that again
    private const byte Error = 0xFC;                // it did, and it still makes no sense
    private const byte SelfTestPassed = 0xAA;
    private const byte StandardId = 0x00;
    private const byte WheelId = 0x03;
    private const byte CommandReset = 0xFF;
    private const byte CommandSetSampleRate = 0xF3;
    private const byte CommandSetResolution = 0xE8;
    private const byte CommandResetWrap = 0xEC;
    private const byte DefaultRate = 100;           // reports a second
    private const byte DefaultResolution = 2;       // 4 counts a millimetre
    private const byte AlwaysSet = 0x08;            // first byte of a report
    private const byte NegativeX = 0x10;
    private const byte NegativeY = 0x20;
    private const byte OverflowX = 0x40;
    private const byte OverflowY = 0x80;

    // The counters keep what does not make a whole count at the resolution in use: eighths.
    private const long EighthsPerCount = 8;

    // A host that sends and never reads must not make the answers pile up.
    private const int MostOutput = 16;

    private readonly VirtualClock _clock;
    private readonly ClockTimer _sample;
    private readonly Queue<byte> _output = new();
    private byte[] _last = [];          // the last packet, for Resend
    private byte _argumentOf;           // the command that waits for its argument; 0 for none
    private bool _refused;              // the last byte made no sense
    private Mode _mode;
    private bool _wrap;
    private bool _enabled;
    private bool _doubled;              // scaling 2:1
    private byte _rate;
    private byte _resolution;
    private uint _knock;                // the last three sample rates
    private byte _id;
    private long _x;
    private long _y;
    private int _wheel;
    private MouseButtons _buttons;
    private MouseButtons _reported;
    private ulong _nextSample;

    /// <summary>Makes a mouse.</summary>
    /// <param name="clock">What the sample rate is timed by.</param>
    public Ps2Mouse(VirtualClock clock)
    {
        ArgumentNullException.ThrowIfNull(clock);
        _clock = clock;
        _sample = clock.CreateTimer("PS/2 mouse sample", Sample);
        Reset();
    }

    private enum Mode
    {
        /// <summary>Reports by itself.</summary>
        Stream,

        /// <summary>Reports when it is asked.</summary>
        Remote,
    }

    /// <inheritdoc/>
    public bool HasData => _output.Count > 0;

    /// <inheritdoc/>
    public Action? DataReady { get; set; }

    /// <summary>True while the mouse reports movements by itself.</summary>
    public bool IsReporting => _enabled && _mode == Mode.Stream && !_wrap;

    private bool HasWheel => _id == WheelId;

    private bool HasNews => Counts(_x) != 0 || Counts(_y) != 0 || (_wheel != 0 && HasWheel) || _buttons != _reported;

    /// <inheritdoc/>
    /// <remarks>Buttons that are held down stay down.</remarks>
    public void Reset()
    {
        _output.Clear();
        _last = [];
        _argumentOf = 0;
        _refused = _wrap = false;
        _id = StandardId;
        _knock = 0;
        _nextSample = 0;
        SetDefaults();
    }

    /// <summary>The user moves the mouse. What no report takes adds up; the counters end at -256 and 255, and the report tells that they did.</summary>
    public void Move(MouseEvent what)
    {
        long unit = 2L << _resolution;  // eighths of a count for a quarter of a millimetre
        _x = Math.Clamp(_x + (what.DeltaX * unit), -EighthsPerCount << 16, EighthsPerCount << 16);
        _y = Math.Clamp(_y + (what.DeltaY * unit), -EighthsPerCount << 16, EighthsPerCount << 16);
        _wheel = (int)Math.Clamp((long)_wheel + what.Wheel, -8, 7);
        _buttons = what.Buttons & (MouseButtons.Left | MouseButtons.Right | MouseButtons.Middle);
        StartSampling();
    }

    /// <inheritdoc/>
    public byte Send() => _output.TryDequeue(out byte value) ? value : (byte)0;

    /// <inheritdoc/>
    public void Receive(byte value)
    {
        byte command = _argumentOf;
        _argumentOf = 0;
        if (_wrap && value is not (CommandReset or CommandResetWrap))
        {
            Queue([value]);
            return;
        }

        // The host's word ends what the mouse was saying.
        _output.Clear();
        bool understood = command != 0 ? TakeArgument(command, value) : Execute(value);
        if (!understood)
        {
            Queue([_refused ? Error : ResendRequest]);
            _argumentOf = _refused ? (byte)0 : command;
        }

        _refused = !understood && !_refused;
        StartSampling();
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        state.Queue(_output, MostOutput);
        int last = state.Count(_last.Length, MostOutput);
        _last = state.IsRestoring ? new byte[last] : _last;
        state.Bytes(_last);
        state.Value(ref _argumentOf);
        state.Value(ref _refused);
        _mode = (Mode)state.Choice((int)_mode, (int)Mode.Remote);
        state.Value(ref _wrap);
        state.Value(ref _enabled);
        state.Value(ref _doubled);
        state.Value(ref _rate);
        state.Require(_rate != 0);
        state.Value(ref _resolution);
        state.Require(_resolution <= 3);
        state.Value(ref _knock);
        state.Value(ref _id);
        state.Range(ref _x, -EighthsPerCount << 16, EighthsPerCount << 16);
        state.Range(ref _y, -EighthsPerCount << 16, EighthsPerCount << 16);
        state.Range(ref _wheel, -8, 7);
        _buttons = (MouseButtons)state.Choice((int)_buttons, 7);
        _reported = (MouseButtons)state.Choice((int)_reported, 7);
        state.Value(ref _nextSample);
    }

    // Two times the counts, but small movements stay exact.
    private static int Double(int counts) => Math.Abs(counts) switch
    {
        <= 1 => counts,
        2 => Math.Sign(counts),
        3 => counts,
        4 => 6 * Math.Sign(counts),
        5 => 9 * Math.Sign(counts),
        _ => counts * 2,
    };

    private static int Counts(long eighths) => (int)(eighths / EighthsPerCount);

    private bool TakeArgument(byte command, byte argument)
    {
        switch (command)
        {
            case CommandSetSampleRate when argument is 10 or 20 or 40 or 60 or 80 or 100 or 200:
                _rate = argument;
                _knock = (_knock << 8 | argument) & 0xFF_FFFF;
                _id = _knock == (200 << 16 | 100 << 8 | 80) ? WheelId : _id;
                break;
            case CommandSetResolution when argument <= 3:
                _resolution = argument;
                break;
            default:
                return false;
        }

        ClearCounters();
        Queue([Acknowledge]);
        return true;
    }

    private bool Execute(byte command)
    {
        switch (command)
        {
            case CommandReset:
                Reset();
                Queue([Acknowledge, SelfTestPassed, _id]);
                break;
            case 0xFE: // resend
                Queue(_last);
                break;
            case 0xF6:
                SetDefaults();
                Queue([Acknowledge]);
                break;
            case 0xF5:
                _enabled = false;
                Obey();
                break;
            case 0xF4:
                _enabled = true;
                Obey();
                break;
            case CommandSetSampleRate or CommandSetResolution:
                _argumentOf = command;
                Queue([Acknowledge]);
                break;
            case 0xF2:
                Queue([Acknowledge, _id]);
                break;
            case 0xF0:
                _mode = Mode.Remote;
                Obey();
                break;
            case 0xEE:
                _wrap = true;
                Obey();
                break;
            case CommandResetWrap:
                _wrap = false;
                Obey();
                break;
            case 0xEB:
                Queue([Acknowledge, .. Report(scaled: false)]);
                break;
            case 0xEA:
                _mode = Mode.Stream;
                Obey();
                break;
            case 0xE9:
                Queue([Acknowledge, Status(), _resolution, _rate]);
                break;
            case 0xE7 or 0xE6:
                _doubled = command == 0xE7;
                Queue([Acknowledge]);
                break;
            default:
                return false;
        }

        return true;
    }

    // A change of what is reported, or of how: movements until now are forgotten.
    private void Obey()
    {
        ClearCounters();
        Queue([Acknowledge]);
    }

    private byte Status() => (byte)((_mode == Mode.Remote ? 0x40 : 0) | (_enabled ? 0x20 : 0) | (_doubled ? 0x10 : 0)
        | ((_buttons & MouseButtons.Left) != 0 ? 0x04 : 0)
        | ((_buttons & MouseButtons.Middle) != 0 ? 0x02 : 0)
        | ((_buttons & MouseButtons.Right) != 0 ? 0x01 : 0));

    private void SetDefaults()
    {
        _mode = Mode.Stream;
        _enabled = _doubled = false;
        _rate = DefaultRate;
        _resolution = DefaultResolution;
        ClearCounters();
    }

    private void ClearCounters()
    {
        _x = _y = 0;
        _wheel = 0;
        _reported = _buttons;
        _sample.Cancel();
    }

    private byte[] Report(bool scaled)
    {
        (int x, bool overflowX) = Take(ref _x, scaled);
        (int y, bool overflowY) = Take(ref _y, scaled);
        byte first = (byte)(AlwaysSet | (int)_buttons
            | (x < 0 ? NegativeX : 0) | (y < 0 ? NegativeY : 0)
            | (overflowX ? OverflowX : 0) | (overflowY ? OverflowY : 0));
        byte wheel = (byte)_wheel;
        _wheel = 0;
        _reported = _buttons;
        return HasWheel ? [first, (byte)x, (byte)y, wheel] : [first, (byte)x, (byte)y];
    }

    // A counter has nine bits, and the fraction of a count stays in it.
    private (int Counts, bool Overflow) Take(ref long eighths, bool scaled)
    {
        int counts = Counts(eighths);
        eighths %= EighthsPerCount;
        counts = scaled && _doubled ? Double(counts) : counts;
        return (Math.Clamp(counts, -256, 255), counts is < -256 or > 255);
    }

    private void StartSampling()
    {
        if (IsReporting && HasNews && _sample.Deadline == ulong.MaxValue)
        {
            _sample.Arm(Math.Max(_clock.Now + 1, _nextSample));
        }
    }

    private void Sample()
    {
        if (!IsReporting || !HasNews)
        {
            return;
        }

        // Reports that the host has not taken yet are not queued up: movement adds up instead.
        _nextSample = _clock.Now + Math.Max(1, _clock.Frequency / _rate);
        if (_output.Count > 0)
        {
            _sample.Arm(_nextSample);
            return;
        }

        Queue(Report(scaled: true));
    }

    private void Queue(byte[] packet)
    {
        if (_output.Count + packet.Length > MostOutput)
        {
            _output.Clear();
        }

        foreach (byte value in packet)
        {
            _output.Enqueue(value);
        }

        _last = packet;
        if (packet.Length > 0)
        {
            DataReady?.Invoke();
        }
    }
}
