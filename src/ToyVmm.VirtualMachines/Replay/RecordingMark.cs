namespace ToyVmm.VirtualMachines.Replay;

/// <summary>How the recorded machine was at one moment, to compare the replayed one with.</summary>
/// <param name="Events">How many events of the log it had taken.</param>
/// <param name="At">The moment.</param>
/// <param name="Eip">EIP then: says more than a hash where it differs.</param>
/// <param name="Fingerprint">Hashes of its parts; null where the machine was stopped within a string instruction, which no replay can stop in.</param>
public readonly record struct RecordingMark(int Events, InputMoment At, uint Eip, MachineFingerprint? Fingerprint);

/// <summary>How a recorded run ended.</summary>
/// <param name="Stop">Why.</param>
/// <param name="ExitStatus">The exit status of the process that recorded it.</param>
public sealed record RecordingEnd(StopReason Stop, int ExitStatus)
{
    /// <summary>True where the host ended the run, and the guest would have gone on.</summary>
    public bool IsByHost => Stop.Kind is StopKind.InstructionLimit or StopKind.TimeLimit or StopKind.Stopped or StopKind.ExitLimit
        or StopKind.TraceLimit or StopKind.HostFailure or StopKind.InternalError or StopKind.MemoryLimit;
}
