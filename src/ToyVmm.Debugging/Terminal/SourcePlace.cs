using System.Globalization;
using ToyVmm.VirtualMachines.Symbols;

namespace ToyVmm.Debugging.Terminal;

/// <summary>A line of a source.</summary>
/// <param name="File">The source, as somebody calls it: its name, or its path.</param>
/// <param name="Line">The line, from 1.</param>
internal readonly record struct SourcePosition(string File, int Line);

/// <summary>Places by file and line.</summary>
internal static class SourcePlace
{
    /// <summary>The linear address of the first instruction of "file.c:12".</summary>
    /// <returns>Null where the text is no such place.</returns>
    /// <exception cref="CommandErrorException">It is one, and no code belongs to it.</exception>
    public static uint? Find(DebugSession session, string text) =>
        Split(text) is not { } place ? null
        : session.Lines.Find(place.File, place.Line) is [SourceLine first, ..] ? first.First
        : throw new CommandErrorException(session.Lines.Count == 0 ? $"{text}: {NoLines}" : $"{text}: no source line with code is known there");

    /// <summary>Takes "main.c:12" apart.</summary>
    /// <returns>Null where it is something else: a file's name has a dot with a letter behind it.</returns>
    public static SourcePosition? Split(string text)
    {
        int colon = text.LastIndexOf(':');
        int dot = colon < 0 ? -1 : text.LastIndexOf('.', colon);
        return dot > 0 && dot + 1 < colon && char.IsAsciiLetter(text[dot + 1]) && !text.AsSpan(0, colon).ContainsAny(" []()")
            && int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int line) && line > 0
            ? new SourcePosition(text[..colon], line)
            : null;
    }

    /// <summary>What is wrong where a guest has no line tables.</summary>
    public const string NoLines = "there are no source lines: neither the image nor a file of --symbols has DWARF line tables";
}
