using ToyVmm.Hardware;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.VirtualMachines.FirmwareTables;

/// <summary>
/// Puts the tables that firmware leaves behind into guest memory. They lie from E0000 on, where systems search for them, below the
/// built-in BIOS; a BIOS of the user's brings its own.
/// </summary>
public static class FirmwareTableArea
{
    /// <summary>The first byte of the tables.</summary>
    public const uint Start = 0xE_0000;

    /// <summary>The first byte after the area.</summary>
    public const uint End = 0xF_0000;

    /// <summary>Writes the tables of a machine.</summary>
    /// <param name="config">What the machine is built from.</param>
    /// <param name="memory">Its memory; RAM from <see cref="Start"/> to <see cref="End"/>.</param>
    public static void Write(MachineConfig config, GuestMemory memory)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(memory);
        byte[] acpi = AcpiTables.Build(config, Start);
        if (acpi.Length > End - Start || !memory.TryWrite(new GuestPhysicalAddress(Start), acpi))
        {
            throw new InvalidOperationException("the firmware's tables do not fit their area");
        }
    }
}
