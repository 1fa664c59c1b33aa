namespace ToyVmm.VirtualMachines.Replay;

/// <summary>
/// Gives a machine the inputs of a log at exactly their moments (<see cref="VirtualMachine.Replay"/>). Which of them come next follows from the machine
/// itself (<see cref="VirtualMachine.InputsTaken"/>), and so is right again when an older state is restored.
/// </summary>
/// <param name="log">The log; it may grow.</param>
public sealed class InputReplayer(InputLog log)
{
    /// <summary>The log.</summary>
    public InputLog Log { get; } = log ?? throw new ArgumentNullException(nameof(log));

    /// <summary>
    /// Up to here the run is known: what waits in the machine's queue is not taken before, also where the log has no more. Null where the last event is the end.
    /// </summary>
    public InputMoment? End { get; set; }

    /// <summary>True where a run stops at <see cref="End"/> (<see cref="StopKind.ReplayEnded"/>); false where the machine goes on live.</summary>
    public bool StopsAtEnd { get; set; }

    /// <summary>At a stop at <see cref="End"/>, interrupts are offered before: as where a run ends after so many instructions.</summary>
    internal bool OffersAtEnd { get; init; }

    /// <summary>
    /// Events from this index on are held back, whatever their moments; the largest value, which is the default, holds none. For a look at the machine in
    /// the middle of what came at one moment.
    /// </summary>
    public int HeldFrom { get; set; } = int.MaxValue;

    /// <summary>The index of the event that a machine takes next; below 0 where the machine is before the log's beginning.</summary>
    /// <param name="vm">The machine.</param>
    public long PositionOf(VirtualMachine vm)
    {
        ArgumentNullException.ThrowIfNull(vm);
        return unchecked((long)(vm.InputsTaken - Log.First));
    }

    /// <summary>True where a machine has taken everything and is at <see cref="End"/> or behind it: it goes on live.</summary>
    /// <param name="vm">The machine.</param>
    public bool IsAtEnd(VirtualMachine vm)
    {
        ArgumentNullException.ThrowIfNull(vm);
        return PositionOf(vm) >= Log.Count && (End is not { } end || vm.Now >= end);
    }
}
