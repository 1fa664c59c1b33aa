namespace ToyVmm.VirtualMachines.Loading;

/// <summary>What the user asks of the loader; everything that is left out is decided from the image.</summary>
public sealed record LoadOptions
{
    /// <summary>The format to load the image as; null detects it.</summary>
    public ImageFormat? Format { get; init; }

    /// <summary>
    /// True enters a raw image in real mode, false in flat 32-bit protected mode; null is real mode. The other formats fix their
    /// own mode: asking for another one is an error.
    /// </summary>
    public bool? RealModeEntry { get; init; }

    /// <summary>Where a raw image goes, guest-physical; null is 0x7C00, where a PC's BIOS puts a boot sector.</summary>
    public uint? LoadAddress { get; init; }

    /// <summary>The kernel's command line (Multiboot and Linux), without the image's own name.</summary>
    public string? CommandLine { get; init; }

    /// <summary>
    /// The name that stands before the command line for a Multiboot kernel, as GRUB and QEMU pass it; null passes the command
    /// line alone.
    /// </summary>
    public string? ImageName { get; init; }

    /// <summary>The initial RAM disk of a Linux kernel; for a Multiboot kernel it becomes the first module. Null or empty is none.</summary>
    public ReadOnlyMemory<byte>? InitialRamDisk { get; init; }

    /// <summary>The modules of a Multiboot kernel, in order.</summary>
    public IReadOnlyList<BootModule> Modules { get; init; } = [];
}
