namespace ToyVmm.Debugging.Terminal;

/// <summary>Takes the text behind a command apart.</summary>
internal static class Words
{
    /// <summary>The first word, and what stands behind it.</summary>
    public static (string First, string Behind) First(string text)
    {
        int end = 0;
        while (end < text.Length && !char.IsWhiteSpace(text[end]))
        {
            end++;
        }

        return (text[..end], text[end..].Trim());
    }

    /// <summary>All words.</summary>
    public static string[] All(string text) => text.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);

    /// <summary>The parts between commas, but for commas in brackets and quotes.</summary>
    public static string[] AtCommas(string text)
    {
        List<string> parts = [];
        int begin = 0;
        int depth = 0;
        char quote = '\0';
        for (int n = 0; n < text.Length; n++)
        {
            char c = text[n];
            if (quote != '\0')
            {
                quote = c == quote ? '\0' : quote;
                continue;
            }

            quote = c is '"' or '\'' ? c : '\0';
            depth += c is '(' or '[' ? 1 : c is ')' or ']' ? -1 : 0;
            if (c == ',' && depth == 0)
            {
                parts.Add(text[begin..n].Trim());
                begin = n + 1;
            }
        }

        parts.Add(text[begin..].Trim());
        return [.. parts];
    }

    /// <summary>What stands before and behind the first " if " outside of quotes.</summary>
    public static (string Before, string? Condition) AtIf(string text)
    {
        bool quoted = false;
        for (int n = 0; n < text.Length; n++)
        {
            quoted ^= text[n] == '"';
            bool begins = n == 0 || char.IsWhiteSpace(text[n - 1]);
            if (!quoted && begins && text.AsSpan(n).StartsWith("if", StringComparison.Ordinal) && n + 2 < text.Length && (char.IsWhiteSpace(text[n + 2]) || text[n + 2] == '('))
            {
                return (text[..n].Trim(), text[(n + 2)..].Trim());
            }
        }

        return (text.Trim(), null);
    }

    /// <summary>The text of a string in double quotes, with \n, \r, \t, \\, \" and \xNN in it.</summary>
    /// <param name="text">The string, its quotes included.</param>
    /// <returns>Null where it is none.</returns>
    public static string? Unquote(string text)
    {
        if (text.Length < 2 || text[0] != '"' || text[^1] != '"')
        {
            return null;
        }

        System.Text.StringBuilder result = new();
        for (int n = 1; n < text.Length - 1; n++)
        {
            if (text[n] == '"')
            {
                return null;
            }

            if (text[n] != '\\')
            {
                _ = result.Append(text[n]);
                continue;
            }

            if (++n >= text.Length - 1)
            {
                return null;
            }

            if (text[n] == 'x' && n + 2 < text.Length - 1 && byte.TryParse(text.AsSpan(n + 1, 2), System.Globalization.NumberStyles.AllowHexSpecifier, System.Globalization.CultureInfo.InvariantCulture, out byte code))
            {
                _ = result.Append((char)code);
                n += 2;
                continue;
            }

            char? meant = text[n] switch { 'n' => '\n', 'r' => '\r', 't' => '\t', '\\' => '\\', '"' => '"', _ => null };
            if (meant is null)
            {
                return null;
            }

            _ = result.Append(meant);
        }

        return result.ToString();
    }
}
