using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.Interrupts;
using ToyVmm.Hardware.State;
using ToyVmm.Hardware.Time;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// The 8042 keyboard controller of the AT and PS/2: a keyboard port and an auxiliary port, scan code translation, the output port
/// with the A20 gate and the reset line. Offset 0 is the data register (port 0x60), offset 4 status and command (port 0x64).
/// </summary>
/// <remarks>
/// Commands run at once (the input buffer is never seen full); their answers are there at once. A byte from a device takes
/// <see cref="FrameMicroseconds"/> of guest time: enough for a handler that reads the data register twice to see the same byte twice,
/// far less than the millisecond of the real cable, since guests poll by counting loops.
/// After power-on the command byte is what firmware leaves: translation and keyboard interrupt on, auxiliary port off.
/// </remarks>
public sealed class Keyboard8042 : IPortDevice, ISavedState
{
    /// <summary>Guest time that a byte from a device takes, in microseconds.</summary>
    public const ulong FrameMicroseconds = 50;

    private const uint StatusOffset = 4;
    private const byte OutputFull = 0x01;           // status OBF
    private const byte SystemFlag = 0x04;           // status and command byte
    private const byte LastWasCommand = 0x08;       // status A2
    private const byte NotLocked = 0x10;            // status: the key lock is open
    private const byte AuxiliaryFull = 0x20;        // status: the byte is the auxiliary port's
    private const byte TimeOut = 0x40;              // status: the device did not answer
    private const byte KeyboardInterrupt = 0x01;    // command byte
    private const byte AuxiliaryInterrupt = 0x02;
    private const byte KeyboardDisabled = 0x10;
    private const byte AuxiliaryDisabled = 0x20;
    private const byte Translate = 0x40;
    private const byte PowerOnCommandByte = Translate | AuxiliaryDisabled | SystemFlag | KeyboardInterrupt;
    private const byte OutputNotReset = 0x01;       // output port
    private const byte OutputA20 = 0x02;
    private const byte OutputIdle = 0xCC;           // the port clock and data lines, high when idle
    private const int AnswerLimit = 16;

    private readonly VirtualClock _clock;
    private readonly IInterruptLine _keyboardLine;
    private readonly IInterruptLine _auxiliaryLine;
    private readonly A20Gate _a20;
    private readonly Action _reset;
    private readonly IPs2Device _keyboard;
    private readonly IPs2Device? _auxiliary;
    private readonly ClockTimer _frame;
    private readonly byte[] _memory = new byte[32];                     // byte 0 is the command byte
    private readonly Queue<(byte Value, byte Status)> _answers = new(); // controller answers that wait for the output buffer
    private byte _data;
    private byte _status;
    private byte _outputPort;
    private byte _argumentOf;
    private bool _breakPrefix;      // translation saw F0

    /// <summary>Makes a controller in its power-on state.</summary>
    /// <param name="clock">What frames are timed by.</param>
    /// <param name="keyboardLine">High while a keyboard or controller byte waits and its interrupt is enabled.</param>
    /// <param name="auxiliaryLine">The same for the auxiliary port.</param>
    /// <param name="a20">Output port bit 1.</param>
    /// <param name="reset">Output port bit 0, when it falls.</param>
    /// <param name="keyboard">The device at the keyboard port.</param>
    /// <param name="auxiliary">The device at the auxiliary port; null when nothing is plugged in: commands to it time out.</param>
    public Keyboard8042(
        VirtualClock clock, IInterruptLine keyboardLine, IInterruptLine auxiliaryLine, A20Gate a20, Action reset, IPs2Device keyboard, IPs2Device? auxiliary = null)
    {
        ArgumentNullException.ThrowIfNull(clock);
        ArgumentNullException.ThrowIfNull(keyboard);
        _clock = clock;
        _keyboardLine = keyboardLine;
        _auxiliaryLine = auxiliaryLine;
        _a20 = a20;
        _reset = reset;
        _keyboard = keyboard;
        _auxiliary = auxiliary;
        _frame = clock.CreateTimer("8042 frame", FrameEnds);
        keyboard.DataReady = StartFrame;
        if (auxiliary is not null)
        {
            auxiliary.DataReady = StartFrame;
        }

        Reset();
    }

    private byte CommandByte
    {
        get => _memory[0];
        set => _memory[0] = value;
    }

    /// <summary>Power-on, of the controller and of what is plugged in. The A20 gate is the board's to set.</summary>
    public void Reset()
    {
        Array.Clear(_memory);
        CommandByte = PowerOnCommandByte;
        _answers.Clear();
        _status = _data = _argumentOf = 0;
        _outputPort = OutputNotReset | OutputIdle;
        _breakPrefix = false;
        _frame.Cancel();
        _keyboard.Reset();
        _auxiliary?.Reset();
        UpdateLines();
    }

    /// <inheritdoc/>
    public uint ReadPort(uint offset, int width) => (offset & StatusOffset) != 0 ? Status() : ReadData();

    /// <inheritdoc/>
    public void WritePort(uint offset, int width, uint value)
    {
        byte data = (byte)value;
        if ((offset & StatusOffset) != 0)
        {
            _status |= LastWasCommand;
            Execute(data);
        }
        else
        {
            _status &= unchecked((byte)~LastWasCommand);
            byte command = _argumentOf;
            _argumentOf = 0;
            TakeData(command, data);
        }

        UpdateLines();
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        state.Bytes(_memory);
        (byte Value, byte Status)[] answers = [.. _answers];
        int count = state.Count(answers.Length, AnswerLimit);
        _answers.Clear();
        for (int n = 0; n < count; n++)
        {
            (byte value, byte status) = state.IsRestoring ? default : answers[n];
            state.Value(ref value);
            state.Value(ref status);
            _answers.Enqueue((value, status));
        }

        state.Value(ref _data);
        state.Value(ref _status);
        state.Value(ref _outputPort);
        state.Value(ref _argumentOf);
        state.Value(ref _breakPrefix);
    }

    /// <summary>The registers, for a look: the output buffer stays as it is.</summary>
    public KeyboardControllerState State => new(Status(), _data, CommandByte, OutputPort(), _answers.Count);

    private byte Status() => (byte)(_status | NotLocked | (CommandByte & SystemFlag));

    // The data register keeps its last byte: reading an empty buffer gives it again.
    private byte ReadData()
    {
        byte data = _data;
        _status &= unchecked((byte)~(OutputFull | AuxiliaryFull | TimeOut));
        UpdateLines();
        if (_answers.TryDequeue(out (byte Value, byte Status) answer))
        {
            Fill(answer.Value, answer.Status);
        }
        else
        {
            StartFrame();
        }

        return data;
    }

    private void Execute(byte command)
    {
        _argumentOf = 0;
        switch (command)
        {
            case >= 0x20 and <= 0x3F:
                Answer(_memory[command & 0x1F]);
                break;
            case >= 0x60 and <= 0x7F:
            case 0xD1 or 0xD2 or 0xD3 or 0xD4:
                _argumentOf = command;
                break;
            case 0xA4:
                Answer(0xF1); // no password is installed
                break;
            case 0xA7:
                CommandByte |= AuxiliaryDisabled;
                break;
            case 0xA8:
                CommandByte &= unchecked((byte)~AuxiliaryDisabled);
                StartFrame();
                break;
            case 0xA9 or 0xAB:
                Answer(0x00); // the clock and data lines are not stuck
                break;
            case 0xAA:
                SelfTest();
                break;
            case 0xAD:
                CommandByte |= KeyboardDisabled;
                break;
            case 0xAE:
                CommandByte &= unchecked((byte)~KeyboardDisabled);
                StartFrame();
                break;
            case 0xC0:
                Answer(0x80); // input port: the keyboard is not locked
                break;
            case 0xD0:
                Answer(OutputPort());
                break;
            case 0xDD or 0xDF:
                _a20.Set(command == 0xDF);
                break;
            case 0xE0:
                Answer((byte)((CommandByte & KeyboardDisabled) != 0 ? 0 : 1)); // test inputs: T0 is the keyboard clock
                break;
            case >= 0xF0 when (command & OutputNotReset) == 0:
                _reset(); // the low four bits say which output lines pulse low; bit 0 is the reset line
                break;
            default: // the firmware ignores what it does not know
                break;
        }
    }

    private void SelfTest()
    {
        CommandByte |= SystemFlag | KeyboardDisabled | AuxiliaryDisabled;
        _answers.Clear();
        _status = LastWasCommand;
        _frame.Cancel();
        Answer(0x55);
    }

    private void TakeData(byte command, byte data)
    {
        switch (command)
        {
            case 0:
                // Sending to the keyboard drives its clock again.
                CommandByte &= unchecked((byte)~KeyboardDisabled);
                _keyboard.Receive(data);
                break;
            case 0xD1:
                WriteOutputPort(data);
                break;
            case 0xD2:
                Answer(data);
                break;
            case 0xD3:
                Answer(data, AuxiliaryFull);
                break;
            case 0xD4 when _auxiliary is null:
                Answer(0xFE, AuxiliaryFull | TimeOut);
                break;
            case 0xD4:
                CommandByte &= unchecked((byte)~AuxiliaryDisabled);
                _auxiliary.Receive(data);
                break;
            default:
                _memory[command & 0x1F] = data;
                StartFrame();
                break;
        }
    }

    private byte OutputPort() => (byte)((_outputPort & ~OutputA20)
        | (_a20.Enabled ? OutputA20 : 0)
        | ((_status & (OutputFull | AuxiliaryFull)) == OutputFull ? 0x10 : 0)
        | ((_status & AuxiliaryFull) != 0 ? 0x20 : 0));

    private void WriteOutputPort(byte value)
    {
        _outputPort = (byte)((value & OutputIdle) | OutputNotReset);
        _a20.Set((value & OutputA20) != 0);
        if ((value & OutputNotReset) == 0)
        {
            _reset();
        }
    }

    private void Answer(byte value, byte status = 0)
    {
        if ((_status & OutputFull) == 0)
        {
            Fill(value, status);
        }
        else if (_answers.Count < AnswerLimit)
        {
            _answers.Enqueue((value, status));
        }
    }

    private void Fill(byte value, byte status)
    {
        _data = value;
        _status = (byte)((_status & LastWasCommand) | OutputFull | status);
        UpdateLines();
    }

    private void UpdateLines()
    {
        int full = _status & (OutputFull | AuxiliaryFull);
        _keyboardLine.SetLevel(full == OutputFull && (CommandByte & KeyboardInterrupt) != 0);
        _auxiliaryLine.SetLevel(full == (OutputFull | AuxiliaryFull) && (CommandByte & AuxiliaryInterrupt) != 0);
    }

    private bool KeyboardReady => (CommandByte & KeyboardDisabled) == 0 && _keyboard.HasData;

    private bool AuxiliaryReady => (CommandByte & AuxiliaryDisabled) == 0 && _auxiliary is { HasData: true };

    private void StartFrame()
    {
        if ((_status & OutputFull) == 0 && _frame.Deadline == ulong.MaxValue && (KeyboardReady || AuxiliaryReady))
        {
            _frame.Arm(_clock.Now + Math.Max(1, (ulong)((UInt128)_clock.Frequency * FrameMicroseconds / 1_000_000)));
        }
    }

    private void FrameEnds()
    {
        if ((_status & OutputFull) != 0)
        {
            return;
        }

        if (KeyboardReady)
        {
            byte value = _keyboard.Send();
            if ((CommandByte & Translate) == 0)
            {
                Fill(value, 0);
            }
            else if (value == Ps2ScanCodes.BreakPrefix)
            {
                _breakPrefix = true;
                StartFrame();
            }
            else
            {
                Fill((byte)(Ps2ScanCodes.Translate(value) | (_breakPrefix ? 0x80 : 0)), 0);
                _breakPrefix = false;
            }
        }
        else if (AuxiliaryReady)
        {
            Fill(_auxiliary!.Send(), AuxiliaryFull);
        }
    }
}
