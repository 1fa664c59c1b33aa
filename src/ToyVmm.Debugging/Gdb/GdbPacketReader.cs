namespace ToyVmm.Debugging.Gdb;

/// <summary>What a byte of a client completed.</summary>
public enum GdbInput
{
    /// <summary>Nothing yet.</summary>
    None,

    /// <summary>A packet: <see cref="GdbPacketReader.Packet"/>.</summary>
    Packet,

    /// <summary>A packet whose checksum is wrong.</summary>
    Damaged,

    /// <summary>A packet that is longer than any that the server offered to take.</summary>
    TooLong,

    /// <summary>'+': the last reply has arrived.</summary>
    Acknowledged,

    /// <summary>'-': the last reply has arrived damaged, and is to be sent again.</summary>
    Refused,

    /// <summary>Ctrl-C, outside of a packet: the guest is to stop.</summary>
    Interrupt,

    /// <summary>A byte that belongs to nothing.</summary>
    Noise,
}

/// <summary>Takes a client's bytes apart: <c>$data#checksum</c>, acknowledgements and Ctrl-C (gdb manual, E.1, E.9). Whatever the bytes are, it keeps a bounded amount of them.</summary>
/// <param name="longest">The longest packet's bytes, as they are on the line.</param>
public sealed class GdbPacketReader(int longest)
{
    private enum Place
    {
        Outside,
        Inside,
        FirstDigit,
        SecondDigit,
    }

    private readonly List<byte> _raw = [];
    private Place _place;
    private byte _sum;
    private int _first;
    private bool _tooLong;

    /// <summary>The data of the last packet, with the escapes taken out.</summary>
    public byte[] Packet { get; private set; } = [];

    /// <summary>True where checksums are looked at: until the client asks for none.</summary>
    public bool ChecksSums { get; set; } = true;

    /// <summary>Takes a byte.</summary>
    /// <param name="value">The byte.</param>
    public GdbInput Take(byte value)
    {
        switch (_place)
        {
            case Place.Outside:
                return TakeOutside(value);
            case Place.Inside when value == '#':
                _place = Place.FirstDigit;
                return GdbInput.None;
            case Place.Inside when value == '$':
                // The rest of a packet was lost, and this is the next one.
                Begin();
                return GdbInput.Damaged;
            case Place.Inside:
                _sum += value;
                _tooLong |= _raw.Count >= longest;
                if (!_tooLong)
                {
                    _raw.Add(value);
                }

                return GdbInput.None;
            case Place.FirstDigit:
                _first = GdbText.Digit(value);
                _place = Place.SecondDigit;
                return GdbInput.None;
            default:
                _place = Place.Outside;
                return Complete(_first, GdbText.Digit(value));
        }
    }

    private GdbInput TakeOutside(byte value)
    {
        switch (value)
        {
            case (byte)'$':
                Begin();
                return GdbInput.None;
            case (byte)'+':
                return GdbInput.Acknowledged;
            case (byte)'-':
                return GdbInput.Refused;
            case 3:
                return GdbInput.Interrupt;
            default:
                return GdbInput.Noise;
        }
    }

    private void Begin()
    {
        _raw.Clear();
        _sum = 0;
        _tooLong = false;
        _place = Place.Inside;
    }

    private GdbInput Complete(int first, int second)
    {
        if (ChecksSums && (first < 0 || second < 0 || _sum != (first << 4 | second)))
        {
            return GdbInput.Damaged;
        }

        if (_tooLong)
        {
            return GdbInput.TooLong;
        }

        Packet = GdbText.Unescape(_raw);
        return GdbInput.Packet;
    }
}
