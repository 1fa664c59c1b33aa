using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.State;
using ToyVmm.Hardware.Time;

namespace ToyVmm.Hardware.Interrupts;

/// <summary>
/// The local APIC of a single P6 processor (SDM 3A, chapter 11): it takes interrupts from its two local pins, its timer, the I/O
/// APIC and itself, and offers the CPU the one of highest priority.
/// </summary>
/// <remarks>
/// LINT0 carries the 8259A's INTR, LINT1 the NMI. After reset both are wired through (virtual wire mode, MP 1.4 3.6.2.2), as a
/// BIOS leaves them, and while the APIC is disabled they bypass it. Registers take whole aligned doublewords: narrower stores are lost
/// (SDM 3A 11.4.1 leaves them undefined).
/// </remarks>
public sealed class LocalApic : IMmioDevice, ISavedState
{
    /// <summary>Where it lies after reset.</summary>
    public const uint DefaultAddress = 0xFEE0_0000;

    /// <summary>Bytes of its registers.</summary>
    public const uint Size = 0x1000;

    private const uint Version = 0x0004_0014;           // integrated APIC, LVT entries 0-4
    private const uint Masked = 1u << 16;
    private const uint Periodic = 1u << 17;             // LVT timer
    private const uint LevelTriggered = 1u << 15;       // LVT LINT0 and LINT1, ICR
    private const uint RemoteIrr = 1u << 14;            // LVT LINT0 and LINT1
    private const uint Assert = 1u << 14;               // ICR
    private const uint Logical = 1u << 11;              // ICR: destination mode
    private const uint SoftwareEnable = 1u << 8;        // SVR
    private const uint SendAcceptError = 1u << 2;       // ESR (P6)
    private const uint SendIllegalVector = 1u << 5;     // ESR
    private const uint ReceiveIllegalVector = 1u << 6;  // ESR
    private const uint IllegalRegister = 1u << 7;       // ESR
    private const int LowestLegalVector = 16;
    private const byte Broadcast = 0xFF;

    private readonly Pin[] _pins = [new(), new()];
    private readonly VectorBitmap _requests = new();
    private readonly VectorBitmap _inService = new();
    private readonly VectorBitmap _levelTriggered = new();
    private readonly LocalApicTimer _timer;
    private readonly Action _initialize;
    private readonly CallbackLine _lint0;
    private uint _id;
    private uint _taskPriority;
    private uint _logicalDestination;
    private uint _destinationFormat;
    private uint _spurious;
    private uint _commandLow;
    private uint _commandHigh;
    private uint _lvtTimer;
    private uint _lvtCounter;
    private uint _lvtError;
    private uint _errors;               // since the last write of ESR
    private uint _errorStatus;          // ESR as software reads it

    /// <summary>Makes the APIC in its reset state, identifier 0.</summary>
    /// <param name="clock">Where time comes from.</param>
    /// <param name="initialize">The CPU's INIT, when the APIC is sent one.</param>
    public LocalApic(VirtualClock clock, Action initialize)
    {
        _initialize = initialize;
        _timer = new LocalApicTimer(clock, () => Deliver(_lvtTimer));
        _lint0 = new CallbackLine(high => PinChanged(_pins[0], high));
        Reset();
    }

    /// <summary>Told of the end of a level-triggered interrupt: the EOI message on the APIC bus, with the vector.</summary>
    public Action<byte>? LevelInterruptEnded { get; set; }

    /// <summary>Told when messages that were not accepted may be accepted now: the APIC was enabled, or its identifiers were written.</summary>
    public Action? AddressingChanged { get; set; }

    /// <summary>The pin of the 8259A's INTR.</summary>
    public IInterruptLine Lint0 => _lint0;

    /// <summary>False while IA32_APIC_BASE switches the whole APIC off.</summary>
    public bool Present { get; private set; } = true;

    /// <summary>True when the INTR of the 8259A reaches the CPU: the APIC is off, or LINT0 is in the mode ExtINT.</summary>
    public bool PassesExternalInterrupts => !IsEnabled || (_pins[0].Entry & (Masked | 0x700)) == 0x700;

    /// <summary>True when an NMI at LINT1 reaches the CPU.</summary>
    public bool PassesNmi => !IsEnabled || (_pins[1].Entry & (Masked | 0x700)) == 0x400;

    /// <summary>True when the APIC has an interrupt above the processor priority.</summary>
    public bool InterruptRequested => Present && _requests.Highest >> 4 > (int)(ProcessorPriority >> 4);

    /// <summary>True when an NMI message has arrived.</summary>
    public bool NmiRequested { get; private set; }

    /// <summary>True when interrupt messages are accepted: enabled by software too.</summary>
    public bool IsEnabled => Present && (_spurious & SoftwareEnable) != 0;

    // SDM 3A 11.8.3.1.
    private uint ProcessorPriority
    {
        get
        {
            uint serving = (uint)Math.Max(_inService.Highest, 0) & 0xF0;
            return (_taskPriority & 0xF0) >= serving ? _taskPriority : serving;
        }
    }

    /// <summary>The state after RESET, with the local pins as a BIOS sets them.</summary>
    public void Reset()
    {
        _id = _taskPriority = _logicalDestination = 0;
        _destinationFormat = 0xFFFF_FFFF;
        _spurious = 0xFF;
        _commandLow = _commandHigh = _errors = _errorStatus = 0;
        _lvtTimer = _lvtCounter = _lvtError = Masked;
        _pins[0].Entry = 0x700;     // ExtINT
        _pins[1].Entry = 0x400;     // NMI
        _requests.Clear();
        _inService.Clear();
        _levelTriggered.Clear();
        NmiRequested = false;
        _timer.Reset();
    }

    /// <summary>IA32_APIC_BASE bit 11 changes. An APIC that is switched off forgets its state (SDM 3A 11.4.3).</summary>
    public void SetPresent(bool present)
    {
        if (present != Present)
        {
            Present = present;
            Reset();
        }
    }

    /// <summary>The CPU acknowledges an interrupt.</summary>
    /// <returns>The vector; the spurious one when the priority has risen meanwhile (SDM 3A 11.9).</returns>
    public byte Acknowledge()
    {
        if (!InterruptRequested)
        {
            return (byte)_spurious;
        }

        int vector = _requests.Highest;
        _requests[vector] = false;
        _inService[vector] = true;
        WatchTimer();
        return (byte)vector;
    }

    /// <summary>The CPU takes the NMI.</summary>
    /// <returns>False when none was there.</returns>
    public bool TakeNmi()
    {
        bool taken = NmiRequested;
        NmiRequested = false;
        return taken;
    }

    /// <summary>True when a message with this destination is for this APIC (SDM 3A 11.6.2).</summary>
    /// <param name="destination">An APIC identifier, or a set of logical ones.</param>
    /// <param name="logical">The destination mode.</param>
    public bool IsAddressedBy(byte destination, bool logical)
    {
        if (!logical)
        {
            return destination == Broadcast || destination == (byte)(_id >> 24);
        }

        byte logicalId = (byte)(_logicalDestination >> 24);
        return (_destinationFormat >> 28) switch
        {
            0xF => (logicalId & destination) != 0,                                                      // flat
            0x0 => (logicalId >> 4 == destination >> 4 || destination >> 4 == 0xF) && (logicalId & destination & 0xF) != 0, // cluster
            _ => false,
        };
    }

    /// <summary>A message from the APIC bus that is addressed to this APIC.</summary>
    /// <param name="mode">What it asks for.</param>
    /// <param name="vector">Which interrupt.</param>
    /// <param name="levelTriggered">True when its end must be reported.</param>
    public void Receive(ApicDeliveryMode mode, byte vector, bool levelTriggered)
    {
        if (!Present)
        {
            return;
        }

        switch (mode)
        {
            case ApicDeliveryMode.Fixed or ApicDeliveryMode.LowestPriority:
                Request(vector, levelTriggered);
                break;
            case ApicDeliveryMode.Nmi:
                NmiRequested = true;
                break;
            case ApicDeliveryMode.Initialize:
                _initialize();
                break;
            default: // no SMM here; STARTUP finds a CPU that runs; ExtINT is the 8259A's affair
                break;
        }
    }

    /// <inheritdoc/>
    public ulong Read(uint offset, int width)
    {
        if ((offset & 0xC) != 0)
        {
            return 0;
        }

        return ReadRegister(offset >> 4) >> (8 * (int)(offset & 3));
    }

    /// <inheritdoc/>
    public void Write(uint offset, int width, ulong value)
    {
        if (width >= 4 && (offset & 0xF) == 0)
        {
            WriteRegister(offset >> 4, (uint)value);
            WatchTimer();
            if (offset >> 4 is 0x02 or 0x0D or 0x0E or 0x0F)
            {
                AddressingChanged?.Invoke();
            }
        }
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        foreach (Pin pin in _pins)
        {
            pin.Entry = state.Pass(pin.Entry);
            pin.High = state.Pass(pin.High);
        }

        _lint0.Transfer(state);
        _requests.Transfer(state);
        _inService.Transfer(state);
        _levelTriggered.Transfer(state);
        _timer.Transfer(state);
        state.Value(ref _id);
        state.Value(ref _taskPriority);
        state.Value(ref _logicalDestination);
        state.Value(ref _destinationFormat);
        state.Value(ref _spurious);
        state.Value(ref _commandLow);
        state.Value(ref _commandHigh);
        state.Value(ref _lvtTimer);
        state.Value(ref _lvtCounter);
        state.Value(ref _lvtError);
        state.Value(ref _errors);
        state.Value(ref _errorStatus);
        Present = state.Pass(Present);
        NmiRequested = state.Pass(NmiRequested);
    }

    // The registers of SDM 3A table 11-1, by address bits 11-4.
    private uint ReadRegister(uint register)
    {
        switch (register)
        {
            case 0x02: return _id;
            case 0x03: return Version;
            case 0x08: return _taskPriority;
            case 0x09: return 0;                    // APR: all sixteen-vector classes wait for nobody here
            case 0x0A: return ProcessorPriority;
            case 0x0B: return 0;                    // EOI is write-only
            case 0x0D: return _logicalDestination;
            case 0x0E: return _destinationFormat;
            case 0x0F: return _spurious;
            case >= 0x10 and <= 0x17: return _inService.Word((int)register - 0x10);
            case >= 0x18 and <= 0x1F: return _levelTriggered.Word((int)register - 0x18);
            case >= 0x20 and <= 0x27: return _requests.Word((int)register - 0x20);
            case 0x28: return _errorStatus;
            case 0x30: return _commandLow;
            case 0x31: return _commandHigh;
            case 0x32: return _lvtTimer;
            case 0x34: return _lvtCounter;
            case 0x35: return _pins[0].Entry;
            case 0x36: return _pins[1].Entry;
            case 0x37: return _lvtError;
            case 0x38: return _timer.InitialCount;
            case 0x39: return _timer.CurrentCount;
            case 0x3E: return _timer.DivideConfiguration;
            default:
                Report(IllegalRegister);
                return 0;
        }
    }

    private void WriteRegister(uint register, uint value)
    {
        switch (register)
        {
            case 0x02: _id = value & 0x0F00_0000; break;
            case 0x08: _taskPriority = value & 0xFF; break;
            case 0x0B: EndOfInterrupt(); break;
            case 0x0D: _logicalDestination = value & 0xFF00_0000; break;
            case 0x0E: _destinationFormat = value | 0x0FFF_FFFF; break;
            case 0x0F: WriteSpurious(value & 0x3FF); break;
            case 0x28:
                _errorStatus = _errors;
                _errors = 0;
                break;
            case 0x30:
                _commandLow = value & 0x000C_CFFF;
                SendCommand();
                break;
            case 0x31: _commandHigh = value & 0xFF00_0000; break;
            case 0x32:
                _lvtTimer = Entry(value, 0x3_00FF);
                _timer.SetPeriodic((_lvtTimer & Periodic) != 0);
                break;
            case 0x34: _lvtCounter = Entry(value, 0x1_07FF); break;
            case 0x35: WritePin(_pins[0], value); break;
            case 0x36: WritePin(_pins[1], value); break;
            case 0x37: _lvtError = Entry(value, 0x1_00FF); break;
            case 0x38: _timer.Start(value); break;
            case 0x3E: _timer.SetDivisor(value); break;
            case 0x03 or 0x09 or 0x0A or 0x39 or (>= 0x10 and <= 0x27): // read-only
                break;
            default:
                Report(IllegalRegister);
                break;
        }
    }

    // While the APIC is disabled by software every entry is masked and stays so (SDM 3A 11.4.7.2).
    private uint Entry(uint value, uint writable) => (value & writable) | (IsEnabled ? 0 : Masked);

    private void WriteSpurious(uint value)
    {
        _spurious = value;
        if ((value & SoftwareEnable) == 0)
        {
            _lvtTimer |= Masked;
            _lvtCounter |= Masked;
            _lvtError |= Masked;
            _pins[0].Entry |= Masked;
            _pins[1].Entry |= Masked;
        }
    }

    private void WritePin(Pin pin, uint value)
    {
        uint remoteIrr = (value & LevelTriggered) != 0 ? pin.Entry & RemoteIrr : 0;
        pin.Entry = Entry(value, 0x1_A7FF) | remoteIrr;
        OfferLevel(pin);
    }

    // NMI, SMI, ExtINT and INIT at a pin are edges; ExtINT is a level that the run loop looks at.
    private void PinChanged(Pin pin, bool high)
    {
        pin.High = high;
        bool fixedLevel = (pin.Entry & (LevelTriggered | 0x700)) == LevelTriggered;
        if (fixedLevel)
        {
            OfferLevel(pin);
        }
        else if (high && IsEnabled && (pin.Entry & (Masked | 0x700)) != 0x700)
        {
            Deliver(pin.Entry);
        }
    }

    private void OfferLevel(Pin pin)
    {
        // Unmasked, level-triggered, fixed, and not yet sent.
        if (pin.High && IsEnabled && (pin.Entry & (Masked | LevelTriggered | RemoteIrr | 0x700)) == LevelTriggered)
        {
            pin.Entry |= RemoteIrr;
            Request((byte)pin.Entry, levelTriggered: true);
        }
    }

    // An interrupt of the local vector table.
    private void Deliver(uint entry)
    {
        if ((entry & Masked) == 0)
        {
            Receive((ApicDeliveryMode)((entry >> 8) & 7), (byte)entry, levelTriggered: false);
        }
    }

    private void Request(byte vector, bool levelTriggered)
    {
        if (!IsEnabled)
        {
            return;
        }

        if (vector < LowestLegalVector)
        {
            Report(ReceiveIllegalVector);
            return;
        }

        _requests[vector] = true;
        _levelTriggered[vector] = levelTriggered;
        WatchTimer();
    }

    private void WatchTimer() => _timer.Watch((_lvtTimer & Masked) == 0 && !((byte)_lvtTimer >= LowestLegalVector && _requests[(byte)_lvtTimer]));

    private void EndOfInterrupt()
    {
        int vector = _inService.Highest;
        if (vector < 0)
        {
            return;
        }

        _inService[vector] = false;
        if (!_levelTriggered[vector])
        {
            return;
        }

        foreach (Pin pin in _pins)
        {
            if ((pin.Entry & RemoteIrr) != 0 && (byte)pin.Entry == vector)
            {
                pin.Entry &= ~RemoteIrr;
                OfferLevel(pin);
            }
        }

        LevelInterruptEnded?.Invoke((byte)vector);
    }

    // SDM 3A 11.6.1. There is one processor: a message for others reaches nobody.
    private void SendCommand()
    {
        ApicDeliveryMode mode = (ApicDeliveryMode)((_commandLow >> 8) & 7);
        byte vector = (byte)_commandLow;
        bool forMe = ((_commandLow >> 18) & 3) switch
        {
            0 => IsAddressedBy((byte)(_commandHigh >> 24), (_commandLow & Logical) != 0),
            1 or 2 => true,
            _ => false,
        };
        bool interrupt = mode is ApicDeliveryMode.Fixed or ApicDeliveryMode.LowestPriority;
        if (interrupt && vector < LowestLegalVector)
        {
            Report(SendIllegalVector);
        }
        else if (mode == ApicDeliveryMode.Initialize && (_commandLow & (Assert | LevelTriggered)) == LevelTriggered)
        {
            // INIT level de-assert only sets arbitration identifiers.
        }
        else if (forMe)
        {
            Receive(mode, vector, levelTriggered: false);
        }
        else
        {
            Report(SendAcceptError);
        }
    }

    private void Report(uint error)
    {
        bool isNew = (_errors & error) == 0;
        _errors |= error;
        if (isNew && IsEnabled)
        {
            Deliver(_lvtError);
        }
    }

    private sealed class Pin
    {
        public uint Entry { get; set; }

        public bool High { get; set; }
    }
}
