using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.Interrupts;
using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// An ATA cable with up to two devices, as the host adapter shows it: the command block (eight ports), the control block (one
/// port) and INTRQ. Both devices hear every register write; the selected one answers, and executes commands.
/// </summary>
/// <remarks>
/// Absent devices (ATA/ATAPI-6 9.16): device 0 answers for a device 1 that is not there, with Status 00h. Without a device 0 nobody
/// drives the cable, and its pull-down on DD7 makes registers read 7Fh - not busy.
/// </remarks>
public sealed class AtaChannel : ISavedState
{
    internal const byte DeviceResetCommand = 0x08;

    private const byte DiagnosticCommand = 0x90;
    private const uint Floating = 0x7F;
    private const byte SoftwareReset = 0x04;        // Device Control register: SRST
    private const byte InterruptDisable = 0x02;     // nIEN
    private const byte HighOrderByte = 0x80;        // HOB

    private readonly IInterruptLine _interrupt;
    private readonly AtaDevice?[] _devices = new AtaDevice?[2];
    private int _selected;
    private byte _control;
    private bool _level;            // of INTRQ

    /// <summary>Makes a cable without devices.</summary>
    /// <param name="interrupt">INTRQ.</param>
    public AtaChannel(IInterruptLine interrupt)
    {
        _interrupt = interrupt;
        CommandBlock = new CommandPorts(this);
        ControlBlock = new ControlPort(this);
    }

    /// <summary>Eight ports: Data, Error or Features, Sector Count, LBA Low, LBA Mid, LBA High, Device, Status or Command.</summary>
    public IPortDevice CommandBlock { get; }

    /// <summary>One port: Alternate Status, Device Control.</summary>
    public IPortDevice ControlBlock { get; }

    /// <summary>The devices: 0 (master) and 1 (slave); null where there is none.</summary>
    public IReadOnlyList<AtaDevice?> Devices => _devices;

    /// <summary>Which of the two is selected.</summary>
    public int SelectedDevice => _selected;

    /// <summary>The Device Control register as written last: SRST and nIEN.</summary>
    public byte DeviceControl => _control;

    private AtaDevice? Selected => _devices[_selected];

    /// <summary>Plugs a device in.</summary>
    /// <param name="position">0 (master) or 1 (slave).</param>
    /// <param name="device">The device.</param>
    /// <exception cref="ArgumentException">The place is taken, or does not exist.</exception>
    public void Attach(int position, AtaDevice device)
    {
        ArgumentNullException.ThrowIfNull(device);
        if (position is not (0 or 1) || _devices[position] is not null)
        {
            throw new ArgumentException($"an ATA channel has a device {position} already, or has no such place", nameof(position));
        }

        _devices[position] = device;
        device.HardwareReset();
    }

    /// <summary>RESET-: the devices to their power-on state.</summary>
    public void Reset()
    {
        _selected = 0;
        _control = 0;
        ForEach(device => device.HardwareReset());
        UpdateInterrupt();
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        state.Range(ref _selected, 0, 1);
        state.Value(ref _control);
        state.Value(ref _level);
        foreach (AtaDevice? device in _devices)
        {
            int kind = device switch { null => 0, AtaDisk => 1, _ => 2 };
            state.Range(ref kind, kind, kind, "the device at this place (0 none, 1 disk, 2 CD-ROM drive)");
            if (device is not null)
            {
                state.Section(device is AtaDisk ? "ATA disk"u8 : "ATAPI CD-ROM"u8, 1, device);
            }
        }
    }

    private void ForEach(Action<AtaDevice> action)
    {
        foreach (AtaDevice? device in _devices)
        {
            if (device is not null)
            {
                action(device);
            }
        }
    }

    private void UpdateInterrupt()
    {
        bool level = Selected is { InterruptPending: true } && (_control & InterruptDisable) == 0;
        if (level != _level)
        {
            _level = level;
            _interrupt.SetLevel(level);
        }
    }

    private uint ReadStatus(bool acknowledge)
    {
        if (Selected is not { } device)
        {
            return _devices[0] is null ? Floating : 0;
        }

        uint status = (uint)device.Status;
        if (acknowledge)
        {
            device.InterruptPending = false;
            UpdateInterrupt();
        }

        return status;
    }

    private uint ReadRegister(int register)
    {
        if (register == 7)
        {
            return ReadStatus(acknowledge: true);
        }

        AtaDevice? answers = Selected ?? _devices[0];
        return answers is null ? Floating
            : register == 0 ? 0
            : register == 1 ? (uint)answers.Error
            : answers.Registers.Read(register, (_control & HighOrderByte) != 0);
    }

    private void WriteRegister(int register, byte value)
    {
        if ((_control & SoftwareReset) != 0)
        {
            return;         // BSY: the registers are the devices'
        }

        _control &= unchecked((byte)~HighOrderByte);
        if (register == 7)
        {
            WriteCommand(value);
        }
        else if (register != 0)
        {
            ForEach(device => device.Registers.Write(register, value));
            _selected = register == 6 ? (value >> 4) & 1 : _selected;
        }

        UpdateInterrupt();
    }

    // EXECUTE DEVICE DIAGNOSTIC goes to both devices, whichever is selected; device 0 reports (ATA/ATAPI-6 9.10).
    private void WriteCommand(byte command)
    {
        if (command != DiagnosticCommand)
        {
            if (Selected is { } device)
            {
                // A command takes the last one's interrupt back: what follows is a new edge, however fast it comes.
                device.InterruptPending = false;
                UpdateInterrupt();
                device.WriteCommand(command);
            }

            return;
        }

        if (Selected is { } selected && (selected.Status & (AtaStatus.Busy | AtaStatus.DataRequest)) != 0)
        {
            return;
        }

        ForEach(device => device.SoftwareReset());
        _selected = 0;
        if (_devices[0] is { } first)
        {
            first.InterruptPending = true;
        }
    }

    private void WriteControl(byte value)
    {
        bool was = (_control & SoftwareReset) != 0;
        bool resets = (value & SoftwareReset) != 0;
        _control = value;
        if (resets && !was)
        {
            ForEach(device => device.EnterReset());
        }
        else if (!resets && was)
        {
            _selected = 0;
            ForEach(device => device.SoftwareReset());
        }

        UpdateInterrupt();
    }

    // The Data register is 16 bits wide: a doubleword is two words, of a byte's access the upper half of the word is lost.
    private uint ReadData(int width)
    {
        if (Selected is not { } device)
        {
            return _devices[0] is null ? 0xFFFF_FF7F : 0;
        }

        uint value = device.ReadData();
        if (width == 4)
        {
            value |= (uint)device.ReadData() << 16;
        }

        UpdateInterrupt();
        return value;
    }

    private void WriteData(int width, uint value)
    {
        if (Selected is { } device)
        {
            device.WriteData((ushort)value);
            if (width == 4)
            {
                device.WriteData((ushort)(value >> 16));
            }

            UpdateInterrupt();
        }
    }

    private sealed class CommandPorts(AtaChannel channel) : IPortDevice
    {
        public int MaximumWidth => 4;

        public uint ReadPort(uint offset, int width)
        {
            if (offset == 0)
            {
                return channel.ReadData(width);
            }

            uint value = 0;
            for (int i = 0; i < width; i++)
            {
                value |= channel.ReadRegister((int)(offset + (uint)i) & 7) << (8 * i);
            }

            return value;
        }

        public void WritePort(uint offset, int width, uint value)
        {
            if (offset == 0)
            {
                channel.WriteData(width, value);
                return;
            }

            for (int i = 0; i < width; i++)
            {
                channel.WriteRegister((int)(offset + (uint)i) & 7, (byte)(value >> (8 * i)));
            }
        }
    }

    private sealed class ControlPort(AtaChannel channel) : IPortDevice
    {
        public uint ReadPort(uint offset, int width) => channel.ReadStatus(acknowledge: false);

        public void WritePort(uint offset, int width, uint value) => channel.WriteControl((byte)value);
    }
}
