using ToyVmm.Mutants.Building;
using ToyVmm.Mutants.Catalog;

namespace ToyVmm.Mutants.Running;

/// <summary>Runs mutants, one after the other, against the tests that should notice them.</summary>
/// <param name="build">The build that holds them.</param>
/// <param name="settings">The random numbers of the tests, and how long a mutant may take.</param>
/// <param name="expectedOnly">True to ask no other tests when the expected ones notice nothing.</param>
internal sealed class Campaign(MutantBuild build, RunSettings settings, bool expectedOnly)
{
    // Without a mutant nothing hangs, but many suites run at once.
    private static readonly TimeSpan s_baselineLimit = TimeSpan.FromMinutes(20);

    private TimeSpan _limit;
    private HashSet<string>? _wide;

    /// <summary>Runs the expected tests of these mutants with none active: if one fails, its failure says nothing of a mutant.</summary>
    /// <returns>How many tests ran.</returns>
    /// <exception cref="MutantException">A test fails, or an expected name matches none.</exception>
    public async Task<int> RunBaselineAsync(IReadOnlyList<Mutant> mutants, CancellationToken cancellation)
    {
        string filter = TestFilter.Of(mutants.SelectMany(mutant => mutant.Tests));
        TestRun run = await TestRun.RunAsync(build, filter, mutant: null, settings with { Limit = s_baselineLimit }, stopEarly: false, cancellation).ConfigureAwait(false);
        if (run.Process.ExitCode != 0)
        {
            IEnumerable<string> failures = run.Failures.Select(test => test.Name).Take(10);
            string text = run.Failures.Any() ? string.Join("\n", failures) : run.Process.Output;
            throw new MutantException($"tests fail with no mutant active, so that nothing can be said of mutants:\n{text}");
        }

        foreach (Mutant mutant in mutants)
        {
            foreach (string test in mutant.Tests)
            {
                if (!run.Tests.Any(result => TestFilter.Matches(test, result.Name)))
                {
                    throw new MutantException($"{mutant.Place}: {mutant.Name}: no test that runs here is named {test}");
                }
            }
        }

        // On a busy machine slow is not late.
        TimeSpan patience = 2 * run.Duration;
        _limit = patience > settings.Limit ? patience : settings.Limit;
        return run.Tests.Count;
    }

    /// <summary>Tries to kill one mutant: by the tests that should, and if they do not by all that are quick.</summary>
    public async Task<Verdict> TryAsync(Mutant mutant, CancellationToken cancellation)
    {
        int number = build.NumberOf(mutant);
        TestRun run = await TestRun.RunAsync(build, TestFilter.Of(mutant.Tests), number, settings with { Limit = _limit }, stopEarly: true, cancellation).ConfigureAwait(false);
        Verdict verdict = Judge(mutant, run, run.Failures, wide: false);
        if (verdict.IsKilled || expectedOnly)
        {
            return verdict;
        }

        if (_wide is null)
        {
            TestRun baseline = await TestRun.RunAsync(build, TestFilter.Wide, mutant: null, settings with { Limit = s_baselineLimit }, stopEarly: false, cancellation)
                .ConfigureAwait(false);
            _wide = [.. baseline.Tests.Where(test => !test.Failed).Select(test => test.Name)];
        }

        RunSettings patient = settings with { Limit = s_baselineLimit };
        TestRun wide = await TestRun.RunAsync(build, TestFilter.Wide, number, patient, stopEarly: true, cancellation).ConfigureAwait(false);
        return Judge(mutant, wide, wide.Failures.Where(test => _wide.Contains(test.Name)), wide: true);
    }

    private static Verdict Judge(Mutant mutant, TestRun run, IEnumerable<TestResult> failures, bool wide)
    {
        foreach (TestResult failure in failures)
        {
            return new Verdict(mutant, Fate.TestFailed, TestFilter.Short(failure.Name), failure.Ended, wide);
        }

        Fate fate = run.Process.TimedOut ? Fate.TimedOut : run.Crashed ? Fate.HostCrashed : Fate.Survived;
        return new Verdict(mutant, fate, "", run.Duration, wide);
    }
}
