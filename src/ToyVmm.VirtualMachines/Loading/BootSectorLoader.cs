using ToyVmm.Hardware.Devices;

namespace ToyVmm.VirtualMachines.Loading;

/// <summary>
/// Boots a disk image as a PC does: nothing is loaded here; the machine gets the disk, and the BIOS reads its first sector to
/// 0000:7C00.
/// </summary>
internal static class BootSectorLoader
{
    private const int SectorSize = DiskGeometry.SectorSize;
    private const int SignatureOffset = 510;
    private const byte FirstFloppy = 0x00;
    private const byte FirstHardDisk = 0x80;

    public static LoadResult Load(LoadContext context)
    {
        if (context.RejectOptions("a boot sector") is { } unused)
        {
            return context.Refuse(unused);
        }

        ReadOnlySpan<byte> image = context.Image.Span;
        if (image.Length < SectorSize)
        {
            return context.Refuse($"a boot sector has {SectorSize} bytes, the image has {image.Length}", image.Length,
                "Pad the image to 512 bytes with 55 AA at offset 510, or force the raw format.");
        }

        if (image[SignatureOffset] != 0x55 || image[SignatureOffset + 1] != 0xAA)
        {
            return context.Refuse($"the boot signature is {image[SignatureOffset]:X2} {image[SignatureOffset + 1]:X2}, not 55 AA", SignatureOffset,
                "End the first sector with 'dw 0xAA55', or force the raw format.");
        }

        DiskGeometry geometry = DiskGeometry.ForImageSize(image.Length);
        byte drive = geometry.IsFloppy ? FirstFloppy : FirstHardDisk;
        if (image.Length % SectorSize is int rest and not 0)
        {
            context.Explain($"The last sector has {rest} bytes only: the rest of it reads as zeros.");
        }

        context.Explain($"The BIOS boots it from drive 0x{drive:X2}, a {(geometry.IsFloppy ? "floppy" : "hard disk")} of {geometry.SectorCount} sectors ({geometry.Cylinders} cylinders, {geometry.Heads} heads, {geometry.SectorsPerTrack} sectors a track).");
        return context.Finish(ImageFormat.BootSector, new EntryState { BootThroughBios = true }, new BootDisk(context.Image, geometry, drive));
    }
}
