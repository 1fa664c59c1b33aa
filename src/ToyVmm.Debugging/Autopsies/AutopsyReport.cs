namespace ToyVmm.Debugging.Autopsies;

/// <summary>Why a guest came to a bad end, for somebody who writes his first kernel: what happened, first cause first, what is wrong, and what it should have been.</summary>
public sealed record AutopsyReport
{
    /// <summary>The end in one line: "triple fault: the CPU could not report a fault, nor that it could not, and shut down".</summary>
    public required string Headline { get; init; }

    /// <summary>The causal chain, first cause first; empty where no fault led to the end.</summary>
    public IReadOnlyList<AutopsyStep> Chain { get; init; } = [];

    /// <summary>What else there is to say of how it came about, a sentence each.</summary>
    public IReadOnlyList<string> Circumstances { get; init; } = [];

    /// <summary>What is wrong, and what it should be; the likeliest first.</summary>
    public IReadOnlyList<AutopsyFinding> Findings { get; init; } = [];

    /// <summary>The tables and registers that were involved, one line each.</summary>
    public IReadOnlyList<string> Tables { get; init; } = [];

    /// <summary>Instructions retired before the first cause: where a debugger goes back to. Null where there is no such moment.</summary>
    public ulong? FirstCause { get; init; }
}

/// <summary>One link of the causal chain.</summary>
/// <param name="Instructions">Instructions retired before it.</param>
/// <param name="What">What happened: "#DE (divide error)".</param>
/// <param name="Place">Where: CS:EIP, the symbol, the instruction.</param>
/// <param name="Why">In plain words, why.</param>
/// <param name="Times">How often in a row.</param>
public sealed record AutopsyStep(ulong Instructions, string What, string Place, string Why, ulong Times = 1);

/// <summary>Something that is wrong.</summary>
/// <param name="Wrong">Which register or table entry is wrong, and how.</param>
/// <param name="Mend">What it should have been, or what to do.</param>
/// <param name="Manual">Where the manual says so.</param>
public sealed record AutopsyFinding(string Wrong, string Mend, string Manual);
