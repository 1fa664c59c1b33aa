using System.Diagnostics;
using System.Globalization;
using ToyVmm.Cli.Guests;
using ToyVmm.Cli.Hosting;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Replay;

namespace ToyVmm.Cli.Replaying;

/// <summary>Replays a recording on every engine of this host, without its output, and says whether each is the recorded run.</summary>
internal sealed class ReplayVerification(HostConsole console, Recording recording, TimeSpan? timeout)
{
    /// <summary>Replays.</summary>
    /// <returns>0 where all agree to the end; else the status of the first that does not.</returns>
    public int Execute()
    {
        int status = ExitStatus.Success;
        foreach (EngineKind engine in VirtualMachine.TranslatorUnavailable is null ? (ReadOnlySpan<EngineKind>)[EngineKind.Interpreter, EngineKind.Translator] : [EngineKind.Interpreter])
        {
            ReplayVerdict verdict = Replay(engine, out ulong instructions, out TimeSpan elapsed, out int signal);
            string text = RecordingText.Verdict(recording, verdict)["toyvmm: ".Length..];
            console.Output.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{engine.ToString().ToLowerInvariant(),-12} {instructions} instructions in {elapsed.TotalMilliseconds:0} ms: {text}"));
            int own = verdict.IsComplete ? ExitStatus.Success : signal != 0 ? ExitStatus.SignalBase + signal : recording.End is null && verdict.Difference is null ? ExitStatus.BadImage : verdict.Stop.ExitStatus;
            status = status == ExitStatus.Success ? own : status;
        }

        return status;
    }

    private ReplayVerdict Replay(EngineKind engine, out ulong instructions, out TimeSpan elapsed, out int signal)
    {
        using VirtualMachine vm = ImageRefusal.Create(new ImageSource(recording.Path, null, "", Recording: recording), new VirtualMachineOptions { Engine = engine, SerialOutput = static _ => { } }, console);
        using StopSignals signals = new(vm.RequestStop);
        ReplayProgress progress = new(console, recording, isWanted: true);
        long started = Stopwatch.GetTimestamp();
        ulong before = vm.InstructionsRetired;
        ReplayVerdict verdict = new RecordingPlayer(recording, vm) { Progress = progress.Show }.Run(new RunLimits { Timeout = timeout ?? Timeout.InfiniteTimeSpan });
        progress.Clear();
        elapsed = Stopwatch.GetElapsedTime(started);
        instructions = vm.InstructionsRetired - before;
        signal = signals.Number;
        return verdict;
    }
}
