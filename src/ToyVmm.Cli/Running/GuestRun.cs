using System.Diagnostics;
using System.Text;
using ToyVmm.Cli.Advising;
using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;
using ToyVmm.Cli.Interactive;
using ToyVmm.Debugging.Traps;
using ToyVmm.Hardware.Devices;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Advising;
using ToyVmm.VirtualMachines.Monitoring;
using ToyVmm.VirtualMachines.Symbols;
using ToyVmm.VirtualMachines.Tracing;

namespace ToyVmm.Cli.Running;

/// <summary>One run from the command line: builds the machine, connects it to the terminal and files, runs it, and reports.</summary>
internal sealed class GuestRun(HostConsole console, RunSettings settings, ImageSource image, VirtualMachineOptions options)
{
    /// <summary>Runs the guest.</summary>
    /// <returns>The exit status of the process.</returns>
    /// <exception cref="UserErrorException">The image is refused, or a file cannot be opened.</exception>
    public int Execute()
    {
        SymbolTable symbols = settings.Advise || settings.TrapFormat is not null ? GuestSymbols.Read(settings.Symbols, image, console) : SymbolTable.Empty;
        using TextWriter? traceFile = settings.TraceFile is { } path ? new StreamWriter(HostFile.Create(path, "trace"), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), 1 << 16) : null;
        using SerialSink sink = OpenSerial();
        using FileStream? jsonFile = settings.Json is { } json and not "-" ? HostFile.Create(json, "report") : null;
        using FileStream? screenshot = settings.Screenshot is { } picture ? HostFile.Create(picture, "screenshot") : null;
        Tracing tracing = new(settings, traceFile ?? console.Error);
        using VirtualMachine vm = MakeMachine(sink, tracing);
        sink.Machine = vm;
        tracing.Begin(vm, symbols);
        ulong before = vm.InstructionsRetired;
        (StopReason stop, TimeSpan elapsed, int signal) = Run(vm, sink);

        try
        {
            tracing.End();
            traceFile?.Flush();
        }
        catch (IOException e)
        {
            throw UserErrorException.File($"cannot write the trace {settings.TraceFile}: {e.Message}");
        }

        sink.Flush();
        if (settings.SerialToOutput && sink.EndsInsideLine && console.OutputIsTerminal && console.ErrorIsTerminal)
        {
            console.Error.WriteLine();
        }

        if (screenshot is not null)
        {
            WriteScreenshot(vm, screenshot);
        }

        int status = ReportFailedOutput(sink) ?? Status(stop, signal);
        Verdict verdict = new(vm, stop, elapsed, status, before);
        Report(verdict, vm.Advisor?.Report(symbols), jsonFile, tracing);
        return status;
    }

    private VirtualMachine MakeMachine(SerialSink sink, Tracing tracing)
    {
        VirtualMachineOptions complete = options with
        {
            SerialOutput = sink.Add,
            Pace = settings.Pace ?? (console.InputIsTerminal ? true : null),
            Observer = tracing.Observer,
            ExitObserver = tracing.ExitObserver,
            ReadObserver = tracing.ReadObserver,
            MeterCosts = settings.Statistics,
            Advise = settings.Advise,
            Logging = ErrorLogger.Create(settings.Verbosity, console),
        };
        VirtualMachine vm = ImageRefusal.Create(image, complete, console);
        if (vm.WhyInterpreted is { } reason && !settings.Quiet)
        {
            console.Error.WriteLine($"toyvmm: the interpreter runs the guest; the translator cannot: {reason}");
        }

        if (vm.Naive is not null)
        {
            console.Error.WriteLine("toyvmm: the naive engine is wrong on purpose: it only traps and emulates, and sensitive instructions that do not trap show the guest the monitor's state");
        }

        if (settings.Verbosity > 0)
        {
            console.Error.WriteLine(image.Origin);
            foreach (string line in vm.Image.Explanation)
            {
                console.Error.WriteLine(line);
            }
        }

        return vm;
    }

    private (StopReason Stop, TimeSpan Elapsed, int Signal) Run(VirtualMachine vm, SerialSink sink)
    {
        // A screen on the terminal comes with its keyboard; without one the terminal is the serial line.
        bool display = settings.Display && console.OutputIsTerminal;
        bool takesTerminal = console.InputIsTerminal && (display || settings.SerialToOutput);
        using TerminalSession? session = takesTerminal ? TerminalSession.Start(vm, console, toKeyboard: display, settings.Quiet) : null;
        using StopSignals signals = new(() =>
        {
            vm.RequestStop();
            session?.Interrupt();
        });
        if (session is null && settings.SerialToOutput)
        {
            StandardInput.Start(vm.Input, console.InputIsTerminal);
        }

        sink.AddCarriageReturns = session is not null && settings.SerialToOutput && !display && console.OutputIsTerminal;
        using ScreenPainter? painter = display ? new ScreenPainter(vm, console) : null;
        if (session is not null)
        {
            session.Painter = painter;
        }

        (StopReason stop, TimeSpan elapsed) = RunWithPrompts(vm, sink, session);
        return (stop, elapsed, signals.Number);
    }

    // Time and instructions count over the whole run; time at the prompt does not.
    private (StopReason Stop, TimeSpan Elapsed) RunWithPrompts(VirtualMachine vm, SerialSink sink, TerminalSession? session)
    {
        TimeSpan elapsed = TimeSpan.Zero;
        for (; ; )
        {
            RunLimits limits = new()
            {
                MaxInstructions = settings.MaxInstructions is { } most ? most - Math.Min(most, vm.InstructionsRetired) : ulong.MaxValue,
                MaxExits = settings.MaxExits is { } exits ? exits - Math.Min(exits, vm.ExitsHandled) : ulong.MaxValue,
                LookEvery = settings.MaxTrace is null ? RunLimits.LongestRun : settings.TraceLevel == VirtualMachines.Tracing.TraceLevel.Instructions ? 1ul : 64,
                Timeout = settings.Timeout is not { } longest ? Timeout.InfiniteTimeSpan : longest > elapsed ? longest - elapsed : TimeSpan.Zero,
            };
            long started = Stopwatch.GetTimestamp();
            StopReason stop = vm.Run(limits);
            elapsed += Stopwatch.GetElapsedTime(started);
            if (stop.Kind != StopKind.Stopped || session is not { PromptWanted: true })
            {
                return (stop, elapsed);
            }

            sink.Flush();
            if (session.Prompt() == MonitorAction.Quit)
            {
                return (stop, elapsed);
            }
        }
    }

    private SerialSink OpenSerial()
    {
        bool shared = settings.Display && console.OutputIsTerminal;
        return settings.SerialFile is { } path ? new SerialSink(HostFile.Create(path, "serial output"), ownsStream: true, holdToEnd: false)
            : settings.SerialToOutput ? new SerialSink(console.OutputStream, ownsStream: false, holdToEnd: shared)
            : new SerialSink(Stream.Null, ownsStream: false, holdToEnd: false);
    }

    private int? ReportFailedOutput(SerialSink sink)
    {
        switch (sink.Failure)
        {
            case null:
                return null;
            case BrokenPipeException:
                return ExitStatus.BrokenPipe;
            case { } failure:
                console.Error.WriteLine($"toyvmm: cannot write the guest's serial output: {failure.Message}");
                return ExitStatus.BadFile;
        }
    }

    private int Status(StopReason stop, int signal) => stop.Kind switch
    {
        StopKind.HaltedForever when settings.HaltOk => ExitStatus.Success,
        StopKind.Stopped when signal != 0 => ExitStatus.SignalBase + signal,
        _ => stop.ExitStatus,
    };

    private void Report(Verdict verdict, AdviceReport? advice, FileStream? jsonFile, Tracing tracing)
    {
        // A screen that was drawn live is still there.
        if (settings.PrintScreen || (settings.Display && !console.OutputIsTerminal))
        {
            WriteScreen(verdict.Machine);
        }

        if (verdict.Stop.Autopsy is { } autopsy && !settings.Quiet)
        {
            AutopsyText.Write(console.Error, autopsy);
        }

        if (settings.Statistics)
        {
            StatisticsText.Write(console.Error, verdict);
        }

        if (advice is not null)
        {
            AdviceText.Write(console.Error, advice);
        }

        if (tracing.Hash is { } hash)
        {
            console.Error.WriteLine($"trace hash {hash.Value:x16} over {hash.Events} events");
        }

        if (settings.Json is not null)
        {
            RunReport report = RunReport.From(verdict, image, tracing.Hash);
            WriteJson(report with { Costs = settings.Statistics ? report.Costs : null, Advice = advice is null ? null : AdviceDocument.From(advice) }, jsonFile);
        }

        if (!settings.Quiet)
        {
            console.Error.WriteLine(verdict.ToString());
        }
    }

    private void WriteScreen(VirtualMachine vm)
    {
        Vga vga = vm.Machine.Vga;
        console.Output.WriteLine(vga.IsTextMode ? vga.ReadScreen().ToText() : ScreenPainter.GraphicsNote(vga));
        console.Flush();
    }

    private void WriteScreenshot(VirtualMachine vm, FileStream file)
    {
        try
        {
            PngImage.Write(file, vm.Machine.Vga.ReadFrame());
        }
        catch (IOException e)
        {
            throw UserErrorException.File($"cannot write the screenshot {settings.Screenshot}: {e.Message}");
        }
    }

    private void WriteJson(RunReport report, FileStream? file)
    {
        try
        {
            report.Write(file ?? console.OutputStream);
        }
        catch (IOException e) when (e is not BrokenPipeException)
        {
            throw UserErrorException.File($"cannot write the report {settings.Json}: {e.Message}");
        }
    }

    /// <summary>What watches the run, as the settings ask.</summary>
    private sealed class Tracing
    {
        private readonly TraceWriter? _writer;
        private readonly TrapFileFormat? _format;
        private readonly TextWriter _output;
        private readonly ulong _most;
        private TrapFile? _traps;
        private TrapRecorder? _recorder;

        public Tracing(RunSettings settings, TextWriter output)
        {
            _output = output;
            _most = settings.MaxTrace ?? ulong.MaxValue;
            _format = settings.TrapFormat;
            TraceWriter? writer = _writer = settings.TraceLevel is { } level && _format is null ? new TraceWriter(output, level, settings.MaxTrace ?? ulong.MaxValue) : null;
            Hash = settings.TraceHash ? new TraceHash(writer) : null;
            Observer = (Engines.IEngineObserver?)Hash ?? writer;
            ExitObserver += writer is null ? null : writer.OnExit;
            ReadObserver = writer is null ? null : writer.OnRead;
            ExitObserver += Hash is null ? null : Hash.OnExit;
        }

        /// <summary>Begins to record, where traps are to be explained, and ends the run when the trace must not grow any more.</summary>
        public void Begin(VirtualMachine vm, SymbolTable symbols)
        {
            if (_writer is not null)
            {
                _writer.Full = EndRun;
            }

            if (_format is { } format)
            {
                TrapFile traps = _traps = new TrapFile(_output, format, vm, _most) { Full = EndRun };
                _recorder = new TrapRecorder(vm, traps.Write, new TrapNaming(linear => symbols.Find(linear)?.ToString()));
                _recorder.Attach();
            }

            void EndRun(ulong most) => vm.EndWith(new StopReason(StopKind.TraceLimit, 0, $"the limit of {most} bytes of trace is reached"));
        }

        /// <summary>Completes the file of traps.</summary>
        public void End()
        {
            _recorder?.Finish();
            _recorder?.Dispose();
            _traps?.End();
        }

        public TraceHash? Hash { get; }

        public Engines.IEngineObserver? Observer { get; }

        public Action<VirtualMachine, Engines.VmExit>? ExitObserver { get; }

        public Action<VirtualMachine, Engines.VmExit>? ReadObserver { get; }
    }
}
