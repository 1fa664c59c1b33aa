using System.CommandLine;
using System.Globalization;
using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;
using ToyVmm.Cli.Running;
using ToyVmm.Engines;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Commands;

/// <summary>toyvmm snapshot: runs a guest to a moment, and saves the machine.</summary>
internal sealed class SnapshotCommand(HostConsole console)
{
    private readonly MachineArguments _machine = new();
    private readonly Option<string> _engine = EngineOption.Create();
    private readonly Option<string> _output = new("--output", "-o") { HelpName = "FILE", Description = "Where the snapshot goes; a file of that name is replaced once the new one is complete.", Required = true };
    private readonly Option<string> _atInstructions = new("--at-instructions") { HelpName = "N", Description = "After N guest instructions since power-on (1_000_000, 10M)." };
    private readonly Option<string> _atTime = new("--at-time") { HelpName = "SECONDS", Description = "When the guest's clock has come so far since power-on." };
    private readonly Option<string> _atMark = new("--at-mark") { HelpName = "ID", Description = "When the guest makes the hypercall trace_mark with this number (decimal, or 0x...)." };
    private readonly Option<string> _atSerial = new("--at-serial") { HelpName = "TEXT", Description = "When the guest has sent this text through COM1." };
    private readonly Option<string> _maxInstructions = new("--max-instructions") { HelpName = "N", Description = "Give up after N guest instructions since power-on." };
    private readonly Option<string> _timeout = new("--timeout") { HelpName = "SECONDS", Description = "Give up after so much host time." };
    private readonly Option<bool> _quiet = new("--quiet", "-q") { Description = "Only the guest's own output." };

    /// <summary>Makes the command.</summary>
    public Command Create()
    {
        Command command = new("snapshot", "Run a guest to a moment and save the whole machine to a file.");
        _machine.AddTo(command);
        foreach (Option option in (ReadOnlySpan<Option>)[_engine, _output, _atInstructions, _atTime, _atMark, _atSerial, _maxInstructions, _timeout, _quiet])
        {
            command.Options.Add(option);
        }

        command.SetAction(Run);
        return command;
    }

    private int Run(ParseResult parsed)
    {
        SnapshotMoment moment = ReadMoment(parsed);
        EngineKind engine = EngineOption.Parse(parsed.GetValue(_engine));
        ulong? most = parsed.GetValue(_maxInstructions) is { } limit ? Quantity.Count("--max-instructions", limit) : null;
        TimeSpan? timeout = parsed.GetValue(_timeout) is { } seconds ? Quantity.Seconds("--timeout", seconds) : null;
        ImageSource image = _machine.ReadImage(parsed);
        VirtualMachineOptions options = _machine.ReadOptions(parsed, image) with { Engine = engine };
        return new SnapshotRun(console, image, options, moment, parsed.GetValue(_output)!, most, timeout, parsed.GetValue(_quiet)).Execute();
    }

    private SnapshotMoment ReadMoment(ParseResult parsed)
    {
        List<SnapshotMoment> moments = [];
        if (parsed.GetValue(_atInstructions) is { } count)
        {
            moments.Add(new SnapshotMoment { Instructions = Quantity.Count("--at-instructions", count) });
        }

        if (parsed.GetValue(_atTime) is { } time)
        {
            moments.Add(new SnapshotMoment { Time = Quantity.Seconds("--at-time", time) });
        }

        if (parsed.GetValue(_atMark) is { } mark)
        {
            moments.Add(new SnapshotMoment { Mark = ReadMark(mark) });
        }

        if (parsed.GetValue(_atSerial) is { } text)
        {
            moments.Add(text.Length > 0 ? new SnapshotMoment { SerialText = text } : throw UserErrorException.Usage("--at-serial: the text is empty"));
        }

        return moments switch
        {
            [SnapshotMoment one] => one,
            [] => throw UserErrorException.Usage("when is the snapshot to be taken? Give --at-instructions, --at-time, --at-mark or --at-serial; or run the guest on a terminal, and use Ctrl-A C and snapshot FILE"),
            _ => throw UserErrorException.Usage("a snapshot is taken at one moment: give one of --at-instructions, --at-time, --at-mark and --at-serial"),
        };
    }

    private static uint ReadMark(string text) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out uint mark)
            || (text.StartsWith("0x", StringComparison.OrdinalIgnoreCase) && uint.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out mark))
            ? mark
            : throw UserErrorException.Usage($"--at-mark {text}: write a number of 32 bits, for example 7 or 0x10");
}
