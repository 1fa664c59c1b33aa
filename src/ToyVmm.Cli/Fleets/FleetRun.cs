using System.Diagnostics;
using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;
using ToyVmm.Cli.Running;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Scheduling;
using ToyVmm.VirtualMachines.Tracing;

namespace ToyVmm.Cli.Fleets;

/// <summary>Several guests from the command line: builds the fleet, connects it to the terminal and files, runs it, and reports.</summary>
internal sealed class FleetRun : IDisposable
{
    private readonly HostConsole _console;
    private readonly FleetPlan _plan;
    private readonly SerialSink _output;
    private readonly TraceHash?[] _hashes;
    private readonly GuestLines?[] _lines;
    private readonly SerialSink?[] _files;
    private readonly int _nameWidth;
    private FleetTable? _table;
    private Fleet? _fleet;

    /// <summary>Prepares the run.</summary>
    public FleetRun(HostConsole console, FleetPlan plan)
    {
        _console = console;
        _plan = plan;
        _nameWidth = plan.Members.Max(member => member.Name.Length);
        _hashes = new TraceHash?[plan.Members.Count];
        _lines = new GuestLines?[plan.Members.Count];
        _files = new SerialSink?[plan.Members.Count];
        _output = new SerialSink(console.OutputStream, ownsStream: false, holdToEnd: false) { Failed = StopSoon };
    }

    /// <summary>Runs the guests.</summary>
    /// <returns>The exit status of the process.</returns>
    /// <exception cref="UserErrorException">An image is refused, or a file cannot be opened.</exception>
    public int Execute()
    {
        using FileStream? jsonFile = _plan.Json is { } json and not "-" ? HostFile.Create(json, "report") : null;
        for (int n = 0; n < _plan.Members.Count; n++)
        {
            OpenSerial(n, _plan.Members[n]);
        }

        using Fleet fleet = _fleet = new Fleet(_plan.Members.Select(Guest), _plan.Options with { SliceObserver = Observe });
        (TimeSpan elapsed, int signal) = Run(fleet);
        foreach (GuestLines? lines in _lines)
        {
            lines?.Finish();
        }

        _output.Flush();
        int status = FailedOutput() ?? Status(fleet, signal);
        Report(fleet, jsonFile, elapsed, status);
        return status;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _output.Dispose();
        foreach (SerialSink? file in _files)
        {
            file?.Dispose();
        }
    }

    private (TimeSpan Elapsed, int Signal) Run(Fleet fleet)
    {
        long started = Stopwatch.GetTimestamp();
        using StopSignals signals = new(fleet.RequestStop);
        FleetStop stop;
        using (_table = _console.UseColour && !_plan.Quiet ? new FleetTable(fleet, _console) : null)
        {
            stop = fleet.Run(new FleetLimits { Timeout = _plan.Timeout ?? TimeSpan.MaxValue });
            if (stop != FleetStop.AllStopped)
            {
                fleet.EndAll(stop == FleetStop.TimeLimit
                    ? new StopReason(StopKind.TimeLimit, 0, $"the limit of {_plan.Timeout!.Value.TotalSeconds:0.###} s of host time is reached")
                    : new StopReason(StopKind.Stopped, 0, "stopped by the user"));
            }
        }

        _table = null;
        return (Stopwatch.GetElapsedTime(started), stop == FleetStop.Stopped ? signals.Number : 0);
    }

    private FleetGuestOptions Guest(FleetMember member, int number)
    {
        bool again = false;
        return new FleetGuestOptions
        {
            Name = member.Name,
            Weight = member.Weight,
            Caps = member.Caps,
            Limits = member.Limits,
            Restart = member.Restart,
            Connect = member.Connect,
            SuccessStatuses = member.SuccessStatuses,
            Create = seat =>
            {
                TraceHash? hash = _hashes[number] = _plan.TraceHash ? new TraceHash() : null;
                VirtualMachineOptions options = seat.Apply(member.Options) with
                {
                    SerialOutput = _lines[number] is { } lines ? lines.Add : _files[number] is { } file ? file.Add : static _ => { },
                    Observer = hash,
                    ExitObserver = hash is null ? null : hash.OnExit,
                    Logging = ErrorLogger.Create(_plan.Verbosity, _console),
                };

                // The first time a refusal is the user's to put right; later it is this guest's end.
                (bool first, again) = (!again, true);
                return first ? ImageRefusal.Create(member.Image, options, _console)
                    : member.Image.Bytes is { } bytes ? VirtualMachine.Create(bytes, options)
                    : VirtualMachine.CreateFromDrives(options);
            },
        };
    }

    private void OpenSerial(int number, FleetMember member)
    {
        if (member.SerialFile is { } path)
        {
            _files[number] = new SerialSink(HostFile.Create(path, "serial output"), ownsStream: true, holdToEnd: false) { Failed = StopSoon };
        }
        else if (member.SerialToOutput)
        {
            string prefix = member.Name.PadRight(_nameWidth);
            prefix = _console.UseColour && _plan.Quiet ? $"\x1b[3{1 + (number % 6)}m{prefix}\x1b[0m | " : $"{prefix} | ";
            _lines[number] = new GuestLines(prefix, _console.OutputIsTerminal, Print);
        }
    }

    private void Print(ReadOnlyMemory<byte> line)
    {
        if (_table is { } table)
        {
            table.Add(line);
        }
        else
        {
            _output.Add(line.Span);
        }
    }

    private void Observe(FleetSlice slice)
    {
        if (slice.State is not (FleetGuestState.Stopped or FleetGuestState.Restarting))
        {
            return;
        }

        _lines[slice.Guest.Number]?.Finish();
        if (_table is null && !_plan.Quiet)
        {
            _output.Flush();
            _console.Error.WriteLine(FleetText.Stopped(slice.Guest));
            if (slice.Guest.Stop!.Autopsy is { } autopsy)
            {
                AutopsyText.Write(_console.Error, autopsy);
            }

            if (slice.Guest.Failure is { } failure)
            {
                _console.Error.WriteLine(failure);
            }
        }
    }

    // Not here and now: the caller holds a lock that the fleet's observer may want.
    private void StopSoon() => ThreadPool.QueueUserWorkItem(_ => _fleet?.RequestStop());

    private int? FailedOutput()
    {
        foreach (SerialSink sink in (IEnumerable<SerialSink>)[_output, .. _files.OfType<SerialSink>()])
        {
            sink.Flush();
            switch (sink.Failure)
            {
                case null:
                    break;
                case BrokenPipeException:
                    return ExitStatus.BrokenPipe;
                case { } failure:
                    _console.Error.WriteLine($"toyvmm: cannot write a guest's serial output: {failure.Message}");
                    return ExitStatus.BadFile;
            }
        }

        return null;
    }

    // That of the first guest that failed, in the order in which they were named; a guest may have failed with 0 where another status was expected.
    private static int Status(Fleet fleet, int signal) => signal != 0 ? ExitStatus.SignalBase + signal
        : fleet.Guests.FirstOrDefault(guest => !guest.Succeeded) is not { } failed ? ExitStatus.Success
        : failed.Stop!.ExitStatus is var status and not 0 ? status : ExitStatus.UnexpectedSuccess;

    private void Report(Fleet fleet, FileStream? jsonFile, TimeSpan elapsed, int status)
    {
        if (!_plan.Quiet)
        {
            for (int n = 0; n < _hashes.Length; n++)
            {
                if (_hashes[n] is { } hash)
                {
                    _console.Error.WriteLine($"{_plan.Members[n].Name}: trace hash {hash.Value:x16} over {hash.Events} events");
                }
            }

            FleetText.WriteSummary(_console.Error, fleet, elapsed);
        }

        if (_plan.Json is null)
        {
            return;
        }

        try
        {
            FleetReport.From(fleet, _plan, _hashes, status, elapsed).Write(jsonFile ?? _console.OutputStream);
        }
        catch (IOException e) when (e is not BrokenPipeException)
        {
            throw UserErrorException.File($"cannot write the report {_plan.Json}: {e.Message}");
        }
    }
}
