namespace ToyVmm.GuestTests;

/// <summary>How a guest's image is to be loaded, as its head says.</summary>
public enum GuestFormat
{
    /// <summary>Flat bytes: loaded at 0x7C00, entered in real mode at 0000:7C00.</summary>
    Raw,

    /// <summary>A disk image whose first sector ends in 55 AA: started by the BIOS.</summary>
    BootSector,

    /// <summary>An ELF file with a Multiboot header.</summary>
    Multiboot,

    /// <summary>A flat file with a Multiboot header that carries its own load addresses (flag 16, "a.out kludge").</summary>
    MultibootFlat,
}

/// <summary>One guest of <c>guest-images/</c>: what its source's head says about it.</summary>
/// <param name="Name">The folder's name.</param>
/// <param name="Format">How it is loaded.</param>
/// <param name="SourcePath">The source with the head.</param>
/// <param name="ImagePath">The built image.</param>
/// <param name="Teaches">One sentence for the course.</param>
/// <param name="ExpectedStatus">The exit status of <c>toyvmm run</c>.</param>
/// <param name="ExpectedSerial">All that COM1 prints; null when only <paramref name="ExpectedSerialParts"/> are known.</param>
/// <param name="ExpectedSerialParts">Texts that COM1's output must contain.</param>
/// <param name="QemuStatus">The exit status under QEMU, where it may differ (a triple fault with -no-reboot gives 0).</param>
/// <param name="QemuSkip">Why QEMU cannot run this guest as a real machine does; null when it can.</param>
/// <param name="QemuCpu">The CPU that QEMU must have, as its <c>-cpu</c> option takes it; null for its own choice.</param>
/// <param name="Memory">The memory size that the guest needs, such as <c>64M</c>; null for the default.</param>
/// <param name="Append">The command line; null for none.</param>
/// <param name="SerialInput">What is typed on COM1; null for nothing.</param>
public sealed record GuestImage(
    string Name,
    GuestFormat Format,
    string SourcePath,
    string ImagePath,
    string Teaches,
    int ExpectedStatus,
    string? ExpectedSerial,
    IReadOnlyList<string> ExpectedSerialParts,
    int QemuStatus,
    string? QemuSkip,
    string? QemuCpu,
    string? Memory,
    string? Append,
    string? SerialInput)
{
    /// <summary>A benchmark workload: its <c>work.c</c> also runs natively.</summary>
    public bool IsCompute => Path.GetFileName(SourcePath) == "work.c";

    /// <summary>The image is a linker's output, so its bytes depend on more than NASM.</summary>
    public bool IsLinked => Format == GuestFormat.Multiboot;

    /// <summary>The name: what a test runner shows.</summary>
    public override string ToString() => Name;
}
