namespace ToyVmm.Hardware.Devices;

/// <summary>
/// From the planes to the picture, along the way of the hardware: the CRT controller counts addresses, the sequencer fetches a
/// character or four planes' bytes for each character clock, the attribute controller makes colours of them, the DAC light.
/// IBM PS/2 hardware interface technical reference, "CRT controller" and "attribute controller".
/// </summary>
/// <remarks>The cursor and blinking characters are drawn as they look while they are lit: equal states give equal pictures.</remarks>
internal sealed class VgaRenderer
{
    private const int FontStride = 32;          // bytes of plane 2 for each character, whatever its height

    private readonly VgaRegisters _registers;
    private readonly uint[] _cells;
    private readonly uint[] _dac = new uint[256];
    private readonly byte[] _palette = new byte[16];

    public VgaRenderer(VgaRegisters registers, VgaDac dac, uint[] cells)
    {
        _registers = registers;
        _cells = cells;
        for (int index = 0; index < 256; index++)
        {
            _dac[index] = dac.Colour(index);
        }

        for (int index = 0; index < 16; index++)
        {
            _palette[index] = Palette(registers, index);
        }
    }

    /// <summary>The DAC index of one of sixteen colours: six bits from the palette, two or four above them from the colour select register.</summary>
    public static byte Palette(VgaRegisters registers, int index)
    {
        int entry = registers.Attribute[index & 15] & 0x3F;
        int select = registers.Attribute[20];
        return (byte)((registers.Attribute[16] & 0x80) != 0
            ? (entry & 0x0F) | ((select & 0x0F) << 4)
            : entry | ((select & 0x0C) << 4));
    }

    /// <summary>Draws the picture.</summary>
    public VgaFrame Draw()
    {
        bool text = _registers.IsTextMode;
        int dots = text ? _registers.CharacterDots : 8;
        int columns = _registers.Columns;
        int repeat = _registers.DoublesDots ? 2 : 1;
        int width = columns * dots * repeat;
        int height = _registers.Lines;
        uint[] pixels = new uint[width * height];
        if (!_registers.DisplayEnabled)
        {
            return new VgaFrame(width, height, pixels);
        }

        byte[] line = new byte[(columns + 1) * dots];
        int row = _registers.StartAddress + ((_registers.Crtc[8] >> 5) & 3);
        int rowLine = _registers.Crtc[8] & 0x1F;
        bool again = _registers.DoublesLines;
        int shift = Panning(dots);
        for (int y = 0; y < height; y++)
        {
            if (text)
            {
                DrawText(line, row, rowLine, columns + 1, dots);
            }
            else
            {
                DrawGraphics(line, row, rowLine, columns + 1);
            }

            Span<uint> target = pixels.AsSpan(y * width, width);
            for (int x = 0; x < width; x++)
            {
                target[x] = _dac[line[shift + (x / repeat)]];
            }

            if (y == _registers.LineCompare)
            {
                // The split screen: from address 0, without panning where the attribute controller is told so.
                (row, rowLine, again) = (0, 0, _registers.DoublesLines);
                shift = (_registers.Attribute[16] & 0x20) != 0 ? 0 : shift;
            }
            else if (again)
            {
                again = false;
            }
            else
            {
                again = _registers.DoublesLines;
                rowLine = (rowLine + 1) & 0x1F;
                if (rowLine == _registers.RowLines || rowLine == 0)
                {
                    rowLine = 0;
                    row += _registers.Pitch;
                }
            }
        }

        return new VgaFrame(width, height, pixels);
    }

    // How many dots the line moves to the left. With nine dots a character, 8 means none and 0 one.
    private int Panning(int dots)
    {
        int panning = _registers.Attribute[19] & 15;
        return dots == 9 ? (panning >= 8 ? 0 : panning + 1) : panning & 7;
    }

    private void DrawText(Span<byte> line, int row, int rowLine, int columns, int dots)
    {
        VgaRegisters r = _registers;
        int select = r.Sequencer[3];
        int fontA = FontPlace(((select >> 2) & 3) | ((select >> 3) & 4));
        int fontB = FontPlace((select & 3) | ((select >> 2) & 4));
        bool blinks = (r.Attribute[16] & 8) != 0;
        bool joinsLines = (r.Attribute[16] & 4) != 0;
        bool underlined = rowLine == (r.Crtc[0x14] & 0x1F);
        bool cursorLine = (r.Crtc[0x0A] & 0x20) == 0 && rowLine >= (r.Crtc[0x0A] & 0x1F) && rowLine <= (r.Crtc[0x0B] & 0x1F);
        int cursor = (((r.Crtc[0x0E] << 8) | r.Crtc[0x0F]) + ((r.Crtc[0x0B] >> 5) & 3)) & 0xFFFF;
        for (int column = 0; column < columns; column++)
        {
            int counter = (row + column) & 0xFFFF;
            uint cell = _cells[r.DisplayAddress(counter, rowLine)];
            int code = (byte)cell;
            int attribute = (byte)(cell >> 8);
            int font = (attribute & 8) != 0 ? fontA : fontB;
            int bits = (byte)(_cells[(font + (code * FontStride) + rowLine) & 0xFFFF] >> 16) << 1;
            if (joinsLines && code is >= 0xC0 and <= 0xDF)
            {
                bits |= (bits >> 1) & 1;    // box drawing characters go on through the ninth dot
            }

            if ((cursorLine && counter == cursor) || (underlined && (attribute & 0x77) == 1))
            {
                bits = 0x1FF;
            }

            byte foreground = _palette[attribute & r.Attribute[18] & 15];
            byte background = _palette[(attribute >> 4) & (blinks ? 7 : 15) & r.Attribute[18]];
            Span<byte> target = line.Slice(column * dots, dots);
            for (int dot = 0; dot < dots; dot++)
            {
                target[dot] = (bits & (0x100 >> dot)) != 0 ? foreground : background;
            }
        }
    }

    private void DrawGraphics(Span<byte> line, int row, int rowLine, int columns)
    {
        VgaRegisters r = _registers;
        int enabled = r.Attribute[18] & 15;
        for (int column = 0; column < columns; column++)
        {
            uint cell = _cells[r.DisplayAddress((row + column) & 0xFFFF, rowLine)];
            Span<byte> target = line.Slice(column * 8, 8);
            if (r.Has256Colours)
            {
                for (int dot = 0; dot < 8; dot++)
                {
                    target[dot] = (byte)(cell >> (8 * (dot >> 1)));
                }

                continue;
            }

            for (int dot = 0; dot < 8; dot++)
            {
                target[dot] = _palette[(r.InterleavesShift ? Interleaved(cell, dot) : Planar(cell, dot)) & enabled];
            }
        }
    }

    // A bit of each plane, plane 0's is the lowest.
    private static int Planar(uint cell, int dot)
    {
        uint bits = cell >> (7 - dot);
        return (int)((bits & 1) | ((bits >> 7) & 2) | ((bits >> 14) & 4) | ((bits >> 21) & 8));
    }

    // Pairs of bits: four dots from planes 0 and 2, then four from planes 1 and 3.
    private static int Interleaved(uint cell, int dot)
    {
        uint bits = cell >> (dot < 4 ? 0 : 8) >> (6 - (2 * (dot & 3)));
        return (int)((bits & 3) | ((bits >> 14) & 0xC));
    }

    // Fonts 0-3 lie at multiples of 16 KiB, fonts 4-7 half-way between.
    private static int FontPlace(int font) => ((font & 3) << 14) | ((font & 4) << 11);
}
