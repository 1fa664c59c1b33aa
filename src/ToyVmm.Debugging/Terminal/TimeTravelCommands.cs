using System.Collections.Immutable;
using System.Globalization;
using ToyVmm.Debugging.Expressions;
using ToyVmm.Debugging.History;
using ToyVmm.VirtualMachines;
using static System.FormattableString;

namespace ToyVmm.Debugging.Terminal;

/// <summary>The commands that go back, and to any place in the guest's history.</summary>
internal static class TimeTravelCommands
{
    public static ImmutableArray<CommandDefinition> All { get; } =
    [
        new("rstep", CommandGroup.TimeTravel, "[N]", "back by one instruction, or one interrupt or exception; by N of them")
        {
            Aliases = ["rs", "rsi", "reverse-step", "reverse-stepi"],
            Repeats = true,
            Examples = [new("rstep", "before what has happened last"), new("rs 10", "ten")],
            Execute = (context, arguments) => Repeat(context, arguments, context.Session.ReverseStep),
        },
        new("rnext", CommandGroup.TimeTravel, "[N]", "back by one instruction of this procedure; by N of them")
        {
            Aliases = ["rn", "rni", "reverse-next", "reverse-nexti"],
            Repeats = true,
            Help = "Behind a call or an interrupt that has returned it goes back to before it; a breakpoint inside stops it there. A return to where nobody has called from is a step by itself.",
            Examples = [new("rnext", "back over a CALL"), new("rn 5", "five")],
            Execute = (context, arguments) => Repeat(context, arguments, context.Session.ReverseStepOver),
        },
        new("rcontinue", CommandGroup.TimeTravel, "", "back to the last moment at which a breakpoint or watchpoint would have stopped the guest")
        {
            Aliases = ["rc", "reverse-continue"],
            Repeats = true,
            Help = "Without such a moment: to the beginning of the history. Log points say nothing, and hits are not counted.",
            Examples = [new("rcontinue", "to the breakpoint before")],
            Execute = (context, arguments) => RunningCommands.Report(context, arguments.Length == 0 ? context.Session.ReverseContinue() : throw new CommandErrorException("takes no arguments")),
        },
        new("goto", CommandGroup.TimeTravel, "N[:E]", "go where N instructions have retired, and E events were delivered; back or forward")
        {
            Aliases = ["g"],
            Help = "What `point` and every stop tell. No breakpoint stops the guest on the way.",
            Examples = [new("goto 100_000", "an instruction count"), new("g 100_000:0", "and no events: exactly there")],
            Execute = GoTo,
        },
        new("lastwrite", CommandGroup.TimeTravel, "ADDRESS[,LENGTH]", "back to the instruction that has last stored to memory")
        {
            Aliases = ["lw"],
            Completes = CompletionKind.Symbols,
            Help = "As for watchpoints: what the CPU stores for itself counts, what devices store does not. It is the next instruction then; `goto` and the point that `history` has told lead back here. Where nothing has stored there the guest stays where it is.",
            Examples = [new("lastwrite esp", "who has pushed that?"), new("lw dword [ebp-4]", "a variable"), new("lastwrite phys:0x7e00,2", "physical memory")],
            Execute = LastWrite,
        },
        new("who", CommandGroup.TimeTravel, "ADDRESS[,LENGTH]", "which instruction has last stored to memory; the guest stays where it is")
        {
            Aliases = ["who-wrote"],
            Completes = CompletionKind.Symbols,
            Help = "As `lastwrite`, but it only tells.",
            Examples = [new("who esp", "who has pushed that?"), new("who dword [ebp-4]", "a variable")],
            Execute = Who,
        },
        new("history", CommandGroup.TimeTravel, "", "how far one can go back, and what that takes")
        {
            Examples = [new("history", "from where to where")],
            Execute = (context, arguments) => new CommandReply(arguments.Length == 0 ? Describe(context.Session) : throw new CommandErrorException("takes no arguments")),
        },
    ];

    /// <summary>Reads "1_000_000:12".</summary>
    public static ExecutionPoint Point(string text)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        return Number(colon < 0 ? text : text[..colon]) is { } instructions && (colon < 0 ? 0 : Number(text[(colon + 1)..])) is { } events
            ? new ExecutionPoint(instructions, events)
            : throw new CommandErrorException($"{text}: not a point; write N or N:E, as `point` tells");
    }

    private static ulong? Number(string text) =>
        ulong.TryParse(text.Trim().Replace("_", "", StringComparison.Ordinal).Replace(",", "", StringComparison.Ordinal), NumberStyles.None, CultureInfo.InvariantCulture, out ulong value) ? value : null;

    private static CommandReply Repeat(CommandContext context, string arguments, Func<DebugStop> step)
    {
        ulong count = context.Count(arguments, 1);
        DebugStop stop = context.Session.LastStop;
        for (ulong n = 0; n < count; n++)
        {
            stop = step();
            if (stop.Cause != StopCause.Stepped)
            {
                break;
            }
        }

        return RunningCommands.Report(context, stop);
    }

    // A point is where the guest stood between two things that happened; of one where nothing stood, the next is meant, and that is said.
    private static CommandReply GoTo(CommandContext context, string arguments)
    {
        DebugSession session = context.Session;
        ExecutionPoint wanted = Point(arguments);
        DebugStop stop = session.GoTo(wanted);
        bool isThere = arguments.Contains(':', StringComparison.Ordinal) ? session.Point == wanted : session.Point.Instructions == wanted.Instructions;
        return RunningCommands.Report(context, stop.Cause == StopCause.Reached && !isThere ? stop with { Text = Invariant($"the guest never was at {wanted}: {session.Point} is the first point behind it") } : stop);
    }

    private static CommandReply LastWrite(CommandContext context, string arguments)
    {
        DebugSession session = context.Session;
        ExecutionPoint here = session.Point;
        DebugStop stop = GoToLastWrite(context, arguments);
        if (stop.Cause != StopCause.HistoryBegin || session.History.Unavailable is not null)
        {
            return RunningCommands.Report(context, stop);
        }

        // The beginning is nowhere that anybody asked for.
        stop = session.Point == here ? stop : session.GoTo(here);
        string told = Invariant($"nothing has stored there since {session.History.Begin}, the beginning of the history: the guest stays where it was");
        CommandReply reply = RunningCommands.Report(context, stop with { Text = stop.Cause is StopCause.Reached or StopCause.HistoryBegin ? told : stop.Text });
        return stop.Cause is StopCause.Reached or StopCause.HistoryBegin ? reply : reply with { Text = told + "\n" + reply.Text };
    }

    private static CommandReply Who(CommandContext context, string arguments)
    {
        DebugSession session = context.Session;
        ExecutionPoint here = session.Point;
        DebugStop stop = GoToLastWrite(context, arguments);
        string answer = stop.Cause switch
        {
            StopCause.Reached => $"{StopText.Place(session)}  {session.NextInstruction().Text}\nstores there, or its fault; goto {session.Point} leads to it{(SourceText.Of(session) is { } source ? "\n" + source : "")}",
            StopCause.HistoryBegin when session.Point <= session.History.Begin && session.History.Unavailable is null => Invariant($"nothing has stored there since {session.History.Begin}, the beginning of the history"),
            _ => stop.Text,
        };
        if (session.Point != here)
        {
            _ = session.GoTo(here);
        }

        return new CommandReply(answer);
    }

    private static DebugStop GoToLastWrite(CommandContext context, string arguments)
    {
        int comma = arguments.LastIndexOf(',');
        string what = (comma < 0 ? arguments : arguments[..comma]).Trim();
        uint length = comma < 0 ? 0 : (uint)Math.Min(context.Unsigned(arguments[(comma + 1)..].Trim()), 1 << 20);
        if (comma >= 0 && length == 0)
        {
            throw new CommandErrorException("a length is at least 1");
        }

        DebugSession session = context.Session;
        (ulong address, uint bytes, bool isPhysical) = what.StartsWith("phys:", StringComparison.Ordinal) ? (context.Value(what[5..].Trim()), 1u, true)
            : context.TryPlace(what) is { } place ? (place.Address, (uint)place.Size, place.IsPhysical)
            : (context.Address(what), 1u, false);
        return session.GoToLastWrite(address, length == 0 ? bytes : length, isPhysical);
    }

    private static string Describe(DebugSession session)
    {
        ExecutionHistory history = session.History;
        return history.Unavailable is { } reason ? $"nobody can go back here: {reason}"
            : Invariant($"from {history.Begin} to {history.End}, now at {session.Point}; {history.Checkpoints} checkpoint{(history.Checkpoints == 1 ? "" : "s")}, {history.Bytes >> 10:N0} KiB of old pages");
    }
}
