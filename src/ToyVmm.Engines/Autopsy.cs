namespace ToyVmm.Engines;

/// <summary>Why a CPU shut down: the faults of the chain in the order in which they happened, each with where and why.</summary>
/// <param name="Chain">First cause first.</param>
/// <param name="Tables">The tables and selectors involved, one line each.</param>
public sealed record Autopsy(IReadOnlyList<AutopsyFault> Chain, IReadOnlyList<string> Tables);

/// <summary>One fault of the chain.</summary>
/// <param name="Trap">The fault.</param>
/// <param name="CodeSelector">CS at that time.</param>
/// <param name="Eip">EIP at that time.</param>
/// <param name="Cause">What the CPU was doing and which check failed, in words.</param>
/// <param name="Instructions">Instructions retired before it: where a debugger goes back to.</param>
public sealed record AutopsyFault(TrapInfo Trap, ushort CodeSelector, uint Eip, string Cause, ulong Instructions = 0);
