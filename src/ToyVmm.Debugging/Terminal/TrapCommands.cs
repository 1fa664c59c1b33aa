using System.Collections.Immutable;
using ToyVmm.Debugging.Autopsies;
using ToyVmm.Debugging.Traps;

namespace ToyVmm.Debugging.Terminal;

/// <summary>The commands about traps, and about how a guest died.</summary>
internal static class TrapCommands
{
    public static ImmutableArray<CommandDefinition> All { get; } =
    [
        new("trap", CommandGroup.Running, "[N]", "behind the next trap, and what it was: whatever the monitor has a part in; N of them")
        {
            Aliases = ["t"],
            Repeats = true,
            Help = "Privileged and sensitive instructions, port and device accesses, hypercalls, exceptions, interrupts. Each is a line; `explain` tells the last one step by step. The guest is interpreted meanwhile.",
            Examples = [new("trap", "the next one"), new("t 3", "three of them")],
            Execute = (context, arguments) => StepTraps(context, context.Count(arguments, 1)),
        },
        new("explain", CommandGroup.Looking, "", "the last trap in micro-steps: why, what the monitor did, what has changed")
        {
            Aliases = ["why"],
            Help = "Behind `trap`, that trap. Otherwise the next instruction is executed, and explained where it traps.",
            Examples = [new("explain", "an instruction, or what `trap` went behind")],
            Execute = Explain,
        },
        new("traps", CommandGroup.Looking, "", "the traps that `trap` and `explain` went through, a line each")
        {
            Examples = [new("traps", "the latest last")],
            Execute = (context, _) => new CommandReply(context.Traps.Count == 0 ? "none yet: `trap` goes to the next" : string.Join('\n', context.Traps.Select(TrapText.Line))),
        },
        new("autopsy", CommandGroup.Looking, "", "how the guest came to a bad end: the causal chain, and the first cause")
        {
            Help = "Of a guest that has ended. `goto` takes the instruction count of the first cause.",
            Examples = [new("autopsy", "a triple fault, a guest that halted for ever")],
            Execute = Autopsy,
        },
    ];

    private static CommandReply StepTraps(CommandContext context, ulong count)
    {
        List<Trap> traps = [];
        DebugStop stop = context.Session.LastStop;
        for (ulong n = 0; n < count; n++)
        {
            stop = context.Session.Step(StepKind.Trap);
            if (stop.Trap is { } trap)
            {
                traps.Add(trap);
            }

            if (stop.Cause != StopCause.Stepped)
            {
                break;
            }
        }

        return Report(context, stop, traps);
    }

    private static CommandReply StepInstruction(CommandContext context)
    {
        List<Trap> traps = [];
        DebugStop stop;
        using (TrapRecorder recorder = new(context.Session.Machine, traps.Add, Naming(context.Session)))
        {
            recorder.Attach();
            stop = context.Session.Step(StepKind.Instruction);
            recorder.Finish();
        }

        return Report(context, stop, traps);
    }

    private static CommandReply Report(CommandContext context, DebugStop stop, List<Trap> traps)
    {
        const int MostTold = 20;
        context.Note(traps);
        CommandReply reply = RunningCommands.Report(context, stop);
        string told = string.Join('\n', traps.TakeLast(MostTold).Select(TrapText.Line));
        return traps.Count == 0 ? reply : reply with { Text = told + "\n" + reply.Text };
    }

    private static CommandReply Explain(CommandContext context, string arguments)
    {
        if (arguments.Length > 0)
        {
            throw new CommandErrorException("takes no arguments");
        }

        // The trap that the guest stands behind has been recorded already.
        if (context.Traps.Count > 0 && context.TrapsSeenAt == context.Session.Point)
        {
            return new CommandReply(TrapText.Explain(context.Traps[^1]).TrimEnd());
        }

        int before = context.Traps.Count;
        CommandReply reply = StepInstruction(context);
        return context.Traps.Count > before ? reply with { Text = TrapText.Explain(context.Traps[^1]).TrimEnd() } : reply with { Text = "no trap: the CPU does that alone\n" + reply.Text };
    }

    private static CommandReply Autopsy(CommandContext context, string arguments)
    {
        if (context.Session.Ended is not { } end)
        {
            return new CommandReply("the guest has not ended");
        }

        if (AutopsyExaminer.Examine(context.Session.Machine, end, context.Session.Symbols) is not { } report)
        {
            return new CommandReply($"nothing is wrong with that end: {end.Detail}");
        }

        if (context.Options.WriteAutopsy is not { } write)
        {
            return new CommandReply(report.Headline);
        }

        using StringWriter text = new() { NewLine = "\n" };
        write(text, report);
        return new CommandReply(text.ToString().TrimEnd('\n'));
    }

    private static TrapNaming Naming(DebugSession session) => new(address => session.Symbols.Find(address)?.ToString());
}
