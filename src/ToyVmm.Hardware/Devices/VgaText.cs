using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.Time;

namespace ToyVmm.Hardware.Devices;

/// <summary>Copies display memory; bytes past its end read as zero.</summary>
/// <param name="offset">Bytes from the start of display memory.</param>
/// <param name="destination">Where to.</param>
public delegate void VideoMemoryReader(uint offset, Span<byte> destination);

/// <summary>
/// A VGA as a text display: every register of the IBM VGA (PS/2 Model 50/60/80 technical reference, video subsystem) is there and
/// reads back, and the ones that shape a text screen act. Offset 0 is the first port of the monochrome range (0x3B0), offset 0x10
/// the attribute controller, offset 0x20 the colour range. Display memory is not the chip's: it is read through a callback.
/// </summary>
/// <remarks>After power-on the chip is in the 80 x 25 colour text mode that a video BIOS sets. Retrace is derived from the clock.</remarks>
public sealed class VgaText : IPortDevice
{
    private const uint ColourBase = 0x20;           // offset of the colour CRTC ports from the monochrome ones
    private const ulong PixelClock = 28_322_000;    // Hz, for 720 pixels a line
    private const int PixelsPerLine = 900;
    private const int LinesPerFrame = 449;
    private const int VisiblePixels = 720;
    private const int VisibleLines = 400;
    private const int RetraceFirst = 412;           // vertical retrace pulse: lines 412 and 413
    private const int RetraceLast = 413;

    private readonly VirtualClock _clock;
    private readonly VideoMemoryReader _readMemory;
    private readonly byte[] _crtc = new byte[25];
    private readonly byte[] _sequencer = new byte[5];
    private readonly byte[] _graphics = new byte[9];
    private readonly byte[] _attribute = new byte[21];
    private readonly byte[] _dac = new byte[768];
    private byte _crtcIndex;
    private byte _sequencerIndex;
    private byte _graphicsIndex;
    private byte _attributeIndex;       // bit 5: the palette drives the display
    private bool _attributeData;        // the flip-flop: the next write is data
    private byte _miscellaneous;
    private byte _feature;
    private byte _dacMask;
    private int _dacRead;
    private int _dacWrite;
    private bool _dacReading;

    /// <summary>Makes the display in 80 x 25 text mode.</summary>
    /// <param name="clock">What retrace is derived from.</param>
    /// <param name="readMemory">Reads the 128 KiB of display memory (A0000-BFFFF on a PC).</param>
    public VgaText(VirtualClock clock, VideoMemoryReader readMemory)
    {
        ArgumentNullException.ThrowIfNull(clock);
        _clock = clock;
        _readMemory = readMemory;
        Reset();
    }

    private static ReadOnlySpan<byte> TextCrtc =>
    [
        0x5F, 0x4F, 0x50, 0x82, 0x55, 0x81, 0xBF, 0x1F, 0x00, 0x4F, 0x0D, 0x0E, 0x00, 0x00, 0x00, 0x00,
        0x9C, 0x8E, 0x8F, 0x28, 0x1F, 0x96, 0xB9, 0xA3, 0xFF,
    ];

    private static ReadOnlySpan<byte> TextSequencer => [0x03, 0x00, 0x03, 0x00, 0x02];

    private static ReadOnlySpan<byte> TextGraphics => [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0E, 0x0F, 0xFF];

    private static ReadOnlySpan<byte> TextAttribute =>
    [
        0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F,
        0x0C, 0x00, 0x0F, 0x08, 0x00,
    ];

    // Miscellaneous output bit 0 puts the CRTC and the status registers into the colour or the monochrome range.
    private uint CrtcBase => (_miscellaneous & 1) != 0 ? ColourBase : 0;

    /// <summary>True in a text mode: neither the graphics controller nor the attribute controller is set to graphics.</summary>
    public bool IsTextMode => (_graphics[6] & 1) == 0 && (_attribute[16] & 1) == 0;

    /// <summary>The standard text mode, as the video BIOS sets it.</summary>
    public void Reset()
    {
        TextCrtc.CopyTo(_crtc);
        TextSequencer.CopyTo(_sequencer);
        TextGraphics.CopyTo(_graphics);
        TextAttribute.CopyTo(_attribute);
        _miscellaneous = 0x67;
        _feature = 0;
        _crtcIndex = _sequencerIndex = _graphicsIndex = 0;
        _attributeIndex = 0x20;
        _attributeData = _dacReading = false;
        _dacRead = _dacWrite = 0;
        _dacMask = 0xFF;
        Array.Clear(_dac);
        for (int colour = 0; colour < 64; colour++)
        {
            // The 64 colours of the EGA: two thirds from bits 0-2, one third from bits 3-5 (blue, green, red).
            for (int component = 0; component < 3; component++)
            {
                int bit = 2 - component;
                _dac[(colour * 3) + component] = (byte)((((colour >> bit) & 1) * 0x2A) + (((colour >> (bit + 3)) & 1) * 0x15));
            }
        }
    }

    /// <summary>The colour that an attribute's four-bit foreground or background shows, as three 8-bit components.</summary>
    /// <param name="index">0 to 15.</param>
    public (byte Red, byte Green, byte Blue) Colour(int index)
    {
        int entry = ((_attribute[index & 15] & 0x3F) | ((_attribute[20] & 0x0C) << 4)) & _dacMask;
        return (Expand(_dac[entry * 3]), Expand(_dac[(entry * 3) + 1]), Expand(_dac[(entry * 3) + 2]));

        static byte Expand(byte six) => (byte)((six << 2) | (six >> 4));
    }

    /// <summary>True when attribute bit 7 blinks; otherwise it makes the background bright.</summary>
    public bool BlinkEnabled => (_attribute[16] & 8) != 0;

    /// <summary>What the display shows now. In a graphics mode the memory is read as text all the same; see <see cref="IsTextMode"/>.</summary>
    public TextScreen ReadScreen()
    {
        int columns = _crtc[1] + 1;
        int lines = (_crtc[0x12] | ((_crtc[7] & 0x02) << 7) | ((_crtc[7] & 0x40) << 3)) + 1;
        int cellHeight = ((_crtc[9] & 0x1F) + 1) * ((_crtc[9] & 0x80) != 0 ? 2 : 1);
        int rows = Math.Max(1, lines / cellHeight);
        (uint windowBase, uint windowSize) = MemoryWindow();
        uint start = (uint)((_crtc[0x0C] << 8) | _crtc[0x0D]);
        uint pitch = _crtc[0x13] * 2u;

        TextCell[] cells = new TextCell[rows * columns];
        Span<byte> window = new byte[windowSize];
        _readMemory(windowBase, window);
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                uint at = (start + ((uint)row * pitch) + (uint)column) * 2 & (windowSize - 1);
                cells[(row * columns) + column] = new TextCell(window[(int)at], window[(int)at + 1]);
            }
        }

        return new TextScreen(rows, columns, cells, Cursor(rows, columns, start, pitch));
    }

    /// <inheritdoc/>
    public uint ReadPort(uint offset, int width)
    {
        if (offset - CrtcBase is var local && local is 4 or 5 or 10)
        {
            return local switch
            {
                4 => _crtcIndex,
                5 => _crtcIndex < _crtc.Length ? _crtc[_crtcIndex] : (byte)0,
                _ => ReadInputStatus1(),
            };
        }

        return offset switch
        {
            0x10 => _attributeIndex,
            0x11 => (_attributeIndex & 0x1F) < _attribute.Length ? _attribute[_attributeIndex & 0x1F] : (byte)0,
            0x12 => 0x10, // input status 0: a monitor answers the switch sense
            0x14 => _sequencerIndex,
            0x15 => _sequencerIndex < _sequencer.Length ? _sequencer[_sequencerIndex] : (byte)0,
            0x16 => _dacMask,
            0x17 => _dacReading ? 3u : 0u,
            0x18 => (uint)(_dacWrite / 3),
            0x19 => ReadDac(),
            0x1A => _feature,
            0x1C => _miscellaneous,
            0x1E => _graphicsIndex,
            0x1F => _graphicsIndex < _graphics.Length ? _graphics[_graphicsIndex] : (byte)0,
            _ => 0xFF,
        };
    }

    /// <inheritdoc/>
    public void WritePort(uint offset, int width, uint value)
    {
        byte data = (byte)value;
        if (offset - CrtcBase is var local && local is 4 or 5 or 10)
        {
            WriteCrtcRange(local, data);
            return;
        }

        switch (offset)
        {
            case 0x10:
                WriteAttribute(data);
                break;
            case 0x12:
                _miscellaneous = data;
                break;
            case 0x14:
                _sequencerIndex = (byte)(data & 7);
                break;
            case 0x15 when _sequencerIndex < _sequencer.Length:
                _sequencer[_sequencerIndex] = data;
                break;
            case 0x16:
                _dacMask = data;
                break;
            case 0x17:
                _dacRead = data * 3;
                _dacReading = true;
                break;
            case 0x18:
                _dacWrite = data * 3;
                _dacReading = false;
                break;
            case 0x19:
                _dac[_dacWrite] = (byte)(data & 0x3F);
                _dacWrite = (_dacWrite + 1) % _dac.Length;
                break;
            case 0x1E:
                _graphicsIndex = (byte)(data & 15);
                break;
            case 0x1F when _graphicsIndex < _graphics.Length:
                _graphics[_graphicsIndex] = data;
                break;
            default:
                break;
        }
    }

    private void WriteCrtcRange(uint local, byte data)
    {
        switch (local)
        {
            case 4:
                _crtcIndex = (byte)(data & 0x1F);
                break;
            case 5 when _crtcIndex == 7 && (_crtc[0x11] & 0x80) != 0:
                _crtc[7] = (byte)((_crtc[7] & ~0x10) | (data & 0x10)); // only the line compare bit is not protected
                break;
            case 5 when _crtcIndex < 7 && (_crtc[0x11] & 0x80) != 0: // CR11 bit 7 protects CR0-CR7
                break;
            case 5 when _crtcIndex < _crtc.Length:
                _crtc[_crtcIndex] = data;
                break;
            case 10:
                _feature = (byte)(data & 3);
                break;
            default:
                break;
        }
    }

    private void WriteAttribute(byte data)
    {
        int index = _attributeIndex & 0x1F;
        if (!_attributeData)
        {
            _attributeIndex = (byte)(data & 0x3F);
        }
        else if (index < _attribute.Length && (index >= 16 || (_attributeIndex & 0x20) == 0))
        {
            _attribute[index] = data; // the palette is locked while it drives the display
        }

        _attributeData = !_attributeData;
    }

    private byte ReadDac()
    {
        byte value = _dac[_dacRead];
        _dacRead = (_dacRead + 1) % _dac.Length;
        return value;
    }

    // Bit 0: the display is blanked; bit 3: vertical retrace. Reading resets the attribute controller's flip-flop.
    private byte ReadInputStatus1()
    {
        _attributeData = false;
        ulong pixel = _clock.Ticks(PixelClock);
        int column = (int)(pixel % PixelsPerLine);
        int line = (int)(pixel / PixelsPerLine % LinesPerFrame);
        bool blanked = line >= VisibleLines || column >= VisiblePixels;
        return (byte)((blanked ? 1 : 0) | (line is >= RetraceFirst and <= RetraceLast ? 8 : 0));
    }

    // Graphics register 6 bits 3-2: where display memory answers in A0000-BFFFF, and how much of it.
    private (uint Base, uint Size) MemoryWindow() => ((_graphics[6] >> 2) & 3) switch
    {
        0 => (0u, 0x2_0000u),
        1 => (0u, 0x1_0000u),
        2 => (0x1_0000u, 0x8000u),
        _ => (0x1_8000u, 0x8000u),
    };

    private TextCursor Cursor(int rows, int columns, uint start, uint pitch)
    {
        uint position = (uint)((_crtc[0x0E] << 8) | _crtc[0x0F]);
        uint relative = (position - start) & 0xFFFF;
        int row = pitch == 0 ? 0 : (int)(relative / pitch);
        int column = pitch == 0 ? (int)relative : (int)(relative % pitch);
        int first = _crtc[0x0A] & 0x1F;
        int last = _crtc[0x0B] & 0x1F;
        bool visible = (_crtc[0x0A] & 0x20) == 0 && first <= last && row < rows && column < columns;
        return new TextCursor(row, column, first, last, visible);
    }
}
