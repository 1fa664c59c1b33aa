namespace ToyVmm.VirtualMachines.Symbols;

/// <summary>How the values of attributes are stored (DWARF 5, 7.5.6).</summary>
internal enum DwarfForm
{
    /// <summary>An address.</summary>
    Address = 0x01,

    /// <summary>A block with a length of 2 bytes.</summary>
    Block2 = 0x03,

    /// <summary>A block with a length of 4 bytes.</summary>
    Block4 = 0x04,

    /// <summary>2 bytes.</summary>
    Data2 = 0x05,

    /// <summary>4 bytes.</summary>
    Data4 = 0x06,

    /// <summary>8 bytes.</summary>
    Data8 = 0x07,

    /// <summary>A string in place.</summary>
    String = 0x08,

    /// <summary>A block with a LEB128 length.</summary>
    Block = 0x09,

    /// <summary>A block with a length of 1 byte.</summary>
    Block1 = 0x0A,

    /// <summary>1 byte.</summary>
    Data1 = 0x0B,

    /// <summary>A flag of 1 byte.</summary>
    Flag = 0x0C,

    /// <summary>A signed LEB128.</summary>
    SignedData = 0x0D,

    /// <summary>An offset into .debug_str.</summary>
    StringOffset = 0x0E,

    /// <summary>An unsigned LEB128.</summary>
    UnsignedData = 0x0F,

    /// <summary>An offset into .debug_info.</summary>
    ReferenceAddress = 0x10,

    /// <summary>The form stands in front of the value.</summary>
    Indirect = 0x16,

    /// <summary>An offset into another section.</summary>
    SectionOffset = 0x17,

    /// <summary>A block with a LEB128 length that holds an expression.</summary>
    Expression = 0x18,

    /// <summary>A flag that is set by being there.</summary>
    FlagPresent = 0x19,

    /// <summary>16 bytes.</summary>
    Data16 = 0x1E,

    /// <summary>An offset into .debug_line_str.</summary>
    LineStringOffset = 0x1F,

    /// <summary>The value stands with the abbreviation.</summary>
    ImplicitConstant = 0x21,
}

/// <summary>A value of a form that says where, or what, something is.</summary>
/// <param name="Number">A number, or an offset.</param>
/// <param name="Text">A string; empty for what is none.</param>
internal readonly record struct DwarfValue(ulong Number, string Text);

/// <summary>The sections that line tables are read from.</summary>
/// <param name="Line">.debug_line</param>
/// <param name="Info">.debug_info</param>
/// <param name="Abbreviations">.debug_abbrev</param>
/// <param name="Strings">.debug_str</param>
/// <param name="LineStrings">.debug_line_str</param>
internal sealed record DwarfSections(ReadOnlyMemory<byte> Line, ReadOnlyMemory<byte> Info, ReadOnlyMemory<byte> Abbreviations, ReadOnlyMemory<byte> Strings, ReadOnlyMemory<byte> LineStrings)
{
    // Paths that are longer are no file's, but a hostile file can share one a million times.
    private const int LongestText = 512;

    /// <summary>Reads a value.</summary>
    /// <param name="cursor">Where it is.</param>
    /// <param name="form">How it is stored.</param>
    /// <param name="offsetSize">4 or 8.</param>
    /// <param name="addressSize">Bytes of an address.</param>
    /// <param name="value">The value; nothing for what is no number and no string.</param>
    /// <returns>False for a form that nobody knows: how long it is nobody knows either.</returns>
    public bool TryRead(ref DwarfCursor cursor, ulong form, int offsetSize, int addressSize, out DwarfValue value)
    {
        value = new DwarfValue(0, "");
        switch ((DwarfForm)form)
        {
            case DwarfForm.Address: cursor.Skip((ulong)addressSize); return true;
            case DwarfForm.Block2: cursor.Skip(cursor.Fixed(2)); return true;
            case DwarfForm.Block4: cursor.Skip(cursor.Fixed(4)); return true;
            case DwarfForm.Block1: cursor.Skip(cursor.Byte()); return true;
            case DwarfForm.Block or DwarfForm.Expression: cursor.Skip(cursor.Unsigned()); return true;
            case DwarfForm.Data1 or DwarfForm.Flag or (DwarfForm)0x11 or (DwarfForm)0x25 or (DwarfForm)0x29: value = new DwarfValue(cursor.Fixed(1), ""); return true;     // ref1 strx1 addrx1
            case DwarfForm.Data2 or (DwarfForm)0x12 or (DwarfForm)0x26 or (DwarfForm)0x2A: value = new DwarfValue(cursor.Fixed(2), ""); return true;                       // ref2 strx2 addrx2
            case (DwarfForm)0x27 or (DwarfForm)0x2B: value = new DwarfValue(cursor.Fixed(3), ""); return true;                                                             // strx3 addrx3
            case DwarfForm.Data4 or (DwarfForm)0x13 or (DwarfForm)0x1C or (DwarfForm)0x28 or (DwarfForm)0x2C: value = new DwarfValue(cursor.Fixed(4), ""); return true;    // ref4 ref_sup4 strx4 addrx4
            case DwarfForm.Data8 or (DwarfForm)0x14 or (DwarfForm)0x20 or (DwarfForm)0x24: value = new DwarfValue(cursor.Fixed(8), ""); return true;                       // ref8 ref_sig8 ref_sup8
            case DwarfForm.Data16: cursor.Skip(16); return true;
            case DwarfForm.SignedData: value = new DwarfValue((ulong)cursor.Signed(), ""); return true;
            case DwarfForm.UnsignedData or (DwarfForm)0x15 or (DwarfForm)0x1A or (DwarfForm)0x1B or (DwarfForm)0x22 or (DwarfForm)0x23:                                    // ref_udata strx addrx loclistx rnglistx
                value = new DwarfValue(cursor.Unsigned(), "");
                return true;
            case DwarfForm.ReferenceAddress or DwarfForm.SectionOffset or (DwarfForm)0x1D: value = new DwarfValue(cursor.Fixed(offsetSize), ""); return true;              // strp_sup
            case DwarfForm.FlagPresent or DwarfForm.ImplicitConstant: return true;
            case DwarfForm.String: value = new DwarfValue(0, Text(cursor.String())); return true;
            case DwarfForm.StringOffset: value = new DwarfValue(0, Text(Strings, cursor.Fixed(offsetSize))); return true;
            case DwarfForm.LineStringOffset: value = new DwarfValue(0, Text(LineStrings, cursor.Fixed(offsetSize))); return true;
            default: return false;
        }
    }

    /// <summary>A string as text for people: what could steer a terminal does not.</summary>
    public static string Text(ReadOnlySpan<byte> bytes)
    {
        string text = System.Text.Encoding.UTF8.GetString(bytes[..Math.Min(bytes.Length, LongestText)]);
        return text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? '?' : c)) : text;
    }

    private static string Text(ReadOnlyMemory<byte> section, ulong offset)
    {
        if (offset >= (ulong)section.Length)
        {
            return "";
        }

        ReadOnlySpan<byte> rest = section.Span.Slice((int)offset, (int)Math.Min((ulong)LongestText, (ulong)section.Length - offset));
        int end = rest.IndexOf((byte)0);
        return Text(end < 0 ? rest : rest[..end]);
    }
}
