namespace ToyVmm.Cli;

/// <summary>Something that the user can put right: told in one message, without a stack trace.</summary>
/// <param name="status">The exit status, from <see cref="ExitStatus"/>.</param>
/// <param name="message">What is wrong and what to do; may have several lines.</param>
internal sealed class UserErrorException(int status, string message) : Exception(message)
{
    /// <summary>The exit status of the process.</summary>
    public int Status { get; } = status;

    /// <summary>A mistake on the command line.</summary>
    public static UserErrorException Usage(string message) => new(ExitStatus.Usage, message);

    /// <summary>A file that cannot be read or written.</summary>
    public static UserErrorException File(string message) => new(ExitStatus.BadFile, message);
}
