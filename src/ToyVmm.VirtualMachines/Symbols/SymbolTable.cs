using System.Text;

namespace ToyVmm.VirtualMachines.Symbols;

/// <summary>
/// Names for addresses of a guest, from the files that were named: the image itself, its user programs, a System.map. Immutable; may be read from any thread.
/// </summary>
/// <example>
/// <code>
/// SymbolTable symbols = SymbolFile.Read(File.ReadAllBytes("kernel.elf"));
/// Console.WriteLine(symbols.Find(vm.Cpu.Eip));   // timer_interrupt+0x1c
/// </code>
/// </example>
public sealed class SymbolTable
{
    // Compilers write longer names; nobody reads them. The bound keeps hostile files cheap.
    private const int LongestName = 256;

    private readonly byte[] _names;
    private readonly byte[] _nameEnds;
    private readonly SymbolEntry[] _entries;
    private readonly SymbolAlias[] _aliases;
    private readonly SymbolTable? _next;

    /// <summary>Makes a table of one file.</summary>
    /// <param name="names">Bytes that hold the names.</param>
    /// <param name="nameEnds">The bytes that end a name: NUL in ELF files, white space in System.map.</param>
    /// <param name="entries">The symbols, in any order.</param>
    /// <param name="aliases">Pieces that are loaded elsewhere than they run.</param>
    internal SymbolTable(byte[] names, byte[] nameEnds, List<SymbolEntry> entries, List<SymbolAlias> aliases)
    {
        _names = names;
        _nameEnds = nameEnds;
        _aliases = [.. aliases];
        _entries = [.. entries];
        Array.Sort(_entries, Compare);
    }

    private SymbolTable(SymbolTable table, SymbolTable? next)
    {
        (_names, _nameEnds, _entries, _aliases) = (table._names, table._nameEnds, table._entries, table._aliases);
        _next = next;
    }

    /// <summary>The table without symbols.</summary>
    public static SymbolTable Empty { get; } = new([], [0], [], []);

    /// <summary>How many symbols there are.</summary>
    public int Count => _entries.Length + (_next?.Count ?? 0);

    /// <summary>Every symbol: a file behind the other, each by address.</summary>
    public IEnumerable<Symbol> All
    {
        get
        {
            foreach (SymbolEntry entry in _entries)
            {
                yield return ToSymbol(entry);
            }

            foreach (Symbol symbol in _next?.All ?? [])
            {
                yield return symbol;
            }
        }
    }

    /// <summary>This table, and where it knows nothing another.</summary>
    /// <param name="other">The other one.</param>
    public SymbolTable With(SymbolTable other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return other.Count == 0 ? this : Count == 0 ? other : new SymbolTable(this, _next is null ? other : _next.With(other));
    }

    /// <summary>The function or label that an address belongs to.</summary>
    /// <param name="address">A linear address; before the guest has paging on also a physical one, where the image says what runs there later.</param>
    /// <returns>Null where nothing is known: below the first symbol, behind the end of a function, or of a section.</returns>
    /// <remarks>Local labels (<c>print.loop</c> in NASM, <c>.L5</c>) are no places of their own: the address belongs to what they are inside of.</remarks>
    public SymbolOffset? Find(uint address)
    {
        if (FindExactly(address) is { } found)
        {
            return found;
        }

        foreach (SymbolAlias alias in _aliases)
        {
            if (address - alias.Physical < alias.Size && FindExactly(address - alias.Physical + alias.Virtual) is { } later)
            {
                return later;
            }
        }

        return _next?.Find(address);
    }

    /// <summary>The address of a name.</summary>
    /// <param name="name">The name, as the file has it.</param>
    /// <returns>The symbol, the global one where several have the name; null where none has.</returns>
    public Symbol? Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        byte[] wanted = Encoding.UTF8.GetBytes(name);
        SymbolEntry? best = null;
        foreach (SymbolEntry entry in _entries)
        {
            if (NameBytes(entry).SequenceEqual(wanted) && (best is null || (entry.IsGlobal && !best.Value.IsGlobal)))
            {
                best = entry;
            }
        }

        return best is { } found ? ToSymbol(found) : _next?.Find(name);
    }

    private SymbolOffset? FindExactly(uint address)
    {
        // Local labels and data are passed over; a hostile file can have a million of them.
        const int MostPassed = 4096;
        for (int n = AddressSearch.CountUpTo<SymbolEntry>(_entries, address) - 1, passed = 0; n >= 0 && passed < MostPassed; n--, passed++)
        {
            SymbolEntry entry = _entries[n];
            if (entry.Kind == SymbolKind.Data || IsLocalLabel(entry))
            {
                continue;
            }

            bool inside = address < entry.End && (entry.Size == 0 || address - entry.Address < entry.Size);
            return inside ? new SymbolOffset(ToSymbol(entry), address - entry.Address) : null;
        }

        return null;
    }

    // "main.loop" and ".L5", but not a compiler's "main.part.0", which is a function.
    private bool IsLocalLabel(in SymbolEntry entry) =>
        entry.Kind == SymbolKind.Label && !entry.IsGlobal && NameBytes(entry).Contains((byte)'.');

    // Ties go to what stands last: globals, functions, then names in order, so that the answer is the same for every order in the file.
    private int Compare(SymbolEntry x, SymbolEntry y)
    {
        int order = x.Address.CompareTo(y.Address);
        order = order != 0 ? order : x.IsGlobal.CompareTo(y.IsGlobal);
        order = order != 0 ? order : -x.Kind.CompareTo(y.Kind);
        return order != 0 ? order : NameBytes(y).SequenceCompareTo(NameBytes(x));
    }

    private ReadOnlySpan<byte> NameBytes(in SymbolEntry entry)
    {
        ReadOnlySpan<byte> rest = _names.AsSpan(entry.NameOffset);
        rest = rest[..Math.Min(rest.Length, LongestName)];
        int end = rest.IndexOfAny(_nameEnds);
        return end < 0 ? rest : rest[..end];
    }

    private Symbol ToSymbol(in SymbolEntry entry) => new(Printable(NameBytes(entry)), entry.Address, entry.Size, entry.Kind);

    // Names reach terminals: what could steer one does not.
    private static string Printable(ReadOnlySpan<byte> name)
    {
        string text = Encoding.UTF8.GetString(name);
        return text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? '?' : c)) : text;
    }
}
