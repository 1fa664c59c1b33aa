namespace ToyVmm.Mutants;

/// <summary>Something the user can put right: said in one line, without a stack trace.</summary>
internal sealed class UserErrorException(int status, string message) : Exception(message)
{
    /// <summary>The exit status.</summary>
    public int Status { get; } = status;

    /// <summary>The command line makes no sense.</summary>
    public static UserErrorException Usage(string message) => new(ExitStatus.Usage, message);

    /// <summary>A file or a tool is missing, unreadable or unwritable.</summary>
    public static UserErrorException File(string message) => new(ExitStatus.BadFile, message);
}
