using System.Buffers.Binary;

namespace ToyVmm.VirtualMachines.Symbols;

/// <summary>The symbols of a 32-bit ELF file (System V ABI, chapter 4: "Sections", "Symbol table"). Trusts nothing: every offset is checked against the file.</summary>
internal static class ElfSymbols
{
    private const int HeaderSize = 52;
    private const int SectionHeaderSize = 40;
    private const int ProgramHeaderSize = 32;
    private const int SymbolSize = 16;
    private const uint SectionSymbolTable = 2;      // SHT_SYMTAB
    private const uint SegmentLoad = 1;             // PT_LOAD
    private const int MostAliases = 256;

    // st_info & 15, st_info >> 4, st_shndx
    private const int TypeNone = 0;
    private const int TypeObject = 1;
    private const int TypeFunction = 2;
    private const int BindingLocal = 0;
    private const int SectionUndefined = 0;
    private const int SectionReserved = 0xFF00;     // SHN_ABS and others: constants, not places

    /// <summary>True for a file that begins as an ELF file does.</summary>
    public static bool IsElf(ReadOnlySpan<byte> file) => file.StartsWith("\u007fELF"u8);

    /// <summary>Reads the symbols; none where there is no symbol table.</summary>
    /// <exception cref="InvalidSymbolsException">The file is malformed, or not of 32 bits.</exception>
    public static SymbolTable Read(byte[] file)
    {
        if (file.Length < HeaderSize)
        {
            throw new InvalidSymbolsException($"the ELF header is cut off: {file.Length} bytes of {HeaderSize}");
        }

        if (file[4] != 1 || file[5] != 1)       // EI_CLASS, EI_DATA
        {
            throw new InvalidSymbolsException("the ELF file is not of 32 bits, little-endian: its addresses cannot be those of this guest");
        }

        uint tableOffset = UInt32(file, 32);    // e_shoff
        int entrySize = UInt16(file, 46);       // e_shentsize
        int count = UInt16(file, 48);           // e_shnum
        List<SymbolEntry> symbols = [];
        byte[] names = [];
        if (tableOffset != 0 && count != 0)
        {
            Check(file, entrySize >= SectionHeaderSize, $"section headers of {entrySize} bytes are too short; {SectionHeaderSize} are needed");
            Check(file, tableOffset + ((ulong)entrySize * (uint)count) <= (ulong)file.Length, $"the section header table (0x{tableOffset:X}, {count} entries) reaches past the file's end");
            for (int n = 0; n < count; n++)
            {
                int header = (int)tableOffset + (n * entrySize);
                if (UInt32(file, header + 4) == SectionSymbolTable)
                {
                    // A file has one at most.
                    names = ReadTable(file, header, (int)tableOffset, entrySize, count, symbols);
                    break;
                }
            }
        }

        return new SymbolTable(names, [0], symbols, ReadAliases(file));
    }

    private static byte[] ReadTable(byte[] file, int header, int sections, int sectionSize, int sectionCount, List<SymbolEntry> symbols)
    {
        uint offset = UInt32(file, header + 16);
        uint size = UInt32(file, header + 20);
        uint stringTable = UInt32(file, header + 24);       // sh_link
        Check(file, offset + (ulong)size <= (ulong)file.Length, $"the symbol table (0x{offset:X}, 0x{size:X} bytes) reaches past the file's end");
        Check(file, UInt32(file, header + 36) == SymbolSize, $"symbols of {UInt32(file, header + 36)} bytes; they have {SymbolSize}");
        Check(file, stringTable < (uint)sectionCount, $"the symbol table's names are in section {stringTable}, and there are {sectionCount}");
        int strings = sections + ((int)stringTable * sectionSize);
        uint namesOffset = UInt32(file, strings + 16);
        uint namesSize = UInt32(file, strings + 20);
        Check(file, namesOffset + (ulong)namesSize <= (ulong)file.Length, $"the symbols' names (0x{namesOffset:X}, 0x{namesSize:X} bytes) reach past the file's end");
        for (uint at = 0; at + SymbolSize <= size; at += SymbolSize)
        {
            int symbol = (int)(offset + at);
            uint name = UInt32(file, symbol);
            int type = file[symbol + 12] & 15;
            int section = UInt16(file, symbol + 14);
            if (type > TypeFunction || section is SectionUndefined or >= SectionReserved)
            {
                continue;
            }

            Check(file, name < namesSize, $"the name of symbol {at / SymbolSize} (0x{name:X}) lies outside the names");
            Check(file, section < sectionCount, $"symbol {at / SymbolSize} lies in section {section}, and there are {sectionCount}");
            if (file[namesOffset + name] == 0)
            {
                continue;
            }

            uint value = UInt32(file, symbol + 4);
            int home = sections + (section * sectionSize);
            ulong end = (ulong)UInt32(file, home + 12) + UInt32(file, home + 20);   // sh_addr + sh_size
            SymbolKind kind = type switch { TypeFunction => SymbolKind.Function, TypeObject => SymbolKind.Data, _ => SymbolKind.Label };
            symbols.Add(new SymbolEntry(value, UInt32(file, symbol + 8), end, (int)name, kind, file[symbol + 12] >> 4 != BindingLocal));
        }

        return file.AsSpan((int)namesOffset, (int)namesSize).ToArray();
    }

    // A kernel that is linked to run high enables paging at its load address: until then its code has names too. Malformed program headers
    // are the loader's to refuse.
    internal static List<SymbolAlias> ReadAliases(byte[] file)
    {
        uint table = UInt32(file, 28);      // e_phoff
        int size = UInt16(file, 42);        // e_phentsize
        int count = UInt16(file, 44);       // e_phnum
        List<SymbolAlias> aliases = [];
        if (size < ProgramHeaderSize || table + ((ulong)size * (uint)count) > (ulong)file.Length)
        {
            return aliases;
        }

        for (int n = 0; n < count && aliases.Count < MostAliases; n++)
        {
            int header = (int)table + (n * size);
            SymbolAlias alias = new(Physical: UInt32(file, header + 12), Virtual: UInt32(file, header + 8), UInt32(file, header + 20));
            if (UInt32(file, header) == SegmentLoad && alias.Physical != alias.Virtual)
            {
                aliases.Add(alias);
            }
        }

        return aliases;
    }

    private static void Check(byte[] file, bool holds, string otherwise)
    {
        if (!holds)
        {
            throw new InvalidSymbolsException($"{otherwise} (the file has 0x{file.Length:X} bytes)");
        }
    }

    private static int UInt16(byte[] file, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(offset));

    private static uint UInt32(byte[] file, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(offset));
}
