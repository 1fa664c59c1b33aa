using ToyVmm.VirtualMachines.Checkpoints;

namespace ToyVmm.Debugging.History;

/// <summary>A checkpoint in a history.</summary>
/// <param name="Checkpoint">The checkpoint.</param>
/// <param name="Time">How long the guest had run until then, in seconds of the host: what it costs to come there again.</param>
/// <param name="Inputs">Inputs in the log by then.</param>
/// <param name="SerialBytes">Bytes sent by then.</param>
/// <param name="IsChange">True where the guest was changed just before: no way leads here from an earlier one.</param>
internal sealed record HistoryMark(Checkpoint Checkpoint, double Time, int Inputs, ulong SerialBytes, bool IsChange);
