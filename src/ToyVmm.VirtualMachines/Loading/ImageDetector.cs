using System.Buffers.Binary;

namespace ToyVmm.VirtualMachines.Loading;

/// <summary>What an image looks like.</summary>
/// <param name="Format">The format to load it as.</param>
/// <param name="Explanation">What was seen, one sentence each.</param>
/// <param name="Error">Non-null when the image is recognised as something that cannot be loaded.</param>
public sealed record ImageDetection(ImageFormat Format, IReadOnlyList<string> Explanation, LoadError? Error = null);

/// <summary>
/// Tells formats apart by their magic numbers, the strictest first: a bzImage is a boot sector too, and a Multiboot kernel an ELF
/// file too.
/// </summary>
internal static class ImageDetector
{
    private const int SectorSize = 512;
    private const int BootSignatureOffset = 510;
    private const int LinuxMagicOffset = 0x202;
    private const uint LinuxMagic = 0x5372_6448;       // "HdrS"
    private const uint Multiboot2Magic = 0xE852_50D6;  // Multiboot2 Specification 3.1.1
    private const int Multiboot2SearchLength = 32768;

    public static ImageDetection Detect(ReadOnlySpan<byte> image)
    {
        if (image.IsEmpty)
        {
            return new(ImageFormat.Raw, ["The image is empty."],
                new LoadError("the image is empty", 0, "Give a file that holds code."));
        }

        if (IsLinux(image))
        {
            return new(ImageFormat.LinuxKernel, ["'HdrS' at offset 0x202 after a boot sector signature: a Linux kernel."]);
        }

        bool isElf = image.StartsWith("\u007fELF"u8);
        bool isBootSector = image.Length >= SectorSize && image[BootSignatureOffset] == 0x55 && image[BootSignatureOffset + 1] == 0xAA;
        MultibootHeader? header = MultibootHeader.Find(image, out int damagedAt);
        if (header is { } beyond && isBootSector && !isElf && beyond.Offset >= SectorSize)
        {
            // A disk with GRUB on it: its second stage, in the sectors after the first, can itself be loaded as a Multiboot kernel.
            return new(ImageFormat.BootSector,
            [
                "55 AA at offset 510: a boot sector with the rest of its disk.",
                $"The Multiboot header at offset 0x{beyond.Offset:X} belongs to a boot loader on that disk (force the Multiboot format if it does not).",
            ]);
        }

        if (header is { } found)
        {
            return new(ImageFormat.Multiboot, [$"A Multiboot 1 header with a good checksum at offset 0x{found.Offset:X}."]);
        }

        List<string> seen = [];
        if (damagedAt >= 0)
        {
            // A boot sector may well hold the number in its code (a boot loader looks for it); elsewhere it announces a header.
            seen.Add($"The Multiboot magic number stands at offset 0x{damagedAt:X}, but the checksum after it is wrong.");
            if (!isBootSector || isElf)
            {
                return new(ImageFormat.Multiboot, seen, MultibootHeader.WrongChecksum(damagedAt));
            }
        }

        if (isElf)
        {
            seen.Add("The ELF magic number at offset 0.");
            return FindMultiboot2(image) is { } at
                ? new(ImageFormat.Elf, seen, new LoadError("the kernel has a Multiboot 2 header only; this loader speaks Multiboot 1", at,
                    "Add a Multiboot 1 header to the kernel, boot it with GRUB from a disk image, or force plain ELF."))
                : new(ImageFormat.Elf, seen);
        }

        if (isBootSector)
        {
            seen.Add("55 AA at offset 510: a boot sector" + (image.Length > SectorSize ? " with the rest of its disk." : "."));
            return new(ImageFormat.BootSector, seen);
        }

        seen.Add("No header that is known: a flat binary.");
        return new(ImageFormat.Raw, seen, Foreign(image));
    }

    private static bool IsLinux(ReadOnlySpan<byte> image) =>
        image.Length >= LinuxMagicOffset + 4
        && BinaryPrimitives.ReadUInt32LittleEndian(image[LinuxMagicOffset..]) == LinuxMagic
        && image[BootSignatureOffset] == 0x55 && image[BootSignatureOffset + 1] == 0xAA;

    private static int? FindMultiboot2(ReadOnlySpan<byte> image)
    {
        int end = Math.Min(image.Length, Multiboot2SearchLength) - 16;
        for (int offset = 0; offset <= end; offset += 8)
        {
            ReadOnlySpan<byte> header = image[offset..];
            if (BinaryPrimitives.ReadUInt32LittleEndian(header) == Multiboot2Magic
                && unchecked(Multiboot2Magic + BinaryPrimitives.ReadUInt32LittleEndian(header[4..])
                    + BinaryPrimitives.ReadUInt32LittleEndian(header[8..]) + BinaryPrimitives.ReadUInt32LittleEndian(header[12..])) == 0)
            {
                return offset;
            }
        }

        return null;
    }

    // Files that people try by mistake. As machine code they would run into nonsense: a blank screen instead of an answer.
    private static LoadError? Foreign(ReadOnlySpan<byte> image)
    {
        (string What, string Advice)? found =
            image.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B, 0x08]) ? ("a gzip file", "Unpack it first (gunzip).")
            : image.StartsWith((ReadOnlySpan<byte>)[0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z']) ? ("an xz file", "Unpack it first (unxz).")
            : image.StartsWith((ReadOnlySpan<byte>)[(byte)'Q', (byte)'F', (byte)'I', 0xFB])
                ? ("a QCOW2 disk image", "Convert it first: qemu-img convert -O raw.")
            : image.StartsWith("MZ"u8) && image.Length >= 64 ? ("a DOS, Windows or EFI program", "It needs the operating system or firmware it was built for.")
            : image.StartsWith("PK\u0003\u0004"u8) ? ("a ZIP archive", "Unpack it first.")
            : null;
        return found is { } f
            ? new LoadError($"the image is {f.What}, not a guest", 0, f.Advice + " To run the bytes as they are, force the raw format.")
            : null;
    }
}
