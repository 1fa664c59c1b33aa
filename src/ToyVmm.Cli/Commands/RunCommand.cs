using System.CommandLine;
using ToyVmm.Cli.Debugging;
using ToyVmm.Cli.Fleets;
using ToyVmm.Cli.Hosting;
using ToyVmm.Cli.Running;
using ToyVmm.Debugging.Strict;
using ToyVmm.Debugging.Traps;
using ToyVmm.Engines;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Replay;
using ToyVmm.VirtualMachines.Scheduling;
using ToyVmm.VirtualMachines.Tracing;

namespace ToyVmm.Cli.Commands;

/// <summary>toyvmm run: an image goes in, the guest runs, a verdict comes out.</summary>
internal sealed class RunCommand(HostConsole console)
{
    private readonly MachineArguments _machine = new(several: true);
    private readonly FleetArguments _fleet = new();
    private readonly Option<string> _engine = EngineOption.Create();
    private readonly Option<bool> _verifyTranslations = new("--verify-translations") { Description = "With the translator: check every piece of emitted code before it runs, independently of how it came about." };
    private readonly Option<string> _serial = new("--serial") { HelpName = "WHERE", Description = "Where the guest's COM1 goes: stdio (the default; a terminal becomes a raw line), none, or file:PATH." };
    private readonly Option<string> _display = new("--display") { HelpName = "HOW", Description = "none (the default), or text: draw the guest's VGA text screen on the terminal while it runs, and send keys to the PS/2 keyboard; serial output then comes at the end." };
    private readonly Option<bool> _screen = new("--screen") { Description = "Print the guest's last text screen when it stops." };
    private readonly Option<string> _screenshot = new("--screenshot") { HelpName = "FILE", Description = "Write the guest's last screen, text or graphics, to a PNG file when it stops." };
    private readonly Option<string> _maxInstructions = new("--max-instructions") { HelpName = "N", Description = "Stop after N guest instructions (1_000_000, 10M), status 72." };
    private readonly Option<string> _timeout = new("--timeout") { HelpName = "SECONDS", Description = "Stop after so much host time, status 73." };
    private readonly Option<string> _maxExits = new("--max-exits") { HelpName = "N", Description = "Stop after N exits from guest code to the monitor, status 76." };
    private readonly Option<string> _maxDiskWrites = new("--max-disk-writes") { HelpName = "SIZE", Description = "Stop before the guest has written more than that to its disks, status 78." };
    private readonly Option<string> _maxMemory = new("--max-memory") { HelpName = "SIZE", Description = "Stop before the guest's RAM takes more host memory than that, status 77; --memory may be larger." };
    private readonly Option<string> _maxTrace = new("--max-trace") { HelpName = "SIZE", Description = "Stop before --trace has written more than that, status 79." };
    private readonly Option<string> _maxSerial = new("--max-serial") { HelpName = "SIZE", Description = "Stop before the guest has sent more than that through COM1, status 80." };
    private readonly Option<bool> _stats = new("--stats") { Description = "Print exits, traps, speed, and what host time was spent on when the guest stops." };
    private readonly Option<bool> _advise = new("--advise") { Description = "Print where the guest leaves its code, what that costs, and which paravirtual calls would spare it (docs/advise.md)." };
    private readonly Option<string> _strict = StrictOption.Create();
    private readonly Option<string[]> _symbols = new("--symbols")
    {
        HelpName = "FILE",
        Description = "Names for the guest's addresses in what --advise, --strict, explained traps and an autopsy say, from an ELF file or a System.map; may be repeated. An ELF image brings its own.",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };

    private readonly Option<string> _json = new("--json") { HelpName = "FILE", Description = "Write the report as a JSON document (docs/json.md); - is standard output." };
    private readonly Option<string> _trace = new("--trace") { HelpName = "LEVEL[:FILE]", Description = "One line for each event, to standard error or a file: traps, exits or instructions. traps:FILE explains each trap where FILE ends in .traps (text), in .jsonl (JSON lines), or in .json or .perfetto (a timeline for Perfetto): docs/traps.md." };
    private readonly Option<bool> _traceHash = new("--trace-hash") { Description = "Print a fingerprint of the run: equal runs have equal ones." };
    private readonly Option<string> _record = new("--record") { HelpName = "FILE", Description = "Record the run to a file, which `toyvmm replay` does again exactly (docs/replay.md)." };
    private readonly Option<bool> _recordFiles = new("--record-files") { Description = "With --record: put image and initial RAM disk into the file, however large; without, those of more than 4M are named, with their hash." };
    private readonly Option<bool> _haltOk = new("--halt-ok") { Description = "A guest that halts for ever has succeeded: status 0 instead of 70." };
    private readonly Option<bool> _pace = new("--pace") { Description = "Keep the guest's clock at host time and sleep while it idles; the default on a terminal." };
    private readonly Option<bool> _noPace = new("--no-pace") { Description = "Skip idle time; the default where standard input is no terminal." };
    private readonly Option<string> _gdb = GdbOption.Create();
    private readonly Option<bool> _quiet = new("--quiet", "-q") { Description = "No verdict line." };

    private readonly Option<bool> _verbose = new("--verbose", "-v")
    {
        Description = "Say what the loader decided and what the machine does; -vv says more.",
        Arity = ArgumentArity.Zero,
    };

    /// <summary>Makes the command.</summary>
    public Command Create()
    {
        _ = _display.AcceptOnlyFromAmong("none", "text");
        Command command = new("run", "Run a guest image.");
        _machine.AddTo(command);
        foreach (Option option in (ReadOnlySpan<Option>)[_engine, _verifyTranslations, _serial, _display, _screen, _screenshot, _maxInstructions, _maxExits, _maxMemory, _maxDiskWrites, _maxTrace, _maxSerial, _timeout, _stats, _advise, _strict, _symbols, _json,
            _trace, _traceHash, _record, _recordFiles, _haltOk, _pace, _noPace, _gdb, _quiet, _verbose])
        {
            command.Options.Add(option);
        }

        _fleet.AddTo(command);

        command.SetAction(Run);
        return command;
    }

    private int Run(ParseResult parsed)
    {
        RunSettings settings = ReadSettings(parsed);
        EngineKind engine = EngineOption.Parse(parsed.GetValue(_engine));
        bool verify = parsed.GetValue(_verifyTranslations);
        if (verify && (engine is EngineKind.Interpreter or EngineKind.Naive || VirtualMachine.TranslatorUnavailable is not null))
        {
            throw UserErrorException.Usage($"--verify-translations: only the translator emits code{(VirtualMachine.TranslatorUnavailable is { } reason ? $", and it cannot run here: {reason}" : "; leave --engine out")}");
        }

        if (_fleet.File(parsed) is not null || _machine.Images(parsed).Count > 1)
        {
            return RunFleet(parsed, settings, engine, verify);
        }

        if (settings.Strict != StrictChecks.None)
        {
            engine = engine is EngineKind.Auto or EngineKind.Interpreter ? EngineKind.Interpreter
                : throw UserErrorException.Usage("--strict looks at every instruction, on the interpreter: leave --engine out");
        }

        _fleet.Refuse(parsed, "for several guests: name more than one image, or a --fleet file");
        Guests.ImageSource image = _machine.ReadImage(parsed);
        VirtualMachineOptions options = ReadOptions(parsed, image, engine, verify) with { Limits = settings.Limits };
        return new GuestRun(console, settings with { Recording = ReadRecording(parsed, image) }, image, options).Execute();
    }

    private int RunFleet(ParseResult parsed, RunSettings settings, EngineKind engine, bool verify)
    {
        RefuseForSeveral(parsed, settings);
        FleetPlan plan = (_fleet.File(parsed) is { } file ? FleetFile.Read(file) : PlanOfImages(parsed, settings, engine, verify)) with
        {
            Json = settings.Json,
            TraceHash = settings.TraceHash,
            Quiet = settings.Quiet,
            Verbosity = settings.Verbosity,
        };
        plan = plan with { Options = _fleet.ReadOptions(parsed, plan.Options), Timeout = settings.Timeout ?? plan.Timeout };
        using FleetRun run = new(console, plan);
        return run.Execute();
    }

    private void RefuseForSeveral(ParseResult parsed, RunSettings settings)
    {
        foreach (Option option in (ReadOnlySpan<Option>)[_display, _screen, _screenshot, _stats, _advise, _strict, _trace, _maxTrace, _record, _recordFiles, _pace, _noPace, _gdb])
        {
            if (parsed.GetResult(option) is { Implicit: false })
            {
                throw UserErrorException.Usage($"{option.Name} is for one guest");
            }
        }

        if (_fleet.File(parsed) is not null)
        {
            foreach (Option option in (ReadOnlySpan<Option>)[_engine, _verifyTranslations, _serial, _maxInstructions, _maxExits, _maxMemory, _maxDiskWrites, _maxSerial, _haltOk])
            {
                if (parsed.GetResult(option) is { Implicit: false })
                {
                    throw UserErrorException.Usage($"{option.Name} and --fleet: what concerns one guest stands in the fleet file");
                }
            }

            _machine.Refuse(parsed, "and --fleet: what concerns one guest stands in the fleet file");
        }
        else if (settings.SerialFile is not null)
        {
            throw UserErrorException.Usage("--serial file: is for one guest; in a fleet file each guest can have a file of its own");
        }
        else if (_machine.WhyNotShared(parsed) is { } shared)
        {
            throw UserErrorException.Usage(shared);
        }
    }

    private FleetPlan PlanOfImages(ParseResult parsed, RunSettings settings, EngineKind engine, bool verify)
    {
        List<Guests.ImageSource> images = [.. _machine.Images(parsed).Select(Guests.ImageSource.Open)];
        IReadOnlyList<string> names = FleetMember.UniqueNames([.. images.Select(image => Path.GetFileNameWithoutExtension(image.Name))]);
        return new FleetPlan
        {
            Members = [.. images.Select((image, n) => new FleetMember
            {
                Name = names[n],
                Image = image,
                Options = ReadOptions(parsed, image, engine, verify),
                Limits = new GuestLimits { Instructions = settings.MaxInstructions ?? ulong.MaxValue, Exits = settings.MaxExits ?? ulong.MaxValue, Resources = settings.Limits },
                SuccessStatuses = settings.HaltOk ? [0, 70] : [0],
                SerialToOutput = settings.SerialToOutput,
            })],
        };
    }

    private VirtualMachineOptions ReadOptions(ParseResult parsed, Guests.ImageSource image, EngineKind engine, bool verify)
    {
        VirtualMachineOptions options = _machine.ReadOptions(parsed, image) with { Engine = engine, Translator = new TranslatorOptions { Verify = verify } };
        return parsed.GetValue(_maxMemory) is { } most
            ? options with { Machine = options.Machine with { MemoryLimit = (uint)Math.Min(Quantity.Bytes("--max-memory", most), uint.MaxValue) } }
            : options;
    }

    private RunSettings ReadSettings(ParseResult parsed)
    {
        string serial = parsed.GetValue(_serial) ?? "stdio";
        if (serial is not ("stdio" or "none") && !(serial.StartsWith("file:", StringComparison.Ordinal) && serial.Length > 5))
        {
            throw UserErrorException.Usage($"--serial {serial}: write stdio, none or file:PATH");
        }

        (TraceLevel Level, string? File)? trace = parsed.GetValue(_trace) is { } text ? ReadTrace(text) : null;
        (StrictChecks strict, bool strictFails) = parsed.GetValue(_strict) is { } checks ? StrictOption.Parse(checks) : default;
        return new RunSettings
        {
            SerialFile = serial.StartsWith("file:", StringComparison.Ordinal) ? serial[5..] : null,
            SerialToOutput = serial == "stdio",
            Display = parsed.GetValue(_display) == "text",
            PrintScreen = parsed.GetValue(_screen),
            Screenshot = parsed.GetValue(_screenshot),
            MaxInstructions = parsed.GetValue(_maxInstructions) is { } most ? Quantity.Count("--max-instructions", most) : null,
            MaxExits = parsed.GetValue(_maxExits) is { } exits ? Quantity.Count("--max-exits", exits) : null,
            MaxTrace = parsed.GetValue(_maxTrace) is { } traceSize ? Quantity.Bytes("--max-trace", traceSize) : null,
            Limits = new ResourceLimits
            {
                DiskWriteBytes = parsed.GetValue(_maxDiskWrites) is { } writes ? Quantity.Bytes("--max-disk-writes", writes) : ulong.MaxValue,
                SerialBytes = parsed.GetValue(_maxSerial) is { } sent ? Quantity.Bytes("--max-serial", sent) : ulong.MaxValue,
            },
            Timeout = parsed.GetValue(_timeout) is { } seconds ? Quantity.Seconds("--timeout", seconds) : null,
            Statistics = parsed.GetValue(_stats),
            Advise = parsed.GetValue(_advise),
            Symbols = parsed.GetValue(_symbols) ?? [],
            Strict = strict,
            StrictFails = strictFails,
            DebugCommand = $"toyvmm debug{_machine.Repeat(parsed)}",
            Json = parsed.GetValue(_json),
            TraceLevel = trace?.Level,
            TraceFile = trace?.File,
            TraceHash = parsed.GetValue(_traceHash),
            Record = parsed.GetValue(_record),
            HaltOk = parsed.GetValue(_haltOk),
            Pace = ReadPace(parsed),
            Gdb = GdbOption.Read(parsed, _gdb, [_maxInstructions, _maxExits, _timeout], [_strict, _trace, _traceHash, _maxTrace]),
            Quiet = parsed.GetValue(_quiet),
            Verbosity = parsed.GetResult(_verbose)?.IdentifierTokenCount ?? 0,
        };
    }

    private RecordingOptions ReadRecording(ParseResult parsed, Guests.ImageSource image)
    {
        bool whole = parsed.GetValue(_recordFiles);
        if (whole && parsed.GetValue(_record) is null)
        {
            throw UserErrorException.Usage("--record-files: only --record has a use for them");
        }

        if (parsed.GetValue(_record) is not null && parsed.GetResult(_gdb) is { Implicit: false })
        {
            throw UserErrorException.Usage("--record and --gdb: what a debugger changes, no recording knows of; record the run, and debug the recording");
        }

        bool isFile = image.Bytes is not null && File.Exists(image.Name) && !image.Name.EndsWith(".asm", StringComparison.OrdinalIgnoreCase);
        RecordingOptions options = new() { Title = image.Name, ImagePath = isFile ? image.Name : null, InitialRamDiskPath = _machine.InitialRamDisk(parsed), SnapshotPath = image.Snapshot?.Path };
        return whole ? options with { MostBytesInside = long.MaxValue } : options;
    }

    private bool? ReadPace(ParseResult parsed) => (parsed.GetValue(_pace), parsed.GetValue(_noPace)) switch
    {
        (true, true) => throw UserErrorException.Usage("--pace and --no-pace: one or the other"),
        (true, false) => true,
        (false, true) => false,
        _ => null,
    };

    private static (TraceLevel Level, string? File) ReadTrace(string text)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        string? file = colon >= 0 ? text[(colon + 1)..] : null;
        TraceLevel? level = (colon >= 0 ? text[..colon] : text) switch
        {
            "traps" => TraceLevel.Traps,
            "exits" => TraceLevel.Exits,
            "instructions" => TraceLevel.Instructions,
            _ => null,
        };
        return level is { } known && file != "" ? (known, file)
            : throw UserErrorException.Usage($"--trace {text}: write traps, exits or instructions, with :FILE behind it for a file");
    }
}
