using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Time;

namespace ToyVmm.Tests.Devices;

/// <summary>A VGA and a hand on its ports and its memory.</summary>
internal sealed class VgaFixture
{
    public const uint Attribute = 0x10;
    public const uint Miscellaneous = 0x12;
    public const uint Sequencer = 0x14;
    public const uint Graphics = 0x1E;
    public const uint Crtc = 0x24;
    public const uint Status1 = 0x2A;
    public const uint TextMemory = 0x1_8000;

    /// <summary>Makes a VGA.</summary>
    /// <param name="withAperture">With memory that may answer for it, as on the board.</param>
    public VgaFixture(bool withAperture = true)
    {
        Aperture = withAperture ? new FakeAperture() : null;
        Vga = new Vga(Clock, Aperture);
    }

    public VirtualClock Clock { get; } = new(1_000_000);

    public FakeAperture? Aperture { get; }

    public Vga Vga { get; }

    public void Print(uint offset, string text, byte attribute = 0x07)
    {
        foreach (char character in text)
        {
            Store(TextMemory + offset++, (byte)character);
            Store(TextMemory + offset++, attribute);
        }
    }

    public void Set(uint port, byte index, byte value)
    {
        if (port == Attribute)
        {
            _ = Vga.ReadPort(Status1, 1);
            Vga.WritePort(Attribute, 1, index);
            Vga.WritePort(Attribute, 1, value);
            Vga.WritePort(Attribute, 1, 0x20);
            return;
        }

        Vga.WritePort(port, 1, index);
        Vga.WritePort(port + 1, 1, value);
    }

    public uint Get(uint port, byte index)
    {
        Vga.WritePort(port, 1, index);
        return Vga.ReadPort(port + 1, 1);
    }

    /// <summary>A store by the CPU: to the memory where it lies open, else to the VGA.</summary>
    public void Store(uint offset, byte value)
    {
        if (Aperture?.IsOpen(offset) == true)
        {
            Aperture.Memory[offset] = value;
        }
        else
        {
            Vga.Write(offset, 1, value);
        }
    }

    /// <summary>A load by the CPU.</summary>
    public byte Load(uint offset) => Aperture?.IsOpen(offset) == true ? Aperture.Memory[offset] : (byte)Vga.Read(offset, 1);

    /// <summary>Mode 13h: 320 x 200 in 256 colours, as IBM's BIOS sets it.</summary>
    public void SetMode13() => SetMode(
        0x63,
        [0x03, 0x01, 0x0F, 0x00, 0x0E],
        [0x5F, 0x4F, 0x50, 0x82, 0x54, 0x80, 0xBF, 0x1F, 0, 0x41, 0, 0, 0, 0, 0, 0, 0x9C, 0x8E, 0x8F, 0x28, 0x40, 0x96, 0xB9, 0xA3, 0xFF],
        [0, 0, 0, 0, 0, 0x40, 0x05, 0x0F, 0xFF],
        mode: 0x41);

    /// <summary>Mode 12h: 640 x 480 in 16 colours.</summary>
    public void SetMode12() => SetMode(
        0xE3,
        [0x03, 0x01, 0x0F, 0x00, 0x06],
        [0x5F, 0x4F, 0x50, 0x82, 0x54, 0x80, 0x0B, 0x3E, 0, 0x40, 0, 0, 0, 0, 0, 0, 0xEA, 0x8C, 0xDF, 0x28, 0x00, 0xE7, 0x04, 0xE3, 0xFF],
        [0, 0, 0, 0, 0, 0x00, 0x05, 0x0F, 0xFF],
        mode: 0x01);

    /// <summary>Mode 0Dh: 320 x 200 in 16 colours.</summary>
    public void SetMode0D() => SetMode(
        0x63,
        [0x03, 0x09, 0x0F, 0x00, 0x06],
        [0x2D, 0x27, 0x28, 0x90, 0x2B, 0x80, 0xBF, 0x1F, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x9C, 0x8E, 0x8F, 0x14, 0x00, 0x96, 0xB9, 0xE3, 0xFF],
        [0, 0, 0, 0, 0, 0x00, 0x05, 0x0F, 0xFF],
        mode: 0x01);

    /// <summary>Mode 4: 320 x 200 in four colours, in the CGA's two banks.</summary>
    public void SetMode4() => SetMode(
        0x63,
        [0x03, 0x09, 0x03, 0x00, 0x02],
        [0x2D, 0x27, 0x28, 0x90, 0x2B, 0x80, 0xBF, 0x1F, 0, 0xC1, 0, 0, 0, 0, 0, 0, 0x9C, 0x8E, 0x8F, 0x14, 0x00, 0x96, 0xB9, 0xA2, 0xFF],
        [0, 0, 0, 0, 0, 0x30, 0x0F, 0x00, 0xFF],
        mode: 0x01,
        planes: 3);

    private void SetMode(byte miscellaneous, byte[] sequencer, byte[] crtc, byte[] graphics, byte mode, byte planes = 15)
    {
        Vga.WritePort(Miscellaneous, 1, miscellaneous);
        Set(Crtc, 0x11, 0);
        foreach ((uint port, byte[] values) in new[] { (Sequencer, sequencer), (Crtc, crtc), (Graphics, graphics) })
        {
            for (int index = 0; index < values.Length; index++)
            {
                Set(port, (byte)index, values[index]);
            }
        }

        for (byte index = 0; index < 16; index++)
        {
            Set(Attribute, index, index);
        }

        Set(Attribute, 0x10, mode);
        Set(Attribute, 0x12, planes);
        Set(Attribute, 0x13, 0);
    }

    /// <summary>The board's part: memory, and what of it is open.</summary>
    internal sealed class FakeAperture : IVgaAperture
    {
        private readonly bool[] _open = new bool[Vga.MemorySize];

        public byte[] Memory { get; } = new byte[Vga.MemorySize];

        public int Openings { get; private set; }

        public bool IsOpen(uint offset) => _open[offset];

        public void Open(uint offset, ReadOnlySpan<byte> content)
        {
            Openings++;
            content.CopyTo(Memory.AsSpan((int)offset));
            _open.AsSpan((int)offset, content.Length).Fill(true);
        }

        public void Close(uint offset, uint length)
        {
            _open.AsSpan((int)offset, (int)length).Clear();
            Memory.AsSpan((int)offset, (int)length).Fill(0xEE);     // nobody may look here any more
        }

        public void Read(uint offset, Span<byte> destination) => Memory.AsSpan((int)offset, destination.Length).CopyTo(destination);

        public void Write(uint offset, ReadOnlySpan<byte> source) => source.CopyTo(Memory.AsSpan((int)offset));
    }
}
