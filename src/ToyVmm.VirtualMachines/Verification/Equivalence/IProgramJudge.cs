using ToyVmm.VirtualMachines.Verification.Programs;

namespace ToyVmm.VirtualMachines.Verification.Equivalence;

/// <summary>Somebody from outside who can run random programs: the host CPU, another VMM.</summary>
public interface IProgramJudge : IDisposable
{
    /// <summary>Who.</summary>
    string Name { get; }

    /// <summary>True for programs that it can run, and whose outcome it must agree on.</summary>
    bool CanJudge(RandomProgram program);

    /// <summary>Runs a program.</summary>
    /// <param name="image">The program.</param>
    /// <param name="problem">What went wrong where it should not: it did not end. Null without a result: the judge has no opinion on this program.</param>
    /// <returns>Null where there is no result.</returns>
    ProgramResult? Run(ProgramImage image, out string? problem);

    /// <summary>The first thing in which it disagrees with our result; null for none.</summary>
    string? Difference(ProgramResult ours, ProgramResult theirs);
}
