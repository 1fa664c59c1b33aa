using System.Text;
using System.Text.RegularExpressions;

namespace ToyVmm.Mutants.Catalog;

/// <summary>A mutant as one build knows it.</summary>
/// <param name="Number">What the environment variable selects; from 1.</param>
/// <param name="Mutant">The record.</param>
internal readonly record struct NumberedMutant(int Number, Mutant Mutant);

/// <summary>Rewrites a source file so that it holds the original and all of its mutants, and a number chooses at start-up (mutant schemata).</summary>
internal static partial class SourceWeaver
{
    /// <summary>Weaves mutants into the source that they name.</summary>
    /// <param name="source">The text of the file.</param>
    /// <param name="active">The expression that says which mutant is active.</param>
    /// <param name="mutants">The mutants of this file. Those of the same original text are chosen from in turn; other overlaps are errors.</param>
    /// <exception cref="MutantException">An original text is not there exactly once, or two overlap.</exception>
    public static string Weave(string source, string active, IEnumerable<NumberedMutant> mutants)
    {
        StringBuilder woven = new();
        int done = 0;
        NumberedMutant? before = null;
        foreach (var place in mutants.Select(mutant => (Match: Find(source, mutant.Mutant), Mutant: mutant))
            .GroupBy(found => (found.Match.Index, found.Match.Length, found.Mutant.Mutant.Kind))
            .OrderBy(place => place.Key.Index))
        {
            NumberedMutant first = place.First().Mutant;
            if (place.Key.Index < done)
            {
                throw new MutantException($"{first.Mutant.Place}: the original text overlaps that of {before!.Value.Mutant.Name}");
            }

            string original = source.Substring(place.Key.Index, place.Key.Length);
            _ = woven.Append(source, done, place.Key.Index - done)
                .Append(Choose(place.Key.Kind, original, active, place.Select(found => found.Mutant)));
            done = place.Key.Index + place.Key.Length;
            before = first;
        }

        return woven.Append(source, done, source.Length - done).ToString();
    }

    /// <summary>The place of a mutant's original text.</summary>
    /// <exception cref="MutantException">It is not there, or more than once.</exception>
    public static Match Find(string source, Mutant mutant)
    {
        string pattern = string.Join(@"\s+", WhiteSpace().Split(mutant.Original).Where(word => word.Length > 0).Select(Regex.Escape));
        MatchCollection matches = Regex.Matches(source, pattern, RegexOptions.CultureInvariant);
        return matches.Count == 1
            ? matches[0]
            : throw new MutantException($"{mutant.Place}: {mutant.Name}: the original text is in {mutant.Source} {matches.Count} times; it must be there once");
    }

    private static string Choose(MutantKind kind, string original, string active, IEnumerable<NumberedMutant> mutants)
    {
        StringBuilder text = new();
        if (kind == MutantKind.Expression)
        {
            _ = text.Append('(');
            foreach (NumberedMutant mutant in mutants)
            {
                _ = text.Append($"{active} == {mutant.Number} ? ({mutant.Mutant.Mutated}) : ");
            }

            return text.Append($"({original}))").ToString();
        }

        foreach (NumberedMutant mutant in mutants)
        {
            _ = text.Append($"if ({active} == {mutant.Number}) {{ {mutant.Mutant.Mutated} }} else ");
        }

        return text.Append($"{{ {original} }}").ToString();
    }

    [GeneratedRegex(@"\s+")]
    private static partial Regex WhiteSpace();
}
