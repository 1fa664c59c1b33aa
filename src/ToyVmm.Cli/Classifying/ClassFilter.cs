using ToyVmm.Engines.Classification;

namespace ToyVmm.Cli.Classifying;

/// <summary>--class and --mnemonic: which rows to show.</summary>
/// <param name="Class">A class, of <see cref="Names"/>; null for everything that is not innocuous.</param>
/// <param name="Mnemonic">A mnemonic in any case; null for all.</param>
internal sealed record ClassFilter(string? Class, string? Mnemonic)
{
    /// <summary>The classes.</summary>
    public static IReadOnlyList<string> Names { get; } =
        ["innocuous", "privileged", "sensitive", "control", "behaviour", "location", "mode", "state", "user", "hole", "all"];

    /// <summary>True for a row of the mnemonic.</summary>
    public bool HasMnemonic(InstructionClassification row) => Mnemonic is null || row.Mnemonic.Equals(Mnemonic, StringComparison.OrdinalIgnoreCase);

    /// <summary>True for a row to show. An instruction that is named is shown whatever its class.</summary>
    public bool Accepts(InstructionClassification row) => HasMnemonic(row) && Class switch
    {
        null => Mnemonic is not null || !row.IsInnocuous,
        "innocuous" => row.IsInnocuous,
        "privileged" => row.IsPrivileged,
        "sensitive" => row.Sensitivity != Sensitivity.None,
        "control" => Has(row, Sensitivity.Control),
        "behaviour" => Has(row, Sensitivity.Location | Sensitivity.Mode | Sensitivity.State),
        "location" => Has(row, Sensitivity.Location),
        "mode" => Has(row, Sensitivity.Mode),
        "state" => Has(row, Sensitivity.State),
        "user" => row.IsUserSensitive,
        "hole" => row.IsHole,
        _ => true,
    };

    private static bool Has(InstructionClassification row, Sensitivity kinds) => (row.Sensitivity & kinds) != 0;
}
