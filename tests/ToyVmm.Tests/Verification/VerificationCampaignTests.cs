using Xunit;

namespace ToyVmm.Tests.Verification;

/// <summary>Campaigns: each case once, in any number of threads, across interruptions.</summary>
public sealed class VerificationCampaignTests
{
    private const ulong Cases = 1000;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public void Every_case_is_checked_once(int threads)
    {
        CampaignState state = New();
        Assert.True(new VerificationCampaign(new Odd(failing: ulong.MaxValue), Cases, threads).Run(state));
        Assert.Equal(Cases, state.Checked);
        Assert.Equal(Cases, state.Tally.Counts["cases"]);
        Assert.Equal(Sum(5, Cases), state.Tally.Counts["sum of seeds"]);
        Assert.Equal(new WorstCase(Cases + 4, Cases + 4), state.Tally.Worst["seed"]);
        Assert.Equal(Cases, state.Tally.Coverage["Nopd/Ring0"]);
    }

    [Fact]
    public void A_campaign_that_was_interrupted_goes_on_where_it_was()
    {
        CampaignState state = New();
        using CancellationTokenSource stop = new();
        Assert.False(new VerificationCampaign(new Odd(failing: ulong.MaxValue), Cases, 2).Run(state, _ => stop.Cancel(), stop.Token));
        Assert.InRange(state.Checked, 1ul, Cases - 1);
        Assert.True(new VerificationCampaign(new Odd(failing: ulong.MaxValue), Cases, 2).Run(state));
        Assert.Equal(Cases, state.Checked);
        Assert.Equal(Sum(5, Cases), state.Tally.Counts["sum of seeds"]);
    }

    [Theory]
    [InlineData(100, 130)]
    [InlineData(640, 1000)]
    [InlineData(1, 64)]
    public void A_finished_campaign_can_be_made_longer(ulong first, ulong then)
    {
        CampaignState state = New();
        Assert.True(new VerificationCampaign(new Odd(failing: ulong.MaxValue), first, 2).Run(state));
        Assert.True(new VerificationCampaign(new Odd(failing: ulong.MaxValue), then, 2).Run(state));
        Assert.Equal(then, state.Checked);
        Assert.Equal(Sum(5, then), state.Tally.Counts["sum of seeds"]);
        Assert.True(new VerificationCampaign(new Odd(failing: ulong.MaxValue), first, 2).Run(state));
        Assert.Equal(then, state.Checked);
    }

    [Fact]
    public void What_a_checker_throws_is_a_counterexample_and_the_campaign_goes_on()
    {
        CampaignState state = New();
        Assert.True(new VerificationCampaign(new Odd(failing: ulong.MaxValue, throwing: 40), Cases, 2).Run(state));
        Counterexample found = Assert.Single(state.Counterexamples);
        Assert.Equal(40ul, found.Seed);
        Assert.Contains("the VMM throws InvalidTimeZoneException: case 40", found.Summary, StringComparison.Ordinal);
        Assert.Equal(Cases, state.Checked);
    }

    [Fact]
    public void What_the_progress_throws_ends_the_campaign_and_comes_out()
    {
        CampaignState state = New();
        _ = Assert.Throws<InvalidTimeZoneException>(() => new VerificationCampaign(new Odd(failing: ulong.MaxValue), 1_000_000, 2).Run(state, _ => throw new InvalidTimeZoneException()));
        Assert.InRange(state.Checked, 1ul, 10_000ul);
    }

    [Fact]
    public void A_counterexample_is_told_and_many_end_the_campaign()
    {
        CampaignState state = New();
        Assert.True(new VerificationCampaign(new Odd(failing: 17), Cases, 2).Run(state));
        Assert.Equal(17ul, Assert.Single(state.Counterexamples).Seed);

        state = New();
        Assert.False(new VerificationCampaign(new Odd(failing: null), 1_000_000, 2).Run(state));
        Assert.InRange(state.Counterexamples.Count, VerificationCampaign.MostCounterexamples, 3 * VerificationCampaign.MostCounterexamples);
        Assert.Equal((ulong)state.Counterexamples.Count, state.Checked);
        Assert.Equal(state.Counterexamples.Select(found => found.Seed).Order(), state.Counterexamples.Select(found => found.Seed));
    }

    [Fact]
    public void Of_equal_worst_cases_the_lowest_seed_stays_in_any_order()
    {
        VerificationTally one = new();
        one.Measure("m", 3, 9);
        VerificationTally other = new();
        other.Measure("m", 3, 4);
        VerificationTally both = new();
        both.Add(one);
        both.Add(other);
        Assert.Equal(new WorstCase(3, 4), both.Worst["m"]);
        both.Measure("m", 2, 1);
        Assert.Equal(new WorstCase(3, 4), both.Worst["m"]);
    }

    private static CampaignState New() => new() { Property = "odd", Seed = 5 };

    private static ulong Sum(ulong first, ulong count) => count * ((2 * first) + count - 1) / 2;

    private sealed class Odd(ulong? failing, ulong? throwing = null) : IVerifiedProperty
    {
        public string Name => "odd";

        public PropertyStatement Statement => new("", "", [], "", []);

        public ICaseChecker CreateChecker() => new Checker(failing, throwing);

        private sealed class Checker(ulong? failing, ulong? throwing) : ICaseChecker
        {
            public Counterexample? Check(ulong seed, VerificationTally tally)
            {
                if (seed == throwing)
                {
                    throw new InvalidTimeZoneException($"case {seed}");
                }

                tally.Count("cases");
                tally.Count("sum of seeds", seed);
                tally.Measure("seed", seed, seed);
                tally.Cover("Nopd/Ring0", 1);
                return failing is null || seed == failing ? new Counterexample("odd", seed, "it fails", "") : null;
            }

            public void Dispose()
            {
            }
        }
    }
}
