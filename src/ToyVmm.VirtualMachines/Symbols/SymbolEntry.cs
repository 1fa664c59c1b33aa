namespace ToyVmm.VirtualMachines.Symbols;

/// <summary>
/// One symbol as a <see cref="SymbolTable"/> keeps it. The name stays in the file's bytes until somebody asks for it: in a hostile file a million symbols
/// can share one long name.
/// </summary>
/// <param name="Address">The linear address.</param>
/// <param name="Size">Bytes; 0 where the file does not say.</param>
/// <param name="End">Nothing from here on belongs to it: its section's end. 2^32 where nothing is known.</param>
/// <param name="NameOffset">Where the name begins in the file's bytes.</param>
/// <param name="Kind">What it names.</param>
/// <param name="IsGlobal">Known outside its source.</param>
internal readonly record struct SymbolEntry(uint Address, uint Size, ulong End, int NameOffset, SymbolKind Kind, bool IsGlobal) : IAddressed
{
    /// <inheritdoc/>
    public uint Start => Address;
}

/// <summary>A piece of an image that runs at another address than it lies at: p_paddr and p_vaddr differ.</summary>
/// <param name="Physical">Where it is loaded.</param>
/// <param name="Virtual">Where it is linked to run.</param>
/// <param name="Size">Bytes.</param>
internal readonly record struct SymbolAlias(uint Physical, uint Virtual, uint Size);
