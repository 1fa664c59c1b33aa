using System.Globalization;
using System.Text;
using ToyVmm.Debugging.Terminal;

namespace ToyVmm.Debugging.Gdb;

/// <summary>gdb's command <c>monitor</c>: the commands of the debugger's own prompt, and those that say how gdb is served. A line in, text out.</summary>
/// <remarks>A command that moves the guest leaves gdb with what it believed of it: <c>maintenance flush register-cache</c> makes it look again.</remarks>
internal sealed class GdbMonitor
{
    // Of the prompt itself, or with an effect on the host: who reaches the port may control the guest, and no more.
    private static readonly string[] s_refused = ["quit", "tui", "interact", "snapshot"];

    private readonly GdbRegisters _registers;
    private readonly GdbProtocol _protocol;
    private readonly CommandInterpreter _interpreter;
    private readonly List<Entry> _table;

    public GdbMonitor(DebugSession session, GdbRegisters registers, GdbProtocol protocol)
    {
        (_registers, _protocol) = (registers, protocol);
        _interpreter = new CommandInterpreter(session);
        _table =
        [
            new("set pc", "auto | linear | offset", "what gdb is shown as EIP: auto is the linear address in real mode", words => Set(words, "pc", value => _registers.ProgramCounter = value, _registers.ProgramCounter)),
            new("set stop-at-end", "failures | always | never", "which ends of the guest gdb gets to see before they are told", words => Set(words, "stop-at-end", value => _protocol.StopAtEnd = value, _protocol.StopAtEnd)),
            new("set step-interrupts", "over | into", "over: external interrupts run to their end within gdb's steps", words => Set(words, "step-interrupts", value => _protocol.StepInterrupts = value, _protocol.StepInterrupts)),
            new("reset", "", "press the reset button: the image is loaded again", _ => Reset()),
        ];
    }

    /// <summary>Executes a command.</summary>
    /// <returns>The answer's lines; may be empty.</returns>
    public string Execute(string line)
    {
        string[] words = line.Split((char[])[' ', '\t', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries);
        if (words is [] or ["help"])
        {
            return Help();
        }

        foreach (Entry entry in _table)
        {
            string[] name = entry.Name.Split(' ');
            if (words.Length >= name.Length && words.AsSpan(0, name.Length).SequenceEqual(name) && !words.Contains("="))
            {
                return entry.Execute(words[name.Length..]);
            }
        }

        return CommandTable.Find(words[0].Split('/')[0])?.Name is { } known && s_refused.Contains(known)
            ? $"{known}: not from gdb; monitor help lists the commands"
            : _interpreter.Execute(line).Text;
    }

    private string Help()
    {
        StringBuilder text = new("How gdb is served\n");
        foreach (Entry entry in _table)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"  {entry.Name + " " + entry.Arguments,-42} {entry.Help}\n");
        }

        // The prompt's own commands, but for those that gdb may not use.
        IEnumerable<string> lines = _interpreter.Execute("help").Text.Split('\n').Where(line => !s_refused.Any(name => line.StartsWith($"  {name},", StringComparison.Ordinal) || line.StartsWith($"  {name} ", StringComparison.Ordinal)));
        return text.AppendJoin('\n', lines).ToString();
    }

    private string Reset()
    {
        _protocol.Restart();
        return _interpreter.Execute("where").Text;
    }

    private static string Set<T>(string[] words, string name, Action<T> set, T now)
        where T : struct, Enum
    {
        if (words.Length == 0)
        {
            return $"{name} is {now.ToString().ToLowerInvariant()}";
        }

        if (words.Length == 1 && char.IsAsciiLetter(words[0][0]) && Enum.TryParse(words[0], ignoreCase: true, out T value) && Enum.IsDefined(value))
        {
            set(value);
            return $"{name} is {value.ToString().ToLowerInvariant()}";
        }

        return $"set {name}: {string.Join(", ", Enum.GetNames<T>()).ToLowerInvariant()}";
    }

    private sealed record Entry(string Name, string Arguments, string Help, Func<string[], string> Execute);
}
