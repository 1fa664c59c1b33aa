using System.CommandLine;
using ToyVmm.Cli.Debugging;
using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Commands;

/// <summary>toyvmm debug: a guest under a debugger.</summary>
internal sealed class DebugCommand(HostConsole console)
{
    /// <summary>Anything but empty and 0 is --linear.</summary>
    public const string LinearVariable = "TOYVMM_LINEAR";

    private readonly MachineArguments _machine = new();
    private readonly Option<string> _engine = EngineOption.Create();
    private readonly Option<string[]> _symbols = Repeated("--symbols", "FILE", "Names for the guest's addresses, from an ELF file or a System.map; may be repeated. An ELF image brings its own.");
    private readonly Option<string[]> _source = Repeated("--source", "DIRECTORY", "Where source files are that are not where they were compiled; may be repeated.");
    private readonly Option<string[]> _break = Repeated("--break", "PLACE", "Begin with a breakpoint, as the command break takes it; may be repeated.");
    private readonly Option<string> _goTo = new("--goto") { HelpName = "N[:E]", Description = "Begin where N instructions have retired and E events were delivered: what a stop or a counterexample names." };
    private readonly Option<string[]> _command = new("--command", "-c")
    {
        HelpName = "COMMAND",
        Description = "Execute a command first; may be repeated.",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };

    private readonly Option<string> _script = new("--script") { HelpName = "FILE", Description = "Execute the commands of a file, one a line, and end. The first that fails ends it, with status 1." };
    private readonly Option<bool> _keepGoing = new("--keep-going") { Description = "Go on behind a command that failed." };
    private readonly Option<bool> _linear = new("--linear") { Description = $"Sentences and lines, without boxes, colours and marks: for screen readers. The environment variable {LinearVariable}=1 does the same." };
    private readonly Option<bool> _tui = new("--tui") { Description = "Begin with the full-screen view." };
    private readonly Option<string> _replay = new("--replay") { HelpName = "FILE", Description = "Debug a recorded run (toyvmm run --record): no image is named then, and what came in comes again. A recording in the place of the image does the same." };
    private readonly Option<string> _gdb = GdbOption.Create();
    private readonly Option<string> _serial = new("--serial") { HelpName = "WHERE", Description = "Where the guest's COM1 goes: stdio (the default: marked lines between the debugger's), none, or file:PATH." };

    /// <summary>Makes the command.</summary>
    public Command Create()
    {
        Command command = new("debug", "Run a guest image under a debugger: step, break, look inside, go back.");
        _machine.AddTo(command);
        foreach (Option option in (ReadOnlySpan<Option>)[_engine, _symbols, _source, _break, _goTo, _command, _script, _keepGoing, _linear, _tui, _replay, _gdb, _serial])
        {
            command.Options.Add(option);
        }

        command.SetAction(Run);
        return command;
    }

    private int Run(ParseResult parsed)
    {
        DebugSettings settings = ReadSettings(parsed);
        EngineKind engine = EngineOption.Parse(parsed.GetValue(_engine));
        if (parsed.GetValue(_replay) is { } recording)
        {
            _machine.Refuse(parsed, "and --replay: the recording says what the machine is");
            return new DebugRun(console, settings, ImageSource.FromRecording(recording), new VirtualMachineOptions { Engine = engine }).Execute();
        }

        if (_machine.Images(parsed) is [string path] && ImageSource.IsRecording(path))
        {
            _machine.RefuseOptions(parsed, $"and {path}: the recording says what the machine is");
            return new DebugRun(console, settings, ImageSource.FromRecording(path), new VirtualMachineOptions { Engine = engine }).Execute();
        }

        ImageSource image = _machine.ReadImage(parsed);
        VirtualMachineOptions options = _machine.ReadOptions(parsed, image) with { Engine = engine };
        return new DebugRun(console, settings, image, options).Execute();
    }

    private DebugSettings ReadSettings(ParseResult parsed)
    {
        string serial = parsed.GetValue(_serial) ?? "stdio";
        if (serial is not ("stdio" or "none") && !(serial.StartsWith("file:", StringComparison.Ordinal) && serial.Length > 5))
        {
            throw UserErrorException.Usage($"--serial {serial}: write stdio, none or file:PATH");
        }

        bool fullScreen = parsed.GetValue(_tui);
        bool linear = parsed.GetValue(_linear) || Environment.GetEnvironmentVariable(LinearVariable) is not (null or "" or "0");
        if (fullScreen && (parsed.GetValue(_script) is not null || !console.InputIsTerminal || !console.OutputIsTerminal))
        {
            throw UserErrorException.Usage("--tui: the full-screen view needs a terminal, and nobody types in a script");
        }

        if (parsed.GetValue(_gdb) is not null && (fullScreen || parsed.GetValue(_script) is not null || parsed.GetValue(_command) is { Length: > 0 }))
        {
            throw UserErrorException.Usage("--gdb: the commands come from gdb, where `monitor help` lists those of the prompt");
        }

        return new DebugSettings
        {
            Symbols = parsed.GetValue(_symbols) ?? [],
            SourceFolders = parsed.GetValue(_source) ?? [],
            Breakpoints = parsed.GetValue(_break) ?? [],
            GoTo = parsed.GetValue(_goTo),
            Commands = parsed.GetValue(_command) ?? [],
            Script = parsed.GetValue(_script),
            KeepGoing = parsed.GetValue(_keepGoing),
            Linear = linear,
            FullScreen = fullScreen,
            Gdb = GdbOption.Read(parsed, _gdb),
            SerialFile = serial.StartsWith("file:", StringComparison.Ordinal) ? serial[5..] : null,
            ShowsSerial = serial != "none",
        };
    }

    private static Option<string[]> Repeated(string name, string helpName, string description) => new(name)
    {
        HelpName = helpName,
        Description = description,
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
    };
}
