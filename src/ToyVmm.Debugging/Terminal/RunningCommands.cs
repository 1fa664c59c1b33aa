using System.Collections.Immutable;
using System.Globalization;

namespace ToyVmm.Debugging.Terminal;

/// <summary>The commands that let the guest go on.</summary>
internal static class RunningCommands
{
    public static ImmutableArray<CommandDefinition> All { get; } =
    [
        new("continue", CommandGroup.Running, "[N]", "go on until something stops the guest")
        {
            Aliases = ["c", "cont"],
            Repeats = true,
            Help = "Ends at a breakpoint, at the guest's end, or with Ctrl-C. With N, the breakpoint that stopped the guest last is passed over N-1 times more.",
            Examples = [new("continue", "until something happens"), new("c 3", "pass the present breakpoint twice")],
            Execute = Continue,
        },
        Steps("step", ["s", "si", "stepi"], StepKind.Instruction, "one instruction, or one interrupt or exception", "An instruction that faults is a step of its own: the handler's first instruction is next then. A string instruction with REP is one step, and so is HLT with its sleep.",
            [new("step", "one"), new("si 10", "ten")]),
        Steps("next", ["n", "over", "ni", "nexti"], StepKind.Over, "one instruction of this procedure: calls and interrupts run to their end", "", [new("next", "over a CALL"), new("n 5", "five")]),
        Steps("finish", ["out", "fin"], StepKind.Out, "to the end of this procedure, behind its return", "", [new("finish", "behind the RET")]),
        Steps("block", [], StepKind.Block, "to the end of this basic block", "Behind the next branch, call or return; or at the handler of what interrupts it.", [new("block", "behind the next branch")]),
        Steps("interrupt", ["irq"], StepKind.Interrupt, "to the handler of the next external interrupt", "", [new("interrupt", "the timer's, most often")]),
        Steps("mode", [], StepKind.ModeSwitch, "behind the next change of mode", "Between real, protected and virtual-8086 mode, 16-bit and 32-bit code, paging on and off.", [new("mode", "to the switch to protected mode, for example")]),
        Steps("space", ["cr3"], StepKind.AddressSpaceSwitch, "behind the next load of CR3 with another value", "", [new("space", "the next address space")]),
        new("until", CommandGroup.Running, "PLACE | at N | +N | time T", "go on to a place, an instruction count, or a time")
        {
            Aliases = ["u"],
            Completes = CompletionKind.Symbols,
            Help = "A place is an address, a symbol, an expression, SEGMENT:OFFSET, phys:ADDRESS, or FILE:LINE. N counts instructions since power-on, +N from here. T is the guest's time since power-on: 250us, 20ms, 1.5s. A breakpoint on the way stops the guest first.",
            Examples = [new("until at 1_000", "1,000 instructions have retired"), new("until +100", "a hundred more"), new("until time 20ms", "what the guest's clock shows"), new("until eip", "here again: a loop's next round")],
            Execute = Until,
        },
    ];

    private static CommandDefinition Steps(string name, string[] aliases, StepKind kind, string summary, string help, CommandExample[] examples) =>
        new(name, CommandGroup.Running, "[N]", summary + "; N of them")
        {
            Aliases = aliases,
            Repeats = true,
            Help = help,
            Examples = examples,
            Execute = (context, arguments) => Report(context, context.Session.Step(kind, context.Count(arguments, 1))),
        };

    /// <summary>What is said behind a command that let the guest run.</summary>
    public static CommandReply Report(CommandContext context, DebugStop stop)
    {
        context.NextCode = null;
        context.NextSource = null;
        return new CommandReply(StopText.Describe(context, stop));
    }

    private static CommandReply Continue(CommandContext context, string arguments)
    {
        ulong count = context.Count(arguments, 1);
        if (count > 1)
        {
            foreach (BreakpointHit hit in context.Session.LastStop.Breakpoints)
            {
                hit.Breakpoint.IgnoreCount = count - 1;
            }
        }

        context.RepeatLine = "continue";
        return Report(context, context.Session.Continue());
    }

    private static CommandReply Until(CommandContext context, string arguments)
    {
        (string first, string rest) = Words.First(arguments);
        DebugSession session = context.Session;
        if (first.Length == 0)
        {
            throw new CommandErrorException("until where? An address or symbol, at N, +N, or time T");
        }

        if (first.StartsWith('+'))
        {
            return Report(context, session.RunToInstruction(session.Point.Instructions + context.Count(arguments[1..].Trim(), 1)));
        }

        return first switch
        {
            "at" => Report(context, session.RunToInstruction(context.Count(rest, 1))),
            "time" => Report(context, session.RunToTime(Time(rest))),
            _ => Report(context, RunToPlace(context, arguments)),
        };
    }

    // What is more than a linear address - a selector's, or physical - is a breakpoint's to find: one for this run.
    private static DebugStop RunToPlace(CommandContext context, string text)
    {
        DebugSession session = context.Session;
        BreakpointSpec spec = SpecParser.Place(context, text);
        if (spec is LinearSpec linear)
        {
            return session.RunToAddress(linear.Address);
        }

        Breakpoint place = session.Breakpoints.Add(spec);
        try
        {
            DebugStop stop = session.Continue();
            return stop.Breakpoints is [BreakpointHit only] && only.Breakpoint == place ? new DebugStop(StopCause.Reached, stop.Point) { Event = stop.Event } : stop;
        }
        finally
        {
            _ = session.Breakpoints.Remove(place.Id);
        }
    }

    private static TimeSpan Time(string text)
    {
        (string unit, double scale) = text.EndsWith("us", StringComparison.Ordinal) ? ("us", 1e-6) : text.EndsWith("ms", StringComparison.Ordinal) ? ("ms", 1e-3) : ("s", 1.0);
        string number = text.EndsWith(unit, StringComparison.Ordinal) ? text[..^unit.Length] : text;
        return double.TryParse(number.Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value) && value * scale <= 1e9
            ? TimeSpan.FromSeconds(value * scale)
            : throw new CommandErrorException($"{text}: not a time; write 250us, 20ms or 1.5s");
    }
}
