namespace ToyVmm.VirtualMachines.Symbols;

/// <summary>What a symbol names.</summary>
public enum SymbolKind
{
    /// <summary>A function: STT_FUNC, or a text symbol of a System.map file.</summary>
    Function,

    /// <summary>Data: STT_OBJECT, or any other symbol of a System.map file.</summary>
    Data,

    /// <summary>A label of an assembler source, which does not say what stands there: STT_NOTYPE.</summary>
    Label,
}

/// <summary>A name for an address of the guest.</summary>
/// <param name="Name">The name, as the file has it.</param>
/// <param name="Address">The linear address.</param>
/// <param name="Size">Bytes; 0 where the file does not say.</param>
/// <param name="Kind">What it names.</param>
public readonly record struct Symbol(string Name, uint Address, uint Size, SymbolKind Kind);

/// <summary>A place relative to a symbol.</summary>
/// <param name="Symbol">The symbol.</param>
/// <param name="Offset">Bytes behind its address.</param>
public readonly record struct SymbolOffset(Symbol Symbol, uint Offset)
{
    /// <summary>The place as people write it: <c>main</c>, <c>main+0x1c</c>.</summary>
    public override string ToString() => Offset == 0 ? Symbol.Name : $"{Symbol.Name}+0x{Offset:x}";
}

/// <summary>A file of symbols is malformed, or of no format that is known.</summary>
/// <param name="message">What is wrong with it, and where.</param>
public sealed class InvalidSymbolsException(string message) : Exception(message);
