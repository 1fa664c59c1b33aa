namespace ToyVmm.VirtualMachines.Checkpoints;

/// <summary>
/// A moment that a machine can be taken back to (<see cref="VirtualMachine.ReturnTo"/>), in place. The checkpoints of a machine are a stack: the state of
/// CPU and chips is in each; of RAM and written sectors each has the old contents of what has changed until the next one was taken.
/// </summary>
public sealed class Checkpoint
{
    private readonly VirtualMachine _vm;

    internal Checkpoint(VirtualMachine vm, byte[] state, byte[] input, CheckpointCounts counts)
    {
        _vm = vm;
        State = state;
        Input = input;
        Counts = counts;
        At = vm.Now;
        Point = vm.Point;
    }

    /// <summary>The moment.</summary>
    public InputMoment At { get; }

    /// <summary>The moment, as debuggers count.</summary>
    public ExecutionPoint Point { get; }

    /// <summary>False once it was forgotten, or the machine was taken back to before it.</summary>
    public bool IsUsable => _vm.Checkpoints.Contains(this);

    /// <summary>Bytes of host memory that it takes. Grows while it is the newest one.</summary>
    public ulong Bytes => (ulong)(State.Length + Input.Length) + _vm.KeptBytes(this);

    /// <summary>CPU and chips.</summary>
    internal byte[] State { get; }

    /// <summary>What waited in the input queue.</summary>
    internal byte[] Input { get; }

    /// <summary>What limits count, which is the host's and not in the state.</summary>
    internal CheckpointCounts Counts { get; }
}

/// <summary>What the host counts of a guest and ends it for: it has to be as it was, or the guest would be ended elsewhere than the first time.</summary>
/// <param name="SerialBytes">Bytes sent.</param>
/// <param name="SerialLength">Of those, the ones that are collected (<see cref="VirtualMachine.SerialOutput"/>).</param>
/// <param name="HypercallUnits">What hypercalls have cost.</param>
/// <param name="Disks">What was done to disks.</param>
/// <param name="Verdict">Why it is not to run any more.</param>
internal readonly record struct CheckpointCounts(
    ulong SerialBytes, int SerialLength, ulong HypercallUnits, (ulong BytesWritten, ulong SectorsRead, ulong Flushes) Disks, StopReason? Verdict);
