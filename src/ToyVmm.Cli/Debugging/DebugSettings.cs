using ToyVmm.Debugging.Gdb;

namespace ToyVmm.Cli.Debugging;

/// <summary>What the user asks of a debugging session, beside the machine and the image.</summary>
internal sealed record DebugSettings
{
    /// <summary>Files with names for the guest's addresses.</summary>
    public IReadOnlyList<string> Symbols { get; init; } = [];

    /// <summary>Where source files are looked for.</summary>
    public IReadOnlyList<string> SourceFolders { get; init; } = [];

    /// <summary>Breakpoints to begin with, as the command break takes them.</summary>
    public IReadOnlyList<string> Breakpoints { get; init; } = [];

    /// <summary>Where to begin: INSTRUCTIONS or INSTRUCTIONS:EVENTS; null for the guest's first instruction.</summary>
    public string? GoTo { get; init; }

    /// <summary>Commands to begin with.</summary>
    public IReadOnlyList<string> Commands { get; init; } = [];

    /// <summary>A file of commands to execute instead of asking for some; null for none.</summary>
    public string? Script { get; init; }

    /// <summary>Where gdb has the session first; null for nowhere.</summary>
    public GdbEndpoint? Gdb { get; init; }

    /// <summary>True to go on behind a command that failed.</summary>
    public bool KeepGoing { get; init; }

    /// <summary>True for sentences and lines only.</summary>
    public bool Linear { get; init; }

    /// <summary>True to begin with the full-screen view.</summary>
    public bool FullScreen { get; init; }

    /// <summary>The file that COM1 goes to; null for the terminal.</summary>
    public string? SerialFile { get; init; }

    /// <summary>False to drop what the guest sends.</summary>
    public bool ShowsSerial { get; init; } = true;
}
