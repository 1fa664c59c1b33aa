using ToyVmm.Mutants.Catalog;

namespace ToyVmm.Mutants.Running;

/// <summary>What became of a mutant.</summary>
internal enum Fate
{
    /// <summary>No test failed: one is missing.</summary>
    Survived,

    /// <summary>A test failed.</summary>
    TestFailed,

    /// <summary>The process that runs the tests died.</summary>
    HostCrashed,

    /// <summary>The tests did not end in time.</summary>
    TimedOut,
}

/// <summary>What became of one mutant, and by what.</summary>
/// <param name="Mutant">The mutant.</param>
/// <param name="Fate">What became of it.</param>
/// <param name="Test">The test that failed first, its arguments left out; empty for the other fates.</param>
/// <param name="Time">How long that took, the start of the test host included.</param>
/// <param name="Wide">True when the expected tests noticed nothing, and all others were asked.</param>
internal sealed record Verdict(Mutant Mutant, Fate Fate, string Test, TimeSpan Time, bool Wide)
{
    /// <summary>True when the tests noticed it.</summary>
    public bool IsKilled => Fate != Fate.Survived;

    /// <summary>What killed it, in words.</summary>
    public string Killer => Fate switch
    {
        Fate.Survived => "nothing: it survived",
        Fate.HostCrashed => "a crash of the test host",
        Fate.TimedOut => "a time-out",
        _ => Test,
    } + (Wide && IsKilled ? " (not among the expected tests)" : "");
}
