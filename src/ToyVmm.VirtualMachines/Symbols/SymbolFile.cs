namespace ToyVmm.VirtualMachines.Symbols;

/// <summary>Reads files of symbols: 32-bit ELF files with a symbol table, and System.map files, which a Linux kernel is built with.</summary>
public static class SymbolFile
{
    /// <summary>Reads a file that somebody named as one of symbols.</summary>
    /// <param name="file">Its bytes.</param>
    /// <exception cref="InvalidSymbolsException">It is malformed, of no format that is known, or without symbols.</exception>
    public static SymbolTable Read(byte[] file)
    {
        ArgumentNullException.ThrowIfNull(file);
        SymbolTable symbols = ElfSymbols.IsElf(file) ? ElfSymbols.Read(file)
            : SystemMap.LooksLikeOne(file) ? SystemMap.Read(file)
            : throw new InvalidSymbolsException("neither an ELF file nor a System.map file (lines of address, type and name)");
        return symbols.Count > 0 ? symbols : throw new InvalidSymbolsException("the file has no symbols: was it stripped?");
    }

    /// <summary>Takes the symbols along that an image happens to have.</summary>
    /// <param name="image">The bytes of an image of any format.</param>
    /// <param name="problem">What is wrong with its symbols; null where nothing is, or there are none.</param>
    /// <returns>The symbols; none where the image has none, or they are malformed: that does not keep it from running.</returns>
    public static SymbolTable ReadFromImage(ReadOnlyMemory<byte> image, out string? problem)
    {
        problem = null;
        if (!ElfSymbols.IsElf(image.Span))
        {
            return SymbolTable.Empty;
        }

        try
        {
            return ElfSymbols.Read(image.ToArray());
        }
        catch (InvalidSymbolsException e)
        {
            problem = e.Message;
            return SymbolTable.Empty;
        }
    }
}
