using System.Collections.Immutable;
using System.Text;
using ToyVmm.Debugging.Expressions;
using static System.FormattableString;

namespace ToyVmm.Debugging.Terminal;

/// <summary>The commands about breakpoints, watchpoints and log points.</summary>
internal static class BreakpointCommands
{
    private const string IfHelp = "Behind \"if\" stands a condition: the guest goes on where it does not hold.";

    public static ImmutableArray<CommandDefinition> All { get; } =
    [
        new("break", CommandGroup.Breakpoints, "[PLACE | KIND ...] [if CONDITION]", "stop before the instruction at a place")
        {
            Aliases = ["b", "br"],
            Completes = CompletionKind.Symbols,
            Help = "A place is a linear address, a symbol or an expression; SEGMENT:OFFSET in hexadecimal; phys:ADDRESS; or FILE:LINE. Without one it is the next instruction. Behind \"break\" may also stand a kind and what belongs to it: "
                + string.Join(", ", SpecParser.Kinds) + ". " + IfHelp,
            Examples =
            [
                new("break 0x7c00", "a linear address"), new("break 0000:7c10", "CS and EIP, whatever the segment's base"), new("break phys:0x100000", "wherever it is mapped"),
                new("b eip+5 if ecx == 0", "with a condition"), new("break mode", "a change of mode"), new("break space if cr3 != 0x1000", "CR3 gets another value"),
            ],
            Execute = (context, arguments) => Add(context, arguments, SpecParser.Any),
        },
        new("tbreak", CommandGroup.Breakpoints, "[PLACE | KIND ...] [if CONDITION]", "the same, for one stop")
        {
            Aliases = ["tb"],
            Completes = CompletionKind.Symbols,
            Examples = [new("tbreak 0x7c00", "removed when it has stopped the guest")],
            Execute = (context, arguments) => Add(context, arguments, SpecParser.Any, temporary: true),
        },
        Kind("watch", [], "ADDRESS[,LENGTH] [if CONDITION]", "stop behind what writes to memory", [new("watch 0x7e00", "four bytes"), new("watch byte [0xb8000]", "one byte"), new("watch esp-16,16", "sixteen"), new("watch phys:0x7e00,2", "of physical memory")]),
        Kind("rwatch", ["rw"], "ADDRESS[,LENGTH] [if CONDITION]", "stop behind what reads memory", [new("rwatch 0x7e00,2", "two bytes")]),
        Kind("awatch", ["aw"], "ADDRESS[,LENGTH] [if CONDITION]", "stop behind what reads or writes memory", [new("awatch 0x7e00", "four bytes")]),
        Kind("wchange", ["wc"], "ADDRESS[,LENGTH] [if CONDITION]", "stop behind what changes memory", [new("wchange 0x7e00", "not where the same is written again")]),
        Kind("port", [], "[in | out] PORT[-LAST] [if CONDITION]", "stop behind an access to a port", [new("port 0x3f8", "IN and OUT"), new("port out 0x20-0x21", "what is written to the first 8259A"), new("port 0x60 in if al == 0x1c", "the Enter key")]),
        Kind("cr", [], "N [if CONDITION]", "stop behind a write to a control register", [new("cr 0", "MOV to CR0, LMSW, CLTS"), new("cr 3 if cr3 == 0x5000", "one address space")]),
        Kind("msr", [], "NUMBER [if CONDITION]", "stop behind a write to a model-specific register", [new("msr 0x174", "IA32_SYSENTER_CS")]),
        Kind("vector", ["vec"], "NUMBER | NAME [if CONDITION]", "stop at the handler of an interrupt or exception", [new("vector 0x20", "the timer, on most guests"), new("vector #PF", "page faults"), new("vector 14 if cr2 >= 0xc0000000", "some of them")]),
        Kind("hypercall", ["hc"], "NUMBER | NAME [if CONDITION]", "stop behind a hypercall", [new("hypercall 1", "by its number")]),
        Kind("at", [], "N [if CONDITION]", "stop when N instructions have retired", [new("at 100_000", "since power-on")]),
        Kind("sensitive", [], "[if CONDITION]", "stop before each sensitive instruction, in Popek and Goldberg's sense", [new("sensitive if cpl == 3", "in user mode"), new("sensitive", "any; the guest is interpreted meanwhile")]),
        new("log", CommandGroup.Breakpoints, "PLACE | KIND ... [if CONDITION] \"TEXT {EXPRESSION}\"", "print a line at each hit, and go on")
        {
            Completes = CompletionKind.Symbols,
            Help = "In the text, {EXPRESSION} is its value then; {EXPRESSION:x} in hexadecimal, :d signed, :u unsigned, :c as a character, :s the string in memory there. {{ is a brace.",
            Examples = [new("log 0x7c10 \"cx is {cx}\"", "at a place"), new("log port out 0x3f8 \"sent {al:c}\"", "at an event"), new("log eip if hits < 10 \"round {hits:u}\"", "ten times")],
            Execute = Log,
        },
        new("condition", CommandGroup.Breakpoints, "N [EXPRESSION]", "give breakpoint N a condition, or take it away")
        {
            Aliases = ["cond"],
            Completes = CompletionKind.Expressions,
            Examples = [new("condition 1 eax == 5", "stop only then"), new("condition 1", "stop always")],
            Execute = Condition,
        },
        new("ignore", CommandGroup.Breakpoints, "N COUNT", "pass over breakpoint N so many times")
        {
            Examples = [new("ignore 1 10", "stop at the eleventh hit")],
            Execute = Ignore,
        },
        Switch("enable", ["en"], "switch breakpoints on", [new("enable 1", "one"), new("enable", "all")], (_, breakpoint) => breakpoint.IsEnabled = true),
        Switch("disable", ["dis"], "switch breakpoints off", [new("disable 1 2", "two of them"), new("disable", "all")], (_, breakpoint) => breakpoint.IsEnabled = false),
        Switch("delete", ["d", "del"], "remove breakpoints", [new("delete 1", "one"), new("delete", "all")], (session, breakpoint) => session.Breakpoints.Remove(breakpoint.Id)),
        new("breakpoints", CommandGroup.Breakpoints, "", "list the breakpoints, with their hits")
        {
            Aliases = ["bl"],
            Examples = [new("breakpoints", "all of them"), new("bl", "the same")],
            Execute = (context, arguments) => new CommandReply(List(context.Session, arguments)),
        },
    ];

    /// <summary>The list of the breakpoints.</summary>
    public static string List(DebugSession session, string arguments)
    {
        if (arguments.Length > 0)
        {
            throw new CommandErrorException("takes no arguments");
        }

        if (session.Breakpoints.Count == 0)
        {
            return "there are no breakpoints";
        }

        StringBuilder text = new();
        foreach (Breakpoint one in session.Breakpoints)
        {
            _ = text.Append(Invariant($"{one.Id,3}  {(one.IsEnabled ? "on " : "off")}  {one.Spec.Text}"));
            _ = one.ConditionText is { } condition ? text.Append($" if {condition}") : text;
            _ = one.LogText is { } log ? text.Append($", logs \"{log}\"") : text;
            _ = one.IsTemporary ? text.Append(", once") : text;
            _ = one.IgnoreCount > 0 ? text.Append(Invariant($", passed over {one.IgnoreCount} times more")) : text;
            _ = text.Append(Invariant($"; {one.Hits} hit{(one.Hits == 1 ? "" : "s")}\n"));
        }

        return text.ToString().TrimEnd('\n');
    }

    private static CommandDefinition Kind(string name, string[] aliases, string arguments, string summary, CommandExample[] examples) =>
        new(name, CommandGroup.Breakpoints, arguments, summary)
        {
            Aliases = aliases,
            Completes = name is "watch" or "rwatch" or "awatch" or "wchange" ? CompletionKind.Symbols : CompletionKind.Expressions,
            Help = name is "watch" or "rwatch" or "awatch" or "wchange"
                ? "What the CPU does for itself (descriptors, interrupt frames) counts; page walks, instruction fetches and what devices store do not. " + IfHelp
                : IfHelp,
            Examples = examples,
            Execute = (context, text) => Add(context, text, (c, rest) => SpecParser.Of(c, name, rest)),
        };

    private static CommandDefinition Switch(string name, string[] aliases, string summary, CommandExample[] examples, Action<DebugSession, Breakpoint> change) =>
        new(name, CommandGroup.Breakpoints, "[N]...", summary)
        {
            Aliases = aliases,
            Help = "Without a number: all of them.",
            Examples = examples,
            Execute = (context, arguments) =>
            {
                DebugSession session = context.Session;
                Breakpoint[] chosen = arguments.Length == 0 ? [.. session.Breakpoints] : [.. Words.All(arguments).Select(number => Find(session, number))];
                foreach (Breakpoint one in chosen)
                {
                    change(session, one);
                }

                return new CommandReply("");
            },
        };

    private static CommandReply Add(CommandContext context, string arguments, Func<CommandContext, string, BreakpointSpec> parse, bool temporary = false)
    {
        (string what, string? condition) = Words.AtIf(arguments);
        BreakpointSpec spec = parse(context, what);
        Expression? parsed = condition is null ? null : context.Parse(condition);
        Breakpoint one = context.Session.Breakpoints.Add(spec);
        one.IsTemporary = temporary;
        one.SetCondition(parsed);
        return new CommandReply(Invariant($"{(spec is DataSpec ? "watchpoint" : "breakpoint")} {one.Id}: {spec.Text}{(condition is null ? "" : $" if {condition}")}"));
    }

    private static CommandReply Log(CommandContext context, string arguments)
    {
        int quote = arguments.IndexOf(" \"", StringComparison.Ordinal);
        if (quote < 0 || Words.Unquote(arguments[(quote + 1)..].Trim()) is not { } line)
        {
            const string Form = "write log PLACE \"eax is {eax}\"";
            throw new CommandErrorException(
                quote < 0 && !arguments.AsSpan().ContainsAny("\"{") ? $"the text is missing: {Form}"
                : quote < 0 ? $"the quote before the text is missing: {Form}"
                : arguments.TrimEnd() is var text && (text.Length == quote + 2 || text[^1] != '"') ? $"the quote behind the text is missing: {Form}"
                : "the text makes no sense: in it, a quote is \\\", a backslash \\\\, and \\n, \\r, \\t and \\xNN are what they are in C");
        }

        (string what, string? condition) = Words.AtIf(arguments[..quote].Trim());
        BreakpointSpec spec = SpecParser.Any(context, what);
        LogTemplate template = new(context, line);
        Expression? parsed = condition is null ? null : context.Parse(condition);
        Breakpoint one = context.Session.Breakpoints.Add(spec);
        one.SetCondition(parsed);
        one.LogText = line;
        one.LogLine = session => template.Line(session, one.Hits);
        return new CommandReply(Invariant($"log point {one.Id}: {spec.Text}{(condition is null ? "" : $" if {condition}")}"));
    }

    private static CommandReply Condition(CommandContext context, string arguments)
    {
        (string number, string expression) = Words.First(arguments);
        Breakpoint one = Find(context.Session, number);
        one.SetCondition(expression.Length == 0 ? null : context.Parse(expression));
        return new CommandReply(expression.Length == 0 ? Invariant($"breakpoint {one.Id} stops always") : Invariant($"breakpoint {one.Id} stops if {expression}"));
    }

    private static CommandReply Ignore(CommandContext context, string arguments)
    {
        (string number, string count) = Words.First(arguments);
        Breakpoint one = Find(context.Session, number);
        one.IgnoreCount = count.Length == 0 ? throw new CommandErrorException("how often?") : context.Unsigned(count);
        return new CommandReply(Invariant($"breakpoint {one.Id} is passed over {one.IgnoreCount} times"));
    }

    private static Breakpoint Find(DebugSession session, string number) =>
        number.Length == 0 ? throw new CommandErrorException("the number of a breakpoint is missing")
        : int.TryParse(number, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out int id) && session.Breakpoints.Find(id) is { } one ? one
        : throw new CommandErrorException($"there is no breakpoint {number}; bl lists them");
}
