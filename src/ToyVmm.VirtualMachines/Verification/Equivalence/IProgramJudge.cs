using ToyVmm.VirtualMachines.Verification.Programs;

namespace ToyVmm.VirtualMachines.Verification.Equivalence;

/// <summary>Somebody from outside who can run random programs: the host CPU, another VMM.</summary>
public interface IProgramJudge : IDisposable
{
    /// <summary>Who.</summary>
    string Name { get; }

    /// <summary>Options of `toyvmm verify` without which it would not be asked again about the same program; null for none.</summary>
    string? Options { get; }

    /// <summary>True for programs that it can run, and whose outcome it must agree on.</summary>
    bool CanJudge(RandomProgram program);

    /// <summary>Runs a program.</summary>
    /// <param name="image">The program.</param>
    /// <param name="problem">What went wrong where it should not: it did not end. Null without a result: the judge has no opinion on this program.</param>
    /// <returns>Null where there is no result.</returns>
    ProgramResult? Run(ProgramImage image, out string? problem);

    /// <summary>What of a result this judge can tell, with everything else the same: two results are compared in what is left.</summary>
    ProgramResult Comparable(ProgramResult result);
}

/// <summary>Makes judges: one for each thread.</summary>
/// <param name="Name">Who they are.</param>
/// <param name="Make">Makes one.</param>
public sealed record JudgeSource(string Name, Func<IProgramJudge> Make);
