using System.Collections.Immutable;

namespace ToyVmm.Debugging.Terminal;

/// <summary>All commands of the debugger's prompt.</summary>
public static class CommandTable
{
    /// <summary>The commands, chapter by chapter.</summary>
    public static ImmutableArray<CommandDefinition> All { get; } =
    [
        .. RunningCommands.All,
        .. BreakpointCommands.All,
        .. TimeTravelCommands.All,
        .. TrapCommands.All,
        .. LookingCommands.All,
        .. SourceCommands.All,
        .. MachineCommands.All,
        .. StateCommands.All,
        .. GeneralCommands.All,
    ];

    /// <summary>Every name and short form.</summary>
    public static IEnumerable<string> Names => All.SelectMany(command => command.Aliases.Prepend(command.Name));

    /// <summary>Finds a command by its name, a short form, or a beginning of its name that no other has.</summary>
    /// <param name="name">What was typed.</param>
    /// <returns>Null where there is none, or several.</returns>
    public static CommandDefinition? Find(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        CommandDefinition? exact = All.FirstOrDefault(command => command.Name == name || command.Aliases.Contains(name));
        if (exact is not null || name.Length == 0)
        {
            return exact;
        }

        CommandDefinition[] begin = Beginning(name);
        return begin.Length == 1 ? begin[0] : null;
    }

    /// <summary>The commands whose names begin so.</summary>
    internal static CommandDefinition[] Beginning(string name) => [.. All.Where(command => command.Name.StartsWith(name, StringComparison.Ordinal))];

    /// <summary>The title of a chapter.</summary>
    internal static string Title(CommandGroup group) => group switch
    {
        CommandGroup.Running => "Running and stepping",
        CommandGroup.Breakpoints => "Breakpoints, watchpoints, log points",
        CommandGroup.TimeTravel => "Going back",
        CommandGroup.Looking => "Looking inside",
        CommandGroup.State => "Changing the guest",
        _ => "The debugger",
    };
}
