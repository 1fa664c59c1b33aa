namespace ToyVmm.Mutants;

/// <summary>The exit statuses; from 64 on as toyvmm's own.</summary>
internal static class ExitStatus
{
    /// <summary>Every mutant was killed.</summary>
    public const int Killed = 0;

    /// <summary>At least one survived: a test is missing.</summary>
    public const int Survivors = 1;

    /// <summary>The command line makes no sense (EX_USAGE of BSD's sysexits).</summary>
    public const int Usage = 64;

    /// <summary>A record is malformed, does not match its source or does not compile; or the tests fail without any mutant (EX_DATAERR).</summary>
    public const int BadData = 65;

    /// <summary>A file or a tool is missing, unreadable or unwritable (EX_NOINPUT).</summary>
    public const int BadFile = 66;

    /// <summary>A bug in this tool.</summary>
    public const int InternalError = 74;

    /// <summary>Ctrl-C: 128 + SIGINT.</summary>
    public const int Interrupted = 130;
}
