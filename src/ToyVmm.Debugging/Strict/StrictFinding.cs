namespace ToyVmm.Debugging.Strict;

/// <summary>Something that works here and does not, or not always, on hardware: one for each place.</summary>
/// <param name="Check">Which check has found it: one bit.</param>
/// <param name="CodeSelector">CS.</param>
/// <param name="Eip">The instruction's offset in CS.</param>
/// <param name="Address">The instruction's linear address.</param>
/// <param name="Instruction">The instruction, disassembled.</param>
/// <param name="Instructions">Instructions retired before it was first executed so: where a debugger goes back to.</param>
/// <param name="What">What is wrong, in plain words.</param>
/// <param name="Mend">What to do about it.</param>
/// <param name="Manual">Where the manual says so.</param>
public sealed record StrictFinding(
    StrictChecks Check, ushort CodeSelector, uint Eip, uint Address, string Instruction, ulong Instructions, string What, string Mend, string Manual)
{
    /// <summary>How often it happened there.</summary>
    public ulong Count { get; internal set; } = 1;
}
