namespace ToyVmm.VirtualMachines.Symbols;

/// <summary>
/// The folders that sources were compiled in (DW_AT_comp_dir), by the line table of their unit: until DWARF 5 a line table does not say. Of each
/// unit only the first entry is looked at (DWARF 5, 3.1.1).
/// </summary>
internal static class DwarfUnits
{
    private const ulong StatementList = 0x10;       // DW_AT_stmt_list
    private const ulong CompilationFolder = 0x1B;   // DW_AT_comp_dir
    private const int MostUnits = 65_536;

    // A unit's first entry has the first abbreviation of its table, in all that compilers write. The bounds keep hostile files cheap.
    private const int MostAbbreviations = 64;
    private const int MostAttributes = 256;

    /// <summary>Reads them all, as far as they are in order.</summary>
    public static Dictionary<ulong, string> ReadFolders(DwarfSections sections)
    {
        Dictionary<ulong, string> folders = [];
        DwarfCursor cursor = new(sections.Info.Span);
        for (int n = 0; n < MostUnits && cursor.HasMore; n++)
        {
            ulong length = cursor.UnitLength(out int offsetSize);
            ReadOnlySpan<byte> unit = cursor.Piece(length);
            if (cursor.Failed)
            {
                break;
            }

            ReadUnit(sections, unit, offsetSize, folders);
        }

        return folders;
    }

    private static void ReadUnit(DwarfSections sections, ReadOnlySpan<byte> unit, int offsetSize, Dictionary<ulong, string> folders)
    {
        const ulong TypeCompile = 1;        // DW_UT_compile
        const ulong TypePartial = 3;        // DW_UT_partial
        DwarfCursor cursor = new(unit);
        ulong version = cursor.Fixed(2);
        ulong type = version >= 5 ? cursor.Byte() : TypeCompile;
        int addressSize = version >= 5 ? cursor.Byte() : 0;
        ulong abbreviations = cursor.Fixed(offsetSize);
        addressSize = version >= 5 ? addressSize : cursor.Byte();
        ulong code = cursor.Unsigned();
        if (cursor.Failed || version is < 2 or > 5 || type is not (TypeCompile or TypePartial) || code == 0)
        {
            return;
        }

        DwarfCursor abbreviation = new(sections.Abbreviations.Span, abbreviations);
        if (!FindAbbreviation(ref abbreviation, code))
        {
            return;
        }

        ulong? lines = null;
        string folder = "";
        for (int n = 0; n < MostAttributes; n++)
        {
            ulong attribute = abbreviation.Unsigned();
            ulong form = abbreviation.Unsigned();
            if (form == (ulong)DwarfForm.ImplicitConstant)
            {
                _ = abbreviation.Signed();
            }
            else if (form == (ulong)DwarfForm.Indirect)
            {
                form = cursor.Unsigned();
            }

            if ((attribute == 0 && form == 0) || abbreviation.Failed || !sections.TryRead(ref cursor, form, offsetSize, addressSize, out DwarfValue value) || cursor.Failed)
            {
                break;
            }

            lines = attribute == StatementList ? value.Number : lines;
            folder = attribute == CompilationFolder ? value.Text : folder;
        }

        if (lines is { } table && folder.Length > 0)
        {
            _ = folders.TryAdd(table, folder);
        }
    }

    // Leaves the cursor at the attributes.
    private static bool FindAbbreviation(ref DwarfCursor cursor, ulong wanted)
    {
        for (int n = 0; n < MostAbbreviations; n++)
        {
            ulong code = cursor.Unsigned();
            _ = cursor.Unsigned();          // the tag
            cursor.Skip(1);                 // whether it has children
            if (cursor.Failed || code == 0)
            {
                return false;
            }

            if (code == wanted)
            {
                return true;
            }

            for (int attributes = 0; ; attributes++)
            {
                ulong attribute = cursor.Unsigned();
                ulong form = cursor.Unsigned();
                if (form == (ulong)DwarfForm.ImplicitConstant)
                {
                    _ = cursor.Signed();
                }

                if (attribute == 0 && form == 0)
                {
                    break;
                }

                if (cursor.Failed || attributes == MostAttributes)
                {
                    return false;
                }
            }
        }

        return false;
    }
}
