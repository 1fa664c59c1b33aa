using System.Diagnostics;
using System.Globalization;

namespace ToyVmm.VirtualMachines.Replay;

/// <summary>Replays a recording, and compares the machine at every mark with the recorded one.</summary>
public sealed class RecordingPlayer
{
    // Whoever watches is told so often.
    private const ulong Piece = 50_000_000;

    private readonly Recording _recording;
    private readonly VirtualMachine _vm;
    private int _next;
    private ulong _agreed;
    private ulong _agreedMemory;

    /// <summary>Makes a player.</summary>
    /// <param name="recording">The recording.</param>
    /// <param name="vm">A machine that <see cref="Recording.CreateMachine"/> has made and that has not run yet.</param>
    public RecordingPlayer(Recording recording, VirtualMachine vm)
    {
        ArgumentNullException.ThrowIfNull(recording);
        ArgumentNullException.ThrowIfNull(vm);
        _recording = recording;
        _vm = vm;
        _agreed = _agreedMemory = recording.Start.Instructions;
    }

    /// <summary>Told now and then how far the replay is, in instructions since the machine's power-on.</summary>
    public Action<ulong>? Progress { get; set; }

    /// <summary>Replays to the end, to the first difference, or to a limit of the host.</summary>
    /// <param name="limits">Limits of this call: host time, exits, instructions; null for none.</param>
    public ReplayVerdict Run(RunLimits? limits = null)
    {
        limits ??= RunLimits.None;
        ulong start = _vm.InstructionsRetired;
        ulong last = limits.MaxInstructions > ulong.MaxValue - start ? ulong.MaxValue : start + limits.MaxInstructions;
        long started = Stopwatch.GetTimestamp();
        for (; ; )
        {
            // All but the last mark are where a run was cut after so many instructions. Where the guest itself ends, it must get there by itself.
            RecordingMark? mark = _next < _recording.Marks.Count - (_recording.End is null ? 0 : 1) ? _recording.Marks[_next] : null;
            _vm.Replay!.HeldFrom = mark?.Events ?? int.MaxValue;
            ulong here = _vm.InstructionsRetired;
            ulong goal = mark?.At.Instructions ?? (_recording.End is { IsByHost: false } ? _recording.LastMoment.Instructions + 1 : ulong.MaxValue);
            StopReason stop = _vm.Run(limits with
            {
                MaxInstructions = Math.Min(Math.Min(goal, last) - Math.Min(here, goal), Piece),
                Timeout = limits.Timeout < TimeSpan.Zero ? limits.Timeout : limits.Timeout - Stopwatch.GetElapsedTime(started) is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero,
            });
            Progress?.Invoke(_vm.InstructionsRetired);
            bool isThere = stop.Kind == StopKind.InstructionLimit && _vm.InstructionsRetired >= goal;
            if (mark is { } compared && isThere)
            {
                if (Compare(compared) is { } difference)
                {
                    return Differ(difference);
                }

                _next++;
            }
            else if (stop.Kind != StopKind.InstructionLimit || isThere || _vm.InstructionsRetired >= last)
            {
                return isThere || stop.Kind is not (StopKind.InstructionLimit or StopKind.Stopped or StopKind.TimeLimit or StopKind.ExitLimit)
                    ? Finish(stop, mark)
                    : new ReplayVerdict(stop, _next, IsComplete: false, null);
            }
        }
    }

    private ReplayVerdict Finish(StopReason stop, RecordingMark? due)
    {
        if (stop.Kind == StopKind.ReplayDiverged)
        {
            return Differ(_vm.Divergence is { } divergence ? Explain(divergence) : stop.Detail);
        }

        if (_recording.End is not { } end)
        {
            return stop.Kind == StopKind.ReplayEnded
                ? new ReplayVerdict(stop with { Detail = "the recording is not whole, and ends here" }, _next, IsComplete: false, null)
                : Differ($"{stop.Detail}, and the recorded run went on");
        }

        StopReason reached = stop.Kind == StopKind.ReplayEnded ? end.Stop : stop;
        if (due is not null || reached.Kind != end.Stop.Kind || reached.Code != end.Stop.Code)
        {
            string here = stop.Kind == StopKind.InstructionLimit ? "the guest goes on" : stop.Detail;
            return Differ(string.Create(CultureInfo.InvariantCulture, $"here {here}; in the recorded run {end.Stop.Detail}, after {_recording.LastMoment.Instructions} instructions"));
        }

        if (Compare(_recording.Marks[^1]) is { } difference)
        {
            return Differ(difference);
        }

        _next++;
        return new ReplayVerdict(reached, _next, IsComplete: true, null);
    }

    private string? Compare(RecordingMark mark)
    {
        if (_vm.Now != mark.At)
        {
            return $"the recorded run was at {mark.At} then, this one is at {_vm.Now}";
        }

        if (mark.Fingerprint is not { } expected)
        {
            return null;
        }

        MachineFingerprint found = MachineFingerprint.Of(_vm, withMemory: expected.Memory is not null);
        if (found.Differs(expected) is not { } parts)
        {
            _agreed = mark.At.Instructions;
            _agreedMemory = expected.Memory is null ? _agreedMemory : _agreed;
            return null;
        }

        // What only memory shows may have come about long before.
        _agreed = parts == "memory" ? _agreedMemory : _agreed;
        return mark.Eip == _vm.Cpu.Eip ? parts : string.Create(CultureInfo.InvariantCulture, $"{parts}; EIP was {mark.Eip:x8} and is {_vm.Cpu.Eip:x8}");
    }

    private static string Explain(ReplayDivergence divergence) =>
        string.Create(CultureInfo.InvariantCulture, $"{divergence.Detail}: expected at {divergence.Expected}, found at {divergence.Found} (input {divergence.Index})");

    private ReplayVerdict Differ(string what)
    {
        ReplayDifference difference = new(_agreed, _vm.InstructionsRetired, what);
        return new ReplayVerdict(new StopReason(StopKind.ReplayDiverged, 0, difference.ToString()), _next, IsComplete: false, difference);
    }
}
