using System.Buffers.Text;

namespace ToyVmm.VirtualMachines.Symbols;

/// <summary>
/// The symbols of a System.map file, which is what <c>nm</c> prints of a Linux kernel: lines of an address in hexadecimal, a letter and a name. A bzImage has
/// no symbols itself.
/// </summary>
internal static class SystemMap
{
    /// <summary>True for a file whose first line is one of address, type and name.</summary>
    public static bool LooksLikeOne(ReadOnlySpan<byte> file)
    {
        int end = file.IndexOf((byte)'\n');
        return TryReadLine(end < 0 ? file : file[..end], out _, out _, out _);
    }

    /// <summary>Reads the symbols.</summary>
    /// <exception cref="InvalidSymbolsException">A line is no symbol.</exception>
    public static SymbolTable Read(byte[] file)
    {
        List<SymbolEntry> symbols = [];
        int line = 0;
        for (int at = 0; at < file.Length;)
        {
            line++;
            int length = file.AsSpan(at).IndexOf((byte)'\n');
            ReadOnlySpan<byte> text = length < 0 ? file.AsSpan(at) : file.AsSpan(at, length);
            // nm leaves the address of what is undefined out.
            if (text.TrimEnd("\r "u8).Length > 0 && text[0] != (byte)' ')
            {
                if (!TryReadLine(text, out ulong address, out char type, out int name))
                {
                    throw new InvalidSymbolsException($"line {line} is not an address, a type and a name");
                }

                if (line == 1 && text[name..].StartsWith("The real System.map"u8))
                {
                    throw new InvalidSymbolsException("this is Debian's stub: the real System.map is in the linux-image-...-dbg package of the same version");
                }

                Add(symbols, address, type, at + name, line);
            }

            at = length < 0 ? file.Length : at + length + 1;
        }

        return new SymbolTable(file, [.. " \t\r\n"u8], symbols, []);
    }

    // nm's letters: T, t, W, w are code; A is a constant, U undefined. A 64-bit kernel's addresses are not this guest's.
    private static void Add(List<SymbolEntry> symbols, ulong address, char type, int name, int line)
    {
        if (address > uint.MaxValue)
        {
            throw new InvalidSymbolsException($"line {line}: 0x{address:x} is no address of 32 bits: is this the map of a 64-bit kernel?");
        }

        if (type is not ('A' or 'a' or 'U' or 'u'))
        {
            SymbolKind kind = type is 'T' or 't' or 'W' or 'w' ? SymbolKind.Function : SymbolKind.Data;
            symbols.Add(new SymbolEntry((uint)address, 0, 1ul << 32, name, kind, char.IsUpper(type)));
        }
    }

    private static bool TryReadLine(ReadOnlySpan<byte> line, out ulong address, out char type, out int name)
    {
        const int MostDigits = 16;
        type = '\0';
        name = 0;
        if (!Utf8Parser.TryParse(line[..Math.Min(line.Length, MostDigits + 1)], out address, out int digits, 'x') || digits > MostDigits || line.Length < digits + 4)
        {
            return false;
        }

        type = (char)line[digits + 1];
        name = digits + 3;
        return line[digits] == (byte)' ' && line[digits + 2] == (byte)' ' && char.IsAsciiLetter(type) && line[name] > (byte)' ';
    }
}
