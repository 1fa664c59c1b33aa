using System.Globalization;
using System.Text;
using ToyVmm.Engines.Decoding;
using ToyVmm.VirtualMachines.Monitoring;

namespace ToyVmm.Debugging.Gdb;

/// <summary>gdb's <c>monitor</c> command: what gdb has no command for. A line in, text out.</summary>
/// <remarks>A command that moves the guest leaves gdb with what it believed of it: <c>maintenance flush register-cache</c> makes it look again.</remarks>
internal sealed class GdbMonitor
{
    private const int MostInstructions = 1000;

    // The machine's own commands that make no sense here: gdb lets the guest go on, and a client of a port writes no files of the host.
    private static readonly string[] s_refused = ["cont", "c", "quit", "q", "stop", "snapshot", "reset", "system_reset"];

    private readonly DebugSession _session;
    private readonly GdbRegisters _registers;
    private readonly GdbProtocol _protocol;
    private readonly MonitorCommands _commands;
    private readonly Disassembler _disassembler = new();
    private readonly List<Entry> _table;

    public GdbMonitor(DebugSession session, GdbRegisters registers, GdbProtocol protocol)
    {
        (_session, _registers, _protocol) = (session, registers, protocol);
        _commands = new MonitorCommands(session.Machine);
        _table =
        [
            new("help", "", "this list", _ => Help()),
            new("where", "", "CS:EIP, the linear address, the mode, the instruction, and how many instructions have run", _ => Where()),
            new("disassemble", "[ADDRESS] [COUNT]", "instructions from CS:EIP, or from a linear address, in the right mode (u)", Disassemble),
            new("goto", "N", "run to N retired instructions since power-on", GoTo),
            new("step", "KIND", "over, out, block, trap, interrupt, mode-switch or address-space: a step that gdb has not", Step),
            new("reset", "", "press the reset button: the image is loaded again", _ => Reset()),
            new("set pc", "HOW", "what gdb is shown as EIP: auto (the linear address in real mode), linear or offset", words => Set(words, "pc", value => _registers.ProgramCounter = value, _registers.ProgramCounter)),
            new("set stop-at-end", "WHEN", "stop once more before the guest's end is told: failures, always or never", words => Set(words, "stop-at-end", value => _protocol.StopAtEnd = value, _protocol.StopAtEnd)),
            new("set step-interrupts", "HOW", "external interrupts in a step: over (they run to their end) or into", StepInterrupts),
        ];
    }

    /// <summary>Executes a command.</summary>
    /// <returns>The answer's lines; may be empty.</returns>
    public string Execute(string line)
    {
        string[] words = line.Split((char[])[' ', '\t', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 0)
        {
            return Help();
        }

        foreach (Entry entry in _table)
        {
            string[] name = entry.Name.Split(' ');
            if (words.Length >= name.Length && name.SequenceEqual(words[..name.Length]))
            {
                return entry.Execute(words[name.Length..]);
            }
        }

        return words[0] switch
        {
            "u" => Disassemble(words[1..]),
            "set" => "set: pc, stop-at-end or step-interrupts",
            _ when s_refused.Contains(words[0]) => $"{words[0]}: not from gdb; monitor help lists the commands",
            _ => _commands.Execute(line.Trim()).Text,
        };
    }

    private string Help()
    {
        StringBuilder text = new();
        foreach (Entry entry in _table)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"  {entry.Name + " " + entry.Arguments,-32} {entry.Help}\n");
        }

        // The machine's commands, but for those that gdb has itself.
        foreach (string one in _commands.Execute("help").Text.Split('\n'))
        {
            string name = one.Trim().Split(' ')[0];
            if (name != "help" && !s_refused.Contains(name))
            {
                _ = text.Append(one).Append('\n');
            }
        }

        return text.ToString().TrimEnd('\n');
    }

    private string Where()
    {
        ref Hardware.Cpu.CpuState cpu = ref _session.Cpu;
        uint linear = cpu.Cs.Base + cpu.Eip;
        return string.Create(CultureInfo.InvariantCulture,
            $"{cpu.Cs.Selector:x4}:{cpu.Eip:x8}, linear 0x{linear:x8}{NameOf(linear)}, {_protocol.DescribeCpu()}\n{_session.NextInstruction().Text}\n{_session.Point.Instructions} instructions, {_session.Point.Events} interrupts and exceptions delivered");
    }

    private string NameOf(uint linear) => _session.Symbols.Find(linear) is { } symbol ? $" <{symbol}>" : "";

    private string Disassemble(string[] words)
    {
        ref Hardware.Cpu.CpuState cpu = ref _session.Cpu;
        uint place = cpu.Cs.Base + cpu.Eip;
        int count = 10;
        if (words.Length > 2 || (words.Length > 0 && !TryParseNumber(words[0], out place)) || (words.Length > 1 && (!int.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out count) || count is 0 or > MostInstructions)))
        {
            return $"disassemble: write a linear address, as 0x7c00, and a count of up to {MostInstructions}; nothing for what is next";
        }

        // The text shows where jumps lead to as offsets in CS, as the guest's own listing does.
        StringBuilder text = new();
        Span<byte> bytes = stackalloc byte[Disassembler.MaxInstructionLength];
        int bitness = cpu.Cs.Big ? 32 : 16;
        for (int n = 0; n < count; n++)
        {
            int read = _session.Memory.ReadLinear(place, bytes);
            if (read == 0)
            {
                _ = text.Append(CultureInfo.InvariantCulture, $"   0x{place:x8}  (no memory)\n");
                break;
            }

            DisassembledInstruction one = _disassembler.Disassemble(bytes[..read], bitness, place - cpu.Cs.Base);
            int length = Math.Clamp(one.Length, 1, read);
            _ = text.Append(CultureInfo.InvariantCulture, $"{(place == cpu.Cs.Base + cpu.Eip ? "=>" : "  ")} 0x{place:x8}{NameOf(place)}  {Convert.ToHexStringLower(bytes[..length]),-16}  {one.Text}\n");
            place += (uint)length;
        }

        return text.ToString().TrimEnd('\n');
    }

    private string GoTo(string[] words) =>
        words.Length == 1 && TryParseCount(words[0], out ulong count) ? Moved(_protocol.Move(() => _session.RunToInstruction(count))) : "goto: to how many instructions?";

    private string Step(string[] words)
    {
        StepKind? kind = words is [string name] ? name switch
        {
            "instruction" => StepKind.Instruction,
            "over" => StepKind.Over,
            "out" => StepKind.Out,
            "block" => StepKind.Block,
            "trap" => StepKind.Trap,
            "interrupt" => StepKind.Interrupt,
            "mode-switch" => StepKind.ModeSwitch,
            "address-space" => StepKind.AddressSpaceSwitch,
            _ => null,
        }
        : null;
        return kind is { } known ? Moved(_protocol.Move(() => _session.Step(known))) : "step: over, out, block, trap, interrupt, mode-switch or address-space";
    }

    private string Reset()
    {
        _protocol.Restart();
        return Where();
    }

    private string Moved(DebugStop stop) => (stop.Text.Length > 0 ? stop.Text + "\n" : "") + Where();

    private string StepInterrupts(string[] words)
    {
        if (words is ["over" or "into"])
        {
            _protocol.StepsIntoInterrupts = words[0] == "into";
        }

        return words is [] or ["over" or "into"] ? $"step-interrupts is {(_protocol.StepsIntoInterrupts ? "into" : "over")}" : "set step-interrupts: over or into";
    }

    private static string Set<T>(string[] words, string name, Action<T> set, T now)
        where T : struct, Enum
    {
        if (words.Length == 0)
        {
            return $"{name} is {now.ToString().ToLowerInvariant()}";
        }

        if (words.Length == 1 && !char.IsDigit(words[0][0]) && Enum.TryParse(words[0], ignoreCase: true, out T value) && Enum.IsDefined(value))
        {
            set(value);
            return $"{name} is {value.ToString().ToLowerInvariant()}";
        }

        return $"set {name}: {string.Join(", ", Enum.GetNames<T>()).ToLowerInvariant()}";
    }

    private static bool TryParseNumber(string text, out uint value) =>
        text.StartsWith("0x", StringComparison.OrdinalIgnoreCase) ? GdbText.TryParseAddress(text.AsSpan(2), out value) : uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);

    private static bool TryParseCount(string text, out ulong value) =>
        ulong.TryParse(text.Replace("_", "", StringComparison.Ordinal).Replace(",", "", StringComparison.Ordinal), NumberStyles.None, CultureInfo.InvariantCulture, out value);

    private sealed record Entry(string Name, string Arguments, string Help, Func<string[], string> Execute);
}
