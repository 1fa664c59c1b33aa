namespace ToyVmm.Mutants.Catalog;

/// <summary>What the two variants of a mutant are in the language: it decides how both are compiled into one build.</summary>
internal enum MutantKind
{
    /// <summary>An expression with a value: becomes <c>(active ? (mutated) : (original))</c>.</summary>
    Expression,

    /// <summary>Whole statements: become <c>if (active) { mutated } else { original }</c>.</summary>
    Statement,
}

/// <summary>A seeded fault: what the tests must notice.</summary>
internal sealed record Mutant
{
    /// <summary>Kebab-case, unique.</summary>
    public required string Name { get; init; }

    /// <summary>The part of the VMM it is in: the name of the file that lists it.</summary>
    public required string Area { get; init; }

    /// <summary>One sentence: what it breaks.</summary>
    public required string Breaks { get; init; }

    /// <summary>The source file, relative to the repository, with slashes.</summary>
    public required string Source { get; init; }

    /// <summary>What is replaced.</summary>
    public required MutantKind Kind { get; init; }

    /// <summary>The text as it stands in <see cref="Source"/>, there exactly once; white space counts as one blank.</summary>
    public required string Original { get; init; }

    /// <summary>What takes its place; empty deletes statements.</summary>
    public required string Mutated { get; init; }

    /// <summary>Test classes, or Class.Method, of ToyVmm.Tests that are expected to kill it.</summary>
    public required IReadOnlyList<string> Tests { get; init; }

    /// <summary>Where the record stands, for messages: file and line.</summary>
    public required string Place { get; init; }
}
