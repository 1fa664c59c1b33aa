using System.Globalization;
using System.Xml.Linq;
using ToyVmm.Mutants.Building;

namespace ToyVmm.Mutants.Running;

/// <summary>One test of a run.</summary>
/// <param name="Name">Its full name, with arguments.</param>
/// <param name="Failed">True when it failed.</param>
/// <param name="Ended">How long after the start of the run it ended, the start of the test host included.</param>
internal readonly record struct TestResult(string Name, bool Failed, TimeSpan Ended);

/// <summary>What one run of the test assembly said.</summary>
/// <param name="Tests">The tests that ended.</param>
/// <param name="Process">How the runner ended.</param>
/// <param name="Duration">How long it all took.</param>
internal sealed record TestRun(IReadOnlyList<TestResult> Tests, ToolResult Process, TimeSpan Duration)
{
    private const string ResultFile = "results.trx";

    /// <summary>The tests that failed, the first to end first.</summary>
    public IEnumerable<TestResult> Failures => Tests.Where(test => test.Failed).OrderBy(test => test.Ended);

    /// <summary>True when the run did not end well, although no test says so: the test host has died.</summary>
    public bool Crashed => !Process.TimedOut && Process.ExitCode != 0 && !Tests.Any(test => test.Failed);

    /// <summary>Runs tests.</summary>
    /// <param name="build">The build.</param>
    /// <param name="filter">Which (the syntax of <c>dotnet test --filter</c>).</param>
    /// <param name="mutant">The number of the active mutant; null for none.</param>
    /// <param name="settings">The random numbers of the tests, and how long they may take.</param>
    /// <param name="stopEarly">True to leave out what has not started when a test fails.</param>
    /// <param name="cancellation">Stops it.</param>
    public static async Task<TestRun> RunAsync(
        MutantBuild build, string filter, int? mutant, RunSettings settings, bool stopEarly, CancellationToken cancellation)
    {
        string folder = build.Tree.PathOf("mutant-results");
        string file = Path.Combine(folder, ResultFile);
        _ = Directory.CreateDirectory(folder);
        File.Delete(file);
        List<string> arguments = ["test", build.TestAssembly, "--filter", filter, "--logger", $"trx;LogFileName={ResultFile}", "--results-directory", folder];
        if (stopEarly)
        {
            arguments.AddRange(["--", "xUnit.StopOnFail=true"]);
        }

        Dictionary<string, string?> variables = new()
        {
            [MutantBuild.Variable] = mutant?.ToString(CultureInfo.InvariantCulture),
            ["TOYVMM_SEED"] = settings.Seed.ToString(CultureInfo.InvariantCulture),
            ["TOYVMM_FUZZ_CASES"] = null,
            ["TOYVMM_ORACLE_CASES"] = null,
        };
        DateTimeOffset start = DateTimeOffset.UtcNow;
        ToolResult result = await ToolProcess.RunAsync("dotnet", arguments, build.Tree.Root, variables, settings.Limit, cancellation).ConfigureAwait(false);
        return new TestRun(File.Exists(file) ? Read(file, start) : [], result, DateTimeOffset.UtcNow - start);
    }

    private static List<TestResult> Read(string file, DateTimeOffset start)
    {
        XNamespace space = "http://microsoft.com/schemas/VisualStudio/TeamTest/2010";
        return
        [
            .. XDocument.Load(file).Descendants(space + "UnitTestResult")
                .Where(result => (string?)result.Attribute("outcome") is "Passed" or "Failed")
                .Select(result => new TestResult(
                    (string)result.Attribute("testName")!,
                    (string?)result.Attribute("outcome") == "Failed",
                    DateTimeOffset.Parse((string)result.Attribute("endTime")!, CultureInfo.InvariantCulture) - start)),
        ];
    }
}

/// <summary>What every run of tests has in common.</summary>
/// <param name="Seed">TOYVMM_SEED: the tests' random numbers.</param>
/// <param name="Limit">How long a run may take.</param>
internal readonly record struct RunSettings(ulong Seed, TimeSpan Limit);
