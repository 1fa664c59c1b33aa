using ToyVmm.Hardware.Memory;

namespace ToyVmm.VirtualMachines.Loading;

/// <summary>
/// Loads a Multiboot 1 kernel with its modules (Multiboot Specification 0.6.96) and leaves the machine in the state of
/// section 3.2: EAX = 0x2BADB002, EBX = information structure, flat segments, interrupts and paging off.
/// </summary>
internal static class MultibootLoader
{
    private const uint BootMagic = 0x2BAD_B002;

    public static LoadResult Load(LoadContext context)
    {
        if (context.RejectOptions("a Multiboot kernel", commandLine: true, initialRamDisk: true, modules: true) is { } unused)
        {
            return context.Refuse(unused);
        }

        if (MultibootHeader.Find(context.Image.Span, out int damagedAt) is not { } header)
        {
            return damagedAt >= 0
                ? context.Refuse(MultibootHeader.WrongChecksum(damagedAt))
                : context.Refuse("no Multiboot 1 header in the first 8192 bytes (on 4-byte boundaries)", null,
                    "Link the header's section first, or leave out the forced format.");
        }

        if (PlaceKernel(context, header, out uint entry) is { } refused)
        {
            return context.Refuse(refused);
        }

        if (PlaceModules(context, out List<PlacedModule> modules) is { } noRoomForModules)
        {
            return context.Refuse(noRoomForModules);
        }

        if (FlatSegments.PlaceWithStack(context.Plan, out ProtectedModeSegments segments, out uint stackTop) is { } noRoom)
        {
            return context.Refuse(noRoom);
        }

        bool wantsVideo = (header.Flags & MultibootHeader.VideoMode) != 0;
        if (wantsVideo)
        {
            ExplainVideo(context, header);
        }

        if (MultibootInformation.Place(context, modules, wantsVideo, out uint information) is { } noRoomForInformation)
        {
            return context.Refuse(noRoomForInformation);
        }

        context.Explain($"Entry at 0x{entry:X} in flat 32-bit protected mode, EAX = 0x{BootMagic:X}, EBX = 0x{information:X} (boot information).");
        return context.Finish(ImageFormat.Multiboot, new EntryState
        {
            ProtectedMode = true,
            Eip = entry,
            Eax = BootMagic,
            Ebx = information,
            Esp = stackTop,
            ProtectedModeSegments = segments,
        });
    }

    private static LoadError? PlaceKernel(LoadContext context, MultibootHeader header, out uint entry)
    {
        entry = 0;
        if (header.Check(context.Length) is { } unsupported)
        {
            return unsupported;
        }

        if ((header.Flags & MultibootHeader.AddressFields) != 0)
        {
            return PlaceByAddressFields(context, header, out entry);
        }

        ElfImage? elf = ElfImage.Parse(context.Image.Span, out LoadError? malformed);
        return elf is null ? malformed : elf.Place(context, out entry);
    }

    // Section 3.1.3, "the address fields": for kernels in a format that the boot loader does not know.
    private static LoadError? PlaceByAddressFields(LoadContext context, MultibootHeader header, out uint entry)
    {
        int at = header.Offset;
        uint headerAddress = context.UInt32(at + 12);
        uint loadAddress = context.UInt32(at + 16);
        uint loadEnd = context.UInt32(at + 20);
        uint bssEnd = context.UInt32(at + 24);
        entry = context.UInt32(at + 28);

        // header_addr is where the header's own first byte goes; the same distance leads back from it to the first loaded byte.
        if (headerAddress < loadAddress || headerAddress - loadAddress > (uint)at)
        {
            return new LoadError(
                $"the Multiboot load address 0x{loadAddress:X} and header address 0x{headerAddress:X} do not fit the header's place in the file (0x{at:X})", at + 16,
                "header_addr - load_addr must be between 0 and the header's file offset.");
        }

        int fileStart = at - (int)(headerAddress - loadAddress);
        uint available = (uint)(context.Length - fileStart);
        if (loadEnd != 0 && (loadEnd < loadAddress || loadEnd - loadAddress > available))
        {
            return new LoadError($"the Multiboot load_end_addr 0x{loadEnd:X} asks for bytes that the file does not hold (loading starts at 0x{loadAddress:X}, 0x{available:X} bytes are there)", at + 20,
                "Set load_end_addr to the end of the data section, or to 0 for the whole file.");
        }

        uint fileSize = loadEnd == 0 ? available : loadEnd - loadAddress;
        if (bssEnd != 0 && (bssEnd < loadAddress || bssEnd - loadAddress < fileSize))
        {
            return new LoadError($"the Multiboot bss_end_addr 0x{bssEnd:X} lies before the end of the loaded data at 0x{loadAddress + (ulong)fileSize:X}", at + 24,
                "Set bss_end_addr to the end of the bss section, or to 0 when there is none.");
        }

        uint memorySize = bssEnd == 0 ? fileSize : bssEnd - loadAddress;
        if (entry < loadAddress || entry - loadAddress >= memorySize)
        {
            return new LoadError($"the Multiboot entry_addr 0x{entry:X} lies outside the loaded image", at + 28, "Set entry_addr to the kernel's first instruction.");
        }

        context.Explain($"Address fields: {fileSize} bytes from file offset 0x{fileStart:X} to 0x{loadAddress:X}, {memorySize - fileSize} zero bytes after them.");
        return context.Plan.Place("the kernel", loadAddress, context.Image.Slice(fileStart, (int)fileSize), memorySize, at + 16);
    }

    private static LoadError? PlaceModules(LoadContext context, out List<PlacedModule> placed)
    {
        placed = [];
        IEnumerable<BootModule> modules = context.Options.InitialRamDisk is { Length: > 0 } ramDisk
            ? [new BootModule("initrd", ramDisk), .. context.Options.Modules]
            : context.Options.Modules;
        foreach (BootModule module in modules)
        {
            // Always page-aligned: right with and without flag 0.
            uint size = (uint)module.Data.Length;
            if (context.Plan.FindLowest(size, MemoryMap.ExtendedMemory, context.RamSize, GuestPhysicalAddress.PageSize) is not { } start)
            {
                return new LoadError($"the module '{module.CommandLine}' ({size} bytes) does not fit into memory beside the kernel", null,
                    "Give the machine more memory (--memory).");
            }

            // An empty module still gets an address of its own.
            if (context.Plan.Place($"the module '{module.CommandLine}'", start, module.Data, Math.Max(size, 1), null) is { } misplaced)
            {
                return misplaced;
            }

            context.Explain($"Module '{module.CommandLine}': {size} bytes at 0x{start:X}.");
            placed.Add(new PlacedModule(start, start + size, module.CommandLine));
        }

        return null;
    }

    private static void ExplainVideo(LoadContext context, MultibootHeader header)
    {
        uint modeType = context.UInt32(header.Offset + 32);
        uint width = context.UInt32(header.Offset + 36);
        uint height = context.UInt32(header.Offset + 40);
        context.Explain(modeType == 0
            ? $"The kernel prefers linear graphics ({width} x {height}); this machine has text mode only, and the boot information says so (framebuffer type 2, 80 x 25)."
            : (FormattableString)$"The kernel asks for text mode ({width} x {height}); it gets 80 x 25.");
    }
}
