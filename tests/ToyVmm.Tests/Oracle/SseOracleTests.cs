using Iced.Intel;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Oracle;

/// <summary>Every MMX form, and every one of SSE to SSE4.2, of the interpreter against the host's units, bit for bit; one theory row a mnemonic.</summary>
public sealed class SseOracleTests(SseOracleFixture fixture, ITestOutputHelper output) : IClassFixture<SseOracleFixture>
{
    /// <summary>The mnemonics that have forms.</summary>
    public static TheoryData<Mnemonic> Mnemonics => [.. SseForm.Judged.Select(form => form.Mnemonic).Distinct().Order()];

    [HostCpuTheory]
    [MemberData(nameof(Mnemonics))]
    public void Agrees_with_the_host(Mnemonic mnemonic)
    {
        output.WriteLine($"TOYVMM_SEED=0x{fixture.Seed:X16}");
        int cases = FloatingPointBudget.CasesPerVectorForm;
        foreach (SseForm form in SseForm.Judged.Where(form => form.Mnemonic == mnemonic))
        {
            SseOracle oracle = fixture.Oracle();
            IReadOnlyList<string> mismatches = oracle.Judge(form, cases);
            Assert.True(mismatches.Count == 0, string.Join(Environment.NewLine, mismatches));
            Assert.True(oracle.Judged >= cases, $"{form}: {oracle.Judged} cases instead of {cases}");
        }
    }
}

/// <summary>One host, one interpreter and one seed for all rows.</summary>
public sealed class SseOracleFixture : IDisposable
{
    private readonly InterpreterUnderTest cpu = new();
    private HostCpu? host;

    /// <summary>The seed of the run.</summary>
    public ulong Seed { get; } = OracleSettings.Seed();

    /// <summary>The oracle, made when it is first asked for.</summary>
    public SseOracle Oracle() => new(host ??= new HostCpu(), cpu, Seed);

    /// <inheritdoc/>
    public void Dispose()
    {
        host?.Dispose();
        cpu.Dispose();
    }
}
