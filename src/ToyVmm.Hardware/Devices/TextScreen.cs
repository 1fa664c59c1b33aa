using System.Text;

namespace ToyVmm.Hardware.Devices;

/// <summary>One character cell of a text screen.</summary>
/// <param name="Code">The character code (code page 437 unless the guest loads a font).</param>
/// <param name="Attribute">Foreground in bits 0-3, background in bits 4-6, blink or bright background in bit 7.</param>
public readonly record struct TextCell(byte Code, byte Attribute)
{
    /// <summary>The character as Unicode.</summary>
    public char Character => CodePage437.ToUnicode(Code);
}

/// <summary>The cursor of a text screen.</summary>
/// <param name="Row">From 0; outside the screen when the guest parks it there.</param>
/// <param name="Column">From 0.</param>
/// <param name="StartLine">The first scan line of the cell that it fills.</param>
/// <param name="EndLine">The last one.</param>
/// <param name="Visible">False when the guest has switched it off, or moved it off the screen.</param>
public readonly record struct TextCursor(int Row, int Column, int StartLine, int EndLine, bool Visible);

/// <summary>What the display shows in a text mode, at one moment.</summary>
public sealed class TextScreen
{
    private readonly TextCell[] _cells;

    /// <summary>Makes a screen.</summary>
    /// <param name="rows">Rows of cells.</param>
    /// <param name="columns">Cells a row.</param>
    /// <param name="cells">The cells, row by row.</param>
    /// <param name="cursor">The cursor.</param>
    /// <exception cref="ArgumentException">The number of cells is not rows x columns.</exception>
    public TextScreen(int rows, int columns, ReadOnlySpan<TextCell> cells, TextCursor cursor)
    {
        if (cells.Length != rows * columns)
        {
            throw new ArgumentException($"{cells.Length} cells do not make {rows} rows of {columns}");
        }

        Rows = rows;
        Columns = columns;
        Cursor = cursor;
        _cells = cells.ToArray();
    }

    /// <summary>Rows of cells.</summary>
    public int Rows { get; }

    /// <summary>Cells a row.</summary>
    public int Columns { get; }

    /// <summary>The cursor.</summary>
    public TextCursor Cursor { get; }

    /// <summary>The cell at a place.</summary>
    public TextCell this[int row, int column] => _cells[(row * Columns) + column];

    /// <summary>One row as Unicode, without the blanks at its end.</summary>
    public string RowText(int row)
    {
        StringBuilder text = new(Columns);
        for (int column = 0; column < Columns; column++)
        {
            _ = text.Append(this[row, column].Character);
        }

        return text.ToString().TrimEnd();
    }

    /// <summary>The rows as Unicode, a line each, without blanks at their ends and without the empty rows at the bottom.</summary>
    public string ToText() => string.Join('\n', Enumerable.Range(0, Rows).Select(RowText)).TrimEnd('\n');
}
