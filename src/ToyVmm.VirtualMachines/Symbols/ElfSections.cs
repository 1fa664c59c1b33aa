using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace ToyVmm.VirtualMachines.Symbols;

/// <summary>The sections of a 32-bit ELF file by name (System V ABI, chapter 4), for the readers of debug information. What is damaged is not there.</summary>
internal sealed class ElfSections
{
    private const int HeaderSize = 52;
    private const int SectionHeaderSize = 40;
    private const uint Allocated = 2;               // SHF_ALLOC
    private const uint Executable = 4;              // SHF_EXECINSTR
    private const uint Compressed = 0x800;          // SHF_COMPRESSED
    private const uint NoBits = 8;                  // SHT_NOBITS
    private const uint CompressionZlib = 1;         // ELFCOMPRESS_ZLIB
    private const int CompressionHeaderSize = 12;
    private const uint LargestUnpacked = 256u << 20;

    private readonly byte[] _file;
    private readonly Dictionary<string, Header> _sections = [];
    private readonly List<(uint First, ulong End)> _code = [];

    /// <summary>Reads the section headers.</summary>
    /// <param name="file">The file; anything at all.</param>
    public ElfSections(byte[] file)
    {
        _file = file;
        if (file.Length < HeaderSize || !ElfSymbols.IsElf(file) || file[4] != 1 || file[5] != 1)
        {
            return;
        }

        ulong table = UInt32(32);                                                               // e_shoff
        int size = BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(46));                    // e_shentsize
        int count = BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(48));                   // e_shnum
        int names = BinaryPrimitives.ReadUInt16LittleEndian(file.AsSpan(50));                   // e_shstrndx
        if (table == 0 || size < SectionHeaderSize || names >= count || table + ((ulong)size * (uint)count) > (ulong)file.Length)
        {
            return;
        }

        int nameTable = (int)UInt32((int)table + (names * size) + 16);
        for (int n = 0; n < count; n++)
        {
            int at = (int)table + (n * size);
            Header header = new(UInt32(at + 4), UInt32(at + 8), UInt32(at + 16), UInt32(at + 20));
            _ = _sections.TryAdd(Name(nameTable + (long)UInt32(at)), header);
            if ((header.Flags & (Allocated | Executable)) == (Allocated | Executable))
            {
                uint address = UInt32(at + 12);
                _code.Add((address, (ulong)address + header.Size));
            }
        }
    }

    /// <summary>True for an address in a section of code.</summary>
    public bool IsCode(uint address)
    {
        foreach ((uint first, ulong end) in _code)
        {
            if (address >= first && address < end)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>True where the file has a section of that name.</summary>
    public bool Has(string name) => _sections.ContainsKey(name);

    /// <summary>A section's bytes, unpacked; empty where there is none, or it is damaged.</summary>
    public ReadOnlyMemory<byte> Find(string name)
    {
        if (!_sections.TryGetValue(name, out Header header) || header.Type == NoBits || header.Offset + (ulong)header.Size > (ulong)_file.Length)
        {
            return default;
        }

        ReadOnlyMemory<byte> bytes = _file.AsMemory((int)header.Offset, (int)header.Size);
        return (header.Flags & Compressed) != 0 ? Unpack(bytes) : bytes;
    }

    private static ReadOnlyMemory<byte> Unpack(ReadOnlyMemory<byte> bytes)
    {
        if (bytes.Length < CompressionHeaderSize || BinaryPrimitives.ReadUInt32LittleEndian(bytes.Span) != CompressionZlib)
        {
            return default;
        }

        uint size = BinaryPrimitives.ReadUInt32LittleEndian(bytes.Span[4..]);
        if (size > LargestUnpacked)
        {
            return default;
        }

        try
        {
            using MemoryStream packed = new(bytes[CompressionHeaderSize..].ToArray());
            using ZLibStream stream = new(packed, CompressionMode.Decompress);
            using MemoryStream unpacked = new();
            Span<byte> piece = stackalloc byte[4096];
            for (int read; unpacked.Length < size && (read = stream.Read(piece)) > 0;)
            {
                unpacked.Write(piece[..read]);
            }

            return unpacked.ToArray();
        }
        catch (InvalidDataException)
        {
            return default;
        }
    }

    private string Name(long offset)
    {
        const int Longest = 32;
        if (offset < 0 || offset >= _file.Length)
        {
            return "";
        }

        ReadOnlySpan<byte> bytes = _file.AsSpan((int)offset, (int)Math.Min(Longest, _file.Length - offset));
        int end = bytes.IndexOf((byte)0);
        return end < 0 ? "" : Encoding.ASCII.GetString(bytes[..end]);
    }

    private uint UInt32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(_file.AsSpan(offset));

    private readonly record struct Header(uint Type, uint Flags, uint Offset, uint Size);
}
