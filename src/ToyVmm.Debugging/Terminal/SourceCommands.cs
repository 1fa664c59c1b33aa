using System.Collections.Immutable;
using System.Text;
using ToyVmm.VirtualMachines.Symbols;
using static System.FormattableString;

namespace ToyVmm.Debugging.Terminal;

/// <summary>The command that shows the guest's source.</summary>
internal static class SourceCommands
{
    private const int Shown = 10;

    public static ImmutableArray<CommandDefinition> All { get; } =
    [
        new("list", CommandGroup.Looking, "[PLACE | FILE:LINE]", "show the source around a place")
        {
            Aliases = ["l", "source"],
            Completes = CompletionKind.Symbols,
            Repeats = true,
            Help = "Without a place it begins around the next instruction; again, or with Enter, it goes on. Needs DWARF line tables, in the image or in a file of --symbols, and the sources, where they were compiled or in a directory of --source. => is the line of the next instruction, * a line with a breakpoint.",
            Examples = [new("list", "around the next instruction"), new("list kernel_main", "around a function"), new("list kernel.c:20", "around a line")],
            Execute = List,
        },
    ];

    private static CommandReply List(CommandContext context, string arguments)
    {
        DebugSession session = context.Session;
        if (session.Lines.Count == 0)
        {
            throw new CommandErrorException(SourcePlace.NoLines);
        }

        SourcePosition place = arguments.Length == 0 && context.NextSource is { } next ? next
            : SourcePlace.Split(arguments) is { } named ? Around(File(session, named.File), named.Line)
            : AroundAddress(session, arguments.Length == 0 ? session.Cpu.Cs.Base + session.Cpu.Eip : context.Address(arguments));
        IReadOnlyList<string> source = session.Inspector.Sources.Lines(place.File)
            ?? throw new CommandErrorException($"{place.File} is not to be found; --source DIRECTORY says where sources are");
        if (place.Line > source.Count)
        {
            throw new CommandErrorException($"{place.File} has {source.Count} lines");
        }

        SourceLine? here = session.Lines.Find(session.Cpu.Cs.Base + session.Cpu.Eip);
        HashSet<int> stops = [.. session.Breakpoints.Where(one => one.IsEnabled).Select(one => one.Spec).OfType<LinearSpec>()
            .Select(spec => session.Lines.Find(spec.Address)).Where(line => line?.File == place.File).Select(line => line!.Value.Line)];
        StringBuilder text = new();
        int end = Math.Min(place.Line + Shown - 1, source.Count);
        for (int n = place.Line; n <= end; n++)
        {
            bool isNext = here is { } now && now.File == place.File && now.Line == n;
            string line = context.Options.IsLinear
                ? Invariant($"{n}: {source[n - 1].Trim()}{(isNext ? ", next" : "")}{(stops.Contains(n) ? ", breakpoint" : "")}")
                : Invariant($"{(isNext ? "=>" : "  ")}{(stops.Contains(n) ? '*' : ' ')}{n,5}  {source[n - 1]}").TrimEnd();
            _ = text.Append(line).Append('\n');
        }

        context.NextSource = place with { Line = end + 1 };
        context.RepeatLine = "list";
        return new CommandReply(text.ToString().TrimEnd('\n'));
    }

    private static SourcePosition AroundAddress(DebugSession session, uint address) => session.Lines.Find(address) is { } line
        ? Around(line.File, line.Line)
        : throw new CommandErrorException(Invariant($"no source line is known of {address:x8}"));

    private static SourcePosition Around(string file, int line) => new(file, Math.Max(1, line - (Shown / 2)));

    // Any line of a source may be looked at, also one behind its last code.
    private static string File(DebugSession session, string name) => session.Lines.Find(name, 1) is [SourceLine first, ..] ? first.File
        : throw new CommandErrorException($"no source is called {name}{(NearestName.Of(name, session.Lines.Files.Select(file => file[(file.LastIndexOf('/') + 1)..])) is { } near ? $"; did you mean {near}?" : "")}");
}
