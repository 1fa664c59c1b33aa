using System.Globalization;
using System.Text;
using ToyVmm.Debugging.Inspecting;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Snapshots;

namespace ToyVmm.Debugging.Monitoring;

/// <summary>
/// The commands of the monitor prompt: a line of text in, text out. The machine is paused meanwhile. Looking has no side effects: no
/// device is read, no page table is marked, nothing is latched. The names are those of QEMU's monitor where there is one.
/// </summary>
/// <example>
/// <code>
/// MonitorReply reply = new MonitorCommands(vm).Execute("x/4i $pc");
/// Console.WriteLine(reply.Text);
/// </code>
/// </example>
public sealed class MonitorCommands
{
    private static readonly (string Name, string Arguments, string Help)[] s_help =
    [
        ("help", "", "this list"),
        ("info", "SUBJECT", "look at something; \"info\" alone lists what there is"),
        ("x", "/NFU ADDRESS", "show linear memory: N units, format x d u o c or i, unit b h w g; ADDRESS: 0x7c00, $pc, $sp, $eax, ds:esi, main+4"),
        ("xp", "/NFU ADDRESS", "show physical memory"),
        ("screen", "", "print the text screen"),
        ("sendkey", "KEYS", "press keys together, for example ctrl-alt-delete"),
        ("snapshot", "FILE", "save the machine to a file; toyvmm run --from FILE goes on from it"),
        ("balloon", "SIZE", "ask the guest to give so much memory back (4M); 0: none"),
        ("memory-add", "SIZE", "give the guest more memory, as far as --memory-max goes"),
        ("reset", "", "reset the machine: the image is loaded again"),
        ("stop", "", "does nothing here: the guest is stopped while there is a prompt"),
        ("cont", "", "let the guest go on (c; Ctrl-D does the same)"),
        ("quit", "", "end the run (q)"),
    ];

    private readonly VirtualMachine _vm;

    /// <summary>What "info" looks with.</summary>
    public Inspector Inspector { get; }

    /// <summary>What "info" takes.</summary>
    public static IReadOnlyList<InspectionSubject> Subjects { get; } =
    [
        .. Inspector.Subjects, new("exits", "", "instructions, exits and traps so far"), new("block", "", "the drives and what is in them"), new("balloon", "", "how much memory the guest has, and is asked for"),
    ];

    /// <summary>Makes the commands for a machine.</summary>
    /// <param name="machine">The machine; not running while a command is executed.</param>
    public MonitorCommands(VirtualMachine machine)
        : this(new Inspector(machine ?? throw new ArgumentNullException(nameof(machine))))
    {
    }

    /// <summary>Makes the commands for a machine that somebody looks at already.</summary>
    /// <param name="inspector">What "info" looks with: it may know symbols and source lines.</param>
    public MonitorCommands(Inspector inspector)
    {
        ArgumentNullException.ThrowIfNull(inspector);
        _vm = inspector.Machine;
        Inspector = inspector;
    }

    /// <summary>Executes a command.</summary>
    /// <param name="line">The line as typed; an empty one does nothing.</param>
    /// <returns>The answer. A line that makes no sense gives an error that says what would.</returns>
    public MonitorReply Execute(string line)
    {
        ArgumentNullException.ThrowIfNull(line);
        string[] words = line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        if (words.Length == 0)
        {
            return new MonitorReply("");
        }

        // "x/4xw" is the command x with a format stuck to it.
        int slash = words[0].IndexOf('/', StringComparison.Ordinal);
        string command = slash > 0 ? words[0][..slash] : words[0];
        string format = slash > 0 ? words[0][(slash + 1)..] : "";
        string[] arguments = words[1..];
        if (arguments.Length > 0 && arguments[0].StartsWith('/') && format.Length == 0 && command != "snapshot")
        {
            format = arguments[0][1..];
            arguments = arguments[1..];
        }

        if (format.Length > 0 && command is not ("x" or "xp"))
        {
            return MonitorReply.Error($"{command}: only x and xp take a format");
        }

        return command switch
        {
            "help" or "?" => new MonitorReply(Help()),
            "info" or "i" => Info(arguments),
            "x" or "xp" => MemoryDump.Show(Inspector, isPhysical: command == "xp", format, arguments),
            "screen" => NoArguments(command, arguments) ?? new MonitorReply(Screen()),
            "sendkey" => SendKey(arguments),
            "snapshot" => Snapshot(line.Trim()["snapshot".Length..].Trim()),
            "balloon" => MemoryCommands.Balloon(_vm, arguments),
            "memory-add" => MemoryCommands.Add(_vm, arguments),
            "reset" or "system_reset" => NoArguments(command, arguments) ?? Reset(),
            "stop" => NoArguments(command, arguments) ?? new MonitorReply("the guest is stopped; cont lets it go on"),
            "cont" or "c" => NoArguments(command, arguments) ?? new MonitorReply("", MonitorAction.Continue),
            "quit" or "q" => NoArguments(command, arguments) ?? new MonitorReply("", MonitorAction.Quit),
            _ => MonitorReply.Error($"{command}: no such command; help lists them"),
        };
    }

    private static MonitorReply? NoArguments(string command, string[] arguments) =>
        arguments.Length == 0 ? null : MonitorReply.Error($"{command}: takes no arguments");

    private static string Help()
    {
        StringBuilder text = new();
        foreach ((string name, string arguments, string help) in s_help)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"  {name + (arguments.StartsWith('/') ? "" : " ") + arguments,-18} {help}\n");
        }

        return text.ToString().TrimEnd('\n');
    }

    private MonitorReply Info(string[] arguments)
    {
        if (arguments.Length == 0)
        {
            return MonitorReply.Error("info: of what?\n" + string.Join('\n', Subjects.Select(subject => $"  {subject.Name + " " + subject.Arguments,-34} {subject.Help}")));
        }

        if (arguments is ["exits" or "block" or "balloon", ..])
        {
            return arguments.Length > 1 ? MonitorReply.Error($"{arguments[0]}: takes no arguments")
                : new MonitorReply(arguments[0] switch { "exits" => Exits(), "block" => Drives(), _ => MemoryCommands.Describe(_vm) });
        }

        return Inspector.TryShow(arguments[0], string.Join(' ', arguments[1..]), out InspectionText? text, out string? problem) ? new MonitorReply(text.Text)
            : MonitorReply.Error(problem is null ? $"info {arguments[0]}: nothing is known of that; {string.Join(", ", Subjects.Select(subject => subject.Name))}" : $"info {problem}");
    }

    private string Screen() => _vm.Machine.Vga.IsTextMode ? _vm.Machine.Vga.ReadScreen().ToText() : "(the display is in a graphics mode)";

    private MonitorReply SendKey(string[] arguments)
    {
        if (arguments.Length != 1)
        {
            return MonitorReply.Error("sendkey: write one combination, for example ctrl-alt-delete, f1 or shift-a");
        }

        if (!KeyNames.TryParse(arguments[0], out List<Hardware.Devices.Ps2Key> keys, out string unknown))
        {
            return MonitorReply.Error($"sendkey: there is no key '{unknown}'");
        }

        IEnumerable<KeyInput> events = keys.Select(key => new KeyInput(key, true)).Concat(Enumerable.Reverse(keys).Select(key => new KeyInput(key, false)));
        return _vm.Input.Enqueue([.. events]) ? new MonitorReply("") : MonitorReply.Error("sendkey: the guest does not take its keys, and no more fit");
    }

    // The rest of the line is the name: it may have spaces.
    private MonitorReply Snapshot(string path)
    {
        if (path.Length == 0)
        {
            return MonitorReply.Error("snapshot: to which file?");
        }

        try
        {
            SnapshotFile.Write(_vm, path);
            return new MonitorReply($"{path} is written; toyvmm run --from {path} goes on from here");
        }
        catch (SnapshotException e)
        {
            return MonitorReply.Error($"snapshot: {e.Message}");
        }
    }

    private MonitorReply Reset()
    {
        _vm.Reset();
        return new MonitorReply("the machine is reset; cont starts it");
    }

    private string Exits()
    {
        StringBuilder text = new();
        RunStatistics statistics = _vm.Statistics;
        _ = text.Append(CultureInfo.InvariantCulture, $"instructions         {_vm.InstructionsRetired,18:N0}\n");
        _ = text.Append(CultureInfo.InvariantCulture, $"guest seconds        {_vm.Machine.Clock.Now / (double)_vm.Machine.Clock.Frequency,18:N3}\n");
        _ = text.Append(CultureInfo.InvariantCulture, $"  of them idle       {statistics.IdleTicks / (double)_vm.Machine.Clock.Frequency,18:N3}\n");
        foreach ((Engines.ExitReason reason, ulong count) in statistics.Exits)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"{reason,-20} {count,18:N0}\n");
        }

        foreach ((int vector, ulong count) in statistics.Traps)
        {
            string name = vector < 32 ? Hardware.Cpu.Vector.Name(vector) : string.Create(CultureInfo.InvariantCulture, $"0x{vector:x2}");
            _ = text.Append(CultureInfo.InvariantCulture, $"{"vector " + name,-20} {count,18:N0}\n");
        }

        return text.ToString().TrimEnd('\n');
    }

    private string Drives()
    {
        StringBuilder text = new();
        Hardware.MachineConfig config = _vm.Configuration;
        if (_vm.Image.Disk is { } boot)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"boot: the image itself, {boot.Image.Length:N0} bytes, {(boot.Geometry.IsFloppy ? "floppy" : "disk")}; writes stay in memory\n");
        }

        for (int n = 0; n < config.Disks.Count; n++)
        {
            Hardware.DiskConfig disk = config.Disks[n];
            string access = disk.Access switch
            {
                Hardware.DiskAccess.ReadOnly => "read-only",
                Hardware.DiskAccess.Snapshot => "snapshot: writes stay in memory",
                _ => "read-write",
            };
            _ = text.Append(CultureInfo.InvariantCulture, $"disk {n}: {disk.Path}, {access}\n");
        }

        if (config.CdRom is { } disc)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"cdrom: {disc}, read-only\n");
        }

        return text.Length == 0 ? "there are no drives" : text.ToString().TrimEnd('\n');
    }
}
