using System.Diagnostics;
using System.Text;
using ToyVmm.Cli.Advising;
using ToyVmm.Cli.Debugging;
using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;
using ToyVmm.Cli.Interactive;
using ToyVmm.Cli.Replaying;
using ToyVmm.Debugging;
using ToyVmm.Debugging.Autopsies;
using ToyVmm.Debugging.Monitoring;
using ToyVmm.Debugging.Strict;
using ToyVmm.Debugging.Traps;
using ToyVmm.Hardware.Devices;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Advising;
using ToyVmm.VirtualMachines.Replay;
using ToyVmm.VirtualMachines.Symbols;
using ToyVmm.VirtualMachines.Tracing;

namespace ToyVmm.Cli.Running;

/// <summary>One run from the command line: builds the machine, connects it to the terminal and files, runs it, and reports.</summary>
internal sealed class GuestRun(HostConsole console, RunSettings settings, ImageSource image, VirtualMachineOptions options)
{
    private MachineRecorder? _recorder;
    private ReplayVerdict? _replay;

    /// <summary>Runs the guest.</summary>
    /// <returns>The exit status of the process.</returns>
    /// <exception cref="UserErrorException">The image is refused, or a file cannot be opened.</exception>
    public int Execute()
    {
        SymbolTable? symbols = settings.Advise || settings.Strict != StrictChecks.None || settings.Symbols.Count > 0 || settings.TrapFormat is not null ? GuestSymbols.Read(settings.Symbols, image, console) : null;
        using TextWriter? traceFile = settings.TraceFile is { } path ? new StreamWriter(HostFile.Create(path, "trace"), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), 1 << 16) : null;
        using SerialSink sink = OpenSerial();
        using FileStream? jsonFile = settings.Json is { } json and not "-" ? HostFile.Create(json, "report") : null;
        using FileStream? screenshot = settings.Screenshot is { } picture ? HostFile.Create(picture, "screenshot") : null;
        using Tracing tracing = new(settings, traceFile ?? console.Error);
        using VirtualMachine vm = MakeMachine(sink, tracing);
        sink.Machine = vm;
        tracing.Begin(vm, symbols, settings.TrapFormat is null ? SourceLines.Empty : GuestSymbols.ReadLines(settings.Symbols, image, console));
        tracing.Strict?.Attach(vm);
        using MachineRecorder? recorder = _recorder = StartRecording(vm);
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
        status = FinishRecording(stop, status) ?? status;
        if (status == ExitStatus.Success && settings.StrictFails && tracing.Strict is { Findings.Count: > 0 })
        {
            status = ExitStatus.StrictFindings;
        }

        Verdict verdict = new(vm, stop, elapsed, status, before);
        Report(verdict, vm.Advisor?.Report(symbols ?? SymbolTable.Empty), ExplainEnd(vm, stop, symbols, tracing), jsonFile, tracing, symbols ?? SymbolTable.Empty);
        return status;
    }

    // Only for somebody who reads it: it takes milliseconds, and the image's symbols.
    private AutopsyReport? ExplainEnd(VirtualMachine vm, StopReason stop, SymbolTable? symbols, Tracing tracing) =>
        (settings.Quiet && settings.Json is null) || (stop.Kind == StopKind.HaltedForever && settings.HaltOk) || stop.ExitStatus == ExitStatus.Success
            ? null
            : AutopsyExaminer.Examine(vm, stop, symbols ?? GuestSymbols.Read([], image, console, quiet: true), tracing.History, GuestSymbols.ReadLines(settings.Symbols, image, console));

    private VirtualMachine MakeMachine(SerialSink sink, Tracing tracing)
    {
        VirtualMachineOptions complete = options with
        {
            SerialOutput = sink.Add,
            Pace = settings.Pace ?? (console.InputIsTerminal ? true : null),
            Observer = tracing.History,
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
        if (image.Recording is { } recording)
        {
            return Replay(vm, recording);
        }

        // A screen on the terminal comes with its keyboard; without one the terminal is the serial line.
        bool display = settings.Display && console.OutputIsTerminal;
        bool takesTerminal = console.InputIsTerminal && (display || settings.SerialToOutput);
        using DebugSession? debugged = settings.Gdb is null ? null : new DebugSession(vm)
        {
            Symbols = GuestSymbols.Read(settings.Symbols, image, console, quiet: true),
            Lines = GuestSymbols.ReadLines(settings.Symbols, image, console),
        };
        using GdbRun? gdb = debugged is null ? null : new GdbRun(debugged, settings.Gdb!, console, settings.Quiet);
        using TerminalSession? session = takesTerminal ? TerminalSession.Start(vm, console, toKeyboard: display, settings.Quiet) : null;
        using StopSignals signals = new(() =>
        {
            vm.RequestStop();
            session?.Interrupt();
            gdb?.Stop();
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

        if (gdb is not null)
        {
            if (session is not null)
            {
                gdb.Attach(session, sink);
            }

            return (gdb.Run(), gdb.Elapsed, signals.Number);
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
            StopReason stop = _recorder?.Run(limits) ?? vm.Run(limits);
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

    private MachineRecorder? StartRecording(VirtualMachine vm)
    {
        try
        {
            return settings.Record is { } path ? MachineRecorder.Start(vm, path, settings.Recording) : null;
        }
        catch (RecordingException e)
        {
            throw ImageRefusal.Of(e);
        }
    }

    private int? FinishRecording(StopReason stop, int status)
    {
        if (_recorder is not { } recorder)
        {
            return null;
        }

        recorder.Finish(stop, status);
        if (recorder.Failure is { } failure)
        {
            console.Error.WriteLine($"toyvmm: cannot write the recording {settings.Record}: {failure.Message}");
            return ExitStatus.BadFile;
        }

        if (!settings.Quiet)
        {
            console.Error.WriteLine(RecordingText.Written(settings.Record!, recorder.Bytes));
        }

        return null;
    }

    // The guest is alone with what was recorded: nobody types.
    private (StopReason Stop, TimeSpan Elapsed, int Signal) Replay(VirtualMachine vm, Recording recording)
    {
        using StopSignals signals = new(vm.RequestStop);
        ReplayProgress progress = new(console, recording, !settings.Quiet && !(settings.SerialToOutput && console.OutputIsTerminal));
        long started = Stopwatch.GetTimestamp();
        _replay = new RecordingPlayer(recording, vm) { Progress = progress.Show }.Run(new RunLimits
        {
            MaxInstructions = settings.MaxInstructions is { } most ? most - Math.Min(most, vm.InstructionsRetired) : ulong.MaxValue,
            MaxExits = settings.MaxExits ?? ulong.MaxValue,
            Timeout = settings.Timeout ?? Timeout.InfiniteTimeSpan,
        });
        progress.Clear();
        return (_replay.Stop, Stopwatch.GetElapsedTime(started), signals.Number);
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
        _ when _replay is { IsComplete: true } => image.Recording!.End!.ExitStatus,
        StopKind.ReplayEnded => ExitStatus.BadImage,
        StopKind.HaltedForever when settings.HaltOk => ExitStatus.Success,
        StopKind.Stopped when signal != 0 => ExitStatus.SignalBase + signal,
        _ => stop.ExitStatus,
    };

    private void Report(Verdict verdict, AdviceReport? advice, AutopsyReport? autopsy, FileStream? jsonFile, Tracing tracing, SymbolTable symbols)
    {
        // A screen that was drawn live is still there.
        if (settings.PrintScreen || (settings.Display && !console.OutputIsTerminal))
        {
            WriteScreen(verdict.Machine);
        }

        if (autopsy is not null && !settings.Quiet)
        {
            AutopsyText.Write(console.Error, autopsy, settings.DebugCommand);
        }

        if (settings.Statistics)
        {
            StatisticsText.Write(console.Error, verdict);
        }

        if (tracing.Strict is { } strict && !(settings.Quiet && strict.Findings.Count == 0))
        {
            StrictText.Write(console.Error, strict, symbols, GuestSymbols.ReadLines(settings.Symbols, image, console));
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
            RunReport report = RunReport.From(verdict, image, tracing.Hash, autopsy);
            WriteJson(report with { Costs = settings.Statistics ? report.Costs : null, Advice = advice is null ? null : AdviceDocument.From(advice), Strict = tracing.Strict is null ? null : StrictReport.From(tracing.Strict, symbols) }, jsonFile);
        }

        if (!settings.Quiet)
        {
            console.Error.WriteLine(verdict.ToString());
        }

        if (_replay is { } replay && (replay.Difference is not null) == settings.Quiet)
        {
            console.Error.WriteLine(RecordingText.Verdict(image.Recording!, replay));
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
    private sealed class Tracing : IDisposable
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
            Strict = settings.Strict == StrictChecks.None ? null : new StrictChecker(settings.Strict, (Engines.IEngineObserver?)Hash ?? writer);
            History = new TrapHistory((Engines.IEngineObserver?)Strict ?? (Engines.IEngineObserver?)Hash ?? writer);
            ExitObserver += writer is null ? null : writer.OnExit;
            ReadObserver = writer is null ? null : writer.OnRead;
            ExitObserver += Hash is null ? null : Hash.OnExit;
        }

        /// <summary>Begins to record, where traps are to be explained, and ends the run when the trace must not grow any more.</summary>
        public void Begin(VirtualMachine vm, SymbolTable? symbols, SourceLines lines)
        {
            if (_writer is not null)
            {
                _writer.Full = EndRun;
            }

            if (_format is { } format)
            {
                TrapFile traps = _traps = new TrapFile(_output, format, vm, _most) { Full = EndRun };
                _recorder = new TrapRecorder(vm, traps.Write, new TrapNaming(linear => symbols?.Find(linear)?.ToString(), linear => lines.Find(linear)?.ToString()));
                _recorder.Attach();
            }

            void EndRun(ulong most) => vm.EndWith(new StopReason(StopKind.TraceLimit, 0, $"the limit of {most} bytes of trace is reached"));
        }

        /// <summary>Completes the file of traps.</summary>
        public void End()
        {
            _recorder?.Finish();
            _recorder?.Detach();
            _traps?.End();
        }

        /// <inheritdoc/>
        public void Dispose() => _recorder?.Dispose();

        public TraceHash? Hash { get; }

        public TrapHistory History { get; }

        public StrictChecker? Strict { get; }

        public Action<VirtualMachine, Engines.VmExit>? ExitObserver { get; }

        public Action<VirtualMachine, Engines.VmExit>? ReadObserver { get; }
    }
}
