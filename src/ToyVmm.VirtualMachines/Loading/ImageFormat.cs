namespace ToyVmm.VirtualMachines.Loading;

/// <summary>The kinds of guest image that the loader understands.</summary>
public enum ImageFormat
{
    /// <summary>A flat binary without a header: copied to its address and entered at its first byte.</summary>
    Raw,

    /// <summary>A disk or floppy image whose first sector ends in 55 AA: the BIOS loads and starts it.</summary>
    BootSector,

    /// <summary>A kernel with a Multiboot 1 header (Multiboot Specification 0.6.96), as ELF or with address fields.</summary>
    Multiboot,

    /// <summary>A plain 32-bit x86 ELF executable (System V ABI, chapters 4 and 5), entered in flat protected mode.</summary>
    Elf,

    /// <summary>A Linux bzImage (Linux x86 boot protocol 2.02 or later), entered at its 32-bit entry point.</summary>
    LinuxKernel,
}
