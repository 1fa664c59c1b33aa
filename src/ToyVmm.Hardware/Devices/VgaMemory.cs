using System.Buffers;
using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// A VGA's 256 KiB in four planes of 64 KiB, and the logic between them and the CPU: sequencer (map mask, chain-4, odd/even) and
/// graphics controller (latches, set/reset, rotate, function, bit mask, read and write modes). IBM PS/2 hardware interface technical
/// reference, "graphics controller". The four bytes at one place of the planes are one word: plane 0 in bits 7-0.
/// </summary>
/// <remarks>
/// Where the logic does nothing, the memory behind the <see cref="IVgaAperture"/> holds the bytes instead (<see cref="Window"/>); it is
/// opened by the first access after the registers allow it and closed by the first register that does not, so that setting a mode
/// costs one change, not twenty. The latches do not follow loads from an open window.
/// </remarks>
internal sealed class VgaMemory
{
    /// <summary>Places in a plane.</summary>
    public const int Places = 0x1_0000;

    // What the BIOS of the board leaves in plane 2: every machine begins with it.
    private static readonly VgaCells s_font = MakeFont();

    private readonly VgaRegisters _registers;
    private readonly IVgaAperture? _aperture;
    private readonly VgaCells _cells;
    private uint _latches;
    private Window _wanted;
    private volatile Window _open;

    public VgaMemory(VgaRegisters registers, IVgaAperture? aperture)
    {
        _registers = registers;
        _aperture = aperture;
        _cells = new VgaCells(s_font);
    }

    /// <summary>The ways in which display memory can lie open.</summary>
    private enum Window
    {
        /// <summary>Not at all.</summary>
        None,

        /// <summary>Text at B0000: even addresses are plane 0, odd ones plane 1.</summary>
        MonochromeText,

        /// <summary>Text at B8000.</summary>
        ColourText,

        /// <summary>Chain-4 at A0000: the four planes in turn.</summary>
        Chained,
    }

    /// <summary>The registers have changed: closes the window if its bytes are not simply bytes any more.</summary>
    public void RegistersChanged()
    {
        _wanted = FindWindow();
        if (_open != Window.None && _open != _wanted)
        {
            CloseWindow();
        }
    }

    /// <summary>Opens the window if the registers allow it.</summary>
    public void OpenWindow()
    {
        if (_aperture is null || _open == _wanted)
        {
            return;
        }

        (uint offset, int length) = Place(_wanted);
        byte[] window = ArrayPool<byte>.Shared.Rent(length);
        for (int at = 0; at < length; at++)
        {
            (int place, int plane) = Spread(_wanted, at);
            window[at] = (byte)(_cells[(uint)place] >> (8 * plane));
        }

        _open = _wanted;
        _aperture.Open(offset, window.AsSpan(0, length));
        ArrayPool<byte>.Shared.Return(window);
    }

    /// <summary>All four planes now; from any thread.</summary>
    public uint[] Snapshot()
    {
        for (; ; )
        {
            Window open = _open;
            uint[] copy = _cells.ToArray();
            if (open != Window.None)
            {
                (uint offset, int length) = Place(open);
                byte[] bytes = new byte[length];
                _aperture!.Read(offset, bytes);
                Merge(open, bytes, copy);
            }

            // A window that has been closed meanwhile may have given nonsense.
            if (_open == open)
            {
                return copy;
            }
        }
    }

    /// <summary>Fills plane 2 with the font of 256 characters, 32 bytes each.</summary>
    public void LoadFont() => LoadFont(_cells);

    private static VgaCells MakeFont()
    {
        VgaCells font = new();
        LoadFont(font);
        return font;
    }

    private static void LoadFont(VgaCells cells)
    {
        ReadOnlySpan<byte> glyphs = VgaFont.Glyphs;
        for (int at = 0; at < glyphs.Length; at++)
        {
            uint place = (uint)((at / VgaFont.Height * 32) + (at % VgaFont.Height));
            cells[place] = (cells[place] & 0xFF00_FFFF) | ((uint)glyphs[at] << 16);
        }
    }

    /// <summary>The CPU loads a byte.</summary>
    /// <param name="offset">From the start of the 128 KiB.</param>
    public byte Read(uint offset)
    {
        if (!TryDecode(offset, out uint address))
        {
            return 0xFF;
        }

        OpenWindow();
        if (_open != Window.None)
        {
            Span<byte> one = stackalloc byte[1];
            _aperture!.Read(offset, one);
            return one[0];
        }

        byte[] graphics = _registers.Graphics;
        _latches = _cells[Fold(address)];
        if (_registers.ComparesColours && !_registers.Chain4)
        {
            // Read mode 1: a bit for each pixel whose colour is the one in register 2, in the planes that register 7 lets count.
            uint different = (_latches ^ Spread(graphics[2])) & Spread(graphics[7]);
            different |= different >> 16;
            return (byte)~(different | (different >> 8));
        }

        int plane = _registers.Chain4 ? (int)(address & 3)
            : _registers.ReadsOddEven ? (graphics[4] & 2) | (int)(address & 1)
            : graphics[4] & 3;
        return (byte)(_latches >> (8 * plane));
    }

    /// <summary>The CPU stores a byte.</summary>
    /// <param name="offset">From the start of the 128 KiB.</param>
    /// <param name="value">The byte.</param>
    public void Write(uint offset, byte value)
    {
        if (!TryDecode(offset, out uint address))
        {
            return;
        }

        OpenWindow();
        if (_open != Window.None)
        {
            _aperture!.Write(offset, [value]);
            return;
        }

        int planes = _registers.Chain4 ? 1 << (int)(address & 3)
            : !_registers.WritesOddEven ? 15
            : (address & 1) == 0 ? 0b0101 : 0b1010;
        uint mask = Spread((byte)(planes & _registers.Sequencer[2]));
        uint place = Fold(address);
        _cells[place] = (_cells[place] & ~mask) | (Combine(value) & mask);
    }

    /// <summary>The memory, and what is open. The bytes of an open window are the board's RAM, and are not among these.</summary>
    public void Transfer(StateTransfer state)
    {
        state.Value(ref _latches);
        _wanted = (Window)state.Choice((int)_wanted, (int)Window.Chained);
        Window open = (Window)state.Choice((int)_open, (int)Window.Chained);
        state.Require(_wanted == FindWindow() && (open == Window.None || open == _wanted));
        _open = open;

        // Most of it is empty: a piece is there only where a bit says so. One that was empty and stays so is not even written to.
        ulong used = 0;
        for (int piece = 0; !state.IsRestoring && piece < VgaCells.Pieces; piece++)
        {
            used |= _cells.Used(piece).IsEmpty ? 0 : 1ul << piece;
        }

        state.Value(ref used);
        uint[] content = new uint[VgaCells.PieceSize];
        for (int piece = 0; piece < VgaCells.Pieces; piece++)
        {
            if ((used & (1ul << piece)) != 0)
            {
                _cells.Used(piece).CopyTo(content);
                state.Values(content);
                if (state.IsRestoring)
                {
                    _cells.Fill(piece, content);
                }
            }
            else if (state.IsRestoring)
            {
                _cells.Empty(piece);
            }
        }
    }

    /// <summary>A bit for each plane as eight.</summary>
    private static uint Spread(byte planes) =>
        ((planes & 1) != 0 ? 0xFFu : 0) | ((planes & 2) != 0 ? 0xFF00u : 0) | ((planes & 4) != 0 ? 0xFF_0000u : 0) | ((planes & 8) != 0 ? 0xFF00_0000u : 0);

    /// <summary>A byte in each plane.</summary>
    private static uint Repeat(byte value) => value * 0x0101_0101u;

    // What a write puts into the planes: registers 0, 1, 3, 5 and 8 of the graphics controller.
    private uint Combine(byte value)
    {
        byte[] graphics = _registers.Graphics;
        int rotation = graphics[3] & 7;
        byte rotated = (byte)((value >> rotation) | (value << (8 - rotation)));
        uint bitMask = Repeat(graphics[8]);
        uint data;
        switch (_registers.WriteMode)
        {
            case 0:
                uint setReset = Spread(graphics[1]);
                data = (Repeat(rotated) & ~setReset) | (Spread(graphics[0]) & setReset);
                break;
            case 1:
                return _latches;
            case 2:
                data = Spread(value);
                break;
            default:
                data = Spread(graphics[0]);
                bitMask &= Repeat(rotated);
                break;
        }

        data = ((graphics[3] >> 3) & 3) switch
        {
            0 => data,
            1 => data & _latches,
            2 => data | _latches,
            _ => data ^ _latches,
        };
        return (data & bitMask) | (_latches & ~bitMask);
    }

    private bool TryDecode(uint offset, out uint address)
    {
        (uint first, uint length) = _registers.MemoryMap switch
        {
            0 => (0u, 0x2_0000u),
            1 => (0u, 0x1_0000u),
            2 => (0x1_0000u, 0x8000u),
            _ => (0x1_8000u, 0x8000u),
        };
        address = offset - first;
        return address < length && _registers.MemoryEnabled;
    }

    // Chain-4 and odd/even use the lowest address bits up; with odd/even in the 128 KiB map, bit 16 takes the place of bit 0.
    private uint Fold(uint address)
    {
        if (_registers.Chain4)
        {
            return address & 0xFFFC;
        }

        return _registers.FoldsAddress
            ? (address & 0xFFFE) | (_registers.MemoryMap == 0 ? (address >> 16) & 1 : 0)
            : address & 0xFFFF;
    }

    private static (uint Offset, int Length) Place(Window window) => window switch
    {
        Window.MonochromeText => (0x1_0000u, 0x8000),
        Window.ColourText => (0x1_8000u, 0x8000),
        Window.Chained => (0u, 0x1_0000),
        _ => (0u, 0),
    };

    // Where a byte of an open window lies in the planes.
    private static (int Place, int Plane) Spread(Window window, int at) => window == Window.Chained ? (at & ~3, at & 3) : (at & ~1, at & 1);

    private static void Merge(Window window, ReadOnlySpan<byte> bytes, uint[] cells)
    {
        for (int at = 0; at < bytes.Length; at++)
        {
            (int place, int plane) = Spread(window, at);
            cells[place] = Merge(cells[place], plane, bytes[at]);
        }
    }

    private static uint Merge(uint cell, int plane, byte value) => (cell & ~(0xFFu << (8 * plane))) | ((uint)value << (8 * plane));

    private void CloseWindow()
    {
        (uint offset, int length) = Place(_open);
        byte[] window = ArrayPool<byte>.Shared.Rent(length);
        _aperture!.Read(offset, window.AsSpan(0, length));
        for (int at = 0; at < length; at++)
        {
            (int place, int plane) = Spread(_open, at);
            _cells[(uint)place] = Merge(_cells[(uint)place], plane, window[at]);
        }

        ArrayPool<byte>.Shared.Return(window);
        _open = Window.None;
        _aperture.Close(offset, (uint)length);
    }

    // Plain stores and loads, one byte to one place: no latches, no rotation, no function, all bits, and just the planes of the mode.
    private Window FindWindow()
    {
        byte[] graphics = _registers.Graphics;
        int planes = _registers.Sequencer[2] & 15;
        bool plain = _registers.MemoryEnabled && _registers.WriteMode == 0 && !_registers.ComparesColours
            && (graphics[1] & planes) == 0 && (graphics[3] & 0x1F) == 0 && graphics[8] == 0xFF;
        if (!plain)
        {
            return Window.None;
        }

        if (_registers.Chain4)
        {
            return planes == 15 && _registers.MemoryMap == 1 ? Window.Chained : Window.None;
        }

        bool text = planes == 3 && _registers is { WritesOddEven: true, ReadsOddEven: true, FoldsAddress: true } && (graphics[4] & 2) == 0;
        return (text, _registers.MemoryMap) switch
        {
            (true, 2) => Window.MonochromeText,
            (true, 3) => Window.ColourText,
            _ => Window.None,
        };
    }
}
