using Iced.Intel;
using ToyVmm.Engines.Interpretation;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Oracle;

/// <summary>The translator, in the world of <see cref="ICpuUnderTest"/>: everything is translated at once and verified; what it does not take is interpreted.</summary>
public sealed class TranslatorUnderTest() : InterpreterUnderTest(portable: false, translates: true);

/// <summary>
/// The translator against the host CPU: every user-mode integer form. It has the least number of cases a form, half of what the interpreter has:
/// what it does not run on the host it leaves to the interpreter.
/// </summary>
public sealed class TranslatorOracleTests(HostOracleFixture<TranslatorUnderTest> fixture, ITestOutputHelper output)
    : HostOracleTests<TranslatorUnderTest>(fixture, output)
{
    /// <inheritdoc/>
    protected override int Cases => OracleSettings.CasesPerForm(OracleSettings.StandardCases / 2);

    /// <inheritdoc/>
    protected override void Judged(TranslatorUnderTest cpu, InstructionForm form, ulong before)
    {
        // An instruction that certainly is on the list: else this would judge the interpreter once more.
        ulong onHost = cpu.HostInstructions - before;
        Output.WriteLine($"{form}: {onHost} instructions on the host");
        Assert.True(form.Mnemonic is not (Mnemonic.Add or Mnemonic.Adc or Mnemonic.Imul or Mnemonic.Shl or Mnemonic.Bsf or Mnemonic.Cmpxchg) || onHost > 0 || form.ToString().Contains("16", StringComparison.Ordinal), $"{form}: nothing ran on the host");
    }
}

/// <summary>The translator's blocks against the host CPU.</summary>
public sealed class TranslatorSequenceTests(ITestOutputHelper output) : HostSequenceTests<TranslatorUnderTest>(output)
{
    /// <inheritdoc/>
    protected override long StandardCases => 100_000;
}

/// <summary>x87, MMX and SSE on the translator against the host's units: the least number of cases a form.</summary>
public sealed class TranslatorFloatingPointOracleTests(ITestOutputHelper output)
{
    private const int Cases = 200;

    /// <summary>Every vector form; those of SSE3 and later too.</summary>
    [TranslatorOracleFact]
    public void Vector_instructions_agree_with_the_host()
    {
        using HostCpu host = new();
        using TranslatorUnderTest cpu = new();
        SseOracle oracle = new(host, cpu, OracleSettings.Seed());
        foreach (SseForm form in SseForm.Judged)
        {
            Assert.Empty(oracle.Judge(form, Cases));
        }

        output.WriteLine($"{oracle.Judged} cases, {cpu.HostInstructions} instructions on the host");
        Assert.True(cpu.HostInstructions > (ulong)oracle.Judged / 2);
    }

    /// <summary>Every x87 form, unmasked exceptions included (those are interpreted).</summary>
    [TranslatorOracleFact(NeedsAmd = true)]
    public void X87_instructions_agree_with_the_host()
    {
        using HostCpu host = new();
        using TranslatorUnderTest cpu = new();
        X87Oracle oracle = new(host, cpu, OracleSettings.Seed());
        foreach (X87Form form in X87Form.Every)
        {
            Assert.Empty(oracle.Judge(form, Cases));
        }

        output.WriteLine($"{oracle.Judged} cases, {cpu.HostInstructions} instructions on the host");
        Assert.True(cpu.HostInstructions > 0);
    }
}

/// <summary>A test that needs the translator and the host as a judge.</summary>
public sealed class TranslatorOracleFactAttribute : FactAttribute
{
    /// <summary>Sets the reason to skip.</summary>
    public TranslatorOracleFactAttribute() => Skip = Interpreter.TranslationUnavailable ?? HostCpu.Unavailable();

    /// <summary>True for what x87 leaves undefined, and AMD does.</summary>
    public bool NeedsAmd
    {
        get;
        set
        {
            field = value;
            Skip ??= value ? new AmdHostTheoryAttribute().Skip : null;
        }
    }
}
