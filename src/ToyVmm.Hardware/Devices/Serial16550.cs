using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.Interrupts;
using ToyVmm.Hardware.State;
using ToyVmm.Hardware.Time;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// A 16550A serial port, after the National Semiconductor PC16550D data sheet: all registers, FIFOs with trigger levels and
/// character time-out, interrupt priorities, loopback, modem status. Transmission is immediate, so the transmitter is always empty;
/// reception is as fast as the host delivers. Only the time-out interrupt uses the line's speed.
/// </summary>
public sealed class Serial16550 : IPortDevice, ISavedState
{
    /// <summary>Characters the receive FIFO holds.</summary>
    public const int FifoSize = 16;

    private const byte DataReady = 0x01;            // LSR
    private const byte OverrunError = 0x02;
    private const byte BreakInterrupt = 0x10;
    private const byte TransmitterEmpty = 0x60;     // THRE and TEMT
    private const byte FifoError = 0x80;
    private const byte LineErrors = 0x1E;
    private const byte ReceiveEnable = 0x01;        // IER: ERBFI
    private const byte TransmitEnable = 0x02;       // ETBEI
    private const byte LineEnable = 0x04;           // ELSI
    private const byte ModemEnable = 0x08;          // EDSSI
    private const byte DivisorLatch = 0x80;         // LCR: DLAB
    private const byte Loopback = 0x10;             // MCR
    private const byte InterruptGate = 0x08;        // MCR OUT2: PCs put the interrupt through it
    private const byte IirNone = 0x01;
    private const byte IirModem = 0x00;
    private const byte IirTransmit = 0x02;
    private const byte IirReceive = 0x04;
    private const byte IirLine = 0x06;
    private const byte IirTimeOut = 0x0C;
    private const ulong InputClock = 1_843_200;     // Hz

    private readonly VirtualClock _clock;
    private readonly IInterruptLine _interrupt;
    private readonly ClockTimer _timeOut;
    private readonly Queue<(byte Value, byte Errors)> _received = new(FifoSize);
    private byte _interruptEnable;
    private byte _lineControl;
    private byte _modemControl;
    private byte _lineErrors;       // OE, and the errors of the character at the head of the FIFO
    private byte _modemInputs;      // CTS DSR RI DCD at the pins, as MSR bits 4-7
    private byte _modemShown;       // the same as MSR shows them: the pins, or MCR in loopback
    private byte _modemDeltas;
    private byte _scratch;
    private byte _lastReceived;
    private ushort _divisor;
    private int _trigger;
    private bool _fifoEnabled;
    private bool _transmitPending;  // the "transmitter holding register empty" interrupt
    private bool _timeOutPending;

    /// <summary>Makes a port in its state after master reset.</summary>
    /// <param name="clock">What the character time-out is timed by.</param>
    /// <param name="interrupt">The wire of INTR, after the gate that OUT2 controls on a PC.</param>
    public Serial16550(VirtualClock clock, IInterruptLine interrupt)
    {
        ArgumentNullException.ThrowIfNull(clock);
        _clock = clock;
        _interrupt = interrupt;
        _timeOut = clock.CreateTimer("16550A time-out", TimeOut);
        Reset();
    }

    /// <summary>Takes what the guest sends; null for a cable with nothing at its end.</summary>
    public ISerialPeer? Peer { get; set; }

    /// <summary>Called when the guest has made room for another character: whoever holds input back goes on.</summary>
    public Action? RoomToReceive { get; set; }

    /// <summary>True when <see cref="Receive"/> will not lose a character.</summary>
    public bool CanReceive => (_modemControl & Loopback) == 0 && _received.Count < Capacity;

    /// <summary>Bits a second, from the divisor latch; divisor 0 counts as 65536.</summary>
    public double BaudRate => InputClock / 16.0 / Divisor;

    private int Capacity => _fifoEnabled ? FifoSize : 1;

    /// <summary>The registers, for a look: nothing is acknowledged.</summary>
    public SerialState State
    {
        get
        {
            bool queuedErrors = _fifoEnabled && _received.Any(character => character.Errors != 0);
            byte status = (byte)(TransmitterEmpty | _lineErrors | (_received.Count > 0 ? DataReady : 0) | (queuedErrors ? FifoError : 0));
            return new SerialState(
                _interruptEnable, (byte)(PendingInterrupt() | (_fifoEnabled ? 0xC0 : 0)), _lineControl, _modemControl, status, (byte)(_modemShown | _modemDeltas), _scratch, _divisor,
                _received.Count, _trigger);
        }
    }

    private uint Divisor => _divisor == 0 ? 0x1_0000u : _divisor;

    /// <summary>Master reset (data sheet table III). The divisor, the scratch register and the pins keep their values.</summary>
    public void Reset()
    {
        _interruptEnable = _lineControl = _modemControl = _lineErrors = _modemDeltas = 0;
        _modemInputs = _modemShown = 0xB0; // CTS, DSR and DCD asserted: somebody is there
        _received.Clear();
        _lastReceived = 0;
        _trigger = 1;
        _divisor = _divisor == 0 ? (ushort)12 : _divisor; // 9600 baud, as firmware leaves it
        _fifoEnabled = _transmitPending = _timeOutPending = false;
        _timeOut.Cancel();
        Update();
    }

    /// <summary>A character arrives from the cable.</summary>
    /// <returns>False when it was lost: the receiver was full (overrun), or disconnected by loopback.</returns>
    public bool Receive(byte value) => (_modemControl & Loopback) == 0 && Accept(value, 0);

    /// <summary>A break arrives: a zero character with the break flag.</summary>
    /// <returns>As <see cref="Receive"/>.</returns>
    public bool ReceiveBreak() => (_modemControl & Loopback) == 0 && Accept(0, BreakInterrupt);

    /// <summary>Drives the modem status pins (true is asserted).</summary>
    public void SetModemPins(bool clearToSend, bool dataSetReady, bool ringIndicator, bool carrierDetect)
    {
        _modemInputs = (byte)((clearToSend ? 0x10 : 0) | (dataSetReady ? 0x20 : 0) | (ringIndicator ? 0x40 : 0) | (carrierDetect ? 0x80 : 0));
        RefreshModemStatus();
        Update();
    }

    /// <inheritdoc/>
    public uint ReadPort(uint offset, int width)
    {
        byte value = ReadRegister(offset & 7);
        Update();
        return value;
    }

    /// <inheritdoc/>
    public void WritePort(uint offset, int width, uint value)
    {
        WriteRegister(offset & 7, (byte)value);
        Update();
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        (byte Value, byte Errors)[] received = [.. _received];
        int count = state.Count(received.Length, FifoSize);
        _received.Clear();
        for (int n = 0; n < count; n++)
        {
            (byte value, byte errors) = state.IsRestoring ? default : received[n];
            state.Value(ref value);
            state.Value(ref errors);
            _received.Enqueue((value, errors));
        }

        state.Value(ref _interruptEnable);
        state.Value(ref _lineControl);
        state.Value(ref _modemControl);
        state.Value(ref _lineErrors);
        state.Value(ref _modemInputs);
        state.Value(ref _modemShown);
        state.Value(ref _modemDeltas);
        state.Value(ref _scratch);
        state.Value(ref _lastReceived);
        state.Value(ref _divisor);
        state.Range(ref _trigger, 1, FifoSize);
        state.Value(ref _fifoEnabled);
        state.Value(ref _transmitPending);
        state.Value(ref _timeOutPending);
    }

    private byte ReadRegister(uint register)
    {
        switch (register)
        {
            case 0:
                return (_lineControl & DivisorLatch) != 0 ? (byte)_divisor : ReadReceiver();
            case 1:
                return (_lineControl & DivisorLatch) != 0 ? (byte)(_divisor >> 8) : _interruptEnable;
            case 2:
                byte source = PendingInterrupt();
                if (source == IirTransmit)
                {
                    _transmitPending = false; // reading IIR clears it, if it is the source
                }

                return (byte)(source | (_fifoEnabled ? 0xC0 : 0));
            case 3:
                return _lineControl;
            case 4:
                return _modemControl;
            case 5:
                return ReadLineStatus();
            case 6:
                byte status = (byte)(_modemShown | _modemDeltas);
                _modemDeltas = 0;
                return status;
            default:
                return _scratch;
        }
    }

    private void WriteRegister(uint register, byte value)
    {
        switch (register)
        {
            case 0 when (_lineControl & DivisorLatch) != 0:
                _divisor = (ushort)((_divisor & 0xFF00) | value);
                break;
            case 0:
                Transmit(value);
                break;
            case 1 when (_lineControl & DivisorLatch) != 0:
                _divisor = (ushort)((_divisor & 0x00FF) | (value << 8));
                break;
            case 1:
                // The transmitter is empty, so enabling its interrupt raises it.
                _transmitPending |= (value & ~_interruptEnable & TransmitEnable) != 0;
                _interruptEnable = (byte)(value & 0x0F);
                break;
            case 2:
                WriteFifoControl(value);
                break;
            case 3:
                WriteLineControl(value);
                break;
            case 4:
                _modemControl = (byte)(value & 0x1F);
                RefreshModemStatus();
                break;
            case 7:
                _scratch = value;
                break;
            default: // LSR and MSR are read-only in operation (data sheet 8.4: factory testing)
                break;
        }
    }

    private byte ReadReceiver()
    {
        _timeOutPending = false;
        if (_received.TryDequeue(out (byte Value, byte Errors) head))
        {
            _lastReceived = head.Value;
            ShowHeadErrors();
            RestartTimeOut();
            if ((_modemControl & Loopback) == 0)
            {
                RoomToReceive?.Invoke();
            }
        }

        return _lastReceived;
    }

    private byte ReadLineStatus()
    {
        byte status = State.LineStatus;
        _lineErrors = 0;
        return status;
    }

    private void Transmit(byte value)
    {
        // Writing the holding register clears the interrupt and, the transmitter being immediate, raises it again: INTR must show
        // both edges, or an edge-triggered 8259A misses the second.
        _transmitPending = false;
        Update();
        if ((_modemControl & Loopback) != 0)
        {
            _ = Accept(MaskToWordLength(value), 0);
        }
        else
        {
            Peer?.Transmit(MaskToWordLength(value));
        }

        _transmitPending = true;
    }

    private byte MaskToWordLength(byte value) => (byte)(value & (0xFF >> (3 - (_lineControl & 3))));

    private bool Accept(byte value, byte errors)
    {
        if (_received.Count >= Capacity)
        {
            _lineErrors |= OverrunError;
            if (!_fifoEnabled)
            {
                // Without FIFOs the new character replaces the unread one; with them it is lost in the shift register.
                _received.Clear();
                _received.Enqueue((value, errors));
            }

            Update();
            return false;
        }

        _received.Enqueue((value, errors));
        if (_received.Count == 1)
        {
            ShowHeadErrors();
        }

        _timeOutPending = false;
        RestartTimeOut();
        Update();
        return true;
    }

    // PE, FE and BI belong to a character and show when it reaches the top of the FIFO.
    private void ShowHeadErrors()
    {
        if (_received.TryPeek(out (byte Value, byte Errors) head) && head.Errors != 0)
        {
            _lineErrors |= head.Errors;
        }
    }

    private void WriteFifoControl(byte value)
    {
        bool enable = (value & 1) != 0;
        if (enable != _fifoEnabled || (value & 2) != 0)
        {
            _received.Clear(); // switching the FIFOs on or off clears them, so does bit 1
            _timeOutPending = false;
            _timeOut.Cancel();
        }

        _fifoEnabled = enable;
        _trigger = enable ? (value >> 6) switch { 0 => 1, 1 => 4, 2 => 8, _ => 14 } : 1;
    }

    private void WriteLineControl(byte value)
    {
        bool breakStarts = (value & ~_lineControl & 0x40) != 0;
        _lineControl = value;
        if (breakStarts && (_modemControl & Loopback) != 0)
        {
            _ = Accept(0, BreakInterrupt);
        }
    }

    // Loopback connects DTR to DSR, RTS to CTS, OUT1 to RI and OUT2 to DCD (data sheet 8.8).
    private void RefreshModemStatus()
    {
        int shown = _modemInputs;
        if ((_modemControl & Loopback) != 0)
        {
            shown = ((_modemControl & 1) << 5) | ((_modemControl & 2) << 3) | ((_modemControl & 4) << 4) | ((_modemControl & 8) << 4);
        }

        int changed = (shown ^ _modemShown) >> 4;
        int ringEnded = _modemShown & ~shown & 0x40;
        _modemDeltas |= (byte)((changed & 0x0B) | (ringEnded >> 4)); // RI reports its trailing edge only
        _modemShown = (byte)shown;
    }

    private byte PendingInterrupt()
    {
        if ((_interruptEnable & LineEnable) != 0 && (_lineErrors & LineErrors) != 0)
        {
            return IirLine;
        }

        if ((_interruptEnable & ReceiveEnable) != 0)
        {
            if (_received.Count >= _trigger)
            {
                return IirReceive;
            }

            if (_timeOutPending)
            {
                return IirTimeOut;
            }
        }

        if ((_interruptEnable & TransmitEnable) != 0 && _transmitPending)
        {
            return IirTransmit;
        }

        return (_interruptEnable & ModemEnable) != 0 && _modemDeltas != 0 ? IirModem : IirNone;
    }

    private void Update()
    {
        // In loopback OUT2 is cut off from its pin, which holds the interrupt gate shut.
        bool gateOpen = (_modemControl & (InterruptGate | Loopback)) == InterruptGate;
        _interrupt.SetLevel(gateOpen && PendingInterrupt() != IirNone);
    }

    // Four character times without a read or an arrival while characters wait (data sheet 8.4, "FIFO interrupt mode").
    private void RestartTimeOut()
    {
        if (!_fifoEnabled || _received.Count == 0)
        {
            _timeOut.Cancel();
            return;
        }

        int bits = 1 + 5 + (_lineControl & 3) + ((_lineControl & 8) != 0 ? 1 : 0) + ((_lineControl & 4) != 0 ? 2 : 1);
        UInt128 periods = (UInt128)(uint)(4 * bits) * Divisor * 16;
        _timeOut.Arm(_clock.Now + Math.Max(1, (ulong)(periods * _clock.Frequency / InputClock)));
    }

    private void TimeOut()
    {
        _timeOutPending = _received.Count > 0;
        Update();
    }
}
