using System.Buffers.Binary;
using System.Text;

namespace ToyVmm.VirtualMachines.Loading;

/// <summary>A module that has its place in memory.</summary>
/// <param name="Start">Its first byte, page-aligned.</param>
/// <param name="End">The byte after its last.</param>
/// <param name="CommandLine">Its string.</param>
internal readonly record struct PlacedModule(uint Start, uint End, string CommandLine);

/// <summary>
/// Builds the Multiboot information structure (Multiboot Specification 0.6.96, section 3.3) and everything that it points to as
/// one block below 640 KiB: structure, module list, memory map, strings.
/// </summary>
internal static class MultibootInformation
{
    private const int StructureSize = 116;
    private const int ModuleSize = 16;
    private const int MapEntrySize = 24;
    private const uint Floor = 0x500;
    private const string LoaderName = "ToyVmm";

    private const uint HasMemory = 1u << 0;
    private const uint HasCommandLine = 1u << 2;
    private const uint HasModules = 1u << 3;
    private const uint HasMemoryMap = 1u << 6;
    private const uint HasLoaderName = 1u << 9;
    private const uint HasFramebuffer = 1u << 12;

    /// <summary>Plans the block.</summary>
    /// <param name="context">The image's context; its plan holds the kernel and the modules already.</param>
    /// <param name="modules">The modules, placed.</param>
    /// <param name="video">True to fill in the video fields.</param>
    /// <param name="address">Where the structure stands: the kernel's EBX.</param>
    public static LoadError? Place(LoadContext context, List<PlacedModule> modules, bool video, out uint address)
    {
        string commandLine = string.Join(' ', new[] { context.Options.ImageName, context.Options.CommandLine }.Where(part => part is { Length: > 0 }));
        IReadOnlyList<MemoryRegion> map = context.Plan.Map;
        int modulesAt = StructureSize;
        int mapAt = modulesAt + (modules.Count * ModuleSize);
        var strings = new StringTable(mapAt + (map.Count * MapEntrySize));
        int commandLineAt = strings.Add(commandLine);
        int loaderNameAt = strings.Add(LoaderName);
        int[] moduleStringsAt = [.. modules.Select(module => strings.Add(module.CommandLine))];

        if (context.Plan.FindHighest((ulong)strings.End, Floor, MemoryMap.ExtendedBiosDataArea, alignment: 16) is not { } start)
        {
            address = 0;
            return new LoadError($"the Multiboot information ({strings.End} bytes) does not fit below 640 KiB beside the kernel", null,
                "Shorten the command lines, or link the kernel to 1 MiB.");
        }

        address = start;
        byte[] block = new byte[strings.End];
        void Put(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(block.AsSpan(offset), value);

        Put(0, HasMemory | HasCommandLine | HasModules | HasMemoryMap | HasLoaderName | (video ? HasFramebuffer : 0));
        Put(4, Math.Min(context.RamSize, MemoryMap.ExtendedBiosDataArea) / 1024);                                           // mem_lower, KiB
        Put(8, (Math.Max(context.RamSize, MemoryMap.ExtendedMemory) - MemoryMap.ExtendedMemory) / 1024);                    // mem_upper, KiB
        Put(16, start + (uint)commandLineAt);
        Put(20, (uint)modules.Count);
        Put(24, start + (uint)modulesAt);
        Put(44, (uint)(map.Count * MapEntrySize));
        Put(48, start + (uint)mapAt);
        Put(64, start + (uint)loaderNameAt);
        if (video)
        {
            PutTextFramebuffer(block);
        }

        for (int i = 0; i < modules.Count; i++)
        {
            int at = modulesAt + (i * ModuleSize);
            Put(at, modules[i].Start);
            Put(at + 4, modules[i].End);
            Put(at + 8, start + (uint)moduleStringsAt[i]);
        }

        for (int i = 0; i < map.Count; i++)
        {
            int at = mapAt + (i * MapEntrySize);
            Put(at, MapEntrySize - 4);  // "size" does not count itself
            Put(at + 4, map[i].Base);
            Put(at + 12, map[i].Length);
            Put(at + 20, (uint)map[i].Type);
        }

        strings.CopyTo(block);
        return context.Plan.Place("the Multiboot information", start, block, (ulong)block.Length, null);
    }

    // The EGA text screen as a "framebuffer": 80 x 25 cells of two bytes.
    private static void PutTextFramebuffer(Span<byte> block)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(block[88..], 0xB_8000);
        BinaryPrimitives.WriteUInt32LittleEndian(block[96..], 80 * 2);  // pitch, bytes a line
        BinaryPrimitives.WriteUInt32LittleEndian(block[100..], 80);
        BinaryPrimitives.WriteUInt32LittleEndian(block[104..], 25);
        block[108] = 16;  // bits a cell
        block[109] = 2;   // type: EGA text
    }

    // Zero-terminated strings, one after the other, from a given offset on.
    private sealed class StringTable(int start)
    {
        private readonly List<byte> _bytes = [];

        public int End => start + _bytes.Count;

        public int Add(string text)
        {
            int at = End;
            _bytes.AddRange(Encoding.UTF8.GetBytes(text));
            _bytes.Add(0);
            return at;
        }

        public void CopyTo(Span<byte> block) => _bytes.ToArray().CopyTo(block[start..]);
    }
}
