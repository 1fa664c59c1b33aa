using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.State;
using ToyVmm.Hardware.Time;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// A VGA (IBM PS/2 hardware interface technical reference, "video subsystem"): 256 KiB of display memory in four planes, sequencer, graphics
/// controller, CRT controller, attribute controller and DAC; text, planar 16-colour, CGA-compatible and 256-colour modes, chained or not.
/// As a port device, offset 0 is the first port of the monochrome range (0x3B0), offset 0x10 the attribute controller, offset 0x20 the
/// colour range. As a memory device it has the 128 KiB from A0000 on.
/// </summary>
/// <remarks>
/// After power-on the chip is in the 80 x 25 colour text mode that a video BIOS sets, with its font in plane 2. Retrace is derived from the clock.
/// The methods that only look (<see cref="ReadScreen"/>, <see cref="ReadFrame"/>) may be called from another thread.
/// </remarks>
public sealed class Vga : IPortDevice, IMmioDevice, ISavedState
{
    /// <summary>Bytes that the chip answers for in the physical address space.</summary>
    public const uint MemorySize = 0x2_0000;

    private const uint ColourBase = 0x20;           // offset of the colour CRTC ports from the monochrome ones
    private const byte Unanswered = 0xFF;

    private readonly VirtualClock _clock;
    private readonly VgaRegisters _registers = new();
    private readonly VgaDac _dac = new();
    private readonly VgaMemory _memory;
    private byte _crtcIndex;
    private byte _sequencerIndex;
    private byte _graphicsIndex;
    private bool _attributeData;        // the flip-flop: the next write is data
    private byte _feature;

    /// <summary>Makes the display in 80 x 25 text mode.</summary>
    /// <param name="clock">What retrace is derived from.</param>
    /// <param name="aperture">Lets memory answer for the VGA where that is the same; null for never.</param>
    public Vga(VirtualClock clock, IVgaAperture? aperture = null)
    {
        ArgumentNullException.ThrowIfNull(clock);
        _clock = clock;
        _memory = new VgaMemory(_registers, aperture);
        Reset();
    }

    // Miscellaneous output bit 0 puts the CRTC and the status registers into the colour or the monochrome range.
    private uint CrtcBase => (_registers.Miscellaneous & 1) != 0 ? ColourBase : 0;

    /// <summary>True in a text mode: neither the graphics controller nor the attribute controller is set to graphics.</summary>
    public bool IsTextMode => _registers.IsTextMode;

    /// <summary>The mode in words: "text, 80 x 25", "graphics, 320 x 200, 256 colours".</summary>
    public string Mode
    {
        get
        {
            VgaRegisters r = _registers;
            if (r.IsTextMode)
            {
                return $"text, {r.Columns} x {Rows()}";
            }

            // Where bits of the scan line are address bits (CGA), the lines of a row differ.
            int sameLines = ((r.Crtc[0x17] & 1) != 0 ? r.RowLines : 1) * (r.DoublesLines ? 2 : 1);
            int colours = r.Has256Colours ? 256 : r.InterleavesShift ? 4 : (r.Attribute[18] & 0xF) == 1 ? 2 : 16;
            return $"graphics, {r.Columns * (r.Has256Colours ? 4 : 8)} x {r.Lines / sameLines}, {colours} colours";
        }
    }

    /// <summary>True when attribute bit 7 blinks; otherwise it makes the background bright.</summary>
    public bool BlinkEnabled => (_registers.Attribute[16] & 8) != 0;

    /// <summary>The standard text mode, as the video BIOS sets it. Display memory keeps its contents, but for the font.</summary>
    public void Reset()
    {
        _registers.Reset();
        _dac.Reset();
        _feature = 0;
        _crtcIndex = _sequencerIndex = _graphicsIndex = 0;
        _attributeData = false;
        _memory.RegistersChanged();
        _memory.LoadFont();
        _memory.OpenWindow();
    }

    /// <summary>The colour that an attribute's four-bit foreground or background shows, as three 8-bit components.</summary>
    /// <param name="index">0 to 15.</param>
    public (byte Red, byte Green, byte Blue) Colour(int index)
    {
        uint colour = _dac.Colour(VgaRenderer.Palette(_registers, index));
        return ((byte)(colour >> 16), (byte)(colour >> 8), (byte)colour);
    }

    /// <summary>What the display shows now, dot by dot; black while it is blanked. The cursor and blinking characters are shown lit.</summary>
    public VgaFrame ReadFrame() => new VgaRenderer(_registers, _dac, _memory.Snapshot()).Draw();

    /// <summary>What the display shows now as characters. In a graphics mode the memory is read as text all the same; see <see cref="IsTextMode"/>.</summary>
    public TextScreen ReadScreen()
    {
        int columns = _registers.Columns;
        int rows = Rows();
        int start = _registers.StartAddress;
        int pitch = _registers.Pitch;
        uint[] planes = _memory.Snapshot();
        TextCell[] cells = new TextCell[rows * columns];
        for (int row = 0; row < rows; row++)
        {
            for (int column = 0; column < columns; column++)
            {
                uint cell = planes[_registers.DisplayAddress((start + (row * pitch) + column) & 0xFFFF, rowLine: 0)];
                cells[(row * columns) + column] = new TextCell((byte)cell, (byte)(cell >> 8));
            }
        }

        return new TextScreen(rows, columns, cells, Cursor(rows, columns, start, pitch));
    }

    /// <inheritdoc/>
    public ulong Read(uint offset, int width)
    {
        ulong value = 0;
        for (int index = 0; index < width; index++)
        {
            value |= (ulong)_memory.Read(offset + (uint)index) << (8 * index);
        }

        return value;
    }

    /// <inheritdoc/>
    public void Write(uint offset, int width, ulong value)
    {
        for (int index = 0; index < width; index++)
        {
            _memory.Write(offset + (uint)index, (byte)(value >> (8 * index)));
        }
    }

    /// <inheritdoc/>
    public uint ReadPort(uint offset, int width)
    {
        if (offset - CrtcBase is var local && local is 4 or 5 or 10)
        {
            return local switch
            {
                4 => _crtcIndex,
                5 => ReadIndexed(_registers.Crtc, _crtcIndex),
                _ => ReadInputStatus1(),
            };
        }

        return offset switch
        {
            0x10 => _registers.AttributeIndex,
            0x11 => ReadIndexed(_registers.Attribute, _registers.AttributeIndex & 0x1F),
            0x12 => 0x10, // input status 0: a monitor answers the switch sense
            0x14 => _sequencerIndex,
            0x15 => ReadIndexed(_registers.Sequencer, _sequencerIndex),
            0x16 => _dac.Mask,
            0x17 => _dac.State,
            0x18 => _dac.WriteIndex,
            0x19 => _dac.ReadData(),
            0x1A => _feature,
            0x1C => _registers.Miscellaneous,
            0x1E => _graphicsIndex,
            0x1F => ReadIndexed(_registers.Graphics, _graphicsIndex),
            _ => Unanswered,
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
                _registers.Miscellaneous = data;
                _memory.RegistersChanged();
                break;
            case 0x14:
                _sequencerIndex = (byte)(data & 7);
                break;
            case 0x15 when _sequencerIndex < _registers.Sequencer.Length:
                _registers.Sequencer[_sequencerIndex] = data;
                _memory.RegistersChanged();
                break;
            case 0x16:
                _dac.Mask = data;
                break;
            case 0x17:
                _dac.BeginRead(data);
                break;
            case 0x18:
                _dac.BeginWrite(data);
                break;
            case 0x19:
                _dac.WriteData(data);
                break;
            case 0x1E:
                _graphicsIndex = (byte)(data & 15);
                break;
            case 0x1F when _graphicsIndex < _registers.Graphics.Length:
                _registers.Graphics[_graphicsIndex] = data;
                _memory.RegistersChanged();
                break;
            default:
                break;
        }
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        _registers.Transfer(state);
        _dac.Transfer(state);
        _memory.Transfer(state);
        state.Value(ref _crtcIndex);
        state.Value(ref _sequencerIndex);
        state.Value(ref _graphicsIndex);
        state.Value(ref _attributeData);
        state.Value(ref _feature);
    }

    private static byte ReadIndexed(byte[] registers, int index) => index < registers.Length ? registers[index] : (byte)0;

    private void WriteCrtcRange(uint local, byte data)
    {
        byte[] crtc = _registers.Crtc;
        switch (local)
        {
            case 4:
                _crtcIndex = (byte)(data & 0x1F);
                break;
            case 5 when _crtcIndex == 7 && (crtc[0x11] & 0x80) != 0:
                crtc[7] = (byte)((crtc[7] & ~0x10) | (data & 0x10)); // only the line compare bit is not protected
                break;
            case 5 when _crtcIndex < 7 && (crtc[0x11] & 0x80) != 0: // CR11 bit 7 protects CR0-CR7
                break;
            case 5 when _crtcIndex < crtc.Length:
                crtc[_crtcIndex] = data;
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
        int index = _registers.AttributeIndex & 0x1F;
        if (!_attributeData)
        {
            _registers.AttributeIndex = (byte)(data & 0x3F);
        }
        else if (index < _registers.Attribute.Length && (index >= 16 || (_registers.AttributeIndex & 0x20) == 0))
        {
            _registers.Attribute[index] = data; // the palette is locked while it drives the display
        }

        _attributeData = !_attributeData;
    }

    // Bit 0: the display is blanked; bit 3: vertical retrace. Reading resets the attribute controller's flip-flop.
    private byte ReadInputStatus1()
    {
        _attributeData = false;
        VgaRegisters r = _registers;
        ulong dots = (ulong)(r.CharacterDots * (r.DoublesDots ? 2 : 1));
        ulong perLine = (r.Crtc[0] + 5UL) * dots;
        ulong now = _clock.Ticks(r.DotClock);
        ulong dot = now % perLine;
        int line = (int)(now / perLine % (ulong)r.TotalLines);
        bool blanked = line >= r.Lines || dot >= (ulong)r.Columns * dots;

        // The retrace lasts until the low four bits of the line are those of CRTC register 11h.
        int sinceRetrace = line - r.RetraceStart;
        int retraceLines = ((r.Crtc[0x11] - r.RetraceStart - 1) & 15) + 1;
        bool retrace = sinceRetrace >= 0 && sinceRetrace < retraceLines;
        return (byte)((blanked || retrace ? 1 : 0) | (retrace ? 8 : 0));
    }

    private int Rows() => Math.Max(1, _registers.Lines / (_registers.RowLines * (_registers.DoublesLines ? 2 : 1)));

    private TextCursor Cursor(int rows, int columns, int start, int pitch)
    {
        byte[] crtc = _registers.Crtc;
        int relative = (((crtc[0x0E] << 8) | crtc[0x0F]) - start) & 0xFFFF;
        int row = pitch == 0 ? 0 : relative / pitch;
        int column = pitch == 0 ? relative : relative % pitch;
        int first = crtc[0x0A] & 0x1F;
        int last = crtc[0x0B] & 0x1F;
        bool visible = (crtc[0x0A] & 0x20) == 0 && first <= last && row < rows && column < columns;
        return new TextCursor(row, column, first, last, visible);
    }
}
