using System.Collections.Immutable;
using ToyVmm.VirtualMachines.Monitoring;

namespace ToyVmm.Debugging.Terminal;

/// <summary>The commands that look at the machine: tables, page tables, devices.</summary>
internal static class MachineCommands
{
    private static readonly string[] s_subjects = ["mem", "tlb", "pic", "pit", "apic", "exits", "block", "balloon"];

    public static ImmutableArray<CommandDefinition> All { get; } =
    [
        new("info", CommandGroup.Looking, "SUBJECT", "show a part of the machine: " + string.Join(", ", s_subjects))
        {
            Aliases = ["i"],
            Completes = CompletionKind.Words,
            Words = s_subjects,
            Help = "Looking has no side effects: no device is read, nothing is latched.",
            Examples = [new("info mem", "what is mapped"), new("info pic", "the interrupt controllers"), new("info exits", "counts")],
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
        MonitorReply reply = new MonitorCommands(context.Session.Machine).Execute(line);
        return new CommandReply(reply.Text, reply.IsError);
    }
}
