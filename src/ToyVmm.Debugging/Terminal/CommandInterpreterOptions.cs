namespace ToyVmm.Debugging.Terminal;

/// <summary>How an interpreter talks.</summary>
public sealed record CommandInterpreterOptions
{
    /// <summary>True for sentences, one fact a line, and nothing that only its place on the line explains: for screen readers and Braille displays.</summary>
    public bool IsLinear { get; init; }

    /// <summary>True where an empty line does the last command again, if it is one of those: at a prompt, not in a script.</summary>
    public bool RepeatsOnEmptyLine { get; init; }

    /// <summary>The directory that files are relative to.</summary>
    public string Directory { get; init; } = ".";
}
