namespace ToyVmm.Engines;

/// <summary>
/// Port accesses and hypercalls performed where they happen, without leaving the engine (<see cref="Vcpu.Ports"/>). A guest's delay loops and drivers
/// make millions of them, and most concern nobody but one chip: the trip through the monitor's loop would cost many times the access.
/// </summary>
/// <remarks>
/// An access counts as an exit (<see cref="ExitReason.PortIo"/>) that was handled at once. Whoever performs it does what the monitor does
/// between two runs - the clock, the device, interrupts, a new budget - and answers with that budget; or with 0 where the monitor's loop
/// must look: then the engine leaves with <see cref="ExitReason.PortIoPerformed"/> where it would have left with the access itself.
/// </remarks>
public unsafe interface IPortAccess
{
    /// <summary>
    /// Two tables of 64 Ki bytes, one behind the other, at one address as long as this exists. The first has a zero for each port that is a latch:
    /// a byte in the second table that reads and writes reach, without any other effect. Emitted code then reaches it itself, and counts (guests write to
    /// port 80 merely to wait). Null: no port is one, and each access is told of.
    /// </summary>
    byte* Latches { get; }

    /// <summary>Tells of accesses to latches that were not worth a call: each counts as a handled exit.</summary>
    /// <param name="accesses">How many there were since the last time.</param>
    void CountLatchAccesses(ulong accesses);

    /// <summary>The guest executes IN, or an element of INS. Nothing of the instruction has happened yet.</summary>
    /// <param name="port">The port.</param>
    /// <param name="width">Bytes: 1, 2 or 4.</param>
    /// <param name="retired">Instructions retired before this one.</param>
    /// <param name="value">What the device returned; bits above the width are ignored.</param>
    /// <returns>How many instructions may retire from <paramref name="retired"/> on, this one included; 0 to make the engine leave.</returns>
    ulong Read(ushort port, int width, ulong retired, out uint value);

    /// <summary>The guest executes OUT, or an element of OUTS.</summary>
    /// <param name="port">The port.</param>
    /// <param name="width">Bytes: 1, 2 or 4.</param>
    /// <param name="value">The value, zero-extended.</param>
    /// <param name="retired">Instructions retired, this one included where it is complete with this access.</param>
    /// <returns>How many instructions may retire from <paramref name="retired"/> on; 0 to make the engine leave.</returns>
    ulong Write(ushort port, int width, uint value, ulong retired);

    /// <summary>The guest executes VMCALL in ring 0; the registers have the call, and get the answer. Counts as an exit (<see cref="ExitReason.Hypercall"/>).</summary>
    /// <param name="retired">Instructions retired, this one included.</param>
    /// <returns>How many instructions may retire from <paramref name="retired"/> on; 0 to make the engine leave.</returns>
    ulong Hypercall(ulong retired);
}
