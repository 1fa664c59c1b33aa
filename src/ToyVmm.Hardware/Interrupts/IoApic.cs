using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Interrupts;

/// <summary>
/// The 82093AA I/O APIC: 24 pins, and for each an entry that says as which message it goes to which local APIC. Two registers
/// lie on the bus, the index IOREGSEL at offset 0 and the window IOWIN at 0x10.
/// </summary>
/// <remarks>A level-triggered pin sends once and then waits for the end-of-interrupt message (remote IRR); while it is high then, it sends again.</remarks>
public sealed class IoApic : IMmioDevice, ISavedState
{
    /// <summary>Where it lies.</summary>
    public const uint DefaultAddress = 0xFEC0_0000;

    /// <summary>Bytes of its registers.</summary>
    public const uint Size = 0x1000;

    /// <summary>Interrupt inputs.</summary>
    public const int PinCount = 24;

    private const uint SelectRegister = 0x00;
    private const uint WindowRegister = 0x10;
    private const uint Version = ((PinCount - 1) << 16) | 0x11;     // the last entry, version 1.1
    private const uint BiosIdentifier = 1 << 24;                    // RESET gives 0, which the local APIC has: a BIOS makes it 1
    private const int FirstEntry = 0x10;
    private const ulong Masked = 1 << 16;
    private const ulong LevelTriggered = 1 << 15;
    private const ulong RemoteIrr = 1 << 14;                        // read-only
    private const ulong Logical = 1 << 11;
    private const ulong DeliveryMode = 7 << 8;
    private const ulong External = 7 << 8;
    private const ulong Writable = 0xFF00_0000_0001_AFFF;           // all but delivery status, remote IRR and the reserved bits

    private readonly LocalApic _localApic;
    private readonly ulong[] _entries = new ulong[PinCount];
    private readonly bool[] _high = new bool[PinCount];
    private readonly bool[] _pending = new bool[PinCount];          // an edge that was seen while nobody could take it
    private readonly CallbackLine[] _lines = new CallbackLine[PinCount];
    private uint _id;
    private uint _arbitration;
    private byte _select;

    /// <summary>Makes the chip in its reset state: every pin masked.</summary>
    /// <param name="localApic">The one at the other end of the bus.</param>
    public IoApic(LocalApic localApic)
    {
        ArgumentNullException.ThrowIfNull(localApic);
        _localApic = localApic;
        _localApic.LevelInterruptEnded = EndOfInterrupt;
        _localApic.AddressingChanged = OfferAll;
        for (int pin = 0; pin < PinCount; pin++)
        {
            int captured = pin;
            _lines[pin] = new CallbackLine(high => SetPin(captured, high));
        }

        Reset();
    }

    /// <summary>True when pin 0, where the 8259A's INTR arrives, is unmasked in the mode ExtINT and addresses the processor.</summary>
    public bool PassesExternalInterrupts => (_entries[0] & (Masked | DeliveryMode)) == External && IsForLocalApic(_entries[0]);

    /// <summary>The wire into a pin.</summary>
    /// <param name="pin">0 to 23.</param>
    public IInterruptLine Line(int pin) => _lines[pin];

    /// <summary>The redirection entry of a pin (82093AA 3.2.4).</summary>
    /// <param name="pin">0 to 23.</param>
    public ulong Entry(int pin) => _entries[pin];

    /// <summary>The state after RESET. The pins keep their levels.</summary>
    public void Reset()
    {
        _select = 0;
        _id = _arbitration = BiosIdentifier;
        Array.Fill(_entries, Masked);
        Array.Clear(_pending);
    }

    /// <inheritdoc/>
    public ulong Read(uint offset, int width)
    {
        uint value = (offset & ~3u) switch
        {
            SelectRegister => _select,
            WindowRegister => ReadRegister(_select),
            _ => 0,
        };
        return value >> (8 * (int)(offset & 3));
    }

    /// <inheritdoc/>
    public void Write(uint offset, int width, ulong value)
    {
        if (offset == SelectRegister)
        {
            _select = (byte)value;
        }
        else if (offset == WindowRegister && width >= 4) // 82093AA 3.1: the window takes doublewords only
        {
            WriteRegister(_select, (uint)value);
        }
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        state.Values(_entries);
        state.Values(_high);
        state.Values(_pending);
        foreach (CallbackLine line in _lines)
        {
            line.Transfer(state);
        }

        state.Value(ref _id);
        state.Value(ref _arbitration);
        state.Value(ref _select);
    }

    private uint ReadRegister(int register)
    {
        int pin = (register - FirstEntry) >> 1;
        return register switch
        {
            0 => _id,
            1 => Version,
            2 => _arbitration,
            >= FirstEntry when pin < PinCount => (uint)(_entries[pin] >> (32 * (register & 1))),
            _ => 0,
        };
    }

    private void WriteRegister(int register, uint value)
    {
        if (register == 0)
        {
            _id = value & 0x0F00_0000;
            _arbitration = _id;     // 82093AA 3.2.3: loaded with the identifier
            return;
        }

        int pin = (register - FirstEntry) >> 1;
        if (register < FirstEntry || pin >= PinCount)
        {
            return;
        }

        int shift = 32 * (register & 1);
        ulong mask = (0xFFFF_FFFFUL << shift) & Writable;
        ref ulong entry = ref _entries[pin];
        entry = (entry & ~mask) | (((ulong)value << shift) & mask);
        if ((entry & LevelTriggered) == 0)
        {
            entry &= ~RemoteIrr;    // what software does to free a pin whose EOI was lost
        }

        Offer(pin);
    }

    private void SetPin(int pin, bool high)
    {
        _high[pin] = high;
        ulong entry = _entries[pin];

        // An edge at a masked pin is lost (82093AA 3.2.4, bit 16).
        _pending[pin] = (entry & (Masked | LevelTriggered)) == 0 && IsActive(pin);
        Offer(pin);
    }

    // ISA lines and ours are active high; a PCI wire is low when active, and the board inverts it: so polarity never changes what
    // "asserted" means on these wires, and software may program either, as MADT and MP table tell it.
    private bool IsActive(int pin) => _high[pin];

    private void Offer(int pin)
    {
        ref ulong entry = ref _entries[pin];
        if ((entry & Masked) != 0)
        {
            _pending[pin] = false;
            return;
        }

        bool level = (entry & LevelTriggered) != 0;
        bool interrupt = (entry & DeliveryMode) <= (ulong)ApicDeliveryMode.LowestPriority << 8;
        bool wants = level ? IsActive(pin) && (entry & RemoteIrr) == 0 : _pending[pin];
        if (!wants || (entry & DeliveryMode) == External || !IsForLocalApic(entry) || (interrupt && !_localApic.IsEnabled))
        {
            return;
        }

        _pending[pin] = false;
        bool reported = level && interrupt;
        if (reported)
        {
            entry |= RemoteIrr;
        }

        _localApic.Receive((ApicDeliveryMode)((entry >> 8) & 7), (byte)entry, reported);
    }

    private void OfferAll()
    {
        for (int pin = 0; pin < PinCount; pin++)
        {
            Offer(pin);
        }
    }

    private bool IsForLocalApic(ulong entry) => _localApic.IsAddressedBy((byte)(entry >> 56), (entry & Logical) != 0);

    private void EndOfInterrupt(byte vector)
    {
        for (int pin = 0; pin < PinCount; pin++)
        {
            if ((_entries[pin] & RemoteIrr) != 0 && (byte)_entries[pin] == vector)
            {
                _entries[pin] &= ~RemoteIrr;
                Offer(pin);
            }
        }
    }
}
