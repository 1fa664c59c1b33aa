namespace ToyVmm.VirtualMachines.Symbols;

/// <summary>A source line, and a piece of the code that was made from it.</summary>
/// <param name="File">The path of the source, as the compiler was given it.</param>
/// <param name="Line">The line, from 1.</param>
/// <param name="Column">The column, from 1; 0 where nobody says.</param>
/// <param name="First">The piece's first linear address.</param>
/// <param name="End">The address behind its last; the first one where the optimizer left nothing of the line there.</param>
public readonly record struct SourceLine(string File, int Line, int Column, uint First, uint End)
{
    /// <summary>The file without its folders.</summary>
    public string FileName => File[(File.LastIndexOf('/') + 1)..];

    /// <summary>The place as people write it: <c>main.c:12</c>.</summary>
    public override string ToString() => $"{FileName}:{Line}";
}

/// <summary>
/// Which source line each piece of a guest's code comes from: the DWARF line tables (versions 2 to 5) of its 32-bit ELF files. Immutable; may be
/// read from any thread.
/// </summary>
/// <example>
/// <code>
/// SourceLines lines = SourceLines.Read(File.ReadAllBytes("kernel.elf"), out string? problem);
/// Console.WriteLine(lines.Find(vm.Cpu.Eip));          // trap.c:41
/// </code>
/// </example>
public sealed class SourceLines
{
    private readonly string[] _files;
    private readonly LineRange[] _rows;
    private readonly SymbolAlias[] _aliases;
    private readonly SourceLines? _next;

    private SourceLines(string[] files, LineRange[] rows, SymbolAlias[] aliases, SourceLines? next)
    {
        (_files, _rows, _aliases, _next) = (files, rows, aliases, next);
    }

    /// <summary>Of a guest without debug information.</summary>
    public static SourceLines Empty { get; } = new([], [], [], null);

    /// <summary>How many pieces of code have a line.</summary>
    public int Count => _rows.Length + (_next?.Count ?? 0);

    /// <summary>The paths of the sources.</summary>
    public IEnumerable<string> Files => _files.Concat(_next?.Files ?? []).Distinct();

    /// <summary>Reads the line tables of an image or another file.</summary>
    /// <param name="file">Its bytes, of any format.</param>
    /// <param name="problem">What is wrong with its debug information; null where nothing is, or there is none. What could be read is there all the same.</param>
    /// <returns>The lines; none where the file is no ELF file of 32 bits, or has no line tables.</returns>
    public static SourceLines Read(ReadOnlyMemory<byte> file, out string? problem)
    {
        problem = null;
        if (!ElfSymbols.IsElf(file.Span))
        {
            return Empty;
        }

        byte[] bytes = file.ToArray();
        ElfSections elf = new(bytes);
        if (!elf.Has(".debug_line"))
        {
            return Empty;
        }

        DwarfSections sections = new(elf.Find(".debug_line"), elf.Find(".debug_info"), elf.Find(".debug_abbrev"), elf.Find(".debug_str"), elf.Find(".debug_line_str"));
        if (sections.Line.IsEmpty)
        {
            problem = ".debug_line lies outside the file, or cannot be unpacked";
            return Empty;
        }

        DwarfLineTable table = DwarfLineTable.Read(sections, elf.IsCode);
        problem = table.Problem;

        // Empty rows, where the optimizer left nothing between two lines, stand before the one that has the address; else the table's order stays.
        LineRange[] rows = [.. table.Rows.OrderBy(row => row.First).ThenBy(row => row.End)];
        return rows.Length == 0 ? Empty : new SourceLines([.. table.Files], rows, [.. ElfSymbols.ReadAliases(bytes)], null);
    }

    /// <summary>These lines, and where they know nothing others.</summary>
    /// <param name="other">The other ones.</param>
    public SourceLines With(SourceLines other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return other.Count == 0 ? this : Count == 0 ? other : new SourceLines(_files, _rows, _aliases, _next is null ? other : _next.With(other));
    }

    /// <summary>The source line that an address belongs to.</summary>
    /// <param name="address">A linear address; before the guest has paging on also a physical one, where the image says what runs there later.</param>
    /// <returns>Null where nobody says.</returns>
    public SourceLine? Find(uint address)
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

    /// <summary>Where a line's code begins: several places where the compiler made several of it.</summary>
    /// <param name="file">The source's name, with as many of its folders as are needed: "main.c", "kernel/main.c", or the whole path.</param>
    /// <param name="line">The line. One without code of its own stands for the next one that has some.</param>
    /// <returns>The pieces by address; none where no source is called so, or no code follows.</returns>
    public IReadOnlyList<SourceLine> Find(string file, int line)
    {
        ArgumentNullException.ThrowIfNull(file);
        List<SourceLine> found = [];
        for (SourceLines? lines = this; lines is not null; lines = lines._next)
        {
            for (int n = 0; n < lines._files.Length; n++)
            {
                if (IsCalled(lines._files[n], file))
                {
                    lines.AddPlaces(n, line, found);
                }
            }
        }

        found.Sort((x, y) => x.First.CompareTo(y.First));
        return found;
    }

    /// <summary>True where a path is what somebody calls by its end.</summary>
    private static bool IsCalled(string path, string name) =>
        name.Length > 0 && path.EndsWith(name, StringComparison.Ordinal) && (path.Length == name.Length || name[0] == '/' || path[^(name.Length + 1)] == '/');

    private void AddPlaces(int file, int line, List<SourceLine> found)
    {
        int best = int.MaxValue;
        foreach (LineRange row in _rows)
        {
            best = row.File == file && row.IsStatement && row.Line >= line ? Math.Min(best, row.Line) : best;
        }

        // Rows of the line that follow each other without a gap are one place.
        uint? end = null;
        foreach (LineRange row in _rows)
        {
            if (row.File == file && row.Line == best)
            {
                if (row.IsStatement && row.First != end)
                {
                    found.Add(ToLine(row));
                }

                end = row.End;
            }
        }
    }

    private SourceLine? FindExactly(uint address)
    {
        // A hostile file can have a million empty rows at one address.
        const int MostPassed = 4096;
        for (int n = AddressSearch.CountUpTo<LineRange>(_rows, address) - 1, passed = 0; n >= 0 && passed < MostPassed; n--, passed++)
        {
            if (_rows[n].End > _rows[n].First)
            {
                return address < _rows[n].End ? ToLine(_rows[n]) : null;
            }
        }

        return null;
    }

    private SourceLine ToLine(in LineRange row) => new(_files[row.File], row.Line, row.Column, row.First, row.End);
}
