using ToyVmm.Mutants.Catalog;

namespace ToyVmm.Mutants;

/// <summary>Which mutants of the catalogue a run is about.</summary>
internal static class MutantSelection
{
    /// <summary>Chooses.</summary>
    /// <param name="all">The catalogue.</param>
    /// <param name="names">Only these; empty: all.</param>
    /// <param name="areas">Only these areas; empty: all.</param>
    /// <param name="sample">How many of them, at random; null: all.</param>
    /// <param name="seed">What decides the sample.</param>
    /// <exception cref="UserErrorException">There is no such name or area.</exception>
    public static IReadOnlyList<Mutant> Choose(IReadOnlyList<Mutant> all, IReadOnlyList<string> names, IReadOnlyList<string> areas, int? sample, ulong seed)
    {
        CheckKnown("--only", names, all.Select(mutant => mutant.Name), "--list has the names");
        CheckKnown("--area", areas, all.Select(mutant => mutant.Area), $"there are {string.Join(", ", all.Select(mutant => mutant.Area).Distinct())}");
        Mutant[] chosen = [.. all.Where(mutant => (names.Count == 0 || names.Contains(mutant.Name)) && (areas.Count == 0 || areas.Contains(mutant.Area)))];
        if (sample is { } count)
        {
            new Random((int)(seed ^ (seed >> 32))).Shuffle(chosen);
            chosen = chosen[..Math.Min(count, chosen.Length)];
        }

        return chosen;
    }

    private static void CheckKnown(string option, IReadOnlyList<string> asked, IEnumerable<string> known, string hint)
    {
        if (asked.Except(known).FirstOrDefault() is { } unknown)
        {
            throw UserErrorException.Usage($"{option} {unknown}: there is none; {hint}");
        }
    }
}
