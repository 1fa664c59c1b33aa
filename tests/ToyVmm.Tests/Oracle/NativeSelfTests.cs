using System.Diagnostics;
using ToyVmm.Tests.Properties;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Oracle;

/// <summary>The generator and the host without a CPU under test: every judged form finds its cases, and none kills the process.</summary>
public sealed class NativeSelfTests(ITestOutputHelper output)
{
    private const int StatesPerEncoding = 20;
    private const long StandardCases = 500_000;

    [HostCpuFact]
    public void Every_judged_form_runs_twice_with_the_same_outcome()
    {
        ulong seed = OracleSettings.Seed();
        output.WriteLine($"TOYVMM_SEED=0x{seed:X16}");
        using var host = new HostCpu();
        using var second = new HostCpu();
        int encodings = OracleSettings.CasesPerForm(StandardCases) / StatesPerEncoding;
        var clock = Stopwatch.StartNew();
        long cases = 0;
        foreach (InstructionForm form in InstructionForms.Judged)
        {
            host.Note($"TOYVMM_SEED=0x{seed:X16} {form}");
            var random = new EdgeRandom(HostOracle.SeedFor(seed, form.Code));
            var encoder = new FormEncoder(random);
            var states = new StateGenerator(random);
            int productive = 0;
            for (int encoding = 0; encoding < encodings; encoding++)
            {
                EncodedInstruction instruction = encoder.Encode(form);
                int count = 0;
                for (int i = 0; i < StatesPerEncoding; i++)
                {
                    count += states.Generate(instruction, host.Input(count)) == StateGenerator.Completes ? 1 : 0;
                }

                if (count == 0)
                {
                    continue;
                }

                host.Load(instruction.Code, instruction.Address, [instruction.Target]);
                host.Run(count);
                second.Load(instruction.Code, instruction.Address, [instruction.Target]);
                for (int i = 0; i < count; i++)
                {
                    second.Input(i).State = host.Input(i).State;
                    host.Input(i).Window.CopyTo(second.Input(i).Window);
                }

                second.Run(count);
                for (int i = 0; i < count; i++)
                {
                    string? difference = OracleComparer.Difference(host.Output(i).State, host.Output(i).Window, second.Output(i).State, second.Output(i).Window, 0);
                    Assert.True(difference is null, $"{form} {OracleComparer.Disassemble(instruction)}: {difference}");
                }

                cases += count;
                productive++;
            }

            Assert.True(productive >= encodings / 8, $"{form}: only {productive} of {encodings} encodings have states");
        }

        output.WriteLine($"{InstructionForms.Judged.Count} forms, {cases:N0} cases, {cases / clock.Elapsed.TotalSeconds:N0} a second, each run twice");
    }

    [Fact]
    public void What_the_host_does_not_judge_is_listed_with_its_reason()
    {
        foreach (IGrouping<string, InstructionForm> group in InstructionForms.Excluded.GroupBy(pair => pair.Reason, pair => pair.Form))
        {
            output.WriteLine($"{group.Key}:{Environment.NewLine}    {string.Join(", ", group.Select(form => form.Code))}");
        }

        output.WriteLine($"{InstructionForms.Judged.Count} forms are judged, {InstructionForms.Excluded.Count} are not, of {InstructionForms.Candidates.Count}.");
        Assert.Equal(InstructionForms.Candidates.Count, InstructionForms.Judged.Count + InstructionForms.Excluded.Count);
        // Losing forms must be a decision, not an accident.
        Assert.Equal(516, InstructionForms.Judged.Count);
    }
}
