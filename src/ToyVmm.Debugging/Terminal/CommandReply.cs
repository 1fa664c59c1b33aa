namespace ToyVmm.Debugging.Terminal;

/// <summary>What whoever reads the commands does behind one.</summary>
public enum CommandAction
{
    /// <summary>Asks for the next.</summary>
    Prompt,

    /// <summary>Ends the session.</summary>
    Quit,

    /// <summary>Shows the full-screen view, where there is a terminal.</summary>
    FullScreen,

    /// <summary>Lets the guest go on with the terminal as its serial line, where there is one.</summary>
    Interact,
}

/// <summary>The answer to a command.</summary>
/// <param name="Text">Lines for people, without an end of line behind the last; may be empty.</param>
/// <param name="IsError">True when the command was not understood, or could not be done.</param>
/// <param name="Action">What to do next.</param>
/// <param name="Status">The exit status that <c>quit N</c> asks for; null where nothing is said.</param>
public sealed record CommandReply(string Text, bool IsError = false, CommandAction Action = CommandAction.Prompt, int? Status = null);

/// <summary>A command cannot be done: the message is the answer.</summary>
internal sealed class CommandErrorException(string message) : Exception(message);
