using ToyVmm.Hardware;
using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.State;
using ToyVmm.VirtualMachines.Checkpoints;

namespace ToyVmm.VirtualMachines;

/// <content>Going back, in place.</content>
public sealed unsafe partial class VirtualMachine
{
    private const int LittleInput = 64;

    private readonly List<Checkpoint> _checkpoints = [];

    /// <summary>The checkpoints, the oldest first.</summary>
    public IReadOnlyList<Checkpoint> Checkpoints => _checkpoints;

    /// <summary>
    /// Makes it possible to return to this moment of the stopped machine. From now on the first store to each page of RAM is noticed, and what the page held
    /// is kept, until the next checkpoint: a guest pays for that as for a hidden page fault.
    /// </summary>
    /// <returns>The checkpoint, the newest.</returns>
    /// <exception cref="NotSupportedException">Something that the guest does cannot be taken back: it writes to a disk's image file, or it can reach other guests.</exception>
    /// <exception cref="InsufficientMemoryException">The host has no memory; <see cref="Run"/> throws it too then, while there are checkpoints.</exception>
    /// <remarks>Not while <see cref="Run"/> runs. Costs some tens of microseconds, and as much as there were pages stored to since the last checkpoint.</remarks>
    public Checkpoint TakeCheckpoint()
    {
        if (WhyNoCheckpoints is { } reason)
        {
            throw new NotSupportedException(reason);
        }

        StateTransfer state = StateTransfer.ForSaving(inPlace: true);
        Transfer(state);
        StateTransfer input = StateTransfer.ForSaving(LittleInput);
        ((ISavedState)Input).Transfer(input);
        CheckpointCounts counts = new(SerialBytesSent, _serialOutput.Length, HypercallUnits, _disks.Counts, _limitStop);
        Checkpoint checkpoint = new(this, state.Saved.ToArray(), input.Saved.ToArray(), counts);
        Machine.AddCheckpoint();
        foreach (ICheckpoints written in _drives.Written)
        {
            written.AddCheckpoint();
        }

        _checkpoints.Add(checkpoint);
        return checkpoint;
    }

    /// <summary>Why a machine like this cannot be taken back to where it was; null where it can.</summary>
    public string? WhyNoCheckpoints =>
        _config.Disks.FirstOrDefault(disk => disk.Access == DiskAccess.ReadWrite) is { } disk
            ? $"{disk.Path} is written to by the guest, which nobody can take back: have the disk as a snapshot or read-only"
            : _options.Network is not null || Machine.Memory.SharesPages
            ? "the guest can reach other guests, and what it does to them nobody can take back"
            : null;

    /// <summary>
    /// Takes the stopped machine back to a checkpoint, in place: RAM lies where it lay, and decoded and translated code of pages that have not changed stays. The
    /// guest goes on as it did the first time, if it is given the same input at the same moments. The checkpoint stays, later ones are gone.
    /// </summary>
    /// <param name="checkpoint">One of <see cref="Checkpoints"/>.</param>
    /// <param name="keepsInput">
    /// True where somebody gives the guest again what it has taken since: what waits now goes on waiting. False to have what waited then wait again; what came since is lost.
    /// </param>
    /// <exception cref="ArgumentException">It is none of them (any more).</exception>
    /// <exception cref="IOException">The host refuses memory.</exception>
    /// <remarks>Not while <see cref="Run"/> runs. <see cref="Statistics"/> are the host's, and go on.</remarks>
    public void ReturnTo(Checkpoint checkpoint, bool keepsInput = false)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        int index = IndexOf(checkpoint);
        Machine.ReturnTo(index);
        foreach (ICheckpoints written in _drives.Written)
        {
            written.ReturnTo(index);
        }

        _checkpoints.RemoveRange(index + 1, _checkpoints.Count - index - 1);
        CheckpointCounts counts = checkpoint.Counts;
        SerialBytesSent = counts.SerialBytes;
        _serialOutput.Length = counts.SerialLength;
        _unitsAtLook = counts.HypercallUnits;
        HypercallUnits = counts.HypercallUnits;
        _disks.Restore(counts.Disks);
        _limitStop = counts.Verdict;
        _hypercallStop = null;
        Restore(StateTransfer.ForRestoring(checkpoint.State, inPlace: true));
        if (!keepsInput)
        {
            ((ISavedState)Input).Transfer(StateTransfer.ForRestoring(checkpoint.Input));
        }
    }

    /// <summary>Gives a checkpoint up. The others are as good as before: what it has kept goes to the one before it, as far as that does not have it already.</summary>
    /// <param name="checkpoint">One of <see cref="Checkpoints"/>.</param>
    /// <exception cref="ArgumentException">It is none of them (any more).</exception>
    public void Forget(Checkpoint checkpoint)
    {
        ArgumentNullException.ThrowIfNull(checkpoint);
        int index = IndexOf(checkpoint);
        Machine.Memory.RemoveCheckpoint(index);
        foreach (ICheckpoints written in _drives.Written)
        {
            written.RemoveCheckpoint(index);
        }

        _checkpoints.RemoveAt(index);
    }

    /// <summary>Bytes that a checkpoint has kept.</summary>
    internal ulong KeptBytes(Checkpoint checkpoint)
    {
        int index = _checkpoints.IndexOf(checkpoint);
        return index < 0 ? 0 : _drives.Written.Aggregate(Machine.Memory.CheckpointBytes(index), (sum, written) => sum + written.CheckpointBytes(index));
    }

    private int IndexOf(Checkpoint checkpoint)
    {
        int index = _checkpoints.IndexOf(checkpoint);
        return index >= 0 ? index : throw new ArgumentException("the checkpoint is not one of this machine, or it is gone", nameof(checkpoint));
    }
}
