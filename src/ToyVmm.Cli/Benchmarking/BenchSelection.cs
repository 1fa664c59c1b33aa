using ToyVmm.Cli.Guests;

namespace ToyVmm.Cli.Benchmarking;

/// <summary>What the names on bench's command line mean.</summary>
/// <param name="Guests">The compute guests to measure.</param>
/// <param name="Rows">The rows of nano to measure.</param>
internal sealed record BenchSelection(IReadOnlyList<string> Guests, IReadOnlyList<string> Rows)
{
    private const string ComputePrefix = "compute-";
    private const string RowPrefix = NanoBenchmark.Guest + ":";

    /// <summary>Reads the names: a compute guest with or without its prefix, <c>nano</c>, or <c>nano:ROW</c>.</summary>
    /// <param name="names">The names; without any it is all compute guests.</param>
    /// <param name="everything">Without names, the rows of nano too.</param>
    /// <exception cref="UserErrorException">There is no such guest or row.</exception>
    public static BenchSelection Of(IReadOnlyList<string> names, bool everything)
    {
        string[] guests = [.. BuiltInGuests.List().Select(guest => guest.Name).Where(name => name.StartsWith(ComputePrefix, StringComparison.Ordinal))];
        if (names.Count == 0)
        {
            return new BenchSelection(guests, everything ? NanoBenchmark.Rows() : []);
        }

        List<string> wantedGuests = [];
        List<string> wantedRows = [];
        foreach (string name in names)
        {
            if (name == NanoBenchmark.Guest)
            {
                wantedRows.AddRange(NanoBenchmark.Rows());
            }
            else if (name.StartsWith(RowPrefix, StringComparison.Ordinal))
            {
                string[] rows = NanoBenchmark.Rows();
                wantedRows.Add(Array.Find(rows, row => row == name[RowPrefix.Length..])
                    ?? throw UserErrorException.File($"{NanoBenchmark.Guest} has no row '{name[RowPrefix.Length..]}'; there are {string.Join(", ", rows)}"));
            }
            else
            {
                wantedGuests.Add(Array.Find(guests, guest => guest == name || guest == ComputePrefix + name)
                    ?? throw UserErrorException.File($"there is no compute guest '{name}'; there are {string.Join(", ", guests)}, and {NanoBenchmark.Guest}"));
            }
        }

        return new BenchSelection([.. wantedGuests.Distinct()], [.. wantedRows.Distinct()]);
    }
}
