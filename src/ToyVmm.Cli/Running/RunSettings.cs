using ToyVmm.Debugging.Gdb;
using ToyVmm.Debugging.Strict;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Replay;
using ToyVmm.VirtualMachines.Tracing;

namespace ToyVmm.Cli.Running;

/// <summary>What the user asks of a run, beside the machine and the image.</summary>
internal sealed record RunSettings
{
    /// <summary>The file that COM1 goes to, or null.</summary>
    public string? SerialFile { get; init; }

    /// <summary>True when COM1 goes to standard output and comes from standard input.</summary>
    public bool SerialToOutput { get; init; } = true;

    /// <summary>True to draw the text screen on the terminal.</summary>
    public bool Display { get; init; }

    /// <summary>True to print the last text screen.</summary>
    public bool PrintScreen { get; init; }

    /// <summary>The PNG file for the last screen, or null.</summary>
    public string? Screenshot { get; init; }

    /// <summary>The file that the run is recorded to, or null.</summary>
    public string? Record { get; init; }

    /// <summary>How it is recorded.</summary>
    public RecordingOptions Recording { get; init; } = new();

    /// <summary>The limit on instructions, or null.</summary>
    public ulong? MaxInstructions { get; init; }

    /// <summary>The limit on exits, or null.</summary>
    public ulong? MaxExits { get; init; }

    /// <summary>The limit on the size of the trace, or null.</summary>
    public ulong? MaxTrace { get; init; }

    /// <summary>The limits on disk writes and serial output.</summary>
    public ResourceLimits Limits { get; init; } = new();

    /// <summary>The limit on host time, or null.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>True to print statistics.</summary>
    public bool Statistics { get; init; }

    /// <summary>True to say what paravirtual calls would save.</summary>
    public bool Advise { get; init; }

    /// <summary>Files with names for the guest's addresses.</summary>
    public IReadOnlyList<string> Symbols { get; init; } = [];

    /// <summary>What to look for that works here and not on hardware.</summary>
    public StrictChecks Strict { get; init; }

    /// <summary>True where such a finding is a failure.</summary>
    public bool StrictFails { get; init; }

    /// <summary>The command that debugs the same machine.</summary>
    public string DebugCommand { get; init; } = "toyvmm debug";

    /// <summary>Where to wait for gdb, which then runs the guest; null for nowhere.</summary>
    public GdbEndpoint? Gdb { get; init; }

    /// <summary>The file for the report; "-" is standard output; null is none.</summary>
    public string? Json { get; init; }

    /// <summary>What to trace; null is nothing.</summary>
    public TraceLevel? TraceLevel { get; init; }

    /// <summary>The file for the trace; null is standard error.</summary>
    public string? TraceFile { get; init; }

    /// <summary>True to print the fingerprint of the run.</summary>
    public bool TraceHash { get; init; }

    /// <summary>True when halting for ever is a success.</summary>
    public bool HaltOk { get; init; }

    /// <summary>True to keep the guest's clock at host time, false to skip idle time; null where the user does not say.</summary>
    public bool? Pace { get; init; }

    /// <summary>True for no verdict.</summary>
    public bool Quiet { get; init; }

    /// <summary>0, 1 (-v) or 2 (-vv).</summary>
    public int Verbosity { get; init; }
}
