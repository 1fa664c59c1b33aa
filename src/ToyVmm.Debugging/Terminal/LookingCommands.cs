using System.Collections.Immutable;
using System.Text;
using ToyVmm.Debugging.Expressions;
using ToyVmm.Debugging.Inspecting;
using ToyVmm.Debugging.Monitoring;
using ToyVmm.Debugging.Registers;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines.Symbols;
using static System.FormattableString;

namespace ToyVmm.Debugging.Terminal;

/// <summary>The commands that look at registers, values, memory and code.</summary>
internal static class LookingCommands
{
    private const int MostSymbols = 200;

    public static ImmutableArray<CommandDefinition> All { get; } =
    [
        new("where", CommandGroup.Looking, "", "where the guest is, and why it stands still")
        {
            Aliases = ["w"],
            Examples = [new("where", "the last stop again")],
            Execute = (context, arguments) => new CommandReply(StopText.Describe(context, context.Session.LastStop)),
        },
        new("regs", CommandGroup.Looking, "[GROUP | NAME]...", "show registers")
        {
            Aliases = ["r", "registers"],
            Completes = CompletionKind.Expressions,
            Words = [.. Enum.GetNames<RegisterGroup>().Select(name => name.ToLowerInvariant()), "all"],
            Help = "Without an argument: the general registers, flags and selectors. Groups: " + string.Join(", ", Enum.GetNames<RegisterGroup>().Select(name => name.ToLowerInvariant())) + ", all. A star marks what the last command changed.",
            Examples = [new("regs", "the usual ones"), new("regs control", "CR0 to CR4"), new("regs eax esp", "two of them"), new("r all", "every one")],
            Execute = Registers,
        },
        new("flags", CommandGroup.Looking, "", "show the flags by name")
        {
            Examples = [new("flags", "those that are set")],
            Execute = (context, _) => new CommandReply(Invariant($"eflags {(uint)RegisterTable.Find("eflags")!.Read(context.Session.Machine):x8}  {StopDescription.Flags(context.Session)}")),
        },
        new("print", CommandGroup.Looking, "[/FORMAT] EXPRESSION[, EXPRESSION]...", "print the values of expressions")
        {
            Aliases = ["p"],
            Completes = CompletionKind.Expressions,
            Help = "Formats: x hexadecimal, d signed, u unsigned, o octal, b binary, c character, a address with its symbol, s the string in memory there. Registers and their parts (eax, al, eflags.zf, cr0.pg, cs.base), memory as NASM writes it (byte [ebx+4], word [ss:sp], dword phys [0x1000]) or C (*(u16*)x), symbols, the counts instructions and events, ticks, time, and C's operators.",
            Examples = [new("print eax", "hexadecimal and decimal"), new("p/d (s32)eax", "signed"), new("p word [ss:sp]", "memory"), new("p/x cr0 & 1", "an operation"), new("p instructions", "a count"), new("p/x eax, ebx, [esp]", "three values")],
            Execute = Print,
        },
        new("x", CommandGroup.Looking, "[/NFU] ADDRESS", "show linear memory: N units, format F of x d u o c i s, unit U of b h w g")
        {
            Completes = CompletionKind.Expressions,
            Repeats = true,
            Help = "Memory that belongs to a device is not read. Enter goes on behind it.",
            Examples = [new("x/16xb 0x7c00", "sixteen bytes"), new("x/4i eip", "four instructions"), new("x/8xw esp", "eight words of the stack"), new("x/s 0x7c00", "a string")],
            Execute = (context, arguments) => Dump(context, arguments, physical: false),
        },
        new("xp", CommandGroup.Looking, "[/NFU] ADDRESS", "show physical memory")
        {
            Completes = CompletionKind.Expressions,
            Repeats = true,
            Examples = [new("xp/8xw 0x1000", "eight words"), new("xp/16xb 0xb8000", "what of the screen is memory, and not a device")],
            Execute = (context, arguments) => Dump(context, arguments, physical: true),
        },
        new("disas", CommandGroup.Looking, "[/N] [PLACE]", "disassemble, in the present mode")
        {
            Aliases = ["dasm"],
            Completes = CompletionKind.Symbols,
            Repeats = true,
            Help = "With the names of symbols and the source lines. Without a place it begins at the next instruction; Enter goes on. => is the next instruction, * a breakpoint.",
            Examples = [new("disas", "from here on"), new("disas/5 0x7c00", "five instructions")],
            Execute = Disassemble,
        },
        new("symbols", CommandGroup.Looking, "[TEXT]", "list the symbols whose names contain a text")
        {
            Aliases = ["sym"],
            Completes = CompletionKind.Symbols,
            Examples = [new("symbols", "the first of all"), new("symbols main", "those with \"main\"")],
            Execute = Symbols,
        },
        new("point", CommandGroup.Looking, "", "where in its history the guest is")
        {
            Aliases = ["time"],
            Help = "Instructions retired, events delivered, and the guest's clock: what `goto` and `until` take.",
            Examples = [new("point", "INSTRUCTIONS:EVENTS")],
            Execute = (context, _) =>
            {
                Hardware.Time.VirtualClock clock = context.Session.Machine.Machine.Clock;
                return new CommandReply(Invariant($"point {context.Session.Point}: {context.Session.Point.Instructions:N0} instructions, {context.Session.Point.Events:N0} events, {clock.Now / (double)clock.Frequency:N9} s"));
            },
        },
    ];

    private static CommandReply Registers(CommandContext context, string arguments)
    {
        string[] words = Words.All(arguments);
        if (words.Length == 0)
        {
            return new CommandReply(RegisterLines(context, Chosen(["general", "cs", "ss", "ds", "es", "fs", "gs", "cpl", "eflags"]), context.Options.IsLinear));
        }

        return new CommandReply(RegisterLines(context, Chosen(words), context.Options.IsLinear));
    }

    private static List<RegisterField> Chosen(string[] words)
    {
        List<RegisterField> chosen = [];
        foreach (string word in words)
        {
            if (word == "all")
            {
                chosen.AddRange(RegisterTable.All.Select(register => RegisterTable.Find(register.Name)!));
            }
            else if (Enum.TryParse(word, ignoreCase: true, out RegisterGroup group) && !char.IsAsciiDigit(word[0]))
            {
                chosen.AddRange(RegisterTable.All.Where(register => register.Group == group).Select(register => RegisterTable.Find(register.Name)!));
            }
            else if (RegisterTable.Find(word) is { } field)
            {
                chosen.Add(field);
            }
            else
            {
                string? near = NearestName.Of(word, RegisterTable.Names.Concat(Enum.GetNames<RegisterGroup>().Select(name => name.ToLowerInvariant())));
                throw new CommandErrorException($"there is no register or group {word}{(near is null ? "" : $"; did you mean {near}?")}");
            }
        }

        return chosen;
    }

    private static string RegisterLines(CommandContext context, List<RegisterField> fields, bool linear)
    {
        const int Columns = 4;
        StringBuilder text = new();
        int column = 0;
        foreach (RegisterField field in fields)
        {
            UInt128 value = field.Read(context.Session.Machine);
            string digits = value.ToString("x" + ((field.Bits + 3) / 4).ToString(System.Globalization.CultureInfo.InvariantCulture), System.Globalization.CultureInfo.InvariantCulture);
            bool changed = context.Registers.ChangedNames.Contains(field.Name);
            string flags = field.Name == "eflags" ? $" [{StopDescription.Flags(context.Session)}]" : "";
            if (linear)
            {
                _ = text.Append(Invariant($"{field.Name} {digits}{flags}{(changed ? ", changed" : "")}\n"));
                continue;
            }

            bool wide = field.Bits > 32 || flags.Length > 0;
            if (wide && column > 0)
            {
                _ = text.Append('\n');
                column = 0;
            }

            _ = text.Append(Invariant($"{(changed ? '*' : ' ')}{field.Name,-10} {digits}{flags}"));
            if (wide || ++column == Columns)
            {
                _ = text.Append('\n');
                column = 0;
            }
            else
            {
                _ = text.Append(' ', Math.Max(1, 12 - digits.Length));
            }
        }

        return string.Join('\n', text.ToString().TrimEnd().Split('\n').Select(line => line.TrimEnd()));
    }

    private static CommandReply Print(CommandContext context, string arguments)
    {
        FormatArgument format = FormatArgument.Parse(arguments);
        if (format.Letter == 'i' || format.Unit != ' ' || format.Count != 1)
        {
            throw new CommandErrorException($"a format is one of {ValueText.Formats}; x shows memory");
        }

        // All are parsed before one is printed: an error is the only answer.
        (string Text, Expression Value)[] values = [.. Words.AtCommas(format.Rest).Select(text => (text, context.Parse(text)))];
        return new CommandReply(string.Join('\n', values.Select(value => $"{value.Text} = {ValueText.Of(context.Session, value.Value.Evaluate(context.Values), format.Letter)}")));
    }

    private static CommandReply Dump(CommandContext context, string arguments, bool physical)
    {
        FormatArgument format = FormatArgument.Parse(arguments);
        uint address = format.Rest.Length == 0 ? context.NextDump : physical ? (uint)context.Value(format.Rest) : context.Address(format.Rest);
        context.RepeatLine = (physical ? "xp" : "x") + (arguments.StartsWith('/') ? Words.First(arguments).First : "");
        if (format.Letter == 's' && !physical)
        {
            ExpressionValue place = new(address, ExpressionType.U32);
            return new CommandReply(Invariant($"{address:x8}: {ValueText.Of(context.Session, place, 's')}"));
        }

        if (format.Letter == 'i' && !physical)
        {
            IReadOnlyList<CodeLine> lines = context.Session.Inspector.Disassemble(new CodePlace(address), format.Count);
            context.NextDump = lines[^1].Address + (uint)lines[^1].Instruction.Length;
            return new CommandReply(SpokenText.Of(context, context.Session.Inspector.Show(lines)));
        }

        if (format.Letter is 's' or 'a' or 'b')
        {
            throw new CommandErrorException("formats here are x d u o c i, and s of linear memory");
        }

        char letter = format.Letter == ' ' ? 'x' : format.Letter;
        char unit = format.UnitBytes switch { 1 => 'b', 2 => 'h', 8 => 'g', _ => 'w' };
        MonitorReply reply = new MonitorCommands(context.Session.Inspector).Execute(Invariant($"{(physical ? "xp" : "x")}/{format.Count}{letter}{(letter == 'i' ? "" : unit)} 0x{address:x}"));
        context.NextDump = address + (uint)(format.Count * format.UnitBytes);
        return new CommandReply(reply.Text, reply.IsError);
    }

    private static CommandReply Disassemble(CommandContext context, string arguments)
    {
        const int Lines = 10;
        FormatArgument format = FormatArgument.Parse(arguments);
        int count = arguments.StartsWith('/') ? format.Count : Lines;
        CpuState cpu = context.Session.Cpu;
        uint address = format.Rest.Length > 0 ? context.Address(format.Rest) : context.NextCode ?? (cpu.Cs.Base + cpu.Eip);
        context.RepeatLine = arguments.StartsWith('/') ? $"disas{Words.First(arguments).First}" : "disas";
        IReadOnlyList<CodeLine> lines = context.Session.Inspector.Disassemble(new CodePlace(address), count);
        context.NextCode = lines[^1].Address + (uint)lines[^1].Instruction.Length;
        return new CommandReply(SpokenText.Of(context, context.Session.Inspector.Show(lines)));
    }

    private static CommandReply Symbols(CommandContext context, string arguments)
    {
        Symbol[] found = [.. context.Session.Symbols.All.Where(symbol => symbol.Name.Contains(arguments, StringComparison.Ordinal)).Take(MostSymbols + 1)];
        string more = found.Length > MostSymbols ? $"\nand more: say a part of the name" : "";
        return found.Length == 0
            ? new CommandReply(context.Session.Symbols.Count == 0 ? "there are no symbols: --symbols FILE names a file of them" : $"no symbol contains {arguments}")
            : new CommandReply(string.Join('\n', found.Take(MostSymbols).Select(symbol => Invariant($"{symbol.Address:x8} {symbol.Kind.ToString().ToLowerInvariant(),-8} {symbol.Name}"))) + more);
    }
}
