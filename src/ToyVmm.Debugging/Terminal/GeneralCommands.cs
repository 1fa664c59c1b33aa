using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using static System.FormattableString;

namespace ToyVmm.Debugging.Terminal;

/// <summary>The commands about the debugger itself.</summary>
internal static class GeneralCommands
{
    public static ImmutableArray<CommandDefinition> All { get; } =
    [
        new("help", CommandGroup.General, "[COMMAND]", "list the commands, or tell about one")
        {
            Aliases = ["h", "?"],
            Completes = CompletionKind.Commands,
            Examples = [new("help", "all of them"), new("help break", "one of them")],
            Execute = (_, arguments) => new CommandReply(arguments.Length == 0 ? Overview() : About(arguments)),
        },
        new("echo", CommandGroup.General, "TEXT", "print a text")
        {
            Examples = [new("echo --- before the switch ---", "for scripts")],
            Execute = (_, arguments) => new CommandReply(arguments),
        },
        new("tui", CommandGroup.General, "", "the full-screen view; q leaves it")
        {
            Help = "Registers, code, the stack, the guest's output and a command line, on a terminal of at least 80 by 24. ? lists its keys.",
            Examples = [new("tui", "windows")],
            Execute = (_, _) => new CommandReply("", Action: CommandAction.FullScreen),
        },
        new("interact", CommandGroup.Running, "", "go on with the terminal as the guest's serial line")
        {
            Aliases = ["tty"],
            Help = "As continue, but what is typed goes to COM1, and what the guest sends comes as it is. Ctrl-C stops the guest. Without a terminal it is continue.",
            Examples = [new("interact", "use a guest's shell")],
            Execute = (context, arguments) => new CommandReply("", Action: CommandAction.Interact),
        },
        new("quit", CommandGroup.General, "[STATUS]", "end the session")
        {
            Aliases = ["q", "exit"],
            Help = "The exit status is STATUS; without one it is the guest's where it has ended, and otherwise 0.",
            Examples = [new("quit", "end"), new("quit 3", "end with a status, in a script")],
            Execute = Quit,
        },
    ];

    private static string Overview()
    {
        StringBuilder text = new();
        foreach (IGrouping<CommandGroup, CommandDefinition> group in CommandTable.All.GroupBy(command => command.Group).OrderBy(group => group.Key))
        {
            _ = text.Append(CommandTable.Title(group.Key)).Append('\n');
            foreach (CommandDefinition command in group)
            {
                string names = string.Join(", ", command.Aliases.Prepend(command.Name));
                _ = text.Append(Invariant($"  {names,-26} {command.Summary}\n"));
            }
        }

        return text.Append("help COMMAND tells more, with examples. The beginning of a name is enough. Enter does a step, x, disas or list again.").ToString();
    }

    private static string About(string name)
    {
        if (CommandTable.Find(name) is not { } command)
        {
            CommandDefinition[] begin = CommandTable.Beginning(name);
            string? near = NearestName.Of(name, CommandTable.Names);
            throw new CommandErrorException(begin.Length > 1 ? $"{name}: which one? {string.Join(", ", begin.Select(one => one.Name))}"
                : $"there is no command {name}{(near is null ? "" : $"; did you mean {near}?")}");
        }

        StringBuilder text = new();
        _ = text.Append(Invariant($"{command.Name}{(command.Arguments.Length > 0 ? " " : "")}{command.Arguments}\n  {Sentence(command.Summary)}\n"));
        _ = command.Help.Length > 0 ? text.Append(Invariant($"  {command.Help}\n")) : text;
        _ = command.Aliases.Count > 0 ? text.Append(Invariant($"  Short: {string.Join(", ", command.Aliases)}.{(command.Repeats ? " Enter does it again." : "")}\n")) : command.Repeats ? text.Append("  Enter does it again.\n") : text;
        foreach (CommandExample example in command.Examples)
        {
            _ = text.Append(Invariant($"    {example.Line,-34} {example.Meaning}\n"));
        }

        return text.ToString().TrimEnd('\n');
    }

    /// <summary>A summary as a sentence.</summary>
    public static string Sentence(string summary) => char.ToUpperInvariant(summary[0]) + summary[1..] + ".";

    private static CommandReply Quit(CommandContext context, string arguments) =>
        arguments.Length == 0 ? new CommandReply("", Action: CommandAction.Quit)
        : byte.TryParse(arguments, NumberStyles.None, CultureInfo.InvariantCulture, out byte status) ? new CommandReply("", Action: CommandAction.Quit, Status: status)
        : throw new CommandErrorException($"{arguments}: a status is 0 to 255");
}
