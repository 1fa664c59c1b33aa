using System.Text;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.VirtualMachines.Loading;

/// <summary>
/// Loads a Linux bzImage and enters it by the 32-bit boot protocol (Documentation/arch/x86/boot.rst): no real-mode code of the
/// kernel runs; its header is copied into a fresh "zero page" that the loader fills as the BIOS calls would have.
/// </summary>
internal static class LinuxLoader
{
    private const uint LoadHigh = 0x10_0000;           // where a bzImage's code32_start counts from
    private const uint BootParametersAddress = 0x9_0000;
    private const uint CommandLineAddress = 0x9_1000;
    private const uint CommandLineEnd = 0x9_9000;

    public static LoadResult Load(LoadContext context)
    {
        if (context.RejectOptions("a Linux kernel", commandLine: true, initialRamDisk: true) is { } unused)
        {
            return context.Refuse(unused);
        }

        LinuxSetupHeader? header = LinuxSetupHeader.Parse(context, out LoadError? malformed);
        if (header is null)
        {
            return context.Refuse(malformed!);
        }

        context.Explain($"Boot protocol {header.Version >> 8}.{header.Version & 0xFF:D2}{(header.Relocatable ? ", relocatable" : "")}.");
        if ((PlaceKernel(context, header, out uint load, out uint entry)
            ?? PlaceCommandLine(context, header)) is { } misplaced)
        {
            return context.Refuse(misplaced);
        }

        if (PlaceInitialRamDisk(context, header, out uint ramDiskAddress) is { } noRamDisk)
        {
            return context.Refuse(noRamDisk);
        }

        byte[] zeroPage = LinuxBootParameters.Build(context, header, new LinuxPlacement(entry, CommandLineAddress, ramDiskAddress));
        if (context.Plan.Place("the boot parameters", BootParametersAddress, zeroPage, (ulong)zeroPage.Length, null) is { } noParameters)
        {
            return context.Refuse(noParameters);
        }

        if (FlatSegments.PlaceWithStack(context.Plan, out ProtectedModeSegments segments, out uint stackTop) is { } noRoom)
        {
            return context.Refuse(noRoom);
        }

        context.Explain($"Kernel at 0x{load:X}, entry at 0x{entry:X} in flat 32-bit protected mode, ESI = 0x{BootParametersAddress:X} (boot parameters).");
        return context.Finish(ImageFormat.LinuxKernel, new EntryState
        {
            ProtectedMode = true,
            Eip = entry,
            Esi = BootParametersAddress,  // EBP, EDI and EBX must be zero
            Esp = stackTop,
            ProtectedModeSegments = segments,
        });
    }

    private static LoadError? PlaceKernel(LoadContext context, LinuxSetupHeader header, out uint load, out uint entry)
    {
        ReadOnlyMemory<byte> payload = header.Payload(context.Image);
        load = LoadHigh;
        entry = header.Code32Start;
        ulong needed = Math.Max((ulong)payload.Length, header.InitSize);
        if (header.Relocatable)
        {
            if (FindPlace(context, header, needed) is not { } found)
            {
                return TooBig(context, header.PreferredAddress, needed);
            }

            load = found;
        }
        else if (header.InitSize != 0 && !context.Plan.IsUsable(header.PreferredAddress, header.PreferredAddress + header.InitSize))
        {
            // It loads at 1 MiB and then unpacks itself to the address it was built for.
            return TooBig(context, header.PreferredAddress, header.InitSize);
        }

        // code32_start counts from 1 MiB; a kernel that was moved is entered the same distance from its new start.
        if (header.Code32Start < LoadHigh || header.Code32Start - LoadHigh >= (uint)payload.Length)
        {
            return new LoadError($"the 32-bit entry point code32_start 0x{header.Code32Start:X} lies outside the kernel", 0x214, "The file is damaged: copy it again.");
        }

        entry = load + (header.Code32Start - LoadHigh);

        // Where the kernel unpacks itself must stay clear too: of the initial RAM disk above all.
        ulong runtimeStart = header.Relocatable ? load : header.InitSize != 0 ? header.PreferredAddress : LoadHigh;
        ulong reserved = Math.Max(needed, runtimeStart >= load ? runtimeStart - load + header.InitSize : needed);
        return context.Plan.Place("the Linux kernel", load, payload, reserved, PayloadBlame(header));
    }

    // The preferred address when it is free, else the lowest one that fits, with the preferred and then the smaller alignments.
    private static uint? FindPlace(LoadContext context, LinuxSetupHeader header, ulong needed)
    {
        ulong preferred = header.PreferredAddress;
        if (preferred % header.KernelAlignment == 0 && context.Plan.IsFree(preferred, preferred + needed))
        {
            return (uint)preferred;
        }

        uint smallest = header.MinimumAlignment == 0 ? header.KernelAlignment : Math.Min(1u << header.MinimumAlignment, header.KernelAlignment);
        for (uint alignment = header.KernelAlignment; alignment >= smallest && alignment != 0; alignment >>= 1)
        {
            if (context.Plan.FindLowest(needed, LoadHigh, context.RamSize, alignment) is { } found)
            {
                context.Explain($"The preferred address 0x{preferred:X} does not fit {needed} bytes: moved to 0x{found:X}.");
                return found;
            }
        }

        return null;
    }

    private static LoadError TooBig(LoadContext context, ulong address, ulong needed) =>
        new($"the kernel needs 0x{needed:X} bytes ({(needed + 0xF_FFFF) >> 20} MiB) of memory at 0x{address:X}, and there is {context.Plan.Describe()}", 0x260,
            $"Give the machine more memory: --memory {((address + needed + 0xF_FFFF) >> 20) + 16}M.");

    private static long PayloadBlame(LinuxSetupHeader header) => header.PayloadOffset;

    private static LoadError? PlaceCommandLine(LoadContext context, LinuxSetupHeader header)
    {
        byte[] text = Encoding.UTF8.GetBytes(context.Options.CommandLine ?? "");
        uint longest = Math.Min(header.CommandLineSize, CommandLineEnd - CommandLineAddress - 1);
        if (text.Length > longest)
        {
            return new LoadError($"the command line has {text.Length} bytes, the kernel takes at most {longest}", null, "Shorten --append.");
        }

        context.Explain($"Command line: '{context.Options.CommandLine}'.");
        return context.Plan.Place("the command line", CommandLineAddress, text, (ulong)text.Length + 1, null);
    }

    private static LoadError? PlaceInitialRamDisk(LoadContext context, LinuxSetupHeader header, out uint address)
    {
        address = 0;
        if (context.Options.InitialRamDisk is not { Length: > 0 } ramDisk)
        {
            return null;
        }

        // As high as the kernel allows, so that it is not in the way of the kernel's own early allocations.
        ulong ceiling = Math.Min((ulong)header.InitrdAddressMax + 1, context.RamSize);
        if (context.Plan.FindHighest((ulong)ramDisk.Length, MemoryMap.ExtendedMemory, ceiling, GuestPhysicalAddress.PageSize) is not { } start)
        {
            return new LoadError($"the initial RAM disk ({ramDisk.Length} bytes) does not fit between the kernel and 0x{ceiling:X}", null,
                "Give the machine more memory (--memory).");
        }

        address = start;
        context.Explain($"Initial RAM disk: {ramDisk.Length} bytes at 0x{start:X} (the kernel allows up to 0x{header.InitrdAddressMax:X}).");
        return context.Plan.Place("the initial RAM disk", start, ramDisk, (ulong)ramDisk.Length, null);
    }
}
