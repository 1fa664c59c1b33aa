using ToyVmm.Debugging.Registers;

namespace ToyVmm.Debugging.Terminal;

/// <summary>What the Tab key may put in the place of a word.</summary>
internal static class CommandCompletion
{
    private const int MostSymbols = 500;

    /// <summary>Completes the last word of a line.</summary>
    public static IReadOnlyList<string> Complete(CommandContext context, string line, out int start)
    {
        string trimmed = line.TrimStart();
        int blank = trimmed.IndexOfAny([' ', '\t', '/']);
        if (blank < 0)
        {
            start = line.Length - trimmed.Length;
            return [.. CommandTable.All.Select(command => command.Name).Where(name => name.StartsWith(trimmed, StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
        }

        CommandDefinition? command = CommandTable.Find(trimmed[..blank]);
        bool isFile = command?.Completes == CompletionKind.Files;
        start = line.Length;
        while (start > 0 && (isFile ? line[start - 1] != ' ' : IsNameCharacter(line[start - 1])))
        {
            start--;
        }

        string word = line[start..];
        IEnumerable<string> all = command?.Completes switch
        {
            CompletionKind.Commands => CommandTable.All.Select(one => one.Name),
            CompletionKind.Words => command.Words,
            CompletionKind.Expressions => RegisterTable.Names.Concat(command.Words).Concat(Symbols(context, word)),
            CompletionKind.Symbols => (command.Name is "break" or "tbreak" or "log" ? SpecParser.Kinds : []).Concat(Symbols(context, word)).Concat(word.Length > 0 ? RegisterTable.Names : []),
            CompletionKind.Files => Files(context, word),
            _ => [],
        };
        return [.. all.Where(name => name.StartsWith(word, StringComparison.Ordinal)).Distinct().Order(StringComparer.Ordinal)];
    }

    private static bool IsNameCharacter(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '$' or '@';

    private static IEnumerable<string> Symbols(CommandContext context, string word) =>
        context.Session.Symbols.All.Select(symbol => symbol.Name).Where(name => name.StartsWith(word, StringComparison.Ordinal)).Take(MostSymbols);

    private static IEnumerable<string> Files(CommandContext context, string word)
    {
        string folder = Path.GetDirectoryName(word) ?? "";
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(Path.Combine(context.Options.Directory, folder)).Select(path =>
                Path.Combine(folder, Path.GetFileName(path)) + (Directory.Exists(path) ? "/" : ""))];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return [];
        }
    }
}
