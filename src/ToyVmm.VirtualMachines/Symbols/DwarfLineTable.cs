namespace ToyVmm.VirtualMachines.Symbols;

/// <summary>
/// The line tables of an ELF file: small programs that give a row for each place where the source line changes (DWARF 5, 6.2). Versions 2 to 5,
/// in 32 and 64 bits.
/// </summary>
internal sealed class DwarfLineTable
{
    private const int MostRows = 8 << 20;
    private const int MostFiles = 65_536;
    private const ulong PathContent = 1;            // DW_LNCT_path
    private const ulong FolderContent = 2;          // DW_LNCT_directory_index

    private readonly DwarfSections _sections;
    private readonly Dictionary<ulong, string> _folders;
    private readonly Func<uint, bool> _isCode;
    private readonly Dictionary<string, int> _fileNumbers = [];

    private DwarfLineTable(DwarfSections sections, Func<uint, bool> isCode)
    {
        _sections = sections;
        _isCode = isCode;
        _folders = DwarfUnits.ReadFolders(sections);
    }

    /// <summary>The paths of the sources.</summary>
    public List<string> Files { get; } = [];

    /// <summary>The rows, as ranges of addresses.</summary>
    public List<LineRange> Rows { get; } = [];

    /// <summary>What was wrong first; null where nothing was.</summary>
    public string? Problem { get; private set; }

    /// <summary>Reads every table of the file.</summary>
    /// <param name="sections">The sections.</param>
    /// <param name="isCode">True for an address in a section of code: what the linker threw away has a table still, at 0.</param>
    public static DwarfLineTable Read(DwarfSections sections, Func<uint, bool> isCode)
    {
        DwarfLineTable table = new(sections, isCode);
        DwarfCursor cursor = new(sections.Line.Span);
        while (cursor.HasMore && table.Rows.Count < MostRows)
        {
            ulong offset = (ulong)cursor.Position;
            ulong length = cursor.UnitLength(out int offsetSize);
            ReadOnlySpan<byte> unit = cursor.Piece(length);
            if (cursor.Failed)
            {
                table.Problem ??= $".debug_line: the table at 0x{offset:X} says that it has 0x{length:X} bytes, and reaches past the section's end";
                break;
            }

            string? problem = table.ReadUnit(unit, offset, offsetSize);
            table.Problem ??= problem is null ? null : $".debug_line: the table at 0x{offset:X}: {problem}";
        }

        return table;
    }

    private string? ReadUnit(ReadOnlySpan<byte> unit, ulong offset, int offsetSize)
    {
        DwarfCursor cursor = new(unit);
        ulong version = cursor.Fixed(2);
        if (version is < 2 or > 5)
        {
            return $"version {version} is not known";
        }

        int addressSize = version >= 5 ? cursor.Byte() : 4;
        cursor.Skip(version >= 5 ? 1u : 0);                 // the size of a segment selector
        ulong headerLength = cursor.Fixed(offsetSize);
        ulong program = (ulong)cursor.Position + headerLength;
        byte instructionLength = cursor.Byte();
        cursor.Skip(version >= 4 ? 1u : 0);                 // operations an instruction: 1, but on VLIW machines
        Header header = new()
        {
            InstructionLength = instructionLength,
            IsStatement = cursor.Byte() != 0,
            LineBase = (sbyte)cursor.Byte(),
            LineRange = cursor.Byte(),
            OpcodeBase = cursor.Byte(),
        };
        ReadOnlySpan<byte> lengths = cursor.Piece((ulong)Math.Max(0, header.OpcodeBase - 1));
        if (cursor.Failed || header.LineRange == 0 || header.OpcodeBase == 0 || program > (ulong)unit.Length)
        {
            return "the header is damaged";
        }

        List<int>? files = version >= 5 ? ReadFiles(ref cursor, offsetSize, addressSize) : ReadOldFiles(ref cursor, _folders.GetValueOrDefault(offset, ""));
        return files is null ? "the list of files is damaged" : Run(new DwarfCursor(unit, program), header, lengths, files);
    }

    // DWARF 2 to 4: folders, then files, each list until an empty string; 0 is the compilation folder, and files count from 1.
    private List<int>? ReadOldFiles(ref DwarfCursor cursor, string folder)
    {
        List<string> folders = [folder];
        while (!cursor.Failed && folders.Count < MostFiles)
        {
            ReadOnlySpan<byte> name = cursor.String();
            if (name.Length == 0)
            {
                break;
            }

            folders.Add(Join(folder, DwarfSections.Text(name)));
        }

        List<int> files = [-1];
        while (!cursor.Failed && files.Count < MostFiles)
        {
            ReadOnlySpan<byte> name = cursor.String();
            if (name.Length == 0)
            {
                break;
            }

            ulong home = cursor.Unsigned();
            _ = cursor.Unsigned();          // time
            _ = cursor.Unsigned();          // length
            files.Add(NumberOf(Join(home < (ulong)folders.Count ? folders[(int)home] : "", DwarfSections.Text(name))));
        }

        return cursor.Failed ? null : files;
    }

    // DWARF 5: both lists describe their entries first; folder 0 is the compilation folder, and files count from 0.
    private List<int>? ReadFiles(ref DwarfCursor cursor, int offsetSize, int addressSize)
    {
        List<string> folders = [];
        if (!ReadEntries(ref cursor, offsetSize, addressSize, (path, _) => folders.Add(folders.Count == 0 ? path : Join(folders[0], path))))
        {
            return null;
        }

        List<int> files = [];
        return ReadEntries(ref cursor, offsetSize, addressSize, (path, home) => files.Add(NumberOf(Join(home < (ulong)folders.Count ? folders[(int)home] : "", path)))) ? files : null;
    }

    private bool ReadEntries(ref DwarfCursor cursor, int offsetSize, int addressSize, Action<string, ulong> add)
    {
        int formats = cursor.Byte();
        List<(ulong Content, ulong Form)> format = [];
        for (int n = 0; n < formats; n++)
        {
            format.Add((cursor.Unsigned(), cursor.Unsigned()));
        }

        ulong count = cursor.Unsigned();
        if (cursor.Failed || count > MostFiles)
        {
            return false;
        }

        for (ulong n = 0; n < count; n++)
        {
            string path = "";
            ulong home = 0;
            foreach ((ulong content, ulong form) in format)
            {
                if (!_sections.TryRead(ref cursor, form, offsetSize, addressSize, out DwarfValue value) || cursor.Failed)
                {
                    return false;
                }

                path = content == PathContent ? value.Text : path;
                home = content == FolderContent ? value.Number : home;
            }

            add(path, home);
        }

        return true;
    }

    private static string Join(string folder, string path) => folder.Length == 0 || path.StartsWith('/') ? path : path.Length == 0 ? folder : $"{folder.TrimEnd('/')}/{path}";

    private int NumberOf(string path)
    {
        if (_fileNumbers.TryGetValue(path, out int number))
        {
            return number;
        }

        if (Files.Count >= MostFiles)
        {
            return -1;
        }

        Files.Add(path);
        return _fileNumbers[path] = Files.Count - 1;
    }

    private string? Run(DwarfCursor cursor, in Header header, ReadOnlySpan<byte> lengths, List<int> files)
    {
        Machine machine = new(header);
        int first = Rows.Count;
        while (cursor.HasMore && Rows.Count < MostRows)
        {
            byte opcode = cursor.Byte();
            if (opcode >= header.OpcodeBase)
            {
                int adjusted = opcode - header.OpcodeBase;
                machine.Advance((ulong)(adjusted / header.LineRange));
                machine.Line += header.LineBase + (adjusted % header.LineRange);
                Add(ref machine, files);
                continue;
            }

            switch (opcode)
            {
                case 0:
                    Extended(ref cursor, ref machine, files, ref first);
                    break;
                case 1:                     // copy
                    Add(ref machine, files);
                    break;
                case 2:                     // advance_pc
                    machine.Advance(cursor.Unsigned());
                    break;
                case 3:                     // advance_line
                    machine.Line += (int)cursor.Signed();
                    break;
                case 4:                     // set_file
                    machine.File = cursor.Unsigned();
                    break;
                case 5:                     // set_column
                    machine.Column = (int)Math.Min(cursor.Unsigned(), int.MaxValue);
                    break;
                case 6:                     // negate_stmt
                    machine.IsStatement = !machine.IsStatement;
                    break;
                case 8:                     // const_add_pc
                    machine.Advance((ulong)((255 - header.OpcodeBase) / header.LineRange));
                    break;
                case 9:                     // fixed_advance_pc
                    machine.Address += (uint)cursor.Fixed(2);
                    break;
                case 7 or 10 or 11:         // set_basic_block, set_prologue_end, set_epilogue_begin
                    break;
                default:
                    for (int n = 0; n < (opcode <= lengths.Length ? lengths[opcode - 1] : 0); n++)
                    {
                        _ = cursor.Unsigned();
                    }

                    break;
            }
        }

        // Rows of a sequence without an end belong to nothing.
        Rows.RemoveRange(first, Rows.Count - first);
        return cursor.Failed ? "the program ends in the middle of an instruction" : null;
    }

    private void Extended(ref DwarfCursor cursor, ref Machine machine, List<int> files, ref int first)
    {
        ReadOnlySpan<byte> bytes = cursor.Piece(cursor.Unsigned());
        if (bytes.Length == 0)
        {
            return;
        }

        switch (bytes[0])
        {
            case 1:                         // end_sequence
                Add(ref machine, files);
                EndSequence(first);
                first = Rows.Count;
                machine.Reset();
                break;
            case 2:                         // set_address
                machine.Address = (uint)new DwarfCursor(bytes, 1).Fixed(Math.Min(8, bytes.Length - 1));
                break;
            case 3:                         // define_file, until DWARF 4
                DwarfCursor file = new(bytes, 1);
                ReadOnlySpan<byte> name = file.String();
                if (!file.Failed && files.Count < MostFiles)
                {
                    files.Add(NumberOf(DwarfSections.Text(name)));
                }

                break;
        }
    }

    private void Add(ref Machine machine, List<int> files) => Rows.Add(new LineRange(
        machine.Address, machine.Address, machine.File < (ulong)files.Count ? files[(int)machine.File] : -1, machine.Line, machine.Column, machine.IsStatement));

    // Each row reaches to the next one; the last only says where the sequence ends.
    private void EndSequence(int first)
    {
        bool isThere = Rows.Count > first && _isCode(Rows[first].First);
        int kept = first;
        for (int n = first; isThere && n + 1 < Rows.Count; n++)
        {
            LineRange row = Rows[n];
            uint end = Rows[n + 1].First;
            if (end >= row.First && row.File >= 0 && row.Line > 0)
            {
                Rows[kept++] = row with { End = end };
            }
        }

        Rows.RemoveRange(kept, Rows.Count - kept);
    }

    private readonly record struct Header
    {
        public byte InstructionLength { get; init; }

        public bool IsStatement { get; init; }

        public sbyte LineBase { get; init; }

        public byte LineRange { get; init; }

        public byte OpcodeBase { get; init; }
    }

    // The registers of the state machine (DWARF 5, 6.2.2); x86 has one operation an instruction.
    private struct Machine
    {
        private readonly Header _header;

        public Machine(in Header header)
        {
            _header = header;
            Reset();
        }

        public uint Address { get; set; }

        public ulong File { get; set; }

        public int Line { get; set; }

        public int Column { get; set; }

        public bool IsStatement { get; set; }

        public void Advance(ulong operations) => Address += (uint)(operations * _header.InstructionLength);

        public void Reset() => (Address, File, Line, Column, IsStatement) = (0, 1, 1, 0, _header.IsStatement);
    }
}

/// <summary>A range of addresses that belongs to a source line.</summary>
/// <param name="First">The first address.</param>
/// <param name="End">The address behind the last.</param>
/// <param name="File">The number of the file.</param>
/// <param name="Line">The line, from 1.</param>
/// <param name="Column">The column, from 1; 0 where nobody says.</param>
/// <param name="IsStatement">True where a breakpoint on the line is best set.</param>
internal readonly record struct LineRange(uint First, uint End, int File, int Line, int Column, bool IsStatement) : IAddressed
{
    /// <inheritdoc/>
    public uint Start => First;
}
