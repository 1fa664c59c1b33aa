namespace ToyVmm.Debugging.Terminal;

/// <summary>The chapters of the help.</summary>
public enum CommandGroup
{
    /// <summary>Running and stepping.</summary>
    Running,

    /// <summary>Breakpoints, watchpoints, log points.</summary>
    Breakpoints,

    /// <summary>Going back.</summary>
    TimeTravel,

    /// <summary>Looking inside.</summary>
    Looking,

    /// <summary>Changing the guest, its input, files.</summary>
    State,

    /// <summary>The debugger itself.</summary>
    General,
}

/// <summary>What the Tab key completes in a command's arguments.</summary>
public enum CompletionKind
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Symbols.</summary>
    Symbols,

    /// <summary>Registers and symbols: an expression.</summary>
    Expressions,

    /// <summary>Names of commands.</summary>
    Commands,

    /// <summary>Names of files.</summary>
    Files,

    /// <summary>The words of <see cref="CommandDefinition.Words"/>.</summary>
    Words,
}

/// <summary>A command line, and what it does.</summary>
/// <param name="Line">The line as typed.</param>
/// <param name="Meaning">What it does.</param>
public sealed record CommandExample(string Line, string Meaning);

/// <summary>A command: one row of the <see cref="CommandTable"/>, from which help, completion and the reference in docs/debug.md are made.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Group">The chapter that it is in.</param>
/// <param name="Arguments">What may stand behind it, for people.</param>
/// <param name="Summary">What it does, in one line.</param>
public sealed record CommandDefinition(string Name, CommandGroup Group, string Arguments, string Summary)
{
    /// <summary>Other names, the short ones.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];

    /// <summary>More about it, in sentences; may be empty.</summary>
    public string Help { get; init; } = "";

    /// <summary>Lines to try.</summary>
    public IReadOnlyList<CommandExample> Examples { get; init; } = [];

    /// <summary>What Tab completes.</summary>
    public CompletionKind Completes { get; init; }

    /// <summary>The words that <see cref="CompletionKind.Words"/> completes.</summary>
    public IReadOnlyList<string> Words { get; init; } = [];

    /// <summary>True where Enter alone does it again.</summary>
    public bool Repeats { get; init; }

    /// <summary>Does it.</summary>
    internal Func<CommandContext, string, CommandReply> Execute { get; init; } = (_, _) => new CommandReply("");
}
