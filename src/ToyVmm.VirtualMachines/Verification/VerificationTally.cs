namespace ToyVmm.VirtualMachines.Verification;

/// <summary>The largest value that a measure took in a campaign, and where.</summary>
/// <param name="Value">The value; which unit, the measure's name says.</param>
/// <param name="Seed">The case; of several, the one with the lowest number.</param>
public readonly record struct WorstCase(double Value, ulong Seed);

/// <summary>
/// What a campaign saw: counts by name, worst cases by measure, and how often which instruction form was executed in which mode. Tallies of parts
/// add up to the tally of the whole, in any order.
/// </summary>
public sealed class VerificationTally
{
    /// <summary>Counts by name, for example <c>cases: paged</c>.</summary>
    public SortedDictionary<string, ulong> Counts { get; init; } = new(StringComparer.Ordinal);

    /// <summary>The worst case of each measure.</summary>
    public SortedDictionary<string, WorstCase> Worst { get; init; } = new(StringComparer.Ordinal);

    /// <summary>Executions by instruction form (the decoder's name) and mode, as <c>Add_rm32_r32/Ring3</c>.</summary>
    public SortedDictionary<string, ulong> Coverage { get; init; } = new(StringComparer.Ordinal);

    /// <summary>Adds to a count.</summary>
    public void Count(string name, ulong number = 1) => Counts[name] = Counts.GetValueOrDefault(name) + number;

    /// <summary>Notes a measure; the largest stays.</summary>
    public void Measure(string name, double value, ulong seed)
    {
        if (!Worst.TryGetValue(name, out WorstCase worst) || value > worst.Value || (value == worst.Value && seed < worst.Seed))
        {
            Worst[name] = new WorstCase(value, seed);
        }
    }

    /// <summary>Counts executions of an instruction form in a mode.</summary>
    public void Cover(string formAndMode, ulong times) => Coverage[formAndMode] = Coverage.GetValueOrDefault(formAndMode) + times;

    /// <summary>Adds what another one holds.</summary>
    public void Add(VerificationTally other)
    {
        ArgumentNullException.ThrowIfNull(other);
        foreach ((string name, ulong number) in other.Counts)
        {
            Count(name, number);
        }

        foreach ((string name, WorstCase worst) in other.Worst)
        {
            Measure(name, worst.Value, worst.Seed);
        }

        foreach ((string name, ulong times) in other.Coverage)
        {
            Cover(name, times);
        }
    }
}
