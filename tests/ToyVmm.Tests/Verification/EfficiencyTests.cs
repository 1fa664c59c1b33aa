using ToyVmm.Tests.Fuzz;
using ToyVmm.Tests.Translation;
using ToyVmm.VirtualMachines.Verification.Efficiency;
using ToyVmm.VirtualMachines.Verification.Programs;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Verification;

/// <summary>The efficiency property on random innocuous programs, with a new seed each time; and that its bound can be exceeded.</summary>
public sealed class EfficiencyTests(ITestOutputHelper output)
{
    private const int StandardCases = 60;

    [TranslatorFact]
    public void The_VMM_takes_part_by_what_a_program_touches_and_not_by_how_long_it_runs()
    {
        EfficiencyProperty property = new();
        CampaignState state = new() { Property = property.Name, Seed = FuzzSettings.FirstSeed() };
        bool complete = new VerificationCampaign(property, (ulong)FuzzSettings.Cases(StandardCases), 2).Run(state);
        output.WriteLine($"seed 0x{state.Seed:X}");
        foreach ((string name, WorstCase worst) in state.Tally.Worst)
        {
            output.WriteLine($"most {name}: {worst.Value:F0}, seed {worst.Seed}");
        }

        Assert.True(state.Counterexamples.Count == 0, string.Join("\n\n", state.Counterexamples.Select(found => $"seed {found.Seed}: {found.Detail}\n{found.Source}")));
        Assert.True(complete);
        Assert.InRange(state.Tally.Counts["programs"] * 10, state.Checked * 8, state.Checked * 10);
        Assert.True(state.Tally.Counts["instructions in emitted code"] * 100 > state.Tally.Counts["instructions"] * 99);
    }

    /// <summary>AAA is innocuous and has no 64-bit encoding: each pass of a loop with it leaves emitted code.</summary>
    [TranslatorFact]
    public void A_program_whose_every_pass_leaves_emitted_code_exceeds_the_bound()
    {
        RandomProgram program = ProgramGenerator.GenerateInnocuous(1) with
        {
            Steps = [new ProgramStep(0, "test", [new ProgramInstruction([0x37])], StepTraits.None)],
            Timer = 0,
        };
        using EfficiencyChecker checker = new();
        Counterexample? found = checker.Check(program, new VerificationTally());
        Assert.NotNull(found);
        output.WriteLine(found.Detail);
        Assert.Contains("body repeated 3000 times", found.Detail, StringComparison.Ordinal);
    }
}
