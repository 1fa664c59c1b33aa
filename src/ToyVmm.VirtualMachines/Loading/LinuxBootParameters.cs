using System.Buffers.Binary;

namespace ToyVmm.VirtualMachines.Loading;

/// <summary>Where the parts of a Linux boot lie.</summary>
/// <param name="Entry">The 32-bit entry point.</param>
/// <param name="CommandLine">The zero-terminated command line.</param>
/// <param name="InitialRamDisk">The initial RAM disk; meaningless without one.</param>
internal readonly record struct LinuxPlacement(uint Entry, uint CommandLine, uint InitialRamDisk);

/// <summary>
/// Builds struct boot_params, the "zero page" (Documentation/arch/x86/zero-page.rst): what the kernel's real-mode code would have
/// asked the BIOS for.
/// </summary>
internal static class LinuxBootParameters
{
    private const int Size = 4096;
    private const byte UndefinedLoader = 0xFF;          // type_of_loader: no number assigned
    private const byte KeepSegments = 1 << 6;           // loadflags: do not reload the segments; clear, ours are as the protocol says
    private const byte CanUseHeap = 1 << 7;             // loadflags: heap_end_ptr is valid; clear, there is no real-mode heap

    public static byte[] Build(LoadContext context, LinuxSetupHeader header, LinuxPlacement placement)
    {
        byte[] page = new byte[Size];
        void Put8(int offset, int value) => page[offset] = (byte)value;
        void Put16(int offset, int value) => BinaryPrimitives.WriteUInt16LittleEndian(page.AsSpan(offset), (ushort)value);
        void Put32(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(page.AsSpan(offset), value);

        // screen_info (offset 0): colour text, 80 x 25, as after INT 10h AX=0003h.
        Put8(0x06, 3);    // orig_video_mode
        Put8(0x07, 80);   // orig_video_cols
        Put16(0x0A, 3);   // orig_video_ega_bx: 256 KiB of video memory
        Put8(0x0E, 25);   // orig_video_lines
        Put8(0x0F, 1);    // orig_video_isVGA
        Put16(0x10, 16);  // orig_video_points: scan lines a character

        // The kernel's own header, from the file, then what the boot loader owes it.
        context.Image.Span[LinuxSetupHeader.Start..header.End].CopyTo(page.AsSpan(LinuxSetupHeader.Start));
        uint extendedKiB = (Math.Max(context.RamSize, MemoryMap.ExtendedMemory) - MemoryMap.ExtendedMemory) / 1024;
        Put16(0x02, (int)Math.Min(extendedKiB, 0xFFFF));   // ext_mem_k, INT 15h AH=88h
        Put32(0x1E0, extendedKiB);                         // alt_mem_k, INT 15h AX=E801h
        Put16(0x1FA, 0xFFFF);                              // vid_mode: normal
        Put8(0x210, UndefinedLoader);
        Put8(0x211, header.LoadFlags & ~(KeepSegments | CanUseHeap));
        Put32(0x214, placement.Entry);
        if (context.Options.InitialRamDisk is { Length: > 0 } ramDisk)
        {
            Put32(0x218, placement.InitialRamDisk);
            Put32(0x21C, (uint)ramDisk.Length);
        }

        Put16(0x224, 0);                                   // heap_end_ptr
        Put32(0x228, placement.CommandLine);
        PutMemoryMap(page, context.Plan.Map);
        return page;
    }

    // e820_entries and e820_table: the memory map in 20-byte entries.
    private static void PutMemoryMap(Span<byte> page, IReadOnlyList<MemoryRegion> map)
    {
        page[0x1E8] = (byte)map.Count;
        for (int i = 0; i < map.Count; i++)
        {
            Span<byte> entry = page[(0x2D0 + (i * 20))..];
            BinaryPrimitives.WriteUInt64LittleEndian(entry, map[i].Base);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[8..], map[i].Length);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[16..], (uint)map[i].Type);
        }
    }
}
