using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// The indexed registers of a VGA, and what their bits mean. Names and numbers: IBM PS/2 hardware interface technical reference,
/// "video subsystem". All bits read back as written, also those that no chip has.
/// </summary>
internal sealed class VgaRegisters
{
    public byte[] Crtc { get; } = new byte[25];

    public byte[] Sequencer { get; } = new byte[5];

    public byte[] Graphics { get; } = new byte[9];

    public byte[] Attribute { get; } = new byte[21];

    public byte Miscellaneous { get; set; }

    /// <summary>The attribute controller's index; bit 5: the palette drives the display.</summary>
    public byte AttributeIndex { get; set; }

    // The values with which a video BIOS sets 80 x 25 colour text (IBM: "mode 3+"): 720 x 400 dots in cells of 9 x 16.
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

    /// <summary>The CPU's accesses reach display memory.</summary>
    public bool MemoryEnabled => (Miscellaneous & 0x02) != 0;

    /// <summary>Hz of the dot clock: 25.175 MHz for 640 dots a line, 28.322 MHz for 720; the external clocks do not exist.</summary>
    public uint DotClock => (Miscellaneous & 0x0C) == 0x04 ? 28_322_000u : 25_175_000u;

    /// <summary>Display memory's place in A0000-BFFFF (graphics register 6 bits 3-2): 0 all of it, 1 A0000-AFFFF, 2 B0000-B7FFF, 3 B8000-BFFFF.</summary>
    public int MemoryMap => (Graphics[6] >> 2) & 3;

    /// <summary>Address bit 0 selects the plane, and not the place in it.</summary>
    public bool FoldsAddress => (Graphics[6] & 0x02) != 0;

    /// <summary>CPU addresses 0, 1, 2, 3 are planes 0, 1, 2, 3.</summary>
    public bool Chain4 => (Sequencer[4] & 0x08) != 0;

    /// <summary>Stores to even addresses go to planes 0 and 2, others to planes 1 and 3.</summary>
    public bool WritesOddEven => (Sequencer[4] & 0x04) == 0;

    /// <summary>Loads likewise.</summary>
    public bool ReadsOddEven => (Graphics[5] & 0x10) != 0;

    public int WriteMode => Graphics[5] & 3;

    public bool ComparesColours => (Graphics[5] & 0x08) != 0;

    /// <summary>Two dots of four bits make a pixel of eight.</summary>
    public bool Has256Colours => (Graphics[5] & 0x40) != 0;

    /// <summary>The shift registers hand out two bits of a plane at a time (CGA's four colours).</summary>
    public bool InterleavesShift => (Graphics[5] & 0x20) != 0;

    /// <summary>Neither the graphics controller nor the attribute controller is set to graphics.</summary>
    public bool IsTextMode => (Graphics[6] & 1) == 0 && (Attribute[16] & 1) == 0;

    /// <summary>The picture is not blanked by the sequencer, and the palette is not open to the CPU.</summary>
    public bool DisplayEnabled => (Sequencer[1] & 0x20) == 0 && (AttributeIndex & 0x20) != 0;

    /// <summary>Characters in a line.</summary>
    public int Columns => Crtc[1] + 1;

    /// <summary>Scan lines that are shown.</summary>
    public int Lines => Overflow(Crtc[0x12], 1, 6) + 1;

    /// <summary>The last scan line before memory starts over from address 0.</summary>
    public int LineCompare => Crtc[0x18] | ((Crtc[7] & 0x10) << 4) | ((Crtc[9] & 0x40) << 3);

    /// <summary>Scan lines in a character row, before doubling.</summary>
    public int RowLines => (Crtc[9] & 0x1F) + 1;

    /// <summary>Each scan line is shown twice.</summary>
    public bool DoublesLines => (Crtc[9] & 0x80) != 0;

    /// <summary>Each dot is shown twice.</summary>
    public bool DoublesDots => (Sequencer[1] & 0x08) != 0;

    /// <summary>Dots in a character clock.</summary>
    public int CharacterDots => (Sequencer[1] & 1) != 0 ? 8 : 9;

    /// <summary>The CRTC's address of the screen's first character.</summary>
    public int StartAddress => (Crtc[0x0C] << 8) | Crtc[0x0D];

    /// <summary>From row to row.</summary>
    public int Pitch => Crtc[0x13] * 2;

    /// <summary>Scan lines in a frame.</summary>
    public int TotalLines => Overflow(Crtc[6], 0, 5) + 2;

    public int RetraceStart => Overflow(Crtc[0x10], 2, 7);

    /// <summary>Everything as the BIOS leaves it for text.</summary>
    public void Reset()
    {
        TextCrtc.CopyTo(Crtc);
        TextSequencer.CopyTo(Sequencer);
        TextGraphics.CopyTo(Graphics);
        TextAttribute.CopyTo(Attribute);
        Miscellaneous = 0x67;
        AttributeIndex = 0x20;
    }

    /// <summary>
    /// The place in the planes that the CRTC's address counter means (CRTC registers 14h bit 6, 17h bits 6-5 and 1-0): bytes, words
    /// or doublewords, and for the CGA's and Hercules' interleaved memory, bits of the scan line in bits 13 and 14.
    /// </summary>
    /// <param name="counter">The address counter.</param>
    /// <param name="rowLine">The scan line in the character row.</param>
    public int DisplayAddress(int counter, int rowLine)
    {
        int address = (Crtc[0x14] & 0x40) != 0 ? (counter << 2) | ((counter >> 14) & 3)
            : (Crtc[0x17] & 0x40) != 0 ? counter
            : (counter << 1) | ((counter >> ((Crtc[0x17] & 0x20) != 0 ? 15 : 13)) & 1);
        if ((Crtc[0x17] & 1) == 0)
        {
            address = (address & ~0x2000) | ((rowLine & 1) << 13);
        }

        if ((Crtc[0x17] & 2) == 0)
        {
            address = (address & ~0x4000) | ((rowLine & 2) << 13);
        }

        return address & 0xFFFF;
    }

    public void Transfer(StateTransfer state)
    {
        state.Bytes(Crtc);
        state.Bytes(Sequencer);
        state.Bytes(Graphics);
        state.Bytes(Attribute);
        Miscellaneous = state.Pass(Miscellaneous);
        AttributeIndex = state.Pass(AttributeIndex);
    }

    // The ninth and tenth bit of a vertical value stand in CRTC register 7.
    private int Overflow(byte low, int ninth, int tenth) => low | (((Crtc[7] >> ninth) & 1) << 8) | (((Crtc[7] >> tenth) & 1) << 9);
}
