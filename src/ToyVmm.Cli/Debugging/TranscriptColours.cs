using ToyVmm.Debugging.Terminal;

namespace ToyVmm.Cli.Debugging;

/// <summary>Colours for the prompt's answers. They only repeat what the text says.</summary>
internal static class TranscriptColours
{
    private const string Bold = "\x1b[1m";
    private const string Cyan = "\x1b[36m";
    private const string Yellow = "\x1b[33m";
    private const string Red = "\x1b[31m";
    private const string Reset = "\x1b[0m";

    /// <summary>Paints a text of several lines.</summary>
    public static string Paint(string text, bool isError)
    {
        if (isError)
        {
            return Red + text + Reset;
        }

        return string.Join('\n', text.Split('\n').Select(Line));
    }

    private static string Line(string line) =>
        line.StartsWith("=> ", StringComparison.Ordinal) ? Bold + line + Reset
        : line.StartsWith(SerialText.Mark, StringComparison.Ordinal) ? Cyan + line + Reset
        : line.StartsWith("   ", StringComparison.Ordinal) && line.Contains(" -> ", StringComparison.Ordinal) ? Yellow + line + Reset
        : line;
}
