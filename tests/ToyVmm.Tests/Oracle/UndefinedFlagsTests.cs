using ToyVmm.Tests.Properties;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Oracle;

/// <summary>The rules for undefined flags: the masks against Iced's table, AMD's values against an AMD host.</summary>
public sealed class UndefinedFlagsTests(ITestOutputHelper output)
{
    private const int Encodings = 60;
    private const int States = 30;
    private const int MaxFailures = 20;

    [Fact]
    public void The_masks_are_those_of_the_table_or_finer()
    {
        var random = new EdgeRandom(11);
        var encoder = new FormEncoder(random);
        var states = new StateGenerator(random);
        byte[] memory = new byte[OracleLayout.WindowSize];
        foreach (InstructionForm form in InstructionForms.Judged)
        {
            uint union = 0;
            uint table = 0;
            for (int i = 0; i < 40; i++)
            {
                EncodedInstruction instruction = encoder.Encode(form);
                OracleState state = default;
                if (Generate(states, instruction, ref state, memory) == StateGenerator.Completes)
                {
                    table |= UndefinedFlags.FromIced(instruction.Instruction.RflagsUndefined);
                    union |= UndefinedFlags.Mask(instruction, state);
                }
            }

            // Iced does not call CF undefined after a shift by the width or more; the manual does (SDM 2B, SAL/SAR/SHL/SHR).
            Assert.True((union & ~table & ~UndefinedFlags.Cf) == 0, $"{form}: mask 0x{union:X}, table 0x{table:X}");
        }
    }

    [AmdHostFact]
    public void An_AMD_host_follows_the_table()
    {
        ulong seed = OracleSettings.Seed();
        output.WriteLine($"TOYVMM_SEED=0x{seed:X16}");
        using var host = new HostCpu();
        var failures = new List<string>();
        int forms = 0;
        long cases = 0;
        foreach (InstructionForm form in InstructionForms.Judged)
        {
            host.Note($"TOYVMM_SEED=0x{seed:X16} {form}");
            var random = new EdgeRandom(HostOracle.SeedFor(seed, form.Code));
            var encoder = new FormEncoder(random);
            var states = new StateGenerator(random);
            long undefined = 0;
            for (int encoding = 0; encoding < Encodings; encoding++)
            {
                EncodedInstruction instruction = encoder.Encode(form);
                int count = 0;
                for (int i = 0; i < States; i++)
                {
                    count += states.Generate(instruction, host.Input(count)) == StateGenerator.Completes ? 1 : 0;
                }

                if (count == 0)
                {
                    continue;
                }

                host.Load(instruction.Code, instruction.Address, [instruction.Target]);
                host.Run(count);
                for (int i = 0; i < count; i++)
                {
                    OracleImage before = host.Input(i);
                    OracleImage after = host.Output(i);
                    uint mask = UndefinedFlags.Mask(instruction, before.State);
                    if (mask == 0)
                    {
                        continue;
                    }

                    undefined++;
                    uint expected = AmdUndefinedFlags.Expected(instruction, before.State, before.Window, after.State, after.Window) & mask;
                    uint actual = after.State.Eflags & mask;
                    if (expected != actual && failures.Count < MaxFailures)
                    {
                        failures.Add($"{form} {OracleComparer.Disassemble(instruction)}: undefined 0x{mask:X} [{OracleState.FlagNames(mask)}],"
                            + $" rule [{OracleState.FlagNames(expected)}], host [{OracleState.FlagNames(actual)}]; before {before.State}; after {after.State}");
                    }
                }
            }

            forms += undefined > 0 ? 1 : 0;
            cases += undefined;
        }

        output.WriteLine($"{forms} forms with undefined flags, {cases:N0} cases");
        Assert.True(failures.Count == 0, string.Join(Environment.NewLine, failures));
        Assert.True(forms > 100, $"only {forms} forms");
    }

    private static unsafe int Generate(StateGenerator states, EncodedInstruction instruction, ref OracleState state, byte[] memory)
    {
        fixed (OracleState* pointer = &state)
        fixed (byte* window = memory)
        {
            return states.Generate(instruction, new OracleImage(pointer, window));
        }
    }
}
