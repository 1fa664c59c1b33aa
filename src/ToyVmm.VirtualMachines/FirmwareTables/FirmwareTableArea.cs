using ToyVmm.Engines;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.VirtualMachines.FirmwareTables;

/// <summary>
/// Puts the tables that firmware leaves behind where systems search for them: the ACPI tables from E0000 on, below the built-in
/// BIOS, the MP table (which MP 1.4 4 wants in the ROM) in the last 64 KiB below 1 MiB. A BIOS of the user's brings its own.
/// </summary>
public static class FirmwareTableArea
{
    /// <summary>The first byte of the tables.</summary>
    public const uint Start = 0xE_0000;

    /// <summary>The first byte after the area.</summary>
    public const uint End = 0xF_0000;

    /// <summary>Where the MP floating pointer lies.</summary>
    public const uint MultiprocessorPointer = 0xF_F000;

    private const int RomSize = 0x1_0000;

    /// <summary>Puts the MP table into a BIOS image, before the image is mapped.</summary>
    /// <param name="bios">The image: its last 64 KiB end at 1 MiB.</param>
    /// <param name="cpu">The processor that the table describes.</param>
    /// <exception cref="ArgumentException">The image is too short, or has code where the table goes.</exception>
    public static void WriteToBios(Span<byte> bios, CpuModel cpu)
    {
        ArgumentNullException.ThrowIfNull(cpu);
        byte[] table = MultiprocessorTable.Build(MultiprocessorPointer, cpu);
        if (bios.Length < RomSize)
        {
            throw new ArgumentException($"a BIOS image of {bios.Length} bytes has no room for the MP table");
        }

        Span<byte> place = bios[^RomSize..].Slice((int)(MultiprocessorPointer - End), table.Length);
        if (place.ContainsAnyExcept((byte)0))
        {
            throw new ArgumentException($"the BIOS image has code at 0x{MultiprocessorPointer:X}, where the MP table goes");
        }

        table.CopyTo(place);
    }

    /// <summary>Writes the tables of a machine to its memory; without a BIOS also the MP table.</summary>
    /// <param name="config">What the machine is built from.</param>
    /// <param name="cpu">Its processor.</param>
    /// <param name="memory">Its memory; RAM from <see cref="Start"/> to <see cref="End"/>.</param>
    public static void Write(MachineConfig config, CpuModel cpu, GuestMemory memory)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(cpu);
        ArgumentNullException.ThrowIfNull(memory);
        byte[] acpi = AcpiTables.Build(config, Start);
        if (acpi.Length > End - Start || !memory.TryWrite(new GuestPhysicalAddress(Start), acpi))
        {
            throw new InvalidOperationException("the firmware's tables do not fit their area");
        }

        if (config.Bios is null)
        {
            _ = memory.TryWrite(new GuestPhysicalAddress(MultiprocessorPointer), MultiprocessorTable.Build(MultiprocessorPointer, cpu));
        }
    }
}
