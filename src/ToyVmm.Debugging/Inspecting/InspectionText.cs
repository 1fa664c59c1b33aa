using System.Globalization;
using System.Text;

namespace ToyVmm.Debugging.Inspecting;

/// <summary>Why a piece of a text stands out.</summary>
public enum MarkKind
{
    /// <summary>The title of what follows.</summary>
    Heading,

    /// <summary>Not as the tables, or the other side, have it.</summary>
    Difference,

    /// <summary>What would fault, or cannot be.</summary>
    Problem,

    /// <summary>Where the CPU is.</summary>
    Current,

    /// <summary>A name of the guest's.</summary>
    Symbol,
}

/// <summary>A piece of a text that a front end may show in a colour; the words alone say the same.</summary>
/// <param name="Start">Characters before it.</param>
/// <param name="Length">Characters.</param>
/// <param name="Kind">Why.</param>
public readonly record struct TextMark(int Start, int Length, MarkKind Kind);

/// <summary>Lines for people, without an end of line behind the last.</summary>
/// <param name="Text">The lines.</param>
/// <param name="Marks">What stands out, from the front to the back.</param>
public sealed record InspectionText(string Text, IReadOnlyList<TextMark> Marks)
{
    /// <inheritdoc/>
    public override string ToString() => Text;
}

/// <summary>Writes an <see cref="InspectionText"/>.</summary>
internal sealed class InspectionWriter
{
    private readonly StringBuilder _text = new();
    private readonly List<TextMark> _marks = [];

    /// <summary>Adds text.</summary>
    public InspectionWriter Write(FormattableString text) => Add(text.ToString(CultureInfo.InvariantCulture));

    /// <summary>Adds text as it is.</summary>
    public InspectionWriter Add(string text)
    {
        _ = _text.Append(text);
        return this;
    }

    /// <summary>Adds text that stands out.</summary>
    public InspectionWriter Mark(MarkKind kind, string text)
    {
        if (text.Length > 0)
        {
            _marks.Add(new TextMark(_text.Length, text.Length, kind));
        }

        return Add(text);
    }

    /// <summary>Adds a line.</summary>
    public InspectionWriter Line(FormattableString text) => Write(text).Add("\n");

    /// <summary>Adds a title.</summary>
    public InspectionWriter Heading(string text) => Mark(MarkKind.Heading, text).Add("\n");

    /// <summary>Ends a line; blanks at its end go.</summary>
    public InspectionWriter End()
    {
        while (_text.Length > 0 && _text[^1] == ' ')
        {
            _text.Length--;
        }

        return Add("\n");
    }

    /// <summary>Fills up with blanks to a column of the line.</summary>
    public InspectionWriter Column(int column)
    {
        int start = _text.Length;
        while (start > 0 && _text[start - 1] != '\n')
        {
            start--;
        }

        return Add(new string(' ', Math.Max(1, column - (_text.Length - start))));
    }

    /// <summary>What was written.</summary>
    public InspectionText ToText() => new(_text.ToString().TrimEnd('\n'), [.. _marks]);
}
