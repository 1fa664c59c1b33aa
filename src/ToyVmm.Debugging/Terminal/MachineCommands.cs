using System.Collections.Immutable;
using ToyVmm.Debugging.Monitoring;

namespace ToyVmm.Debugging.Terminal;

/// <summary>The commands that look at the machine: tables, page tables, devices.</summary>
internal static class MachineCommands
{
    private static readonly string[] s_subjects = [.. MonitorCommands.Subjects.Select(subject => subject.Name)];

    public static ImmutableArray<CommandDefinition> All { get; } =
    [
        new("info", CommandGroup.Looking, "SUBJECT [ARGUMENTS]", "show a part of the machine")
        {
            Aliases = ["i"],
            Completes = CompletionKind.Words,
            Words = s_subjects,
            Help = "Looking has no side effects: no device is read, nothing is latched. Subjects: " + string.Join(", ", s_subjects) + "; info alone says what each shows and takes.",
            Examples = [new("info walk eip", "the page walk of the next instruction"), new("info segments", "descriptor caches and their tables"), new("info pic", "the interrupt controllers"), new("info exits", "counts")],
            Execute = (context, arguments) => Monitor(context, "info " + arguments),
        },
        new("screen", CommandGroup.Looking, "", "print the guest's text screen")
        {
            Examples = [new("screen", "80 by 25, most often")],
            Execute = (context, arguments) => Monitor(context, "screen " + arguments),
        },
    ];

    /// <summary>Executes a command of the monitor prompt of `toyvmm run`.</summary>
    public static CommandReply Monitor(CommandContext context, string line)
    {
        MonitorReply reply = new MonitorCommands(context.Session.Inspector).Execute(line);
        return new CommandReply(reply.Text, reply.IsError);
    }
}
