using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Interrupts;

/// <summary>
/// One 8259A interrupt controller: eight request inputs, an INT output, a two-byte register file. Written after the 8259A data
/// sheet: initialization words ICW1-ICW4, operation words OCW1-OCW3, and the edge/level register that PC chipsets added.
/// </summary>
/// <remarks>
/// A request is remembered only while its input stays high, in edge mode too: an input that falls before the acknowledge gives the
/// default level 7 without an in-service bit ("spurious"). Before the first ICW1 the chip is silent.
/// </remarks>
public sealed class Pic8259 : IPortDevice, ISavedState
{
    private const byte Icw1Select = 0x10;       // ICW1 D4: distinguishes it from OCW2 and OCW3
    private const byte Icw1LevelTriggered = 8;  // ICW1 D3 LTIM
    private const byte Icw1Interval4 = 4;       // ICW1 D2 ADI: MCS-80 call interval
    private const byte Icw1Single = 2;          // ICW1 D1 SNGL: no ICW3 follows
    private const byte Icw1NeedsIcw4 = 1;       // ICW1 D0 IC4
    private const byte Icw4Nested = 0x10;       // ICW4 D4 SFNM
    private const byte Icw4AutomaticEoi = 2;    // ICW4 D1 AEOI
    private const byte Icw4Mode8086 = 1;        // ICW4 D0 uPM
    private const byte Ocw3Select = 8;          // D3: OCW3, not OCW2

    private readonly IInterruptLine _output;
    private readonly CallbackLine[] _inputs = new CallbackLine[8];
    private byte _levels;           // the inputs as they are now
    private byte _icw1;
    private byte _icw2;             // T7-T3: the vector's upper bits
    private byte _icw3;             // master: which inputs are slaves; slave: its identity
    private byte _icw4;
    private int _nextIcw;           // the initialization word that port 1 expects; 0 when initialized
    private bool _initialized;      // false from power-on to the end of the first ICW sequence
    private int _lowestPriority;    // the input at the bottom of the rotating priorities
    private bool _rotateOnAutomaticEoi;
    private bool _specialMask;
    private bool _poll;             // the next read is a poll
    private bool _readInService;    // port 0 reads ISR, not IRR

    /// <summary>Makes a chip in its power-on state.</summary>
    /// <param name="output">The INT pin.</param>
    public Pic8259(IInterruptLine output)
    {
        _output = output;
        for (int input = 0; input < 8; input++)
        {
            int captured = input;
            _inputs[input] = new CallbackLine(high => SetInput(captured, high));
        }

        Reset();
    }

    /// <summary>The interrupt request register IRR.</summary>
    public byte Requests { get; private set; }

    /// <summary>The in-service register ISR.</summary>
    public byte InService { get; private set; }

    /// <summary>The interrupt mask register IMR.</summary>
    public byte Mask { get; private set; }

    /// <summary>The vector of input 0 (ICW2 with its low three bits zero).</summary>
    public byte VectorBase => (byte)(_icw2 & 0xF8);

    /// <summary>The inputs that are level-triggered by the chipset's ELCR, a bit each.</summary>
    public byte EdgeLevelControl { get; private set; }

    /// <summary>The inputs that ICW3 declares as slaves; none when the chip is alone (SNGL).</summary>
    public byte SlaveInputs => (_icw1 & Icw1Single) != 0 ? (byte)0 : _icw3;

    private byte LevelTriggered => (_icw1 & Icw1LevelTriggered) != 0 ? (byte)0xFF : EdgeLevelControl;

    /// <summary>The wire into a request input.</summary>
    /// <param name="input">IR0 to IR7.</param>
    public IInterruptLine Line(int input) => _inputs[input];

    /// <summary>Back to the power-on state: silent until ICW1. The inputs keep their levels.</summary>
    public void Reset()
    {
        _icw1 = _icw2 = _icw3 = _icw4 = 0;
        _nextIcw = 0;
        _initialized = false;
        EdgeLevelControl = 0;
        Requests = InService = Mask = 0;
        ResetOperation();
        Update();
    }

    /// <summary>Sets the chipset's ELCR: a set bit makes that input level-triggered.</summary>
    public void SetEdgeLevelControl(byte value)
    {
        EdgeLevelControl = value;
        Requests = (byte)((Requests & ~value) | (_levels & value));
        Update();
    }

    /// <summary>The interrupt acknowledge sequence (two INTA pulses).</summary>
    /// <param name="input">The input that was acknowledged; 7 when the request had gone.</param>
    /// <returns>The byte that the chip puts on the data bus.</returns>
    /// <remarks>In MCS-80 mode (uPM = 0) the second INTA carries the low byte of a CALL address, and that is what an x86 would read.</remarks>
    public byte Acknowledge(out int input)
    {
        input = HighestRequest();
        if (input < 0)
        {
            input = 7;
            return VectorOf(7);
        }

        byte vector = VectorOf(input);
        Accept(input);
        return vector;
    }

    /// <inheritdoc/>
    public uint ReadPort(uint offset, int width)
    {
        if (_poll)
        {
            return Poll();
        }

        if ((offset & 1) != 0)
        {
            return Mask;
        }

        return _readInService ? InService : Requests;
    }

    /// <inheritdoc/>
    public void WritePort(uint offset, int width, uint value)
    {
        byte data = (byte)value;
        if ((offset & 1) != 0)
        {
            WriteDataPort(data);
        }
        else if ((data & Icw1Select) != 0)
        {
            BeginInitialization(data);
        }
        else if ((data & Ocw3Select) != 0)
        {
            WriteOcw3(data);
        }
        else
        {
            WriteOcw2(data);
        }

        Update();
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        foreach (CallbackLine input in _inputs)
        {
            input.Transfer(state);
        }

        Requests = state.Pass(Requests);
        InService = state.Pass(InService);
        Mask = state.Pass(Mask);
        EdgeLevelControl = state.Pass(EdgeLevelControl);
        state.Value(ref _levels);
        state.Value(ref _icw1);
        state.Value(ref _icw2);
        state.Value(ref _icw3);
        state.Value(ref _icw4);
        state.Range(ref _nextIcw, 0, 4);
        state.Value(ref _initialized);
        state.Range(ref _lowestPriority, 0, 7);
        state.Value(ref _rotateOnAutomaticEoi);
        state.Value(ref _specialMask);
        state.Value(ref _poll);
        state.Value(ref _readInService);
    }

    private void SetInput(int input, bool high)
    {
        byte bit = (byte)(1 << input);
        if (high)
        {
            _levels |= bit;
            Requests |= bit;
        }
        else
        {
            _levels &= (byte)~bit;
            Requests &= (byte)~bit;
        }

        Update();
    }

    // 8259A data sheet, "Initialization Command Words 1 and 2", points a to f. ISR is cleared too, as every PC relies on.
    private void BeginInitialization(byte icw1)
    {
        _icw1 = icw1;
        Mask = 0;
        InService = 0;
        Requests = (byte)(_levels & LevelTriggered);
        ResetOperation();
        _icw3 = 0;
        if ((icw1 & Icw1NeedsIcw4) == 0)
        {
            _icw4 = 0;
        }

        _nextIcw = 2;
        _initialized = false;
    }

    private void ResetOperation()
    {
        _lowestPriority = 7;
        _specialMask = false;
        _readInService = false;
        _poll = false;
        _rotateOnAutomaticEoi = false;
    }

    private void WriteDataPort(byte data)
    {
        switch (_nextIcw)
        {
            case 2:
                _icw2 = data;
                _nextIcw = (_icw1 & Icw1Single) == 0 ? 3 : NextAfterIcw3();
                break;
            case 3:
                _icw3 = data;
                _nextIcw = NextAfterIcw3();
                break;
            case 4:
                _icw4 = data;
                _nextIcw = 0;
                break;
            default:
                Mask = data;
                return;
        }

        _initialized = _nextIcw == 0;
    }

    private int NextAfterIcw3() => (_icw1 & Icw1NeedsIcw4) != 0 ? 4 : 0;

    // OCW2: R, SL, EOI in D7-D5, the level in D2-D0.
    private void WriteOcw2(byte data)
    {
        int level = data & 7;
        switch (data >> 5)
        {
            case 0b000:
                _rotateOnAutomaticEoi = false;
                break;
            case 0b100:
                _rotateOnAutomaticEoi = true;
                break;
            case 0b001:
                EndHighestInService(rotate: false);
                break;
            case 0b101:
                EndHighestInService(rotate: true);
                break;
            case 0b011:
                InService &= (byte)~(1 << level);
                break;
            case 0b111:
                InService &= (byte)~(1 << level);
                _lowestPriority = level;
                break;
            case 0b110:
                _lowestPriority = level;
                break;
            default: // 0b010: no operation
                break;
        }
    }

    private void WriteOcw3(byte data)
    {
        if ((data & 0x40) != 0) // ESMM enables SMM
        {
            _specialMask = (data & 0x20) != 0;
        }

        _poll = (data & 4) != 0;
        if (!_poll && (data & 2) != 0) // RR enables RIS; P overrides RR
        {
            _readInService = (data & 1) != 0;
        }
    }

    // In special mask mode a masked in-service bit is not touched (8259A data sheet, "End of Interrupt").
    private void EndHighestInService(bool rotate)
    {
        int level = HighestOf((byte)(_specialMask ? InService & ~Mask : InService));
        if (level >= 0)
        {
            InService &= (byte)~(1 << level);
            if (rotate)
            {
                _lowestPriority = level;
            }
        }
    }

    // "Poll Command": the read is the acknowledge; D7 says whether there was a request, D2-D0 which.
    private byte Poll()
    {
        _poll = false;
        int input = HighestRequest();
        if (input < 0)
        {
            return 0;
        }

        Accept(input);
        return (byte)(0x80 | input);
    }

    private void Accept(int input)
    {
        byte bit = (byte)(1 << input);
        if ((LevelTriggered & bit) == 0)
        {
            Requests &= (byte)~bit;
        }

        if ((_icw4 & Icw4AutomaticEoi) == 0)
        {
            InService |= bit;
        }
        else if (_rotateOnAutomaticEoi)
        {
            _lowestPriority = input;
        }

        // INT falls with the acknowledge even when the next request waits, so that a master sees a new edge.
        _output.SetLevel(false);
        Update();
    }

    private byte VectorOf(int input)
    {
        if ((_icw4 & Icw4Mode8086) != 0)
        {
            return (byte)(VectorBase | input);
        }

        return (_icw1 & Icw1Interval4) != 0 ? (byte)((_icw1 & 0xE0) | (input << 2)) : (byte)((_icw1 & 0xC0) | (input << 3));
    }

    private void Update() => _output.SetLevel(HighestRequest() >= 0);

    // The request that would be acknowledged now, or -1: unmasked, and above everything in service ("Fully Nested Mode").
    private int HighestRequest()
    {
        int input = _initialized ? HighestOf((byte)(Requests & ~Mask)) : -1;
        if (input < 0)
        {
            return -1;
        }

        // Special mask mode: a masked level in service holds nobody back.
        int serving = HighestOf((byte)(_specialMask ? InService & ~Mask : InService));
        if (serving < 0 || RankOf(input) < RankOf(serving))
        {
            return input;
        }

        // "Special Fully Nested Mode": a slave in service may interrupt again, its own priorities decide.
        bool slaveAgain = input == serving && (_icw4 & Icw4Nested) != 0 && (SlaveInputs & (1 << input)) != 0;
        return slaveAgain ? input : -1;
    }

    private int RankOf(int input) => (input - _lowestPriority - 1) & 7;

    private int HighestOf(byte bits)
    {
        for (int rank = 0; rank < 8; rank++)
        {
            int input = (_lowestPriority + 1 + rank) & 7;
            if ((bits & (1 << input)) != 0)
            {
                return input;
            }
        }

        return -1;
    }
}
