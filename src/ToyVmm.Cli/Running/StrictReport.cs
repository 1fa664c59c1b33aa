using ToyVmm.Debugging.Strict;
using ToyVmm.VirtualMachines.Symbols;

namespace ToyVmm.Cli.Running;

/// <summary>What a strict run has found, in the report.</summary>
internal sealed record StrictReport
{
    /// <summary>What was looked for.</summary>
    public required IReadOnlyList<string> Checks { get; init; }

    /// <summary>The findings.</summary>
    public required IReadOnlyList<StrictFindingReport> Findings { get; init; }

    /// <summary>Places beyond those that are listed.</summary>
    public required int Dropped { get; init; }

    /// <summary>Fills the report.</summary>
    public static StrictReport From(StrictChecker strict, SymbolTable symbols) => new()
    {
        Checks = [.. StrictText.Names(strict.Checks)],
        Findings = [.. strict.Findings.Select(finding => StrictFindingReport.From(finding, symbols))],
        Dropped = strict.Dropped,
    };
}

/// <summary>One finding of a strict run.</summary>
internal sealed record StrictFindingReport
{
    /// <summary>"flags", "tlb", ...</summary>
    public required string Check { get; init; }

    /// <summary>The linear address of the instruction.</summary>
    public required uint Address { get; init; }

    /// <summary>CS.</summary>
    public required int CodeSelector { get; init; }

    /// <summary>EIP.</summary>
    public required uint Eip { get; init; }

    /// <summary>The symbol, where there is one.</summary>
    public string? Symbol { get; init; }

    /// <summary>The instruction.</summary>
    public required string Instruction { get; init; }

    /// <summary>Instructions retired before it happened first.</summary>
    public required ulong Instructions { get; init; }

    /// <summary>How often it happened.</summary>
    public required ulong Count { get; init; }

    /// <summary>What is wrong.</summary>
    public required string What { get; init; }

    /// <summary>What to do about it.</summary>
    public required string Mend { get; init; }

    /// <summary>The manual's section.</summary>
    public required string Manual { get; init; }

    /// <summary>Fills the report.</summary>
    public static StrictFindingReport From(StrictFinding finding, SymbolTable symbols) => new()
    {
        Check = StrictCheckNames.Name(finding.Check),
        Address = finding.Address,
        CodeSelector = finding.CodeSelector,
        Eip = finding.Eip,
        Symbol = symbols.Find(finding.Address)?.ToString(),
        Instruction = finding.Instruction,
        Instructions = finding.Instructions,
        Count = finding.Count,
        What = finding.What,
        Mend = finding.Mend,
        Manual = finding.Manual,
    };
}
