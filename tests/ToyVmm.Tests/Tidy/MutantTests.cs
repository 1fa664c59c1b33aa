using System.Reflection;
using ToyVmm.Mutants.Catalog;
using Xunit;

namespace ToyVmm.Tests.Tidy;

/// <summary>
/// The seeded faults of tests/mutants do not rot: each still fits the sources, and names tests that exist. That those tests notice it is the
/// business of tools/ToyVmm.Mutants (docs/mutants.md).
/// </summary>
public sealed class MutantTests
{
    private const string Record = """
        # A comment.
        mutant: adds-one
        breaks: It adds one.
        source: src/ToyVmm.Hardware/A.cs
        tests:  MutantTests, OtherTests.Some_test
        expression:
        - b +
        -   c
        + b + c + 1
        """;

    /// <summary>What the issue lists, and the parts that lock-step and the rest rely on.</summary>
    public static TheoryData<string> Areas =>
        ["decoder", "flags", "segmentation", "paging", "interrupts", "translator", "shadow", "verifier", "limits", "tlb", "devices", "state-hash"];

    [Fact]
    public void There_are_enough() => Assert.True(MutantCatalog.Load(RepositoryFiles.Root).Count >= 100);

    [Theory]
    [MemberData(nameof(Areas))]
    public void Every_area_has_some(string area) =>
        Assert.True(MutantCatalog.Load(RepositoryFiles.Root).Count(mutant => mutant.Area == area) >= 4);

    /// <summary>The tool does the same before it builds; here it is found in the push that changed the source.</summary>
    [Fact]
    public void Each_stands_once_in_its_source_and_none_overlap()
    {
        int number = 0;
        foreach (IGrouping<string, Mutant> file in MutantCatalog.Load(RepositoryFiles.Root).GroupBy(mutant => mutant.Source))
        {
            string source = File.ReadAllText(Path.Combine(RepositoryFiles.Root, file.Key));
            string woven = SourceWeaver.Weave(source, "Active", file.Select(mutant => new NumberedMutant(++number, mutant)));
            Assert.NotEqual(source, woven);
        }
    }

    [Fact]
    public void Each_differs_from_its_original_and_says_what_it_breaks()
    {
        foreach (Mutant mutant in MutantCatalog.Load(RepositoryFiles.Root))
        {
            Assert.True(mutant.Original != mutant.Mutated, $"{mutant.Place}: original and mutant are the same");
            Assert.True(mutant.Breaks.EndsWith('.'), $"{mutant.Place}: \"breaks\" is a sentence");
        }
    }

    [Fact]
    public void Each_names_tests_that_exist()
    {
        Type[] classes = [.. typeof(MutantTests).Assembly.GetTypes().Where(type => type is { IsClass: true, IsAbstract: false } && Tests(type).Any())];
        foreach (Mutant mutant in MutantCatalog.Load(RepositoryFiles.Root))
        {
            Assert.NotEmpty(mutant.Tests);
            foreach (string test in mutant.Tests)
            {
                string[] parts = test.Split('.');
                Type? type = Array.Find(classes, candidate => candidate.Name == parts[0]);
                Assert.True(type is not null, $"{mutant.Place}: there is no test class {parts[0]}");
                Assert.True(parts.Length == 1 || Tests(type).Any(method => method.Name.StartsWith(parts[1], StringComparison.Ordinal)), $"{mutant.Place}: there is no {test}");
            }
        }
    }

    [Fact]
    public void A_record_is_read()
    {
        Mutant mutant = Assert.Single(MutantFile.Parse("tests/mutants/flags.mutants", Record));
        Assert.Equal(("adds-one", "flags", "It adds one.", MutantKind.Expression), (mutant.Name, mutant.Area, mutant.Breaks, mutant.Kind));
        Assert.Equal(("b +\nc", "b + c + 1", "tests/mutants/flags.mutants:2"), (mutant.Original, mutant.Mutated, mutant.Place));
        Assert.Equal(["MutantTests", "OtherTests.Some_test"], mutant.Tests);
    }

    [Theory]
    [InlineData("mutant: adds-one", "mutant: Adds One", "kebab-case")]
    [InlineData("mutant: adds-one", "", "\"mutant:\"")]
    [InlineData("breaks: It adds one.", "breaks:", "breaks")]
    [InlineData("breaks: It adds one.", "broken: It adds one.", "broken")]
    [InlineData("expression:", "statement: x", "statement")]
    [InlineData("expression:", "", "expression")]
    [InlineData("+ b + c + 1", "", "lines of")]
    public void A_malformed_record_is_refused(string line, string instead, string message)
    {
        string text = string.Join('\n', Record.ReplaceLineEndings("\n").Split('\n').Select(old => old == line ? instead : old).Where(old => old.Length > 0));
        MutantException refused = Assert.Throws<MutantException>(() => MutantFile.Parse("flags.mutants", text));
        Assert.Contains(message, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Original_and_mutants_of_an_expression_are_chosen_by_number()
    {
        Mutant first = MutantFile.Parse("flags.mutants", Record)[0];
        NumberedMutant[] both = [new(1, first), new(2, first with { Mutated = "0" })];
        Assert.Equal("a = (N == 1 ? (b + c + 1) : N == 2 ? (0) : (b + c)); d();", SourceWeaver.Weave("a = b + c; d();", "N", both));
    }

    [Fact]
    public void A_statement_is_replaced_or_left_out()
    {
        Mutant first = MutantFile.Parse("flags.mutants", Record)[0] with { Kind = MutantKind.Statement, Original = "d();", Mutated = "" };
        Assert.Equal("a = b + c; if (N == 3) {  } else { d(); }", SourceWeaver.Weave("a = b + c; d();", "N", [new(3, first)]));
    }

    [Theory]
    [InlineData("a = b + d;", "0 times")]
    [InlineData("a = b + c; x = b +\n    c;", "2 times")]
    public void An_original_must_be_there_once(string source, string message)
    {
        Mutant mutant = MutantFile.Parse("flags.mutants", Record)[0];
        MutantException refused = Assert.Throws<MutantException>(() => SourceWeaver.Weave(source, "N", [new(1, mutant)]));
        Assert.Contains(message, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Originals_must_not_overlap()
    {
        Mutant mutant = MutantFile.Parse("flags.mutants", Record)[0];
        Mutant other = mutant with { Name = "other", Original = "a = b" };
        MutantException refused = Assert.Throws<MutantException>(() => SourceWeaver.Weave("a = b + c;", "N", [new(1, mutant), new(2, other)]));
        Assert.Contains("overlaps", refused.Message, StringComparison.Ordinal);
    }

    private static IEnumerable<MethodInfo> Tests(Type type) =>
        type.GetMethods().Where(method => method.GetCustomAttributes<FactAttribute>().Any());
}
