using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// One device on an ATA cable: its registers, its data block, and the states that all commands go through (ATA/ATAPI-6 chapter
/// 9). A command runs within the write that gives it, so BSY is only ever seen during a software reset; the order of DRQ, INTRQ
/// and errors is the protocol's.
/// </summary>
/// <remarks>
/// The <see cref="AtaChannel"/> calls a device; what a device changes it sees after the call. Nothing the guest writes may throw.
/// </remarks>
public abstract class AtaDevice : ISavedState
{
    private const byte TransferModeFeature = 0x03;

    private readonly byte[] _block;
    private int _position;
    private int _end;
    private Direction _direction;

    private protected AtaDevice(int longestBlock) => _block = new byte[longestBlock + 1];

    private enum Direction
    {
        None,
        ToHost,
        ToDevice,
    }

    // The values that CHECK POWER MODE returns (ATA/ATAPI-6 8.8).
    private protected enum PowerMode : byte
    {
        Standby = 0x00,
        Idle = 0x80,
        Active = 0xFF,
        Sleep = 0x01,       // never returned: a sleeping device does not answer
    }

    internal AtaTaskFile Registers { get; } = new();

    internal AtaStatus Status { get; private set; }

    internal AtaError Error { get; private set; }

    /// <summary>The task file, for a look: nothing is acknowledged.</summary>
    public AtaDeviceState State => new(
        (byte)Status, (byte)Error, Registers.Features, Registers.Count, Registers.Low, Registers.MiddleAndHigh, Registers.Device, InterruptPending, _direction == Direction.None ? 0 : _end - _position, SenseState);

    /// <summary>Of a PACKET device, why its last command failed.</summary>
    private protected virtual (byte Key, byte Code, byte Qualifier)? SenseState => null;

    /// <summary>INTRQ, before nIEN and the selection gate it.</summary>
    internal bool InterruptPending { get; set; }

    private protected PowerMode Power { get; set; } = PowerMode.Active;

    /// <summary>The values of the Cylinder registers after a reset: which kind of device this is.</summary>
    private protected abstract ushort Signature { get; }

    /// <summary>Status when idle: DRDY, and DSC where it means "seek complete".</summary>
    private protected abstract AtaStatus ReadyStatus { get; }

    /// <summary>Status after a reset: a PACKET device hides DRDY until it gets its first command.</summary>
    private protected abstract AtaStatus StatusAfterReset { get; }

    /// <summary>The data block.</summary>
    private protected Span<byte> Block => _block.AsSpan(0, _block.Length - 1);

    /// <summary>RESET- or power-on: everything to its default.</summary>
    internal void HardwareReset()
    {
        SettingsReset(power: true);
        SoftwareReset();
    }

    /// <summary>SRST goes high: what goes on is given up.</summary>
    internal void EnterReset()
    {
        EndTransfer();
        InterruptPending = false;
        Error = AtaError.None;
        Status = AtaStatus.Busy;
    }

    /// <summary>SRST went low, or the device was told to reset or to diagnose itself: the signature shows.</summary>
    internal void SoftwareReset()
    {
        EndTransfer();
        SettingsReset(power: false);
        InterruptPending = false;
        Power = PowerMode.Active;
        Registers.SetSignature(Signature);
        Error = AtaError.DiagnosticPassed;
        Status = StatusAfterReset;
    }

    /// <summary>The host writes the Command register.</summary>
    internal void WriteCommand(byte command)
    {
        if (!AcceptsCommand(command))
        {
            return;
        }

        EndTransfer();
        Error = AtaError.None;
        Status = ReadyStatus;
        Execute(command);
    }

    /// <summary>The host reads a word of the Data register. Without DRQ there is none; nothing changes.</summary>
    internal ushort ReadData()
    {
        if (_direction != Direction.ToHost)
        {
            return 0;
        }

        ushort value = (ushort)(_block[_position] | (_block[_position + 1] << 8));
        if (Advance())
        {
            BlockSent();
        }

        return value;
    }

    /// <summary>The host writes a word to the Data register.</summary>
    internal void WriteData(ushort value)
    {
        if (_direction != Direction.ToDevice)
        {
            return;
        }

        _block[_position] = (byte)value;
        _block[_position + 1] = (byte)(value >> 8);
        if (Advance())
        {
            BlockReceived();
        }
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        Registers.Transfer(state);
        Status = (AtaStatus)state.Pass((byte)Status);
        Error = (AtaError)state.Pass((byte)Error);
        InterruptPending = state.Pass(InterruptPending);
        Power = (PowerMode)state.Pass((byte)Power);
        state.Require(Power is PowerMode.Standby or PowerMode.Idle or PowerMode.Active or PowerMode.Sleep);
        _direction = (Direction)state.Choice((int)_direction, (int)Direction.ToDevice);
        if (_direction != Direction.None)
        {
            // The block is filled anew for each transfer: without one nobody sees what is left in it.
            state.Range(ref _position, 0, _block.Length - 2);
            state.Range(ref _end, _position + 1, _block.Length - 1);
            state.Bytes(_block.AsSpan(0, state.Error is null ? _end + 1 : 0));
        }

        TransferCommand(state);
    }

    /// <summary>The state of the command that goes on, and of the settings.</summary>
    private protected abstract void TransferCommand(StateTransfer state);

    /// <summary>Runs a command; the registers hold its parameters.</summary>
    private protected abstract void Execute(byte command);

    /// <summary>The host has taken the block that <see cref="SendBlock"/> offered.</summary>
    private protected abstract void BlockSent();

    /// <summary>The host has filled the block that <see cref="RequestBlock"/> asked for.</summary>
    private protected abstract void BlockReceived();

    /// <summary>Settings to their defaults: all of them after power-on, those that a software reset reverts otherwise.</summary>
    private protected abstract void SettingsReset(bool power);

    /// <summary>DRQ with data for the host.</summary>
    private protected void SendBlock(int length, bool interrupt = true)
    {
        _block[length] = 0;                 // the upper half of a last word that is only half there
        Begin(Direction.ToHost, length, interrupt);
    }

    /// <summary>DRQ for data from the host.</summary>
    private protected void RequestBlock(int length, bool interrupt) => Begin(Direction.ToDevice, length, interrupt);

    /// <summary>The command ends well, with an interrupt except where its data went to the host last.</summary>
    private protected void Complete(bool interrupt = true)
    {
        EndTransfer();
        Status = ReadyStatus;
        InterruptPending |= interrupt;
    }

    /// <summary>The command ends with an error, and an interrupt.</summary>
    private protected void Fail(AtaError error, AtaStatus more = AtaStatus.None)
    {
        EndTransfer();
        Error = error;
        Status = ReadyStatus | AtaStatus.Error | more;
        InterruptPending = true;
    }

    private protected void Abort() => Fail(AtaError.Aborted);

    /// <summary>The power management commands, which every device has (ATA/ATAPI-6 6.10).</summary>
    /// <returns>False when the command is another one.</returns>
    private protected bool ExecutePowerCommand(byte command)
    {
        switch (command)
        {
            case 0x94 or 0xE0 or 0x96 or 0xE2:      // STANDBY IMMEDIATE, STANDBY
                Power = PowerMode.Standby;
                break;
            case 0x95 or 0xE1 or 0x97 or 0xE3:      // IDLE IMMEDIATE, IDLE
                Power = PowerMode.Idle;
                break;
            case 0x98 or 0xE5:                      // CHECK POWER MODE
                Registers.Count = (byte)Power;
                break;
            case 0x99 or 0xE6:                      // SLEEP: until a reset
                Power = PowerMode.Sleep;
                break;
            default:
                return false;
        }

        Complete();
        return true;
    }

    /// <summary>SET FEATURES 03h, set transfer mode (ATA/ATAPI-6 table 35): the PIO modes. There is no DMA.</summary>
    /// <returns>False when it is another subcommand; true when the command is done, well or not.</returns>
    private protected bool SetTransferMode()
    {
        if (Registers.Features != TransferModeFeature)
        {
            return false;
        }

        if (Registers.Count is <= 0x01 or (>= 0x08 and <= 0x0C))    // PIO default, without IORDY, modes 0 to 4
        {
            Complete();
        }
        else
        {
            Abort();
        }

        return true;
    }

    // While BSY or DRQ is set only DEVICE RESET is taken (ATA/ATAPI-6 7.4); a sleeping device takes that one too.
    private bool AcceptsCommand(byte command)
    {
        bool isReset = command == AtaChannel.DeviceResetCommand && Signature != 0;
        bool free = (Status & (AtaStatus.Busy | AtaStatus.DataRequest)) == 0 && Power != PowerMode.Sleep;
        return free || (isReset && (Status & AtaStatus.Busy) == 0);
    }

    private void Begin(Direction direction, int length, bool interrupt)
    {
        (_direction, _position, _end) = (direction, 0, length);
        Status = ReadyStatus | AtaStatus.DataRequest;
        InterruptPending |= interrupt;
    }

    private bool Advance()
    {
        _position += 2;
        if (_position < _end)
        {
            return false;
        }

        _direction = Direction.None;
        return true;
    }

    private void EndTransfer() => _direction = Direction.None;
}
