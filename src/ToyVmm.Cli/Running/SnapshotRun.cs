using System.Diagnostics;
using System.Globalization;
using System.Text;
using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Snapshots;

namespace ToyVmm.Cli.Running;

/// <summary>Runs a guest up to a moment and saves the machine. COM1 is standard input and output, as of a run that is not on a terminal.</summary>
internal sealed class SnapshotRun(
    HostConsole console, ImageSource image, VirtualMachineOptions options, SnapshotMoment moment, string path, ulong? maxInstructions, TimeSpan? timeout, bool quiet)
{
    // While the clock is waited for, it is looked at this often: idle time is skipped within a run, and can pass the moment.
    private const ulong ClockSlice = 1 << 16;

    private VirtualMachine? _vm;
    private bool _reached;

    /// <summary>Runs the guest and writes the file.</summary>
    /// <returns>The exit status of the process.</returns>
    public int Execute()
    {
        using SerialSink sink = new(console.OutputStream, ownsStream: false, holdToEnd: false);
        byte[] awaited = moment.SerialText is { } text ? Encoding.UTF8.GetBytes(text) : [];
        Queue<byte> last = new();
        using VirtualMachine vm = ImageRefusal.Create(
            image,
            options with
            {
                SerialOutput = value =>
                {
                    sink.Add(value);
                    LookAt(value, last, awaited);
                },
                MarkObserver = (_, mark) => Reach(mark.Id == moment.Mark),
                Logging = ErrorLogger.Create(0, console),
            },
            console);
        _vm = vm;
        sink.Machine = vm;
        using StopSignals signals = new(vm.RequestStop);
        StandardInput.Start(vm.Input, console.InputIsTerminal);
        StopReason stop = Run(vm);
        sink.Flush();
        if (!_reached)
        {
            if (signals.Number != 0)
            {
                return ExitStatus.SignalBase + signals.Number;
            }

            string advice = stop.Kind is StopKind.InstructionLimit or StopKind.TimeLimit ? "" : "; `toyvmm run` with the same arguments shows what it does";
            console.Error.WriteLine($"toyvmm: no snapshot: {stop.Detail} after {vm.InstructionsRetired} instructions, before {moment}{advice}");
            return stop.Kind is StopKind.InstructionLimit or StopKind.TimeLimit ? stop.ExitStatus : ExitStatus.MomentNotReached;
        }

        try
        {
            SnapshotFile.Write(vm, path);
        }
        catch (SnapshotException e)
        {
            throw ImageRefusal.Of(e);
        }

        if (!quiet)
        {
            double seconds = vm.Machine.Clock.Now / (double)vm.Machine.Clock.Frequency;
            console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"toyvmm: {path}: {new FileInfo(path).Length >> 10} KiB, the machine after {vm.InstructionsRetired} instructions, {seconds:0.######} s of its time; go on with `toyvmm run --from {path}`"));
        }

        return ExitStatus.Success;
    }

    private StopReason Run(VirtualMachine vm)
    {
        long started = Stopwatch.GetTimestamp();
        ulong end = moment.Instructions ?? ulong.MaxValue;
        double clock = moment.Time is { } time ? time.TotalSeconds * vm.Machine.Clock.Frequency : double.PositiveInfinity;
        for (; ; )
        {
            ulong retired = vm.InstructionsRetired;
            _reached |= retired >= end || vm.Machine.Clock.Now >= clock;
            if (_reached || retired >= (maxInstructions ?? ulong.MaxValue))
            {
                if (moment.Instructions is { } wanted && retired > wanted)
                {
                    throw UserErrorException.Usage($"--at-instructions {wanted}: the snapshot to start from is {retired} instructions after power-on already");
                }

                return new StopReason(StopKind.InstructionLimit, 0, "the limit of instructions is reached");
            }

            ulong left = Math.Min(end, maxInstructions ?? ulong.MaxValue) - retired;
            RunLimits limits = new()
            {
                MaxInstructions = double.IsFinite(clock) ? Math.Min(left, Math.Min(ClockSlice, (ulong)Math.Ceiling(clock - vm.Machine.Clock.Now))) : left,
                Timeout = timeout is not { } longest ? Timeout.InfiniteTimeSpan : longest - Stopwatch.GetElapsedTime(started) is var rest && rest > TimeSpan.Zero ? rest : TimeSpan.Zero,
            };
            StopReason stop = vm.Run(limits);
            if (_reached || stop.Kind != StopKind.InstructionLimit)
            {
                return stop;
            }
        }
    }

    private void LookAt(byte value, Queue<byte> last, byte[] awaited)
    {
        if (awaited.Length == 0)
        {
            return;
        }

        last.Enqueue(value);
        if (last.Count > awaited.Length)
        {
            _ = last.Dequeue();
        }

        Reach(last.Count == awaited.Length && last.SequenceEqual(awaited));
    }

    // The machine stops before its next instruction.
    private void Reach(bool here)
    {
        if (here && !_reached)
        {
            _reached = true;
            _vm?.RequestStop();
        }
    }
}
