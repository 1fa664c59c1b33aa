using ToyVmm.Tests.Fuzz;
using ToyVmm.Tests.Translation;
using ToyVmm.VirtualMachines;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Verification;

/// <summary>The isolation property on a few thousand new cases; TOYVMM_SEED and TOYVMM_FUZZ_CASES as for the other fuzz tests.</summary>
public sealed class IsolationTests(ITestOutputHelper output)
{
    // Some 20 minutes: more than that is the business of a campaign.
    private const int MostCases = 100_000;

    [Theory]
    [InlineData(1, 700)]
    [InlineData(2, 700)]
    public void A_hostile_guest_reaches_nothing_that_it_was_not_given(int part, int standardCases)
    {
        // Each part in another range of seeds.
        ulong first = FuzzSettings.FirstSeed() + ((ulong)(part - 1) << 32);
        int cases = Math.Min(FuzzSettings.Cases(standardCases), MostCases);
        VerificationTally tally = new();
        using ICaseChecker checker = new IsolationProperty(countsResources: false).CreateChecker();
        for (int n = 0; n < cases; n++)
        {
            if (checker.Check(first + (ulong)n, tally) is { } found)
            {
                Assert.Fail($"TOYVMM_SEED=0x{found.Seed:X} TOYVMM_FUZZ_CASES=0: {found.Summary}\n{found.Detail}");
            }
        }

        output.WriteLine($"seed 0x{first:X}");
        foreach ((string name, ulong number) in tally.Counts)
        {
            output.WriteLine($"{name}: {number}");
        }

        Assert.Equal((ulong)cases, tally.Counts["cases"]);
        if (cases >= 500)
        {
            // Cases that are all cut short, or all end at once, would show nothing; nor would samples that never come.
            Assert.True(tally.Counts["ends: InstructionLimit"] > (ulong)cases / 4);
            Assert.True(tally.Counts.GetValueOrDefault("cases cut by host time") < (ulong)cases / 20);
            Assert.True(tally.Counts["neighbours compared with themselves alone"] > 2);
            Assert.True(tally.Counts["machines with drives"] > 2);
            if (VirtualMachine.TranslatorUnavailable is null)
            {
                Assert.True(tally.Counts["machines whose windows the host was asked about"] > 2);
                Assert.True(tally.Counts["blocks verified"] > (ulong)cases);
                Assert.True(tally.Counts["instructions on the host CPU"] > (ulong)cases);
            }
        }
    }

    /// <summary>Always the same guests: a few of them fill the cache many times, and a random sample may have none of those.</summary>
    [TranslatorFact]
    public void Spraying_guests_fill_code_caches()
    {
        using ICaseChecker checker = new IsolationProperty(countsResources: false).CreateChecker();
        VerificationTally tally = new();
        for (ulong seed = 1; seed <= 500; seed++)
        {
            if (new IsolationCase(seed).Kind == IsolationKind.Spray)
            {
                Assert.Null(checker.Check(seed, tally));
            }
        }

        Assert.True(tally.Counts["code caches filled"] > 2);
    }

    [Fact]
    public void A_case_follows_from_its_seed()
    {
        for (ulong seed = 0; seed < 300; seed++)
        {
            IsolationCase one = new(seed);
            IsolationCase other = new(seed);
            Assert.Equal(one.Kind, other.Kind);
            Assert.Equal(one.Image, other.Image);
            Assert.Equal(one.Schedule, other.Schedule);
            Assert.Equal(one.Translator, other.Translator);
            Assert.Equal(one.Guest?.Memory, other.Guest?.Memory);
        }
    }

    [Fact]
    public void A_case_is_checked_alike_alone_and_after_others()
    {
        using ICaseChecker checker = new IsolationProperty(countsResources: false).CreateChecker();
        VerificationTally after = new();
        VerificationTally alone = new();
        for (ulong seed = 500; seed < 520; seed++)
        {
            after = new VerificationTally();
            Assert.Null(checker.Check(seed, after));
        }

        using ICaseChecker fresh = new IsolationProperty(countsResources: false).CreateChecker();
        Assert.Null(fresh.Check(519, alone));
        Assert.Equal(alone.Counts, after.Counts);
    }

    [Fact]
    public void The_property_says_what_it_checks()
    {
        IsolationProperty property = new();
        Assert.Equal("isolation", property.Name);
        Assert.NotEmpty(property.Statement.Claim);
        Assert.NotEmpty(property.Statement.Exclusions);
        Assert.Equal(2, property.Statement.Engines.Count);
    }
}
