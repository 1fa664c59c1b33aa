namespace ToyVmm.Mutants.Catalog;

/// <summary>All mutants of a repository: tests/mutants.</summary>
internal static class MutantCatalog
{
    /// <summary>Where the records stand, relative to the repository.</summary>
    public const string Folder = "tests/mutants";

    /// <summary>Reads every record, in the order of the files' names.</summary>
    /// <param name="root">The repository.</param>
    /// <exception cref="MutantException">A record is malformed, or two have one name.</exception>
    public static IReadOnlyList<Mutant> Load(string root)
    {
        List<Mutant> mutants = [];
        foreach (string file in Directory.EnumerateFiles(Path.Combine(root, Folder), "*.mutants").Order(StringComparer.Ordinal))
        {
            mutants.AddRange(MutantFile.Parse($"{Folder}/{Path.GetFileName(file)}", File.ReadAllText(file)));
        }

        foreach (IGrouping<string, Mutant> same in mutants.GroupBy(mutant => mutant.Name).Where(same => same.Count() > 1))
        {
            throw new MutantException($"{string.Join(" and ", same.Select(mutant => mutant.Place))}: two mutants are named {same.Key}");
        }

        return mutants;
    }
}
