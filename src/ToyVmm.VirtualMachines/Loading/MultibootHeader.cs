using System.Buffers.Binary;

namespace ToyVmm.VirtualMachines.Loading;

/// <summary>The header of a Multiboot 1 kernel (Multiboot Specification 0.6.96, section 3.1).</summary>
/// <param name="Offset">Where it stands in the image.</param>
/// <param name="Flags">What the kernel demands (bits 0-15) and offers (bits 16-31).</param>
internal readonly record struct MultibootHeader(int Offset, uint Flags)
{
    public const uint Magic = 0x1BAD_B002;

    /// <summary>Flag: modules are to be aligned to pages.</summary>
    public const uint PageAlign = 1u << 0;

    /// <summary>Flag: the memory fields of the information structure must be there.</summary>
    public const uint MemoryInformation = 1u << 1;

    /// <summary>Flag: the video fields must be there.</summary>
    public const uint VideoMode = 1u << 2;

    /// <summary>Flag: the header's own address fields say what to load where, not an ELF header.</summary>
    public const uint AddressFields = 1u << 16;

    // A loader must refuse a kernel that demands what it does not know; bits 16-31 are optional by definition.
    private const uint DemandMask = 0xFFFF;
    private const uint KnownDemands = PageAlign | MemoryInformation | VideoMode;

    private const int SearchLength = 8192;
    private const int BaseLength = 12;

    /// <summary>Bytes of header that the flags call for.</summary>
    public int Size => (Flags & VideoMode) != 0 ? 48 : (Flags & AddressFields) != 0 ? 32 : BaseLength;

    /// <summary>Searches the first 8192 bytes on 4-byte boundaries, as the specification has it.</summary>
    /// <param name="image">The image.</param>
    /// <param name="damagedAt">Where the magic number stands with a wrong checksum, when no good header was found; else -1.</param>
    public static MultibootHeader? Find(ReadOnlySpan<byte> image, out int damagedAt)
    {
        damagedAt = -1;
        int end = Math.Min(image.Length, SearchLength) - BaseLength;
        for (int offset = 0; offset <= end; offset += 4)
        {
            ReadOnlySpan<byte> words = image[offset..];
            if (BinaryPrimitives.ReadUInt32LittleEndian(words) != Magic)
            {
                continue;
            }

            uint flags = BinaryPrimitives.ReadUInt32LittleEndian(words[4..]);
            uint checksum = BinaryPrimitives.ReadUInt32LittleEndian(words[8..]);
            if (unchecked(Magic + flags + checksum) == 0)
            {
                damagedAt = -1;
                return new MultibootHeader(offset, flags);
            }

            damagedAt = damagedAt < 0 ? offset : damagedAt;
        }

        return null;
    }

    /// <summary>The magic number with a wrong checksum behind it.</summary>
    /// <param name="offset">Where the magic number stands.</param>
    public static LoadError WrongChecksum(int offset) =>
        new("the Multiboot header's checksum is wrong: magic, flags and checksum must add up to 0", offset + 8,
            "Compute it as -(0x1BADB002 + flags), or force another format where this is no header.");

    /// <summary>Null, or why the kernel's demands cannot be met.</summary>
    public LoadError? Check(int imageLength)
    {
        if ((Flags & DemandMask & ~KnownDemands) is var unknown and not 0)
        {
            return new LoadError($"the kernel demands Multiboot features that are not supported: flags 0x{unknown:X4}", Offset + 4,
                "Clear those bits in the Multiboot header; bits 0, 1, 2 and 16 are supported.");
        }

        return Offset + Size > imageLength
            ? new LoadError($"the Multiboot header is cut off: its flags call for {Size} bytes", imageLength, "The file is truncated: build or copy it again.")
            : null;
    }
}
