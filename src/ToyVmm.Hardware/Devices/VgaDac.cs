using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// The VGA's colour look-up table and converter: 256 entries of three times six bits, written and read component by component behind an
/// index that counts on (IBM PS/2 hardware interface technical reference, "video digital-to-analog converter"). An entry changes with its
/// third component.
/// </summary>
internal sealed class VgaDac
{
    private readonly byte[] _entries = new byte[768];
    private readonly byte[] _arriving = new byte[3];
    private byte _readIndex;
    private byte _writeIndex;
    private int _readComponent;
    private int _writeComponent;
    private bool _reading;

    /// <summary>The pixel mask, which is ANDed to what the attribute controller says.</summary>
    public byte Mask { get; set; }

    /// <summary>Port 3C7h: 3 after a read index was written, 0 after a write index.</summary>
    public byte State => _reading ? (byte)3 : (byte)0;

    /// <summary>Port 3C8h.</summary>
    public byte WriteIndex => _writeIndex;

    /// <summary>The 64 colours of the EGA, as a video BIOS sets them for text; black behind them.</summary>
    public void Reset()
    {
        Mask = 0xFF;
        _readIndex = _writeIndex = 0;
        _readComponent = _writeComponent = 0;
        _reading = false;
        Array.Clear(_entries);
        for (int colour = 0; colour < 64; colour++)
        {
            // Two thirds from bits 0-2, one third from bits 3-5 (blue, green, red).
            for (int component = 0; component < 3; component++)
            {
                int bit = 2 - component;
                _entries[(colour * 3) + component] = (byte)((((colour >> bit) & 1) * 0x2A) + (((colour >> (bit + 3)) & 1) * 0x15));
            }
        }
    }

    public void BeginRead(byte index)
    {
        _readIndex = index;
        _readComponent = 0;
        _reading = true;
    }

    public void BeginWrite(byte index)
    {
        _writeIndex = index;
        _writeComponent = 0;
        _reading = false;
    }

    public byte ReadData()
    {
        byte value = _entries[(_readIndex * 3) + _readComponent];
        if (++_readComponent == 3)
        {
            _readComponent = 0;
            _readIndex++;
        }

        return value;
    }

    public void WriteData(byte value)
    {
        _arriving[_writeComponent] = (byte)(value & 0x3F);
        if (++_writeComponent == 3)
        {
            _arriving.CopyTo(_entries, _writeIndex * 3);
            _writeComponent = 0;
            _writeIndex++;
        }
    }

    /// <summary>What the screen shows for a value of the attribute controller: 8 bits of red, green and blue, the lowest is blue.</summary>
    public uint Colour(int index)
    {
        int entry = (index & Mask) * 3;
        return (Expand(_entries[entry]) << 16) | (Expand(_entries[entry + 1]) << 8) | Expand(_entries[entry + 2]);
    }

    public void Transfer(StateTransfer state)
    {
        state.Bytes(_entries);
        state.Bytes(_arriving);
        state.Value(ref _readIndex);
        state.Value(ref _writeIndex);
        state.Range(ref _readComponent, 0, 2);
        state.Range(ref _writeComponent, 0, 2);
        state.Value(ref _reading);
        Mask = state.Pass(Mask);
    }

    // Six bits of brightness on the scale of eight: 63 is 255.
    private static uint Expand(byte six) => (uint)((six << 2) | (six >> 4));
}
