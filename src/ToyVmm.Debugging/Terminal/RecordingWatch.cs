using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Replay;
using static System.FormattableString;

namespace ToyVmm.Debugging.Terminal;

/// <summary>Tells, once, when a guest whose recorded run is debugged is no longer that run: somebody has changed it, or it has gone beyond the recording's end.</summary>
/// <param name="machine">The machine, before the session has let it run: what it replays now is the recording.</param>
internal sealed class RecordingWatch(VirtualMachine machine)
{
    private readonly InputReplayer? _recording = machine.Replay;
    private bool _isTold;

    /// <summary>Asked behind each command.</summary>
    /// <param name="changes">True where the command has changed the guest, or has given it input.</param>
    /// <returns>What the user is told; null for nothing.</returns>
    public string? Leaves(bool changes)
    {
        if (_isTold || _recording is null)
        {
            return null;
        }

        string? told = changes ? "the guest was changed: from here on the run is no longer the recorded one, and what was recorded may not fit it"
            : _recording.End is { } end && machine.Now > end && _recording.IsAtEnd(machine) ? Invariant($"the recording ended at instruction {end.Instructions:N0}: behind that the run is no longer the recorded one")
            : null;
        _isTold = told is not null;
        return told;
    }
}
