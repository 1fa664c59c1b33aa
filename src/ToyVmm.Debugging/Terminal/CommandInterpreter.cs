namespace ToyVmm.Debugging.Terminal;

/// <summary>
/// The commands of the debugger's prompt: a line of text in, text out. Needs no terminal: prompts, scripts, the full-screen view and tests all go through it.
/// </summary>
/// <remarks>Commands that let the guest go on return when it stands still again; <see cref="DebugSession.RequestPause"/> ends them from another thread.</remarks>
/// <example>
/// <code>
/// CommandInterpreter interpreter = new(session);
/// Console.WriteLine(interpreter.Execute("break kernel_main").Text);
/// Console.WriteLine(interpreter.Execute("continue").Text);
/// </code>
/// </example>
public sealed class CommandInterpreter
{
    private readonly CommandContext _context;
    private string _repeat = "";

    /// <summary>Makes an interpreter.</summary>
    /// <param name="session">What the commands are about.</param>
    /// <param name="options">How it talks; null for the defaults.</param>
    public CommandInterpreter(DebugSession session, CommandInterpreterOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(session);
        _context = new CommandContext(session, options ?? new CommandInterpreterOptions());
    }

    /// <summary>The session.</summary>
    public DebugSession Session => _context.Session;

    /// <summary>How it talks.</summary>
    public CommandInterpreterOptions Options => _context.Options;

    /// <summary>Executes a command.</summary>
    /// <param name="line">The line as typed. What stands behind a # at its beginning is a comment.</param>
    /// <returns>The answer. A line that makes no sense gives an error that says what would.</returns>
    public CommandReply Execute(string line)
    {
        ArgumentNullException.ThrowIfNull(line);
        string text = line.Trim();
        if (text.StartsWith('#'))
        {
            return new CommandReply("");
        }

        if (text.Length == 0)
        {
            if (!Options.RepeatsOnEmptyLine || _repeat.Length == 0)
            {
                return new CommandReply("");
            }

            text = _repeat;
        }

        (string name, string arguments) = Split(text);
        if (CommandTable.Find(name) is not { } command)
        {
            _repeat = "";
            return new CommandReply(Unknown(name), IsError: true);
        }

        _context.RepeatLine = text;
        CommandReply reply;
        try
        {
            reply = command.Execute(_context, arguments);
            bool changes = command.Group == CommandGroup.State && command.Name != "snapshot" && !reply.IsError;
            reply = _context.Recording.Leaves(changes) is { } told ? reply with { Text = reply.Text.Length > 0 ? $"{reply.Text}\n{told}" : told } : reply;
        }
        catch (CommandErrorException e)
        {
            reply = new CommandReply($"{command.Name}: {e.Message}", IsError: true);
        }

        _repeat = command.Repeats && !reply.IsError ? _context.RepeatLine : "";
        return reply;
    }

    /// <summary>Where the guest is and why it stands still: what a session begins with.</summary>
    public string DescribeStop() => StopText.Describe(_context, Session.LastStop);

    /// <summary>The traps that were stepped through, a line each.</summary>
    public IEnumerable<string> TrapLines => _context.Traps.Select(Traps.TrapText.Line);

    /// <summary>What the Tab key may put in the place of the word before the cursor.</summary>
    /// <param name="line">The line up to the cursor.</param>
    /// <param name="start">Where the word begins.</param>
    public IReadOnlyList<string> Complete(string line, out int start) => CommandCompletion.Complete(_context, line, out start);

    /// <summary>The registers that the last command changed, by name.</summary>
    public IReadOnlySet<string> ChangedRegisters => _context.Registers.ChangedNames;

    // "x/4i eip" is the command x with a format stuck to it: the format goes to the arguments.
    private static (string Name, string Arguments) Split(string text)
    {
        int end = 0;
        while (end < text.Length && !char.IsWhiteSpace(text[end]) && text[end] != '/')
        {
            end++;
        }

        return end == 0 ? (text[..1], text[1..].Trim()) : (text[..end], text[end..].Trim());
    }

    private static string Unknown(string name)
    {
        CommandDefinition[] begin = CommandTable.Beginning(name);
        return begin.Length > 1 ? $"{name}: which one? {string.Join(", ", begin.Select(command => command.Name))}"
            : NearestName.Of(name, CommandTable.Names) is { } near ? $"{name}: no such command; did you mean {near}? (help lists them)"
            : $"{name}: no such command; help lists them";
    }
}
