namespace ToyVmm.VirtualMachines.Loading;

/// <summary>Loads a flat binary: no header, so the address and the mode come from the user or from the PC's custom.</summary>
internal static class RawLoader
{
    private const uint DefaultAddress = 0x7C00;      // where a BIOS puts a boot sector, so the same source works as either
    private const uint RealModeLimit = 0x10_0000;    // what a segment can name without the HMA

    public static LoadResult Load(LoadContext context)
    {
        if (context.RejectOptions("a raw image", rawEntry: true) is { } unused)
        {
            return context.Refuse(unused);
        }

        uint address = context.Options.LoadAddress ?? DefaultAddress;
        bool realMode = context.Options.RealModeEntry ?? true;
        if (realMode && address >= RealModeLimit)
        {
            return context.Refuse($"a real-mode entry at 0x{address:X} is out of reach: real mode names addresses below 1 MiB", null,
                "Use --entry protected, or a lower --load-address.");
        }

        if (context.Plan.Place("the image", address, context.Image, (ulong)context.Length, null) is { } misplaced)
        {
            return context.Refuse(misplaced);
        }

        return realMode ? EnterRealMode(context, address) : EnterProtectedMode(context, address);
    }

    private static LoadResult EnterRealMode(LoadContext context, uint address)
    {
        // Segment 0 as far as it reaches; above it the segment takes what does not fit the offset.
        ushort cs = address <= 0xFFFF ? (ushort)0 : (ushort)(address >> 4);
        uint ip = address - ((uint)cs << 4);
        (ushort ss, uint sp) = ChooseStack(context.Plan);
        context.Explain($"Loaded {context.Length} bytes at 0x{address:X}; entry in real mode at {cs:X4}:{ip:X4}, stack at {ss:X4}:{sp:X4}. No BIOS has run: its interrupts are not there.");
        return context.Finish(ImageFormat.Raw, new EntryState
        {
            Eip = ip,
            Esp = sp,
            RealModeSegments = new RealModeSegments(cs, Data: cs, ss),
        });
    }

    // Below 0x7C00, as boot code expects; where the image lies there, at the top of conventional memory.
    private static (ushort Ss, uint Sp) ChooseStack(LoadPlan plan)
    {
        const uint size = 0x400;
        if (plan.IsFree(DefaultAddress - size, DefaultAddress))
        {
            return (0, DefaultAddress);
        }

        uint bottom = plan.FindHighest(size, 0x500, MemoryMap.ExtendedBiosDataArea, alignment: 16) ?? 0;
        return ((ushort)(bottom >> 4), size);
    }

    private static LoadResult EnterProtectedMode(LoadContext context, uint address)
    {
        if (FlatSegments.PlaceWithStack(context.Plan, out ProtectedModeSegments segments, out uint stackTop) is { } noRoom)
        {
            return context.Refuse(noRoom);
        }

        context.Explain($"Loaded {context.Length} bytes at 0x{address:X}; entry there in flat 32-bit protected mode, stack below 0x{stackTop:X}.");
        return context.Finish(ImageFormat.Raw, new EntryState
        {
            ProtectedMode = true,
            Eip = address,
            Esp = stackTop,
            ProtectedModeSegments = segments,
        });
    }
}
