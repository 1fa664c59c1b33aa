using Iced.Intel;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Oracle;

/// <summary>Every x87 form of the interpreter against the host's unit, bit for bit; one theory row a mnemonic.</summary>
public sealed class X87OracleTests(X87OracleFixture fixture, ITestOutputHelper output) : IClassFixture<X87OracleFixture>
{
    /// <summary>The mnemonics that have forms.</summary>
    public static TheoryData<Mnemonic> Mnemonics => [.. X87Form.Every.Select(form => form.Code.Mnemonic()).Distinct().Order()];

    /// <summary>What has no exact definition.</summary>
    public static TheoryData<Code> Approximate => [.. X87Form.Approximate.Order()];

    [AmdHostTheory]
    [MemberData(nameof(Mnemonics))]
    public void Agrees_with_the_host(Mnemonic mnemonic)
    {
        output.WriteLine($"TOYVMM_SEED=0x{fixture.Seed:X16}");
        int cases = FloatingPointBudget.CasesPerX87Form;
        foreach (X87Form form in X87Form.Every.Where(form => form.Code.Mnemonic() == mnemonic))
        {
            X87Oracle oracle = fixture.Oracle();
            IReadOnlyList<string> mismatches = oracle.Judge(form, cases);
            Assert.True(mismatches.Count == 0, string.Join(Environment.NewLine, mismatches));
            Assert.True(oracle.Judged >= cases, $"{form}: {oracle.Judged} cases instead of {cases}");
        }
    }

    /// <summary>Without the host's unit: the algorithms that other hosts use.</summary>
    [AmdHostTheory]
    [MemberData(nameof(Approximate))]
    public void The_algorithm_is_within_a_unit_in_the_last_place_of_the_host(Code code)
    {
        output.WriteLine($"TOYVMM_SEED=0x{fixture.Seed:X16}");
        X87Form form = X87Form.Every.Single(form => form.Code == code);
        IReadOnlyList<string> mismatches = fixture.PortableOracle().Judge(form, OracleSettings.LeastCasesPerForm, isApproximate: true);
        Assert.True(mismatches.Count == 0, string.Join(Environment.NewLine, mismatches));
    }

    [Fact]
    public void Every_x87_instruction_is_judged_or_excluded_by_name()
    {
        // What Iced decodes of D8-DF without its options for the 287, the 386SL and Cyrix.
        Assert.Equal(148, X87Form.Every.Count);
        Assert.Equal(8, X87Form.Approximate.Count);
    }
}

/// <summary>One host, one interpreter and one seed for all rows.</summary>
public sealed class X87OracleFixture : IDisposable
{
    private readonly InterpreterUnderTest cpu = new();
    private readonly InterpreterUnderTest portable = new(portable: true);
    private HostCpu? host;

    /// <summary>The seed of the run.</summary>
    public ulong Seed { get; } = OracleSettings.Seed();

    /// <summary>The oracle, made when it is first asked for.</summary>
    public X87Oracle Oracle() => new(host ??= new HostCpu(), cpu, Seed);

    /// <summary>The oracle of an engine that takes nothing from the host.</summary>
    public X87Oracle PortableOracle() => new(host ??= new HostCpu(), portable, Seed);

    /// <inheritdoc/>
    public void Dispose()
    {
        host?.Dispose();
        cpu.Dispose();
        portable.Dispose();
    }
}

/// <summary>A theory about what x87 leaves undefined and AMD does; skipped on other vendors and where there is no oracle.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class AmdHostTheoryAttribute : TheoryAttribute
{
    /// <summary>Asks the host once a test.</summary>
    public AmdHostTheoryAttribute() =>
        Skip = HostCpu.Unavailable()
            ?? (HostCpu.Vendor() == "AuthenticAMD" ? null : $"What x87 leaves undefined was probed on AMD; this host says {HostCpu.Vendor()}.");
}
