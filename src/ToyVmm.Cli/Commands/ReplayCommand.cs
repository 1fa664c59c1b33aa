using System.CommandLine;
using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;
using ToyVmm.Cli.Replaying;
using ToyVmm.Cli.Running;
using ToyVmm.Engines;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Commands;

/// <summary>toyvmm replay: a recorded run once more, and the proof that it is the same.</summary>
internal sealed class ReplayCommand(HostConsole console)
{
    private readonly Argument<string> _file = new("recording") { Description = "A file that `toyvmm run --record` has written." };
    private readonly Option<string> _engine = EngineOption.Create();
    private readonly Option<bool> _info = new("--info") { Description = "Say what is in the recording, and replay nothing." };
    private readonly Option<bool> _verify = new("--verify") { Description = "Replay on every engine, without the guest's output: status 0 when each is the recorded run, 81 when one is not." };
    private readonly Option<bool> _noSerial = new("--no-serial") { Description = "Do not print what the guest sends through COM1." };
    private readonly Option<bool> _screen = new("--screen") { Description = "Print the guest's last text screen when it stops." };
    private readonly Option<string> _screenshot = new("--screenshot") { HelpName = "FILE", Description = "Write the guest's last screen, text or graphics, to a PNG file when it stops." };
    private readonly Option<string> _maxInstructions = new("--max-instructions") { HelpName = "N", Description = "Stop after N guest instructions since power-on, status 72." };
    private readonly Option<string> _timeout = new("--timeout") { HelpName = "SECONDS", Description = "Stop after so much host time, status 73." };
    private readonly Option<bool> _stats = new("--stats") { Description = "Print exits, traps, speed, and what host time was spent on when the guest stops." };
    private readonly Option<string> _json = new("--json") { HelpName = "FILE", Description = "Write the report as a JSON document (docs/json.md); - is standard output." };
    private readonly Option<bool> _traceHash = new("--trace-hash") { Description = "Print a fingerprint of the run: equal runs have equal ones." };
    private readonly Option<bool> _quiet = new("--quiet", "-q") { Description = "No verdict lines, unless the replay differs." };

    /// <summary>Makes the command.</summary>
    public Command Create()
    {
        Command command = new("replay", "Do a recorded run again, and compare it with the recording.");
        command.Arguments.Add(_file);
        foreach (Option option in (ReadOnlySpan<Option>)[_engine, _info, _verify, _noSerial, _screen, _screenshot, _maxInstructions, _timeout, _stats, _json, _traceHash, _quiet])
        {
            command.Options.Add(option);
        }

        command.SetAction(Run);
        return command;
    }

    private int Run(ParseResult parsed)
    {
        RunSettings settings = new()
        {
            SerialToOutput = !parsed.GetValue(_noSerial),
            PrintScreen = parsed.GetValue(_screen),
            Screenshot = parsed.GetValue(_screenshot),
            MaxInstructions = parsed.GetValue(_maxInstructions) is { } most ? Quantity.Count("--max-instructions", most) : null,
            Timeout = parsed.GetValue(_timeout) is { } seconds ? Quantity.Seconds("--timeout", seconds) : null,
            Statistics = parsed.GetValue(_stats),
            Json = parsed.GetValue(_json),
            TraceHash = parsed.GetValue(_traceHash),
            Quiet = parsed.GetValue(_quiet),
        };
        bool info = parsed.GetValue(_info);
        bool verify = parsed.GetValue(_verify);
        if (info || verify)
        {
            RefuseBeside(parsed, info ? "--info" : "--verify", info);
        }

        ImageSource image = ImageSource.FromRecording(parsed.GetValue(_file)!);
        if (info)
        {
            foreach (string line in RecordingText.Describe(image.Recording!))
            {
                console.Output.WriteLine(line);
            }

            return image.Recording!.End is null ? ExitStatus.BadImage : ExitStatus.Success;
        }

        return verify
            ? new ReplayVerification(console, image.Recording!, settings.Timeout).Execute()
            : new GuestRun(console, settings, image, new VirtualMachineOptions { Engine = EngineOption.Parse(parsed.GetValue(_engine)), Translator = new TranslatorOptions() }).Execute();
    }

    private void RefuseBeside(ParseResult parsed, string first, bool isInfo)
    {
        foreach (Option option in (ReadOnlySpan<Option>)[_engine, _noSerial, _screen, _screenshot, _maxInstructions, _stats, _json, _traceHash, _verify, _timeout])
        {
            if (option.Name != first && (isInfo || option != _timeout) && parsed.GetResult(option) is { Implicit: false })
            {
                throw UserErrorException.Usage($"{option.Name} and {first}: one or the other");
            }
        }
    }
}
