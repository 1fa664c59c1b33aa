using ToyVmm.Engines.Metering;

namespace ToyVmm.VirtualMachines.Advising;

/// <summary>What a guest left its code for, and what would spare it.</summary>
/// <param name="Total">Host time of the run, the measuring not counted.</param>
/// <param name="Rows">Where and why, the costliest first.</param>
/// <param name="Calls">The calls that would save something, the one that saves most first.</param>
public sealed record AdviceReport(TimeSpan Total, IReadOnlyList<AdviceRow> Rows, IReadOnlyList<CallAdvice> Calls);

/// <summary>One place of the guest, and one reason for leaving it.</summary>
/// <param name="Symbol">The function or label; null where nothing is known.</param>
/// <param name="Address">The lowest linear address that is meant; 0 where there were too many places to tell apart.</param>
/// <param name="Places">How many instructions of the function it is about.</param>
/// <param name="Kind">The reason.</param>
/// <param name="Detail">The reason in words, with the port or the instruction.</param>
/// <param name="Count">How often; exact.</param>
/// <param name="Time">Host time from leaving the guest's code to going on in it.</param>
/// <param name="Call">What would spare it.</param>
/// <param name="Spared">Of <paramref name="Count"/>, how many; at most as many where <paramref name="IsBound"/>.</param>
/// <param name="IsBound">True where <paramref name="Spared"/> is an upper bound, and what is really spared depends on the guest.</param>
public sealed record AdviceRow(
    string? Symbol, uint Address, int Places, InterventionKind Kind, string Detail, ulong Count, TimeSpan Time, ParavirtualCall Call, ulong Spared, bool IsBound);

/// <summary>What one paravirtual call would save.</summary>
/// <param name="Call">The call.</param>
/// <param name="Spared">Interventions that would not happen: the sum over the rows.</param>
/// <param name="Calls">Calls that would happen instead: one for each run of such interventions (<see cref="InterventionProfile.RunInstructions"/>).</param>
/// <param name="IsBound">True where <paramref name="Spared"/> is an upper bound.</param>
/// <param name="Reason">Why, in one sentence.</param>
public sealed record CallAdvice(ParavirtualCall Call, ulong Spared, ulong Calls, bool IsBound, string Reason)
{
    /// <summary>What is saved on balance.</summary>
    public ulong Saved => Spared > Calls ? Spared - Calls : 0;
}
