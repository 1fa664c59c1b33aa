using System.Text.RegularExpressions;

namespace ToyVmm.Mutants.Catalog;

/// <summary>
/// Reads one area's mutants (tests/mutants/AREA.mutants). A record reads like a patch: its fields, then what the source says (-) and what the
/// mutant says instead (+).
/// <code>
/// mutant: popf-changes-iopl-in-ring-3
/// breaks: POPF changes IOPL in every ring, not only in ring 0 (SDM 2, POPF).
/// source: src/ToyVmm.Engines/Interpretation/Instructions/FlagInstructions.cs
/// tests:  FlagTableTests
/// expression:
/// - the text in the source
/// + the text of the mutant
/// </code>
/// Records are separated by empty lines; a line that begins with # is a comment.
/// </summary>
internal static partial class MutantFile
{
    private static readonly string[] s_fields = ["mutant", "breaks", "source", "tests"];

    /// <summary>Reads the records of a file.</summary>
    /// <param name="path">Its path, for messages and for the area's name.</param>
    /// <param name="text">What is in it.</param>
    /// <exception cref="MutantException">A line or a record is malformed.</exception>
    public static IReadOnlyList<Mutant> Parse(string path, string text)
    {
        List<Mutant> mutants = [];
        string area = Path.GetFileNameWithoutExtension(path);
        string[] lines = text.ReplaceLineEndings("\n").Split('\n');
        for (int n = 0; n < lines.Length;)
        {
            if (IsBetween(lines[n]))
            {
                n++;
                continue;
            }

            mutants.Add(ParseRecord(path, area, lines, ref n));
        }

        return mutants;
    }

    private static bool IsBetween(string line) => string.IsNullOrWhiteSpace(line) || line.StartsWith('#');

    private static Mutant ParseRecord(string path, string area, string[] lines, ref int n)
    {
        string place = $"{path}:{n + 1}";
        Dictionary<string, string> fields = [];
        MutantKind? kind = null;
        List<string> original = [];
        List<string> mutated = [];
        for (; n < lines.Length && !string.IsNullOrWhiteSpace(lines[n]); n++)
        {
            string line = lines[n];
            string here = $"{path}:{n + 1}";
            if (line.StartsWith('#'))
            {
                continue;
            }

            if (line is ['-' or '+', ..])
            {
                if (kind is null)
                {
                    throw new MutantException($"{here}: a line of source needs \"expression:\" or \"statement:\" before it");
                }

                (line[0] == '-' ? original : mutated).Add(line[1..].Trim());
                continue;
            }

            int colon = line.IndexOf(':', StringComparison.Ordinal);
            string name = colon < 0 ? line : line[..colon];
            string value = colon < 0 ? "" : line[(colon + 1)..].Trim();
            if (name is "expression" or "statement" && value.Length == 0 && kind is null)
            {
                kind = name == "expression" ? MutantKind.Expression : MutantKind.Statement;
            }
            else if (!s_fields.Contains(name) || value.Length == 0 || !fields.TryAdd(name, value))
            {
                throw new MutantException($"{here}: \"{line}\" is not a field of a record, or has it twice; they are {string.Join(", ", s_fields)}, and expression or statement");
            }
        }

        if (s_fields.FirstOrDefault(field => !fields.ContainsKey(field)) is { } missing)
        {
            throw new MutantException($"{place}: the record has no \"{missing}:\"");
        }

        if (kind is not { } known || original.Count == 0 || (mutated.Count == 0 && known == MutantKind.Expression))
        {
            throw new MutantException($"{place}: the record needs \"expression:\" with lines of - and +, or \"statement:\" with lines of -");
        }

        if (!KebabCase().IsMatch(fields["mutant"]))
        {
            throw new MutantException($"{place}: \"{fields["mutant"]}\" is not in kebab-case");
        }

        return new Mutant
        {
            Name = fields["mutant"],
            Area = area,
            Breaks = fields["breaks"],
            Source = fields["source"],
            Kind = known,
            Original = string.Join('\n', original),
            Mutated = string.Join('\n', mutated),
            Tests = fields["tests"].Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries),
            Place = place,
        };
    }

    [GeneratedRegex("^[a-z0-9]+(-[a-z0-9]+)*$")]
    private static partial Regex KebabCase();
}
