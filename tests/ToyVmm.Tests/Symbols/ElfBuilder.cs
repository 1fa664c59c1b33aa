using System.Buffers.Binary;
using System.Text;

namespace ToyVmm.Tests.Symbols;

/// <summary>Writes small ELF files with symbols: a null section, .text, .symtab and .strtab.</summary>
internal sealed class ElfBuilder
{
    public const int SectionTable = 52;
    public const int Text = 1;
    public const int Absolute = 0xFFF1;
    private const int SectionSize = 40;
    private const int SymbolTable = SectionTable + (4 * SectionSize);
    private readonly List<byte[]> _symbols = [new byte[16]];
    private List<byte> _nameBytes = [0];

    /// <summary>Where .text begins and ends.</summary>
    public (uint Start, uint Size) Code { get; init; } = (0x1000, 0x1000);

    /// <summary>A loadable segment whose addresses differ.</summary>
    public (uint Physical, uint Virtual, uint Size)? Segment { get; init; }

    /// <summary>Where the header of the symbol table is in the file: for those who damage it.</summary>
    public static int SymbolSection => SectionTable + (2 * SectionSize);

    /// <summary>Adds a symbol: STT_NOTYPE 0, STT_OBJECT 1, STT_FUNC 2, STT_FILE 4.</summary>
    public ElfBuilder Add(string name, uint value, uint size = 0, int type = 2, bool global = false, int section = Text)
    {
        byte[] symbol = new byte[16];
        BinaryPrimitives.WriteInt32LittleEndian(symbol, _nameBytes.Count);
        BinaryPrimitives.WriteUInt32LittleEndian(symbol.AsSpan(4), value);
        BinaryPrimitives.WriteUInt32LittleEndian(symbol.AsSpan(8), size);
        symbol[12] = (byte)(type | (global ? 0x10 : 0));
        BinaryPrimitives.WriteUInt16LittleEndian(symbol.AsSpan(14), (ushort)section);
        _symbols.Add(symbol);
        _nameBytes = [.. _nameBytes, .. Encoding.UTF8.GetBytes(name), 0];
        return this;
    }

    /// <summary>The file.</summary>
    public byte[] Build()
    {
        int names = SymbolTable + (16 * _symbols.Count);
        int programHeaders = names + _nameBytes.Count;
        byte[] file = new byte[programHeaders + 32];
        "\u007fELF\u0001\u0001\u0001"u8.CopyTo(file);
        Word(file, 28, (uint)programHeaders);
        Word(file, 32, SectionTable);
        Half(file, 42, 32);
        Half(file, 44, 1);
        Half(file, 46, SectionSize);
        Half(file, 48, 4);
        Section(file, 1, type: 1, address: Code.Start, offset: 0, size: Code.Size, link: 0, entry: 0);
        Section(file, 2, type: 2, address: 0, offset: SymbolTable, size: (uint)(16 * _symbols.Count), link: 3, entry: 16);
        Section(file, 3, type: 3, address: 0, offset: (uint)names, size: (uint)_nameBytes.Count, link: 0, entry: 0);
        for (int n = 0; n < _symbols.Count; n++)
        {
            _symbols[n].CopyTo(file, SymbolTable + (16 * n));
        }

        _nameBytes.CopyTo(file, names);
        if (Segment is { } segment)
        {
            Word(file, programHeaders, 1);
            Word(file, programHeaders + 8, segment.Virtual);
            Word(file, programHeaders + 12, segment.Physical);
            Word(file, programHeaders + 20, segment.Size);
        }

        return file;
    }

    /// <summary>Stores 32 bits.</summary>
    public static void Word(byte[] file, int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(offset), value);

    private static void Half(byte[] file, int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(offset), value);

    private static void Section(byte[] file, int index, uint type, uint address, uint offset, uint size, uint link, uint entry)
    {
        int at = SectionTable + (index * SectionSize);
        Word(file, at + 4, type);
        Word(file, at + 12, address);
        Word(file, at + 16, offset);
        Word(file, at + 20, size);
        Word(file, at + 24, link);
        Word(file, at + 36, entry);
    }
}
