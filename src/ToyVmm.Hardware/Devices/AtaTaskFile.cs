using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// The command block registers as one device keeps them. For 48-bit commands each is two bytes deep: a write pushes the older
/// byte back, where the HOB bit shows it (ATA/ATAPI-6 7.1, "48-bit Address feature set").
/// </summary>
internal sealed class AtaTaskFile
{
    private const int FeaturesRegister = 1;
    private const int CountRegister = 2;
    private const int LowRegister = 3;
    private const int MiddleRegister = 4;
    private const int HighRegister = 5;
    private const int DeviceRegister = 6;

    private readonly byte[] _current = new byte[8];
    private readonly byte[] _previous = new byte[8];

    public byte Features => _current[FeaturesRegister];

    public byte Count
    {
        get => _current[CountRegister];
        set => _current[CountRegister] = value;
    }

    /// <summary>LBA 15:8 and 23:16, the cylinder, or a PACKET command's byte count.</summary>
    public ushort MiddleAndHigh
    {
        get => (ushort)(_current[MiddleRegister] | (_current[HighRegister] << 8));
        set => (_current[MiddleRegister], _current[HighRegister]) = ((byte)value, (byte)(value >> 8));
    }

    /// <summary>LBA 7:0, or the sector's number in its track.</summary>
    public byte Low
    {
        get => _current[LowRegister];
        set => _current[LowRegister] = value;
    }

    public byte Device
    {
        get => _current[DeviceRegister];
        set => _current[DeviceRegister] = value;
    }

    /// <summary>Bit 6 of the Device register: sectors are numbered, not addressed by cylinder and head.</summary>
    public bool IsLba => (Device & 0x40) != 0;

    public uint Lba28
    {
        get => (uint)(Low | (MiddleAndHigh << 8) | ((Device & 0x0F) << 24));
        set
        {
            Low = (byte)value;
            MiddleAndHigh = (ushort)(value >> 8);
            Device = (byte)((Device & 0xF0) | (int)((value >> 24) & 0x0F));
        }
    }

    public long Lba48
    {
        get => Low | ((long)MiddleAndHigh << 8) | ((long)_previous[LowRegister] << 24) | ((long)_previous[MiddleRegister] << 32) | ((long)_previous[HighRegister] << 40);
        set
        {
            Low = (byte)value;
            MiddleAndHigh = (ushort)(value >> 8);
            _previous[LowRegister] = (byte)(value >> 24);
            _previous[MiddleRegister] = (byte)(value >> 32);
            _previous[HighRegister] = (byte)(value >> 40);
        }
    }

    /// <summary>Sectors to move, where zero stands for the most.</summary>
    public int SectorCount(bool extended)
    {
        int count = extended ? Count | (_previous[CountRegister] << 8) : Count;
        return count != 0 ? count : extended ? 0x1_0000 : 0x100;
    }

    /// <summary>Leaves a count of sectors behind.</summary>
    public void SetSectorCount(int count, bool extended)
    {
        Count = (byte)count;
        if (extended)
        {
            _previous[CountRegister] = (byte)(count >> 8);
        }
    }

    /// <summary>What the host reads from registers 2 to 6.</summary>
    public byte Read(int register, bool older) => older && register != DeviceRegister ? _previous[register] : _current[register];

    /// <summary>What the host writes to registers 1 to 6.</summary>
    public void Write(int register, byte value)
    {
        _previous[register] = _current[register];
        _current[register] = value;
    }

    public void Transfer(StateTransfer state)
    {
        state.Bytes(_current);
        state.Bytes(_previous);
    }

    /// <summary>The signature that tells which kind of device answers (ATA/ATAPI-6 9.12).</summary>
    public void SetSignature(ushort middleAndHigh)
    {
        Array.Clear(_current);
        Array.Clear(_previous);
        Count = 1;
        Low = 1;
        MiddleAndHigh = middleAndHigh;
    }
}
