namespace ToyVmm.Hardware.State;

/// <summary>
/// Contents of a machine that are too large to be saved as a whole whenever somebody may want to return to a moment: instead what changes is kept from a
/// checkpoint on. The checkpoints are a stack, numbered from 0, the oldest.
/// </summary>
public interface ICheckpoints
{
    /// <summary>Makes it possible to return to this moment.</summary>
    void AddCheckpoint();

    /// <summary>Has the contents be as they were at a checkpoint. It stays, later ones go.</summary>
    /// <param name="index">Its number.</param>
    void ReturnTo(int index);

    /// <summary>Gives a checkpoint up; later ones have smaller numbers from now on.</summary>
    /// <param name="index">Its number.</param>
    void RemoveCheckpoint(int index);

    /// <summary>Bytes that a checkpoint takes: what has changed until the next one was taken, or until now.</summary>
    /// <param name="index">Its number.</param>
    ulong CheckpointBytes(int index);
}
