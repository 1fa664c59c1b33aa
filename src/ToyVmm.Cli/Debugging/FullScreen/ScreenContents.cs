namespace ToyVmm.Cli.Debugging.FullScreen;

/// <summary>A line of a window.</summary>
/// <param name="Text">The line.</param>
/// <param name="IsCurrent">True for the next instruction, and the top of the stack.</param>
/// <param name="IsMarked">True for what has changed, and for breakpoints.</param>
/// <param name="IsCursor">True for the line of the cursor.</param>
internal readonly record struct ScreenLine(string Text, bool IsCurrent = false, bool IsMarked = false, bool IsCursor = false);

/// <summary>What the full-screen view shows.</summary>
internal sealed record ScreenContents
{
    /// <summary>The first line: what runs, where, why it stands still.</summary>
    public string Status { get; init; } = "";

    /// <summary>Registers.</summary>
    public IReadOnlyList<ScreenLine> Registers { get; init; } = [];

    /// <summary>Code around the cursor.</summary>
    public IReadOnlyList<ScreenLine> Code { get; init; } = [];

    /// <summary>The stack around its top.</summary>
    public IReadOnlyList<ScreenLine> Stack { get; init; } = [];

    /// <summary>What was delivered, the latest last.</summary>
    public IReadOnlyList<ScreenLine> Traps { get; init; } = [];

    /// <summary>What the guest has sent, the latest last.</summary>
    public IReadOnlyList<ScreenLine> Output { get; init; } = [];

    /// <summary>In the place of everything: a list and its title; null for the windows.</summary>
    public (string Title, IReadOnlyList<ScreenLine> Lines)? Page { get; init; }

    /// <summary>The last line but one: the last answer in short, or the keys.</summary>
    public string Message { get; init; } = "";
}
