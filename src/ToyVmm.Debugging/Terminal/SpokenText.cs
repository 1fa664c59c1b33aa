using System.Text.RegularExpressions;
using ToyVmm.Debugging.Inspecting;

namespace ToyVmm.Debugging.Terminal;

/// <summary>What the inspector shows, as the prompt says it: as it is, or for a screen reader without columns and marks.</summary>
internal static partial class SpokenText
{
    /// <summary>The text.</summary>
    public static string Of(CommandContext context, InspectionText text) =>
        context.Options.IsLinear ? string.Join('\n', text.Text.TrimEnd('\n').Split('\n').Select(Line)) : text.Text.TrimEnd('\n');

    private static string Line(string line)
    {
        string suffix = line.StartsWith("=> ", StringComparison.Ordinal) ? ", next" : line.StartsWith(" * ", StringComparison.Ordinal) ? ", breakpoint" : "";
        string rest = Columns().Replace((suffix.Length > 0 ? line[3..] : line).Trim(), "  ").Replace("  <- ", ", here point ", StringComparison.Ordinal).Replace("->", "to", StringComparison.Ordinal);
        return rest.Replace("  ", " ", StringComparison.Ordinal) + suffix;
    }

    [GeneratedRegex("  +")]
    private static partial Regex Columns();
}
