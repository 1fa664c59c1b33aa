using Iced.Intel;
using ToyVmm.Tests.Properties;
using Xunit;

namespace ToyVmm.Tests.Oracle;

/// <summary>The harness: a right model passes, every wrong one is found, and what is found can be repeated from the report.</summary>
public sealed class HarnessTests
{
    private const int Cases = 1500;

    /// <summary>All seeded faults.</summary>
    public static TheoryData<ModelFault> Faults => [.. Enum.GetValues<ModelFault>().Where(fault => fault != ModelFault.None)];

    [HostCpuFact]
    public void A_right_model_agrees_with_the_host()
    {
        using var host = new HostCpu();
        var oracle = new HostOracle(host, new ModelCpu(), OracleSettings.Seed());
        foreach (InstructionForm form in KnownForms())
        {
            OracleVerdict verdict = oracle.Judge(form, Cases);
            Assert.Empty(verdict.Mismatches);
            Assert.True(verdict.Cases >= Cases, $"{form}: {verdict.Cases} cases");
        }
    }

    [HostCpuTheory]
    [MemberData(nameof(Faults))]
    public void A_wrong_model_is_found(ModelFault fault)
    {
        ulong seed = OracleSettings.Seed();
        using var host = new HostCpu();
        var oracle = new HostOracle(host, new ModelCpu(fault), seed);
        string[] mismatches = [.. KnownForms().SelectMany(form => oracle.Judge(form, Cases).Mismatches)];
        Assert.NotEmpty(mismatches);
        Assert.All(mismatches, report =>
        {
            Assert.Contains($"TOYVMM_SEED=0x{seed:X16}", report, StringComparison.Ordinal);
            Assert.Contains("before", report, StringComparison.Ordinal);
            Assert.Contains("code", report, StringComparison.Ordinal);
        });
    }

    [HostCpuFact]
    public void The_seed_of_a_report_repeats_it()
    {
        const ulong Seed = 0x1234_5678_9ABC_DEF0;
        using var host = new HostCpu();
        InstructionForm form = KnownForms().First(form => form.Code == Code.Inc_rm32);
        string first = new HostOracle(host, new ModelCpu(ModelFault.IncrementChangesCarry), Seed).Judge(form, Cases).Mismatches[0];
        string second = new HostOracle(host, new ModelCpu(ModelFault.IncrementChangesCarry), Seed).Judge(form, Cases).Mismatches[0];
        Assert.Equal(first, second);
        Assert.StartsWith("Inc_rm32", first, StringComparison.Ordinal);
        Assert.Contains("EFLAGS", first, StringComparison.Ordinal);
        Assert.Contains("differing [C]", first, StringComparison.Ordinal);
    }

    [HostCpuFact]
    public void A_right_model_agrees_in_sequences()
    {
        using var host = new HostCpu();
        (long cases, string? mismatch) = new SequenceOracle(host, new ModelCpu(), OracleSettings.Seed()).Judge(20_000, IsKnown);
        Assert.Null(mismatch);
        Assert.True(cases >= 20_000);
    }

    [HostCpuTheory]
    [InlineData(ModelFault.IncrementChangesCarry, "inc", "dec")]
    [InlineData(ModelFault.CountIsNotMasked, "shl", "sal")]
    [InlineData(ModelFault.OverflowOfSubtractionIsThatOfAddition, "sub", "dec")]
    [InlineData(ModelFault.HighByteRegistersAreLow, "h", "h")]
    public void A_wrong_model_is_found_in_sequences_and_the_program_is_shrunk(ModelFault fault, string culprit, string otherCulprit)
    {
        ulong seed = OracleSettings.Seed();
        using var host = new HostCpu();
        (_, string? mismatch) = new SequenceOracle(host, new ModelCpu(fault), seed).Judge(200_000, IsKnown);
        Assert.NotNull(mismatch);
        Assert.Contains($"TOYVMM_SEED=0x{seed:X16}", mismatch, StringComparison.Ordinal);
        // What is left, indented below the code, is the culprit and what sets it up (INC shows a wrong carry only after one was set).
        string[] program = [.. mismatch.Split('\n').Where(line => line.StartsWith("          ", StringComparison.Ordinal))];
        Assert.InRange(program.Length, 1, 4);
        Assert.Contains(program, line => line.Contains(culprit, StringComparison.Ordinal) || line.Contains(otherCulprit, StringComparison.Ordinal));
    }

    [HostCpuFact]
    public void A_missing_exception_is_found()
    {
        using var host = new HostCpu();
        var oracle = new HostOracle(host, new LiarAboutFaults(), 5);
        OracleVerdict verdict = oracle.Judge(new InstructionForm(Code.Into), 1000);
        Assert.NotEmpty(verdict.Mismatches);
        Assert.All(verdict.Mismatches, report => Assert.Contains("exception: by the arithmetic 4, under test none", report, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(0x100u, 0u, 1u, 8, true)]
    [InlineData(0xFFu, 0u, 1u, 8, false)]
    [InlineData(0u, 0u, 0u, 8, true)]
    [InlineData(0xFEFFu, 0u, 0xFFu, 8, false)]
    [InlineData(0u, 1u, 1u, 16, true)]
    [InlineData(0xFFFFu, 0xFFFEu, 0xFFFFu, 16, false)]
    [InlineData(0xFFFF_FFFFu, 0xFFFF_FFFEu, 0xFFFF_FFFFu, 32, false)]
    [InlineData(0u, 0xFFFF_FFFFu, 0xFFFF_FFFFu, 32, true)]
    [InlineData(0u, 5u, 5u, 32, true)]
    public void Unsigned_division_overflows_where_the_quotient_does(uint eax, uint edx, uint divisor, int bits, bool faults) =>
        Assert.Equal(faults, DivideModel.Faults(signed: false, eax, edx, divisor, bits));

    [Theory]
    [InlineData(0x0080u, 0u, 1u, 8, true)]                          //  128 /  1
    [InlineData(0xFF80u, 0u, 1u, 8, false)]                         // -128 /  1
    [InlineData(0xFF80u, 0u, 0xFFu, 8, true)]                       // -128 / -1 = 128
    [InlineData(0x0080u, 0u, 0xFFu, 8, false)]                      //  128 / -1 = -128
    [InlineData(0x8000u, 0xFFFFu, 0xFFFFu, 16, true)]               // -32768 / -1
    [InlineData(0x8000_0000u, 0xFFFF_FFFFu, 0xFFFF_FFFFu, 32, true)]
    [InlineData(0x8000_0000u, 0xFFFF_FFFFu, 1u, 32, false)]
    [InlineData(0u, 0x8000_0000u, 0xFFFF_FFFFu, 32, true)]          // -2^63 / -1: the quotient of 2^63 does not even fit 64 bits
    [InlineData(5u, 0u, 0u, 32, true)]
    public void Signed_division_overflows_where_the_quotient_does(uint eax, uint edx, uint divisor, int bits, bool faults) =>
        Assert.Equal(faults, DivideModel.Faults(signed: true, eax, edx, divisor, bits));

    [Theory]
    [InlineData("0x10", 16UL)]
    [InlineData("12", 12UL)]
    [InlineData("0xFFFFFFFFFFFFFFFF", ulong.MaxValue)]
    public void Seeds_are_read_as_reports_print_them(string text, ulong seed) => Assert.Equal(seed, OracleSettings.ParseSeed(text));

    [Theory]
    [InlineData("")]
    [InlineData("0x")]
    [InlineData("-1")]
    [InlineData("seed")]
    public void Other_seeds_are_refused(string text) => Assert.Throws<FormatException>(() => OracleSettings.ParseSeed(text));

    [Fact]
    public void Encodings_are_varied_and_are_what_they_say()
    {
        var encoder = new FormEncoder(new EdgeRandom(21));
        EncodedInstruction[] encodings = [.. Enumerable.Range(0, 3000).Select(_ => encoder.Encode(new InstructionForm(Code.Add_rm32_r32)))];
        Assert.Contains(encodings, encoded => encoded.Instruction.HasLockPrefix);
        Assert.Contains(encodings, encoded => encoded.AddressMask == 0xFFFF);
        Assert.Contains(encodings, encoded => encoded.Instruction.Op0Kind == OpKind.Register);
        Assert.Contains(encodings, encoded => encoded.Instruction.MemoryIndexScale == 8);
        Assert.Contains(encodings, encoded => encoded.Instruction is { MemoryBase: Register.None, MemoryIndex: not Register.None });
        Assert.Contains(encodings, encoded => encoded.Instruction.MemoryBase == encoded.Instruction.MemoryIndex && encoded.Instruction.MemoryBase != Register.None);
        Assert.Contains(encodings, encoded => encoded.Address < 0x5000 && encoded.Address + encoded.Code.Length > 0x5000);
        Assert.Contains(encodings, encoded => encoded.Instruction.SegmentPrefix != Register.None);
        Assert.All(encodings, encoded => Assert.Equal(Code.Add_rm32_r32, encoded.Instruction.Code));
    }

    private static IEnumerable<InstructionForm> KnownForms() => InstructionForms.Judged.Where(IsKnown);

    private static bool IsKnown(InstructionForm form) => ModelCpu.Known.Contains(form.Mnemonic);

    // INTO that is right while OF is clear, and does not raise #OF when it is set.
    private sealed class LiarAboutFaults : ICpuUnderTest
    {
        private int length;

        public void Load(ReadOnlySpan<byte> code, uint address) => length = code.Length;

        public int Run(int instructions, ref OracleState state, Span<byte> window)
        {
            state.Eip += (uint)length;
            return ICpuUnderTest.NoException;
        }
    }
}
