using System.Buffers.Binary;
using System.Numerics;
using ToyVmm.Hardware.Buses;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// The PCI side of a VGA card: a display controller (class 03 00 00) with an expansion ROM (PCI 2.1, 6.2.5.2 and 6.3). Firmware finds it,
/// copies its video BIOS to C0000 and runs that. The card's registers and memory are at their legacy addresses and not this function's.
/// </summary>
/// <remarks>As an <see cref="IMmioDevice"/> it is the ROM, wherever the board has put it.</remarks>
public sealed class PciVga : PciFunction, IMmioDevice
{
    /// <summary>The longest ROM: what legacy firmware has room for.</summary>
    public const int LongestRom = 0x1_0000;

    private const int Command = 0x04;
    private const int RomAddress = 0x30;
    private const byte MemorySpace = 0x02;  // in the command register
    private const byte RomEnable = 0x01;    // in the ROM's address register
    private const uint SmallestRom = 0x1000; // 2 KiB would do for PCI, but the board maps whole pages

    private readonly byte[] _rom;
    private readonly Action<uint?> _romMoved;

    /// <summary>Makes the card that a video BIOS is for: vendor and device stand in the ROM.</summary>
    /// <param name="rom">The video BIOS; <see cref="Problem"/> must find nothing wrong with it.</param>
    /// <param name="romMoved">Told where the ROM answers now; null when it does not.</param>
    /// <exception cref="ArgumentException">The ROM is not one of a PCI display controller.</exception>
    public PciVga(ReadOnlyMemory<byte> rom, Action<uint?> romMoved)
    {
        if (Problem(rom.Span) is { } problem)
        {
            throw new ArgumentException(problem, nameof(rom));
        }

        _romMoved = romMoved;
        RomSize = Math.Max(SmallestRom, BitOperations.RoundUpToPowerOf2((uint)rom.Length));
        _rom = new byte[RomSize];
        rom.Span.CopyTo(_rom);
        Span<byte> data = _rom.AsSpan(BinaryPrimitives.ReadUInt16LittleEndian(_rom.AsSpan(0x18)));
        DefineHeader(BinaryPrimitives.ReadUInt16LittleEndian(data[4..]), BinaryPrimitives.ReadUInt16LittleEndian(data[6..]), revision: 0, classCode: 0x03_00_00);
        DefineByte(Command, 0x03, 0x03);            // I/O and memory space: the legacy ports and addresses are decoded at power-on
        DefineByte(0x07, 0x02);                     // PCISTS: medium DEVSEL
        DefineByte(RomAddress, 0x00, RomEnable);
        for (int n = 1; n < 4; n++)
        {
            DefineByte(RomAddress + n, 0x00, (byte)(~(RomSize - 1) >> (8 * n)));
        }
    }

    /// <summary>Bytes of address space that the ROM takes: a power of two.</summary>
    public uint RomSize { get; }

    /// <summary>Says why a file is no video BIOS for a PCI card; null when it is one.</summary>
    /// <param name="rom">The file.</param>
    public static string? Problem(ReadOnlySpan<byte> rom)
    {
        if (rom.Length is < 0x1C or > LongestRom)
        {
            return $"a VGA BIOS of {rom.Length} bytes: an option ROM has up to {LongestRom}";
        }

        if (rom[0] != 0x55 || rom[1] != 0xAA)
        {
            return $"a VGA BIOS that begins with {rom[0]:X2} {rom[1]:X2}: an option ROM begins with 55 AA";
        }

        int data = BinaryPrimitives.ReadUInt16LittleEndian(rom[0x18..]);
        return data + 0x18 > rom.Length || !rom[data..].StartsWith("PCIR"u8)
            ? "a VGA BIOS without a PCI data structure: firmware would not find it (for an ISA card?)"
            : null;
    }

    /// <inheritdoc/>
    public ulong Read(uint offset, int width)
    {
        ulong value = 0;
        for (int n = 0; n < width; n++)
        {
            value |= (ulong)_rom[(offset + (uint)n) & (RomSize - 1)] << (8 * n);
        }

        return value;
    }

    /// <inheritdoc/>
    public void Write(uint offset, int width, ulong value)
    {
    }

    /// <inheritdoc/>
    protected override void ConfigurationWritten(int register)
    {
        if (register is Command or RomAddress)
        {
            uint address = ReadConfiguration(RomAddress);
            bool answers = (address & RomEnable) != 0 && (ByteAt(Command) & MemorySpace) != 0;
            _romMoved(answers ? address & ~(RomSize - 1) : null);
        }
    }
}
