namespace ToyVmm.VirtualMachines.Loading;

/// <summary>Loads a plain ELF executable and enters it in flat 32-bit protected mode, with a stack: what a first kernel in C needs.</summary>
internal static class ElfLoader
{
    public static LoadResult Load(LoadContext context)
    {
        if (context.RejectOptions("a plain ELF image") is { } unused)
        {
            return context.Refuse(unused);
        }

        ElfImage? elf = ElfImage.Parse(context.Image.Span, out LoadError? malformed);
        if (elf is null)
        {
            return context.Refuse(malformed!);
        }

        if (elf.Place(context, out uint entry) is { } misplaced)
        {
            return context.Refuse(misplaced);
        }

        if (FlatSegments.PlaceWithStack(context.Plan, out ProtectedModeSegments segments, out uint stackTop) is { } noRoom)
        {
            return context.Refuse(noRoom);
        }

        context.Explain($"Entry at 0x{entry:X} in flat 32-bit protected mode, stack below 0x{stackTop:X}.");
        return context.Finish(ImageFormat.Elf, new EntryState
        {
            ProtectedMode = true,
            Eip = entry,
            Esp = stackTop,
            ProtectedModeSegments = segments,
        });
    }
}
