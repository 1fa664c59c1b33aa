namespace ToyVmm.VirtualMachines.Verification;

/// <summary>What a property says, for a report that somebody reads who was not there.</summary>
/// <param name="Claim">What holds of every case.</param>
/// <param name="Domain">Which cases there are.</param>
/// <param name="Exclusions">What is left out, by name, and why.</param>
/// <param name="Generator">How a case follows from its seed.</param>
/// <param name="Engines">What takes part: engines with their settings, the host CPU, other VMMs; and what could not, with the reason.</param>
public sealed record PropertyStatement(string Claim, string Domain, IReadOnlyList<string> Exclusions, string Generator, IReadOnlyList<string> Engines);

/// <summary>A property of the VMM that is checked on random cases, each of which follows from a number.</summary>
public interface IVerifiedProperty
{
    /// <summary>One word: its name on the command line and in reports.</summary>
    string Name { get; }

    /// <summary>What it says.</summary>
    PropertyStatement Statement { get; }

    /// <summary>Makes what checks cases on one thread; it may keep machines from case to case.</summary>
    ICaseChecker CreateChecker();
}

/// <summary>Checks cases, one after the other.</summary>
public interface ICaseChecker : IDisposable
{
    /// <summary>Checks a case.</summary>
    /// <param name="seed">The case.</param>
    /// <param name="tally">Where what was seen is counted.</param>
    /// <returns>Null where the property holds.</returns>
    Counterexample? Check(ulong seed, VerificationTally tally);
}

/// <summary>A case in which a property does not hold.</summary>
/// <param name="Property">The property's name.</param>
/// <param name="Seed">The case.</param>
/// <param name="Summary">What went wrong, in one line.</param>
/// <param name="Detail">Where and how, over several lines.</param>
public sealed record Counterexample(string Property, ulong Seed, string Summary, string Detail)
{
    /// <summary>The guest as commented NASM source, which assembles to <see cref="Image"/>; null where a case is no guest.</summary>
    public string? Source { get; init; }

    /// <summary>The guest, ready to run; null where a case is no guest.</summary>
    public ReadOnlyMemory<byte>? Image { get; init; }

    /// <summary>Options that the command which checks the case again needs beside its seed; null for none.</summary>
    public string? Options { get; init; }

    /// <summary>The instruction count from which the parties disagree, where that is known.</summary>
    public ulong? FirstDivergence { get; init; }
}
