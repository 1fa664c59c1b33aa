namespace ToyVmm.VirtualMachines.Loading;

/// <summary>The map of physical memory that a PC's BIOS reports with INT 15h AX=E820h (ACPI Specification, chapter 15).</summary>
/// <remarks>Multiboot and Linux kernels get it from the loader, boot sectors from the BIOS; both must tell the same.</remarks>
public static class MemoryMap
{
    /// <summary>Where the extended BIOS data area begins: the last KiB of the 640 KiB of conventional memory.</summary>
    public const uint ExtendedBiosDataArea = 0x9_FC00;

    /// <summary>Where conventional memory ends and video memory begins.</summary>
    public const uint ConventionalEnd = 0xA_0000;

    /// <summary>Where the system BIOS begins: its tables (ACPI), then its code.</summary>
    public const uint SystemBios = 0xE_0000;

    /// <summary>Where extended memory begins.</summary>
    public const uint ExtendedMemory = 0x10_0000;

    /// <summary>The regions of a machine with <paramref name="ramSize"/> bytes of RAM, ascending and disjoint.</summary>
    /// <param name="ramSize">Bytes of RAM from address 0.</param>
    public static IReadOnlyList<MemoryRegion> ForRamSize(uint ramSize)
    {
        List<MemoryRegion> regions = [new(0, Math.Min(ramSize, ExtendedBiosDataArea), MemoryRegionType.Usable)];
        if (ramSize > ExtendedBiosDataArea)
        {
            regions.Add(new(ExtendedBiosDataArea, Math.Min(ramSize, ConventionalEnd) - ExtendedBiosDataArea, MemoryRegionType.Reserved));
        }

        regions.Add(new(SystemBios, ExtendedMemory - SystemBios, MemoryRegionType.Reserved));
        if (ramSize > ExtendedMemory)
        {
            regions.Add(new(ExtendedMemory, ramSize - ExtendedMemory, MemoryRegionType.Usable));
        }

        return regions;
    }
}

/// <summary>One region of the memory map.</summary>
/// <param name="Base">The first byte, guest-physical.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Type">What it may be used for.</param>
public readonly record struct MemoryRegion(uint Base, uint Length, MemoryRegionType Type)
{
    /// <summary>The first byte after the region.</summary>
    public ulong End => (ulong)Base + Length;
}

/// <summary>The types of memory regions, with the numbers of INT 15h AX=E820h.</summary>
public enum MemoryRegionType
{
    /// <summary>RAM that the operating system may use.</summary>
    Usable = 1,

    /// <summary>Not to be used.</summary>
    Reserved = 2,
}
