using System.Collections.Immutable;
using System.Globalization;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Terminal;

/// <summary>The commands that go back, and to any place in the guest's history.</summary>
internal static class TimeTravelCommands
{
    public static ImmutableArray<CommandDefinition> All { get; } =
    [
        new("goto", CommandGroup.TimeTravel, "N[:E]", "go where N instructions have retired, and E events were delivered")
        {
            Aliases = ["g"],
            Help = "What `point` and every stop tell. Breakpoints on the way do not stop the guest where E is given.",
            Examples = [new("goto 300_000", "an instruction count"), new("g 300_000:5", "behind the fifth event, exactly")],
            Execute = GoTo,
        },
    ];

    /// <summary>Reads "1_000_000:12".</summary>
    public static (ulong Instructions, ulong? Events) Point(string text)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        string count = colon < 0 ? text : text[..colon];
        return Number(count) is { } instructions && (colon < 0 || Number(text[(colon + 1)..]) is not null)
            ? (instructions, colon < 0 ? null : Number(text[(colon + 1)..]))
            : throw new CommandErrorException($"{text}: not a point; write N or N:E, as `point` tells");
    }

    private static ulong? Number(string text) =>
        ulong.TryParse(text.Trim().Replace("_", "", StringComparison.Ordinal).Replace(",", "", StringComparison.Ordinal), NumberStyles.None, CultureInfo.InvariantCulture, out ulong value) ? value : null;

    private static CommandReply GoTo(CommandContext context, string arguments)
    {
        (ulong instructions, ulong? events) = Point(arguments);
        DebugSession session = context.Session;
        if (instructions < session.Point.Instructions)
        {
            throw new CommandErrorException("that is over");
        }

        DebugStop stop = session.RunToInstruction(instructions);
        while (events is { } wanted && stop.Cause is StopCause.Reached or StopCause.Stepped && session.Point.Instructions == instructions && session.Point.Events < wanted)
        {
            stop = session.Step(StepKind.Instruction);
        }

        return RunningCommands.Report(context, stop);
    }
}
