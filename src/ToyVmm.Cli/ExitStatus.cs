namespace ToyVmm.Cli;

/// <summary>The exit statuses that do not come from the guest (those do: <see cref="VirtualMachines.StopReason.ExitStatus"/>).</summary>
internal static class ExitStatus
{
    /// <summary>Everything went as asked.</summary>
    public const int Success = 0;

    /// <summary>verify: a property does not hold of a case.</summary>
    public const int CounterexampleFound = 1;

    /// <summary>run with several guests: one ended with status 0 where another was expected.</summary>
    public const int UnexpectedSuccess = 1;

    /// <summary>snapshot: the guest ended before the moment at which it was to be saved.</summary>
    public const int MomentNotReached = 1;

    /// <summary>The command line makes no sense (EX_USAGE of BSD's sysexits).</summary>
    public const int Usage = 64;

    /// <summary>The image is malformed or has no entry that is supported (EX_DATAERR).</summary>
    public const int BadImage = 65;

    /// <summary>A file or a tool is missing, unreadable or unwritable (EX_NOINPUT).</summary>
    public const int BadFile = 66;

    /// <summary>A bug in ToyVmm itself.</summary>
    public const int InternalError = 74;

    /// <summary>run --strict=fail: the guest succeeded, and did what does not always work on hardware.</summary>
    public const int StrictFindings = 81;

    /// <summary>What a shell reports for a process that a signal ended: 128 + its number.</summary>
    public const int SignalBase = 128;

    /// <summary>The reader of the output went away: what SIGPIPE (13) would have given.</summary>
    public const int BrokenPipe = SignalBase + 13;
}
