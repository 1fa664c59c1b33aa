using System.Buffers.Binary;

namespace ToyVmm.VirtualMachines.Loading;

/// <summary>One PT_LOAD program header: bytes of the file that belong at a physical address.</summary>
/// <param name="FileOffset">Where the bytes stand in the file.</param>
/// <param name="FileSize">How many.</param>
/// <param name="VirtualAddress">Where the program, once it has paging on, sees them.</param>
/// <param name="PhysicalAddress">Where they are loaded.</param>
/// <param name="MemorySize">Bytes in memory; beyond <paramref name="FileSize"/> they are zero.</param>
/// <param name="HeaderOffset">Where the program header stands in the file (to blame).</param>
internal readonly record struct ElfSegment(
    uint FileOffset, uint FileSize, uint VirtualAddress, uint PhysicalAddress, uint MemorySize, long HeaderOffset);

/// <summary>A 32-bit x86 ELF executable, checked (System V ABI, chapters 4 "Object files" and 5 "Program loading").</summary>
internal sealed class ElfImage
{
    private const int HeaderSize = 52;
    private const int ProgramHeaderSize = 32;
    private const ushort TypeExecutable = 2;
    private const ushort TypeShared = 3;
    private const ushort MachineI386 = 3;
    private const ushort MachineAmd64 = 62;
    private const uint SegmentLoad = 1;
    private const uint SegmentInterpreter = 3;

    private ElfImage(uint entry, List<ElfSegment> segments)
    {
        Entry = entry;
        Segments = segments;
    }

    /// <summary>e_entry, as the file has it: a virtual address.</summary>
    public uint Entry { get; }

    /// <summary>The segments that occupy memory, in the file's order.</summary>
    public IReadOnlyList<ElfSegment> Segments { get; }

    /// <summary>Reads and checks the headers.</summary>
    /// <returns>The image, or null and the error.</returns>
    public static ElfImage? Parse(ReadOnlySpan<byte> file, out LoadError? error)
    {
        error = CheckHeader(file);
        if (error is not null)
        {
            return null;
        }

        uint tableOffset = UInt32(file, 28);   // e_phoff
        uint entrySize = UInt16(file, 42);     // e_phentsize
        uint count = UInt16(file, 44);         // e_phnum
        if (count == 0)
        {
            error = new LoadError("the ELF file has no program headers: it is an object file, not an executable", 44, "Link it (ld -m elf_i386).");
            return null;
        }

        if (entrySize < ProgramHeaderSize)
        {
            error = new LoadError($"ELF program headers of {entrySize} bytes are too short; 32 are needed", 42, "The file is damaged: build it again.");
            return null;
        }

        if (tableOffset + ((ulong)entrySize * count) > (ulong)file.Length)
        {
            error = new LoadError($"the ELF program header table (0x{tableOffset:X}, {count} entries) reaches past the file's end at 0x{file.Length:X}", 28,
                "The file is truncated: build or copy it again.");
            return null;
        }

        List<ElfSegment> segments = [];
        for (uint i = 0; i < count; i++)
        {
            int at = (int)(tableOffset + (i * entrySize));
            error = ReadSegment(file, at, segments);
            if (error is not null)
            {
                return null;
            }
        }

        if (segments.Count == 0)
        {
            error = new LoadError("the ELF file has no loadable segment", tableOffset, "Link it as an executable (ld -m elf_i386).");
            return null;
        }

        return new ElfImage(UInt32(file, 24), segments);
    }

    /// <summary>The physical address of a virtual one: through the first segment that holds it, else unchanged when it is physical already.</summary>
    /// <remarks>
    /// Kernels linked to run high (say 0xC0100000) but loaded at 1 MiB differ in p_vaddr and p_paddr. Most give e_entry as a
    /// virtual address, some - Linux's vmlinux - as a physical one; both are understood, the way GRUB and QEMU do.
    /// </remarks>
    public uint? ToPhysical(uint address)
    {
        foreach (ElfSegment segment in Segments)
        {
            if (address - segment.VirtualAddress < segment.MemorySize && address >= segment.VirtualAddress)
            {
                return segment.PhysicalAddress + (address - segment.VirtualAddress);
            }
        }

        foreach (ElfSegment segment in Segments)
        {
            if (address - segment.PhysicalAddress < segment.MemorySize && address >= segment.PhysicalAddress)
            {
                return address;
            }
        }

        return null;
    }

    /// <summary>Plans every segment to its physical address and finds the physical entry.</summary>
    public LoadError? Place(LoadContext context, out uint entry)
    {
        entry = 0;
        foreach (ElfSegment segment in Segments)
        {
            ReadOnlyMemory<byte> bytes = context.Image.Slice((int)segment.FileOffset, (int)segment.FileSize);
            LoadError? misplaced = context.Plan.Place("the ELF segment", segment.PhysicalAddress, bytes, segment.MemorySize, segment.HeaderOffset);
            if (misplaced is not null)
            {
                return misplaced;
            }

            context.Explain($"Segment: {segment.FileSize} bytes from file offset 0x{segment.FileOffset:X} to physical 0x{segment.PhysicalAddress:X}, {segment.MemorySize - segment.FileSize} zero bytes after them.");
        }

        if (ToPhysical(Entry) is not { } physical)
        {
            return new LoadError($"the ELF entry point 0x{Entry:X} lies in no loaded segment", 24, "Give the linker the entry symbol (ld -e).");
        }

        if (physical != Entry)
        {
            context.Explain($"The entry point 0x{Entry:X} is a virtual address: entered at physical 0x{physical:X}.");
        }

        entry = physical;
        return null;
    }

    private static LoadError? CheckHeader(ReadOnlySpan<byte> file)
    {
        if (!file.StartsWith("\u007fELF"u8))
        {
            return new LoadError("the image does not begin with the ELF magic number", 0, "Leave out the forced format.");
        }

        if (file.Length < HeaderSize)
        {
            return new LoadError($"the ELF header is cut off: {file.Length} bytes of {HeaderSize}", file.Length, "The file is truncated: build or copy it again.");
        }

        if (file[4] != 1)  // EI_CLASS
        {
            return new LoadError(file[4] == 2 ? "a 64-bit ELF file; this machine is a 32-bit one" : $"unknown ELF class {file[4]}", 4,
                "Build it for 32-bit x86 (gcc -m32, ld -m elf_i386).");
        }

        if (file[5] != 1)  // EI_DATA
        {
            return new LoadError($"ELF data encoding {file[5]} is not little-endian", 5, "Build it for 32-bit x86.");
        }

        ushort type = UInt16(file, 16);
        if (type != TypeExecutable)
        {
            return new LoadError(type == TypeShared ? "a position-independent ELF file (ET_DYN); nothing here would relocate it" : $"ELF type {type} is not an executable", 16,
                "Link it to fixed addresses (gcc -no-pie -static, ld -Ttext=0x100000).");
        }

        ushort machine = UInt16(file, 18);
        return machine == MachineI386
            ? null
            : new LoadError(machine == MachineAmd64 ? "an x86-64 ELF file; this machine is a 32-bit x86" : $"ELF machine {machine} is not 32-bit x86 (EM_386)", 18,
                "Build it for 32-bit x86 (gcc -m32, ld -m elf_i386).");
    }

    private static LoadError? ReadSegment(ReadOnlySpan<byte> file, int at, List<ElfSegment> segments)
    {
        uint type = UInt32(file, at);
        if (type == SegmentInterpreter)
        {
            return new LoadError("the ELF file asks for a program interpreter: it is a program for an operating system", at,
                "Link it statically, as a free-standing kernel (-nostdlib -static).");
        }

        var segment = new ElfSegment(
            FileOffset: UInt32(file, at + 4),
            FileSize: UInt32(file, at + 16),
            VirtualAddress: UInt32(file, at + 8),
            PhysicalAddress: UInt32(file, at + 12),
            MemorySize: UInt32(file, at + 20),
            HeaderOffset: at);
        if (type != SegmentLoad || (segment.MemorySize == 0 && segment.FileSize == 0))
        {
            return null;
        }

        if (segment.FileSize > segment.MemorySize)
        {
            return new LoadError($"an ELF segment has 0x{segment.FileSize:X} bytes in the file but 0x{segment.MemorySize:X} in memory", at + 16,
                "The file is damaged: build it again.");
        }

        if ((ulong)segment.FileOffset + segment.FileSize > (ulong)file.Length)
        {
            return new LoadError($"an ELF segment (file offset 0x{segment.FileOffset:X}, 0x{segment.FileSize:X} bytes) reaches past the file's end at 0x{file.Length:X}", at + 4,
                "The file is truncated: build or copy it again.");
        }

        segments.Add(segment);
        return null;
    }

    private static ushort UInt16(ReadOnlySpan<byte> file, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(file[offset..]);

    private static uint UInt32(ReadOnlySpan<byte> file, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(file[offset..]);
}
