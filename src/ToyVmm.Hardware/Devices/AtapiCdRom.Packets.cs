using System.Buffers.Binary;

namespace ToyVmm.Hardware.Devices;

/// <content>The packet commands (MMC-2 and SPC-2; all numbers are big-endian).</content>
public sealed partial class AtapiCdRom
{
    private const byte EjectRequested = 1;      // MMC-2 table 88, media events
    private const byte NewMedium = 2;
    private const byte MediumRemoved = 3;

    private void ExecutePacket()
    {
        byte command = _packet[0];

        // INQUIRY, REQUEST SENSE and GET EVENT STATUS neither report nor clear a UNIT ATTENTION (SPC-2 5.6).
        if (_attention != AtapiSense.None && command is not (0x03 or 0x12 or 0x4A))
        {
            AtapiSense attention = _attention;
            _attention = AtapiSense.None;
            FailPacket(attention);
            return;
        }

        if (!HasMedium && NeedsMedium(command))
        {
            FailPacket(AtapiSense.NoMedium);
            return;
        }

        switch (command)
        {
            case 0x00:      // TEST UNIT READY
                Succeed();
                break;
            case 0x03:      // REQUEST SENSE
                RequestSense();
                break;
            case 0x12:      // INQUIRY
                Inquire();
                break;
            case 0x1B:      // START STOP UNIT
                StartStop();
                break;
            case 0x1E:      // PREVENT ALLOW MEDIUM REMOVAL
                _locked = (_packet[4] & 1) != 0;
                Succeed();
                break;
            case 0x25:      // READ CAPACITY: the last block, and a block's size
                byte[] capacity = new byte[8];
                BinaryPrimitives.WriteUInt32BigEndian(capacity, (uint)Math.Min(BlockCount - 1, uint.MaxValue));
                BinaryPrimitives.WriteUInt32BigEndian(capacity.AsSpan(4), BlockSize);
                Reply(capacity, capacity.Length);
                break;
            case 0x28:      // READ(10)
                ReplyFromDisc(Long(2), Word(7));
                break;
            case 0x2B:      // SEEK(10)
                Seek();
                break;
            case 0x43:      // READ TOC/PMA/ATIP
                ReadToc();
                break;
            case 0x46:      // GET CONFIGURATION
                ReadConfiguration();
                break;
            case 0x4A:      // GET EVENT STATUS NOTIFICATION
                ReadEvent();
                break;
            case 0x51:      // READ DISC INFORMATION
                Reply(AtapiResponses.DiscInformation(), Word(7));
                break;
            case 0x5A:      // MODE SENSE(10)
                ModeSense();
                break;
            case 0xA8:      // READ(12)
                ReplyFromDisc(Long(2), Long(6));
                break;
            case 0xBB:      // SET CD SPEED: it is as fast as it is
                Succeed();
                break;
            case 0xBD:      // MECHANISM STATUS: no changer
                Reply([0, 0, 0, 0, 0, 1, 0, 0], Word(8));
                break;
            case 0xBE:      // READ CD
                ReadCd();
                break;
            default:
                FailPacket(AtapiSense.InvalidCommand);
                break;
        }
    }

    private static bool NeedsMedium(byte command) => command is 0x00 or 0x25 or 0x28 or 0x2B or 0x43 or 0x51 or 0xA8 or 0xBE;

    private int Word(int offset) => BinaryPrimitives.ReadUInt16BigEndian(_packet.AsSpan(offset));

    private long Long(int offset) => BinaryPrimitives.ReadUInt32BigEndian(_packet.AsSpan(offset));

    private void RequestSense()
    {
        AtapiSense sense = _sense;
        if (sense == AtapiSense.None)
        {
            sense = _attention;
            _attention = AtapiSense.None;
        }

        byte[] data = new byte[18];
        data[0] = 0x70;             // current error, fixed format
        data[2] = sense.Key;
        data[7] = 10;               // bytes that follow
        data[12] = sense.Code;
        data[13] = sense.Qualifier;
        Reply(data, _packet[4]);
    }

    private void Inquire()
    {
        if ((_packet[1] & 0x03) != 0 || _packet[2] != 0)
        {
            FailPacket(AtapiSense.InvalidField);    // vital product data pages
            return;
        }

        Reply(AtapiResponses.Inquiry(), _packet[4]);
    }

    // LoEj moves the tray: bit 0 of byte 4 says which way (MMC-2 9.1.25).
    private void StartStop()
    {
        bool loadOrEject = (_packet[4] & 0x02) != 0;
        bool start = (_packet[4] & 0x01) != 0;
        if (loadOrEject && !start && _locked)
        {
            _mediumEvent = EjectRequested;
            FailPacket(AtapiSense.RemovalPrevented);
            return;
        }

        if (loadOrEject && start != _loaded)
        {
            _loaded = start;
            _mediumEvent = start ? NewMedium : MediumRemoved;
            _attention = start && BlockCount > 0 ? AtapiSense.MediumChanged : AtapiSense.None;
        }

        if (start && !HasMedium)
        {
            FailPacket(AtapiSense.NoMedium);
            return;
        }

        Succeed();
    }

    private void Seek()
    {
        if (Long(2) < BlockCount)
        {
            Succeed();
        }
        else
        {
            FailPacket(AtapiSense.OutOfRange);
        }
    }

    private void ReadToc()
    {
        bool minutes = (_packet[1] & 0x02) != 0;

        // The format stands in byte 2; SFF-8020 had it in the upper bits of byte 9.
        int format = (_packet[2] & 0x0F) != 0 ? _packet[2] & 0x0F : _packet[9] >> 6;
        byte[]? toc = format switch
        {
            0 => AtapiResponses.Toc(BlockCount, minutes, firstTrack: _packet[6]),
            1 => AtapiResponses.SessionToc(minutes),
            2 => AtapiResponses.FullToc(BlockCount),
            _ => null,
        };
        if (toc is null)
        {
            FailPacket(AtapiSense.InvalidField);
        }
        else
        {
            Reply(toc, Word(7));
        }
    }

    private void ReadConfiguration()
    {
        int type = _packet[1] & 0x03;
        if (type == 3)
        {
            FailPacket(AtapiSense.InvalidField);
            return;
        }

        Reply(AtapiResponses.Configuration(type, Word(2), HasMedium), Word(7));
    }

    // MMC-2 9.1.4. Only polling, and only of media events.
    private void ReadEvent()
    {
        if ((_packet[1] & 0x01) == 0)
        {
            FailPacket(AtapiSense.InvalidField);
            return;
        }

        const byte mediaClass = 4;
        if ((_packet[4] & (1 << mediaClass)) == 0)
        {
            Reply([0, 0, 0x80, 1 << mediaClass], Word(7));
            return;
        }

        byte state = (byte)((HasMedium ? 0x02 : 0) | (_loaded ? 0 : 0x01));
        byte[] data = [0, 4, mediaClass, 1 << mediaClass, _mediumEvent, state, 0, 0];
        _mediumEvent = 0;
        Reply(data, Word(7));
    }

    private void ModeSense()
    {
        if (_packet[2] >> 6 == 3)
        {
            FailPacket(AtapiSense.NoSavedPages);
            return;
        }

        byte[]? pages = AtapiResponses.ModePages(_packet[2] & 0x3F, changeable: _packet[2] >> 6 == 1, HasMedium, _loaded, _locked);
        if (pages is null)
        {
            FailPacket(AtapiSense.InvalidField);
        }
        else
        {
            Reply(pages, Word(7));
        }
    }

    // MMC-2 9.1.16: here only the user data of mode 1 blocks can be had, or nothing.
    private void ReadCd()
    {
        long count = Long(5) & 0xFF_FFFF;
        int expectedType = (_packet[1] >> 2) & 7;
        int selection = _packet[9] & 0xF8;
        if (selection == 0)
        {
            Succeed();
        }
        else if (selection != 0x10 || expectedType is not (0 or 2) || (_packet[10] & 7) != 0)
        {
            FailPacket(AtapiSense.InvalidField);
        }
        else
        {
            ReplyFromDisc(Long(2), count);
        }
    }
}
