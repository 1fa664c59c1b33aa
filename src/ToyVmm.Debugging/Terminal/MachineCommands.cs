using System.Collections.Immutable;
using ToyVmm.Debugging.Inspecting;
using ToyVmm.Debugging.Monitoring;

namespace ToyVmm.Debugging.Terminal;

/// <summary>The commands that look at the machine: stack, tables, page tables, devices. What they show is the <see cref="Inspector"/>'s.</summary>
internal static class MachineCommands
{
    private static readonly string[] s_subjects = [.. MonitorCommands.Subjects.Select(subject => subject.Name)];

    public static ImmutableArray<CommandDefinition> All { get; } =
    [
        Subject("stack", ["k"], "stack", [new("stack", "sixteen words, and four below"), new("stack 40", "more"), new("stack/2", "fewer")], "What lies below the top was popped lately. Values that point into code or data have names."),
        Subject("bt", ["backtrace"], "frames", [new("bt", "the calls that led here")], "By the frames that EBP makes; where there are none, by searching the stack for what stands behind a CALL."),
        Subject("seg", ["segments"], "segments", [new("seg", "all eight")]),
        Subject("gdt", [], "gdt", [new("gdt", "all entries")]),
        Subject("ldt", [], "ldt", [new("ldt", "all entries")]),
        Subject("idt", [], "idt", [new("idt", "all gates"), new("idt 14", "one of them")]),
        Subject("tss", [], "tss", [new("tss", "that of TR")]),
        Subject("walk", [], "walk", [new("walk eip", "the page that the next instruction is in"), new("walk 0xc0000000", "an address")]),
        Subject("shadow", [], "shadow", [new("shadow", "all of it"), new("shadow eip", "one page"), new("shadow user", "as user code sees it")]),
        Subject("tlb", [], "tlb", [new("tlb", "what is cached")]),
        Subject("translated", ["xlat"], "translated", [new("translated", "of the next instruction"), new("xlat 0x100000", "of an address")], "An engine that has not run the code at the address has no block: that is an error."),
        Subject("whatis", [], "symbol", [new("whatis eip", "where the next instruction is")]),
        new("info", CommandGroup.Looking, "SUBJECT [ARGUMENTS]", "show a part of the machine")
        {
            Aliases = ["i"],
            Completes = CompletionKind.Words,
            Words = s_subjects,
            Help = "Looking has no side effects: no device is read, nothing is latched. Subjects: " + string.Join(", ", s_subjects) + "; info alone says what each shows and takes.",
            Examples = [new("info registers", "all registers"), new("info mem", "what is mapped"), new("info pic", "the interrupt controllers"), new("info uart", "the serial ports"), new("info exits", "counts")],
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

    private static CommandDefinition Subject(string name, string[] aliases, string subject, CommandExample[] examples, string help = "")
    {
        InspectionSubject known = Inspector.Subjects.First(one => one.Name == subject);
        return new CommandDefinition(name, CommandGroup.Looking, known.Arguments, known.Help.Replace("; ", ": ", StringComparison.Ordinal))
        {
            Aliases = aliases,
            Help = help,
            Completes = known.Arguments.Length > 0 ? CompletionKind.Expressions : CompletionKind.None,
            Examples = examples,
            Execute = (context, arguments) => Show(context, subject, arguments),
        };
    }

    // A count may be stuck to the name, as behind x and disas.
    private static CommandReply Show(CommandContext context, string subject, string arguments) =>
        context.Session.Inspector.TryShow(subject, subject == "stack" && arguments.StartsWith('/') ? arguments[1..] : Place(context, subject, arguments), out InspectionText? text, out string? problem)
            ? new CommandReply(SpokenText.Of(context, text))
            : new CommandReply(problem ?? $"nothing is known of {subject}", IsError: true);

    // Where an address belongs, FILE:LINE is one too.
    private static string Place(CommandContext context, string subject, string arguments) =>
        subject is "walk" or "shadow" or "translated" or "symbol" && SourcePlace.Find(context.Session, arguments) is { } linear
            ? FormattableString.Invariant($"0x{linear:x}") : arguments;
}
