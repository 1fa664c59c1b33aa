using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;
using ToyVmm.Debugging.Expressions;
using static System.FormattableString;

namespace ToyVmm.Debugging.Terminal;

/// <summary>The commands that change the guest, give it input, and save it.</summary>
internal static class StateCommands
{
    public static ImmutableArray<CommandDefinition> All { get; } =
    [
        new("set", CommandGroup.State, "REGISTER | MEMORY = EXPRESSION", "change a register or memory")
        {
            Completes = CompletionKind.Expressions,
            Help = "Memory is written as it is read: byte [ebx], dword phys [0x1000]. The CPU's rules hold: reserved bits stay, a selector loads its descriptor. What was kept of the guest's future is gone then.",
            Examples = [new("set eax = 5", "a register"), new("set eflags.cf = 1", "a flag"), new("set word [0x7e00] = ax + 1", "memory"), new("set byte phys [0x500] = 'A'", "physical memory")],
            Execute = Set,
        },
        new("input", CommandGroup.State, "\"TEXT\"", "send bytes to the guest's COM1")
        {
            Help = "The guest takes them when it goes on. \\n, \\r, \\t, \\\\, \\\" and \\xNN are what they are in C.",
            Examples = [new("input \"ls\\r\"", "a line for a shell")],
            Execute = Input,
        },
        new("sendkey", CommandGroup.State, "KEYS", "press keys of the PS/2 keyboard together")
        {
            Examples = [new("sendkey a", "one key"), new("sendkey ctrl-alt-delete", "three")],
            Execute = (context, arguments) => Changed(context, "sendkey " + arguments),
        },
        new("snapshot", CommandGroup.State, "FILE", "save the machine to a file")
        {
            Completes = CompletionKind.Files,
            Help = "toyvmm run --from FILE and toyvmm debug --from FILE go on from it.",
            Examples = [new("snapshot here.toyvmm", "from now on")],
            Execute = (context, arguments) => MachineCommands.Monitor(context, "snapshot " + (arguments.Length == 0 ? "" : context.File(arguments))),
        },
        new("memory-add", CommandGroup.State, "SIZE", "give the guest more memory, as far as --memory-max goes")
        {
            Help = "Needs a machine with --memory-max; the guest hears of it when it goes on.",
            Examples = [new("memory-add 16M", "sixteen MiB")],
            Execute = (context, arguments) => Changed(context, "memory-add " + arguments),
        },
        new("balloon", CommandGroup.State, "SIZE", "ask the guest to give so much memory back")
        {
            Examples = [new("balloon 4M", "four MiB"), new("balloon 0", "none")],
            Execute = (context, arguments) => Changed(context, "balloon " + arguments),
        },
    ];

    private static CommandReply Changed(CommandContext context, string line)
    {
        context.Session.NoteChange();
        return MachineCommands.Monitor(context, line);
    }

    private static CommandReply Set(CommandContext context, string arguments)
    {
        int equals = Assignment(arguments);
        if (equals < 0)
        {
            throw new CommandErrorException("write set REGISTER = EXPRESSION, or set dword [ADDRESS] = EXPRESSION");
        }

        string target = arguments[..equals].Trim();
        ulong value = context.Value(arguments[(equals + 1)..].Trim());
        if (!context.Parse(target).TryGetPlace(context.Values, out ExpressionPlace place, out string? problem))
        {
            throw new CommandErrorException($"{target}: {problem}");
        }

        DebugSession session = context.Session;
        if (place.Register is { } register)
        {
            session.NoteChange();
            problem = register.TryWrite(session.Machine, register.Bits >= 64 ? value : value & ((1ul << register.Bits) - 1));
            return problem is null
                ? new CommandReply(Invariant($"{register.Name} = 0x{register.Read(session.Machine):x}"))
                : throw new CommandErrorException(problem);
        }

        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, value);
        int written = place.IsPhysical ? session.Memory.WritePhysical(place.Address, bytes.AsSpan(0, place.Size)) : session.Memory.WriteLinear((uint)place.Address, bytes.AsSpan(0, place.Size));
        return written == place.Size
            ? new CommandReply(Invariant($"{target} = 0x{(place.Size == 8 ? value : value & ((1ul << (8 * place.Size)) - 1)):x}"))
            : throw new CommandErrorException(Invariant($"{target}: there is no RAM at {place.Address:x8}"));
    }

    // The '=' that is not part of ==, <=, >= or !=.
    private static int Assignment(string text)
    {
        for (int n = 1; n < text.Length - 1; n++)
        {
            if (text[n] == '=' && text[n + 1] != '=' && text[n - 1] is not ('=' or '<' or '>' or '!'))
            {
                return n;
            }
        }

        return -1;
    }

    private static CommandReply Input(CommandContext context, string arguments)
    {
        if (Words.Unquote(arguments) is not { } text)
        {
            throw new CommandErrorException("write the text in double quotes: input \"ls\\r\"");
        }

        // \xNN is a byte; any other character is what UTF-8 makes of it.
        byte[] bytes = [.. text.SelectMany(c => c < 0x100 ? [(byte)c] : Encoding.UTF8.GetBytes(c.ToString()))];
        context.Session.NoteChange();
        context.Session.Machine.Input.Enqueue(bytes);
        return new CommandReply(Invariant($"{bytes.Length} byte{(bytes.Length == 1 ? "" : "s")} for COM1; the guest takes {(bytes.Length == 1 ? "it" : "them")} when it goes on"));
    }
}
