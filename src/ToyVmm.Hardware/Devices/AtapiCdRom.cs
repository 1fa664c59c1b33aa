using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// A CD-ROM drive on an ATA cable: the PACKET command set of ATA/ATAPI-6 chapter 9.8 with the commands of MMC-2, by PIO. The disc
/// has one data track of 2048-byte blocks.
/// </summary>
/// <remarks>
/// A failed command leaves CHK in Status, the sense key in Error, and the details for REQUEST SENSE. Not there: DMA, overlap,
/// audio, and everything that writes.
/// </remarks>
public sealed partial class AtapiCdRom : AtaDevice
{
    /// <summary>Bytes of a block.</summary>
    public const int BlockSize = 2048;

    private const int SectorSize = DiskGeometry.SectorSize;
    private const int PacketSize = 12;
    private const int LongestTransfer = 0x8000;         // bytes a DRQ block, at most
    private const byte CommandPhase = 0x01;             // Interrupt Reason (the Sector Count register): C/D
    private const byte ToHost = 0x02;                   // I/O

    private readonly IDiskImage? _image;
    private readonly byte[] _packet = new byte[PacketSize];
    private bool _loaded;                   // the tray is closed
    private bool _locked;                   // PREVENT ALLOW MEDIUM REMOVAL
    private AtapiSense _sense;
    private AtapiSense _attention;          // a UNIT ATTENTION that waits for the next command
    private byte _mediumEvent;              // GET EVENT STATUS NOTIFICATION: what happened since the last one
    private byte[]? _reply;                 // the source of data for the host; null: the disc
    private long _position;                 // in bytes, in that source
    private long _left;
    private int _limit;                     // bytes a DRQ block, as the host wants
    private bool _isPacket;                 // the data answers a packet, not IDENTIFY PACKET DEVICE

    /// <summary>Makes a drive.</summary>
    /// <param name="image">The disc as 512-byte sectors; null for an empty drive.</param>
    /// <param name="serialNumber">Up to 20 ASCII characters.</param>
    public AtapiCdRom(IDiskImage? image, string serialNumber)
        : base(LongestTransfer)
    {
        _image = image;
        SerialNumber = serialNumber;
        BlockCount = image is null ? 0 : (image.SectorCount + (BlockSize / SectorSize) - 1) / (BlockSize / SectorSize);
        HardwareReset();
    }

    /// <summary>The serial number.</summary>
    public string SerialNumber { get; }

    /// <summary>Blocks on the disc; what is missing of the last one reads as zeros.</summary>
    public long BlockCount { get; }

    /// <inheritdoc/>
    private protected override ushort Signature => 0xEB14;

    /// <inheritdoc/>
    private protected override AtaStatus ReadyStatus => AtaStatus.Ready;

    /// <inheritdoc/>
    private protected override AtaStatus StatusAfterReset => AtaStatus.None;

    /// <inheritdoc/>
    private protected override (byte Key, byte Code, byte Qualifier)? SenseState => (_sense.Key, _sense.Code, _sense.Qualifier);

    /// <summary>True while the tray is open, or empty.</summary>
    public bool IsEmpty => !HasMedium;

    private bool HasMedium => _loaded && BlockCount > 0;

    /// <inheritdoc/>
    private protected override void SettingsReset(bool power)
    {
        _left = 0;
        _reply = null;
        if (power)
        {
            _loaded = true;
            _locked = false;
            _sense = AtapiSense.None;
            _attention = AtapiSense.PowerOn;
            _mediumEvent = 0;
        }
    }

    /// <inheritdoc/>
    private protected override void Execute(byte command)
    {
        if (ExecutePowerCommand(command))
        {
            return;
        }

        switch (command)
        {
            case AtaChannel.DeviceResetCommand:     // no interrupt (ATA/ATAPI-6 8.7)
                SoftwareReset();
                break;
            case 0xA0:                              // PACKET
                StartPacket();
                break;
            case 0xA1:                              // IDENTIFY PACKET DEVICE
                _reply = AtaIdentification.OfCdRom(SerialNumber);
                (_position, _left, _limit) = (0, 512, 512);
                _isPacket = false;
                SendNextBlock();
                break;
            case 0xEC or 0x20:                      // IDENTIFY DEVICE, READ SECTORS: "aborted, with the signature"
                Registers.SetSignature(Signature);
                Abort();
                break;
            case 0xEF:
                if (!SetTransferMode())
                {
                    Abort();
                }

                break;
            default:                                // NOP (00h) too: it always aborts
                Abort();
                break;
        }
    }

    /// <inheritdoc/>
    private protected override void BlockReceived()
    {
        Block[..PacketSize].CopyTo(_packet);
        Power = PowerMode.Active;
        ExecutePacket();
    }

    /// <inheritdoc/>
    private protected override void BlockSent()
    {
        if (_left > 0)
        {
            SendNextBlock();
        }
        else if (_isPacket)
        {
            Succeed();
        }
        else
        {
            Complete(interrupt: false);             // IDENTIFY PACKET DEVICE ends like IDENTIFY DEVICE
        }
    }

    /// <inheritdoc/>
    private protected override void TransferCommand(StateTransfer state)
    {
        state.Bytes(_packet);
        state.Value(ref _loaded);
        state.Value(ref _locked);
        _sense = Pass(state, _sense);
        _attention = Pass(state, _attention);
        state.Value(ref _mediumEvent);
        bool fromDisc = state.Pass(_reply is null);
        int length = state.Count(_reply?.Length ?? 0, 0x1_0000);
        _reply = fromDisc ? null : state.IsRestoring ? new byte[length] : _reply;
        state.Bytes(_reply);
        long available = _reply?.Length ?? BlockCount * BlockSize;
        state.Range(ref _position, 0, available);
        state.Range(ref _left, 0, available - _position);
        state.Range(ref _limit, 0, 0xFFFE);
        state.Value(ref _isPacket);
    }

    private static AtapiSense Pass(StateTransfer state, AtapiSense sense) => new(state.Pass(sense.Key), state.Pass(sense.Code), state.Pass(sense.Qualifier));

    // ATA/ATAPI-6 9.8: the packet is asked for without an interrupt (word 0 of IDENTIFY says so).
    private void StartPacket()
    {
        if ((Registers.Features & 0x03) != 0)
        {
            Abort();                                // DMA, overlap
            return;
        }

        _limit = Registers.MiddleAndHigh & 0xFFFE;
        Registers.Count = CommandPhase;
        RequestBlock(PacketSize, interrupt: false);
    }

    private void SendNextBlock()
    {
        int length = (int)Math.Min(Math.Min(_left, _limit), LongestTransfer);
        if (_reply is null && length >= BlockSize)
        {
            length -= length % BlockSize;           // whole blocks, where the host's limit has room for one
        }

        if (!Fill(Block[..length]))
        {
            FailPacket(AtapiSense.ReadError);
            return;
        }

        _position += length;
        _left -= length;
        if (_isPacket)
        {
            Registers.Count = ToHost;
            Registers.MiddleAndHigh = (ushort)length;
        }

        SendBlock(length);
    }

    private bool Fill(Span<byte> destination)
    {
        if (_reply is not null)
        {
            _reply.AsSpan((int)_position, destination.Length).CopyTo(destination);
            return true;
        }

        Span<byte> sector = stackalloc byte[SectorSize];
        for (int done = 0; done < destination.Length;)
        {
            long number = (_position + done) / SectorSize;
            int offset = (int)((_position + done) % SectorSize);
            if (number >= _image!.SectorCount)
            {
                sector.Clear();
            }
            else if (!_image.TryRead(number, sector))
            {
                return false;
            }

            int part = Math.Min(SectorSize - offset, destination.Length - done);
            sector.Slice(offset, part).CopyTo(destination[done..]);
            done += part;
        }

        return true;
    }

    private void Succeed()
    {
        _sense = AtapiSense.None;
        Registers.Count = CommandPhase | ToHost;
        Complete();
    }

    private void FailPacket(AtapiSense sense)
    {
        _sense = sense;
        _left = 0;
        Registers.Count = CommandPhase | ToHost;
        Fail((AtaError)(sense.Key << 4) | AtaError.Aborted);
    }

    // Data from memory, cut at the length that the host allocated for it.
    private void Reply(ReadOnlySpan<byte> data, int allocated)
    {
        _reply = data[..Math.Min(data.Length, allocated)].ToArray();
        StartData(0, _reply.Length);
    }

    private void ReplyFromDisc(long block, long count)
    {
        if (block + count > BlockCount)
        {
            FailPacket(AtapiSense.OutOfRange);
            return;
        }

        _reply = null;
        StartData(block * BlockSize, count * BlockSize);
    }

    private void StartData(long position, long length)
    {
        (_position, _left, _isPacket) = (position, length, true);
        if (length == 0)
        {
            Succeed();
        }
        else if (_limit == 0)
        {
            FailPacket(AtapiSense.InvalidField);    // no room for data at all
        }
        else
        {
            SendNextBlock();
        }
    }
}
