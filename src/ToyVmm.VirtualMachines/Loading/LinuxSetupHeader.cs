namespace ToyVmm.VirtualMachines.Loading;

/// <summary>
/// The setup header of a bzImage: read, checked, named as in the kernel's documentation (Documentation/arch/x86/boot.rst,
/// "the real-mode kernel header"). Fields that a protocol version does not have carry that version's default.
/// </summary>
internal sealed class LinuxSetupHeader
{
    /// <summary>Where the header begins, in the file and in the zero page alike.</summary>
    public const int Start = 0x1F1;

    // Where the zero page's next field begins: a longer header has nowhere to go.
    private const int LatestEnd = 0x290;

    private const int SectorSize = 512;
    private const uint HeaderMagic = 0x5372_6448;   // "HdrS"
    private const int MagicOffset = 0x202;
    private const uint LoadHigh = 0x10_0000;
    private const ushort OldestProtocol = 0x0202;
    private const byte LoadedHigh = 1 << 0;         // loadflags
    private const ushort Kernel64 = 1 << 0;         // xloadflags

    private LinuxSetupHeader(LoadContext context)
    {
        Version = context.UInt16(0x206);
        byte setupSectors = context.Image.Span[0x1F1];
        PayloadOffset = ((setupSectors == 0 ? 4 : setupSectors) + 1) * SectorSize;
        SystemSize = context.UInt32(0x1F4);
        LoadFlags = context.Image.Span[0x211];
        Code32Start = context.UInt32(0x214);
        End = MagicOffset + context.Image.Span[0x201];
        InitrdAddressMax = Version >= 0x0203 ? context.UInt32(0x22C) : 0x37FF_FFFF;
        KernelAlignment = Version >= 0x0205 ? context.UInt32(0x230) : LoadHigh;
        Relocatable = Version >= 0x0205 && context.Image.Span[0x234] != 0;
        MinimumAlignment = Version >= 0x020A ? context.Image.Span[0x235] : (byte)0;
        ExtraLoadFlags = Version >= 0x020C ? context.UInt16(0x236) : (ushort)0;
        CommandLineSize = Version >= 0x0206 ? context.UInt32(0x238) : 255;
        PreferredAddress = Version >= 0x020A ? context.UInt64(0x258) : LoadHigh;
        if (PreferredAddress == 0 && !Relocatable)
        {
            PreferredAddress = LoadHigh;  // not given
        }

        InitSize = Version >= 0x020A ? context.UInt32(0x260) : 0;
    }

    /// <summary>Boot protocol version, 0xMMmm.</summary>
    public ushort Version { get; }

    /// <summary>Where the protected-mode kernel begins in the file.</summary>
    public int PayloadOffset { get; }

    /// <summary>syssize: the protected-mode kernel's size, in units of 16 bytes.</summary>
    public uint SystemSize { get; }

    /// <summary>loadflags.</summary>
    public byte LoadFlags { get; }

    /// <summary>code32_start: the 32-bit entry point of a kernel that is not moved.</summary>
    public uint Code32Start { get; }

    /// <summary>The first file offset after the header, by its own jump instruction.</summary>
    public int End { get; }

    /// <summary>initrd_addr_max: the highest address that the initial RAM disk may occupy.</summary>
    public uint InitrdAddressMax { get; }

    /// <summary>kernel_alignment, bytes.</summary>
    public uint KernelAlignment { get; }

    /// <summary>min_alignment, as a power of two; 0 when not given.</summary>
    public byte MinimumAlignment { get; }

    /// <summary>relocatable_kernel.</summary>
    public bool Relocatable { get; }

    /// <summary>xloadflags.</summary>
    public ushort ExtraLoadFlags { get; }

    /// <summary>cmdline_size: the longest command line, without the terminating zero.</summary>
    public uint CommandLineSize { get; }

    /// <summary>pref_address: where the kernel would like to lie.</summary>
    public ulong PreferredAddress { get; }

    /// <summary>init_size: bytes of contiguous memory that the kernel needs from its run-time start; 0 when not given.</summary>
    public uint InitSize { get; }

    /// <summary>The protected-mode kernel's bytes.</summary>
    public ReadOnlyMemory<byte> Payload(ReadOnlyMemory<byte> image) => image[PayloadOffset..];

    /// <summary>Reads and checks the header.</summary>
    public static LinuxSetupHeader? Parse(LoadContext context, out LoadError? error)
    {
        const int oldestEnd = 0x22C;  // up to and including cmd_line_ptr
        if (context.Length < oldestEnd)
        {
            error = new LoadError($"the Linux setup header is cut off: the image has {context.Length} bytes", context.Length, "The file is truncated: copy it again.");
            return null;
        }

        error = context.UInt32(MagicOffset) != HeaderMagic
                ? new LoadError("no 'HdrS' magic number: not a Linux bzImage, or one older than Linux 1.3.73", MagicOffset, "Give a bzImage (arch/x86/boot/bzImage).")
            : context.UInt16(0x1FE) != 0xAA55
                ? new LoadError($"the Linux boot flag is 0x{context.UInt16(0x1FE):X4}, not 0xAA55", 0x1FE, "The file is damaged: copy it again.")
            : context.UInt16(0x206) < OldestProtocol
                ? new LoadError($"Linux boot protocol {context.UInt16(0x206) >> 8}.{context.UInt16(0x206) & 0xFF:D2} is too old; 2.02 (Linux 2.4) or later is needed", 0x206, "Use a newer kernel.")
            : null;
        if (error is not null)
        {
            return null;
        }

        int needed = context.UInt16(0x206) switch { >= 0x020A => 0x264, >= 0x0206 => 0x23C, >= 0x0205 => 0x235, >= 0x0203 => 0x230, _ => oldestEnd };
        if (context.Length < needed || MagicOffset + context.Image.Span[0x201] < needed)
        {
            error = new LoadError($"the Linux setup header ends before offset 0x{needed:X}, where its protocol version has fields", 0x201, "The file is damaged: copy it again.");
            return null;
        }

        var header = new LinuxSetupHeader(context);
        error = header.Check(context);
        return error is null ? header : null;
    }

    private LoadError? Check(LoadContext context)
    {
        if ((LoadFlags & LoadedHigh) == 0)
        {
            return new LoadError("a zImage, which loads below 640 KiB (loadflags bit 0 is clear)", 0x211, "Build a bzImage.");
        }

        if ((ExtraLoadFlags & Kernel64) != 0)
        {
            return new LoadError("a 64-bit Linux kernel; this machine is a 32-bit x86", 0x236, "Use a kernel for i386 (Debian: linux-image-686).");
        }

        if (End > LatestEnd)
        {
            return new LoadError($"the Linux setup header claims to end at 0x{End:X}; the zero page has room up to 0x{LatestEnd:X}", 0x201, "The file is damaged: copy it again.");
        }

        if (End > context.Length)
        {
            return new LoadError($"the Linux setup header ends at 0x{End:X}, past the file's end", 0x201, "The file is truncated: copy it again.");
        }

        if (PayloadOffset >= context.Length)
        {
            return new LoadError($"the protected-mode kernel should begin at 0x{PayloadOffset:X}, past the file's end at 0x{context.Length:X}", 0x1F1, "The file is truncated: copy it again.");
        }

        // syssize is rounded up to 16 bytes, and some builders (memtest86+) do not pad the file to it.
        ulong promised = SystemSize * 16UL;
        if (promised > (ulong)(context.Length - PayloadOffset) + 15)
        {
            return new LoadError($"the header promises a protected-mode kernel of {promised} bytes, {context.Length - PayloadOffset} are there", 0x1F4, "The file is truncated: copy it again.");
        }

        if (KernelAlignment == 0 || (KernelAlignment & (KernelAlignment - 1)) != 0 || MinimumAlignment > 31)
        {
            return new LoadError($"the kernel's alignment is not a power of two that fits (kernel_alignment 0x{KernelAlignment:X}, min_alignment 2^{MinimumAlignment})", 0x230, "The file is damaged: copy it again.");
        }

        return PreferredAddress is > uint.MaxValue or < LoadHigh
            ? new LoadError($"the preferred load address 0x{PreferredAddress:X} is not one of a 32-bit kernel above 1 MiB", 0x258, "The file is damaged: copy it again.")
            : null;
    }
}
