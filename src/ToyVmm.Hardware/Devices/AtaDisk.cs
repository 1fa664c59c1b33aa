using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// An ATA hard disk (ATA/ATAPI-6; CHS addressing and the commands that later standards dropped by ATA-2). Sectors move by PIO;
/// addresses are CHS, 28 or 48 bits.
/// </summary>
/// <remarks>
/// Not there, and answered with ABRT: DMA, READ/WRITE LONG, the security, SMART, host-protected-area and media-status feature sets.
/// A host that cannot read is UNC, one that cannot write or flush is a device fault (DF); a read-only image refuses with WP and ABRT.
/// </remarks>
public sealed class AtaDisk : AtaDevice
{
    /// <summary>The most sectors that SET MULTIPLE MODE accepts.</summary>
    internal const int LargestMultiple = 16;

    private const int SectorSize = DiskGeometry.SectorSize;

    private readonly IDiskImage _image;
    private readonly byte[] _bufferCommands = new byte[SectorSize];     // what READ BUFFER and WRITE BUFFER keep
    private Transfer _transfer;
    private AtaGeometry _geometry;
    private int _multiple;                  // sectors a block of READ/WRITE MULTIPLE; 0: not set
    private bool _writeCache = true;
    private bool _lookAhead = true;
    private bool _keepsSettings;            // SET FEATURES 66h: a software reset reverts nothing

    /// <summary>Makes a disk.</summary>
    /// <param name="image">Its sectors, at least one.</param>
    /// <param name="serialNumber">Up to 20 ASCII characters that tell it from other disks.</param>
    /// <exception cref="ArgumentException">The image is empty.</exception>
    public AtaDisk(IDiskImage image, string serialNumber)
        : base(LargestMultiple * SectorSize)
    {
        ArgumentNullException.ThrowIfNull(image);
        if (image.SectorCount <= 0)
        {
            throw new ArgumentException("a disk has at least one sector", nameof(image));
        }

        _image = image;
        SerialNumber = serialNumber;
        DefaultGeometry = AtaGeometry.ForSectors(image.SectorCount);
        HardwareReset();
    }

    private enum Kind
    {
        None,
        Read,
        Write,
        Reply,              // a sector that is not on the medium: IDENTIFY, READ BUFFER
        WriteBuffer,
    }

    private enum Addressing
    {
        Chs,
        Lba28,
        Lba48,
    }

    /// <summary>The serial number.</summary>
    public string SerialNumber { get; }

    /// <summary>Cylinders, heads and sectors a track as the drive is delivered: what IDENTIFY DEVICE tells, and CMOS setup.</summary>
    public AtaGeometry DefaultGeometry { get; }

    /// <inheritdoc/>
    private protected override ushort Signature => 0x0000;

    /// <inheritdoc/>
    private protected override AtaStatus ReadyStatus => AtaStatus.Ready | AtaStatus.SeekComplete;

    /// <inheritdoc/>
    private protected override AtaStatus StatusAfterReset => ReadyStatus;

    /// <inheritdoc/>
    private protected override void SettingsReset(bool power)
    {
        _transfer = default;
        if (power || !_keepsSettings)
        {
            _geometry = DefaultGeometry;
            _multiple = LargestMultiple;        // on at power-on, as word 59 tells: drivers that only look there profit
            _writeCache = true;
            _lookAhead = true;
        }

        _keepsSettings &= !power;
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
            case >= 0x10 and <= 0x1F:               // RECALIBRATE
                Registers.MiddleAndHigh = 0;
                Complete();
                break;
            case 0x20 or 0x21:                      // READ SECTORS, with and without retries
                StartRead(extended: false, block: 1);
                break;
            case 0x24:                              // READ SECTORS EXT
                StartRead(extended: true, block: 1);
                break;
            case 0xC4 or 0x29:                      // READ MULTIPLE, READ MULTIPLE EXT
                StartRead(extended: command == 0x29, _multiple);
                break;
            case 0x30 or 0x31:                      // WRITE SECTORS, with and without retries
                StartWrite(extended: false, block: 1);
                break;
            case 0x34:                              // WRITE SECTORS EXT
                StartWrite(extended: true, block: 1);
                break;
            case 0xC5 or 0x39:                      // WRITE MULTIPLE, WRITE MULTIPLE EXT
                StartWrite(extended: command == 0x39, _multiple);
                break;
            case 0x40 or 0x41 or 0x42:              // READ VERIFY SECTORS, and EXT
                Verify(extended: command == 0x42);
                break;
            case >= 0x70 and <= 0x7F:               // SEEK
                Seek();
                break;
            case 0x91:                              // INITIALIZE DEVICE PARAMETERS
                InitializeParameters();
                break;
            case 0xC6:                              // SET MULTIPLE MODE
                SetMultiple();
                break;
            case 0xE4:                              // READ BUFFER
                Reply(_bufferCommands);
                break;
            case 0xE8:                              // WRITE BUFFER
                _transfer = new Transfer { Kind = Kind.WriteBuffer };
                RequestBlock(SectorSize, interrupt: false);
                break;
            case 0xE7 or 0xEA:                      // FLUSH CACHE, and EXT
                FinishWrites();
                break;
            case 0xEC:                              // IDENTIFY DEVICE
                Reply(AtaIdentification.OfDisk(SerialNumber, _image.SectorCount, DefaultGeometry, _geometry, _multiple, _writeCache, _lookAhead));
                break;
            case 0xEF:
                SetFeatures();
                break;
            default:                                // NOP (00h) too: it always aborts
                Abort();
                break;
        }
    }

    /// <inheritdoc/>
    private protected override void BlockSent()
    {
        if (_transfer.Kind == Kind.Read)
        {
            SendNextBlock();
        }
        else
        {
            Complete(interrupt: false);
        }
    }

    /// <inheritdoc/>
    private protected override void BlockReceived()
    {
        if (_transfer.Kind == Kind.WriteBuffer)
        {
            Block[..SectorSize].CopyTo(_bufferCommands);
            Complete();
            return;
        }

        int sectors = Math.Min(_transfer.Block, _transfer.Left);
        for (int i = 0; i < sectors; i++)
        {
            if (_transfer.Next >= _image.SectorCount)
            {
                FailAt(AtaError.IdNotFound);
                return;
            }

            if (!_image.TryWrite(_transfer.Next, Block.Slice(i * SectorSize, SectorSize)))
            {
                FailAt(AtaError.Aborted, AtaStatus.DeviceFault);
                return;
            }

            MoveOn();
        }

        if (_transfer.Left > 0)
        {
            RequestBlock(Math.Min(_transfer.Block, _transfer.Left) * SectorSize, interrupt: true);
        }
        else if (_writeCache)
        {
            Complete();
        }
        else
        {
            FinishWrites();
        }
    }

    /// <inheritdoc/>
    private protected override void TransferCommand(StateTransfer state)
    {
        state.Bytes(_bufferCommands);
        _transfer.Kind = (Kind)state.Choice((int)_transfer.Kind, (int)Kind.WriteBuffer);
        _transfer.Addressing = (Addressing)state.Choice((int)_transfer.Addressing, (int)Addressing.Lba48);
        state.Range(ref _transfer.Next, 0, 1L << 48);
        state.Range(ref _transfer.Left, 0, 0x1_0000);
        state.Range(ref _transfer.Block, 0, LargestMultiple);
        (int cylinders, int heads, int perTrack) = _geometry;
        state.Range(ref cylinders, 1, 0xFFFF);
        state.Range(ref heads, 1, 16);
        state.Range(ref perTrack, 1, 255);
        _geometry = new AtaGeometry(cylinders, heads, perTrack);
        state.Range(ref _multiple, 0, LargestMultiple);
        state.Value(ref _writeCache);
        state.Value(ref _lookAhead);
        state.Value(ref _keepsSettings);
    }

    private void StartRead(bool extended, int block)
    {
        if (Start(Kind.Read, extended, block))
        {
            SendNextBlock();
        }
    }

    private void StartWrite(bool extended, int block)
    {
        if (!Start(Kind.Write, extended, block))
        {
            return;
        }

        if (_image.IsReadOnly)
        {
            Fail(AtaError.UncorrectableOrProtected | AtaError.Aborted);
        }
        else
        {
            // The first block is not announced by an interrupt (ATA/ATAPI-6 9.6, "PIO data-out command protocol").
            RequestBlock(Math.Min(block, _transfer.Left) * SectorSize, interrupt: false);
        }
    }

    // Finds the first sector, and checks that the command is possible.
    private bool Start(Kind kind, bool extended, int block)
    {
        Power = PowerMode.Active;
        _transfer = new Transfer { Kind = kind, Block = block, Left = Registers.SectorCount(extended) };
        _transfer.Addressing = !Registers.IsLba ? Addressing.Chs : extended ? Addressing.Lba48 : Addressing.Lba28;
        if (block == 0 || (extended && !Registers.IsLba))
        {
            Abort();        // no SET MULTIPLE MODE before; 48-bit commands know no cylinders
            return false;
        }

        long? first = _transfer.Addressing switch
        {
            Addressing.Lba48 => Registers.Lba48,
            Addressing.Lba28 => Registers.Lba28,
            _ => _geometry.SectorOf(Registers.MiddleAndHigh, Registers.Device & 0x0F, Registers.Low),
        };
        _transfer.Next = first ?? 0;
        if (first is null || first >= _image.SectorCount)
        {
            Fail(AtaError.IdNotFound);      // the registers name the sector already
            return false;
        }

        return true;
    }

    private void SendNextBlock()
    {
        if (_transfer.Left == 0)
        {
            Complete(interrupt: false);
            return;
        }

        int sectors = Math.Min(_transfer.Block, _transfer.Left);
        for (int i = 0; i < sectors; i++)
        {
            if (!ReadSector(Block.Slice(i * SectorSize, SectorSize)))
            {
                return;
            }
        }

        SendBlock(sectors * SectorSize);
    }

    private void Verify(bool extended)
    {
        if (!Start(Kind.Read, extended, block: 1))
        {
            return;
        }

        while (_transfer.Left > 0)
        {
            if (!ReadSector(Block[..SectorSize]))
            {
                return;
            }
        }

        Complete();
    }

    private bool ReadSector(Span<byte> destination)
    {
        if (_transfer.Next >= _image.SectorCount)
        {
            FailAt(AtaError.IdNotFound);
            return false;
        }

        if (!_image.TryRead(_transfer.Next, destination))
        {
            FailAt(AtaError.UncorrectableOrProtected);
            return false;
        }

        MoveOn();
        return true;
    }

    // The registers follow: the last sector done, and how many are left.
    private void MoveOn()
    {
        ShowAddress();
        _transfer.Next++;
        _transfer.Left--;
        Registers.SetSectorCount(_transfer.Left, _transfer.Addressing == Addressing.Lba48);
    }

    // The registers name the sector that failed.
    private void FailAt(AtaError error, AtaStatus more = AtaStatus.None)
    {
        ShowAddress();
        Registers.SetSectorCount(_transfer.Left, _transfer.Addressing == Addressing.Lba48);
        Fail(error, more);
    }

    private void ShowAddress()
    {
        switch (_transfer.Addressing)
        {
            case Addressing.Lba48:
                Registers.Lba48 = _transfer.Next;
                break;
            case Addressing.Lba28:
                Registers.Lba28 = (uint)_transfer.Next;
                break;
            default:
                (int cylinder, int head, int sector) = _geometry.AddressOf(_transfer.Next);
                Registers.MiddleAndHigh = (ushort)cylinder;
                Registers.Device = (byte)((Registers.Device & 0xF0) | head);
                Registers.Low = (byte)sector;
                break;
        }
    }

    private void Seek()
    {
        if (Start(Kind.None, extended: false, block: 1))
        {
            Complete();
        }
    }

    private void FinishWrites()
    {
        if (_image.TryFlush())
        {
            Complete();
        }
        else
        {
            Fail(AtaError.Aborted, AtaStatus.DeviceFault);
        }
    }

    // ATA-4 8.16: Sector Count holds the sectors of a track, the head bits the last head.
    private void InitializeParameters()
    {
        if (Registers.Count is 0)
        {
            Abort();
            return;
        }

        _geometry = AtaGeometry.Translate(_image.SectorCount, (Registers.Device & 0x0F) + 1, Registers.Count);
        Complete();
    }

    private void SetMultiple()
    {
        int sectors = Registers.Count;
        if (sectors > LargestMultiple || (sectors & (sectors - 1)) != 0)
        {
            _multiple = 0;      // "if the block count is not supported, READ and WRITE MULTIPLE commands are disabled"
            Abort();
            return;
        }

        _multiple = sectors;
        Complete();
    }

    private void SetFeatures()
    {
        if (SetTransferMode())
        {
            return;
        }

        switch (Registers.Features)
        {
            case 0x02 or 0x82:      // write cache on, off
                bool flushes = _writeCache && Registers.Features == 0x82;
                _writeCache = Registers.Features == 0x02;
                if (flushes)
                {
                    FinishWrites();
                    return;
                }

                break;
            case 0x55 or 0xAA:      // read look-ahead off, on
                _lookAhead = Registers.Features == 0xAA;
                break;
            case 0x66 or 0xCC:      // a software reset keeps, reverts settings
                _keepsSettings = Registers.Features == 0x66;
                break;
            default:
                Abort();
                return;
        }

        Complete();
    }

    private void Reply(ReadOnlySpan<byte> sector)
    {
        _transfer = new Transfer { Kind = Kind.Reply };
        sector.CopyTo(Block);
        SendBlock(SectorSize);
    }

    // A command that moves sectors: where it is.
    private struct Transfer
    {
        public Kind Kind;
        public Addressing Addressing;
        public long Next;               // the next sector
        public int Left;                // sectors still to move
        public int Block;               // sectors a DRQ block
    }
}
