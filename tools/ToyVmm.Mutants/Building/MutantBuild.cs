using ToyVmm.Mutants.Catalog;

namespace ToyVmm.Mutants.Building;

/// <summary>The one build that holds every chosen mutant: woven sources, compiled test assembly.</summary>
internal sealed class MutantBuild
{
    /// <summary>The environment variable that chooses a mutant by its number when an assembly of the build is loaded; not set: none.</summary>
    public const string Variable = "TOYVMM_MUTANT";

    private const string TestProject = "tests/ToyVmm.Tests";
    private const string Chooser = "ActiveMutant";

    private readonly Dictionary<string, int> _numbers = [];

    private MutantBuild(SourceTree tree) => Tree = tree;

    /// <summary>The sources.</summary>
    public SourceTree Tree { get; }

    /// <summary>The compiled tests.</summary>
    public string TestAssembly => Tree.PathOf($"{TestProject}/bin/Release/net10.0/ToyVmm.Tests.dll");

    /// <summary>Weaves mutants into a tree.</summary>
    /// <exception cref="MutantException">One does not match its source.</exception>
    public static MutantBuild Weave(SourceTree tree, IReadOnlyList<Mutant> mutants)
    {
        MutantBuild build = new(tree);
        List<NumberedMutant> numbered = [.. mutants.Select((mutant, n) => new NumberedMutant(n + 1, mutant))];
        foreach (IGrouping<string, NumberedMutant> file in numbered.GroupBy(mutant => mutant.Mutant.Source))
        {
            if (!File.Exists(tree.PathOf(file.Key)))
            {
                throw new MutantException($"{file.First().Mutant.Place}: there is no {file.Key}");
            }

            tree.Write(file.Key, SourceWeaver.Weave(File.ReadAllText(tree.PathOf(file.Key)), $"global::{ProjectOf(file.First().Mutant)}.{Chooser}.Number", file));
        }

        foreach (string project in mutants.Select(ProjectOf).Distinct())
        {
            tree.Write($"src/{project}/{Chooser}.cs", $$"""
                namespace {{project}};

                internal static class {{Chooser}}
                {
                    public static readonly int Number = int.TryParse(System.Environment.GetEnvironmentVariable("{{Variable}}"), out int number) ? number : 0;
                }
                """);
        }

        foreach (NumberedMutant mutant in numbered)
        {
            build._numbers.Add(mutant.Mutant.Name, mutant.Number);
        }

        return build;
    }

    /// <summary>What <see cref="Variable"/> must be for a mutant.</summary>
    public int NumberOf(Mutant mutant) => _numbers[mutant.Name];

    /// <summary>Compiles the tests and what they need. The analyzers have seen the originals; woven text is not for them.</summary>
    /// <exception cref="MutantException">It does not compile.</exception>
    public async Task CompileAsync(CancellationToken cancellation)
    {
        string[] arguments =
        [
            "build", TestProject, "-c", "Release", "-v", "quiet", "-nodeReuse:false", "-p:UseSharedCompilation=false",
            "-p:RunAnalyzers=false", "-p:EnforceCodeStyleInBuild=false", "-p:TreatWarningsAsErrors=false", "-p:WarningLevel=0", "-p:GenerateDocumentationFile=false",
        ];
        ToolResult result = await ToolProcess.RunAsync("dotnet", arguments, Tree.Root, [], Timeout.InfiniteTimeSpan, cancellation).ConfigureAwait(false);
        if (result.ExitCode != 0)
        {
            IEnumerable<string> errors = result.Output.Split('\n').Where(line => line.Contains(": error ", StringComparison.Ordinal)).Distinct().Take(20);
            string text = string.Join('\n', errors);
            throw new MutantException($"the woven sources do not compile:\n{(text.Length > 0 ? text : result.Output)}");
        }
    }

    // src/PROJECT/...
    private static string ProjectOf(Mutant mutant) =>
        mutant.Source.Split('/') is ["src", var project, _, ..]
            ? project
            : throw new MutantException($"{mutant.Place}: the source of a mutant is in a project below src/, not {mutant.Source}");
}
