using System.Diagnostics;
using Iced.Intel;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Oracle;

/// <summary>
/// Every user-mode integer instruction form of a CPU against the host's: derive once for each engine. One theory row a
/// mnemonic, so that a failure names it; a row judges all its forms.
/// </summary>
/// <typeparam name="TCpu">The CPU under test.</typeparam>
/// <param name="fixture">The host and the seed, shared by the rows.</param>
/// <param name="output">Where the numbers go.</param>
public abstract class HostOracleTests<TCpu>(HostOracleFixture<TCpu> fixture, ITestOutputHelper output) : IClassFixture<HostOracleFixture<TCpu>>
    where TCpu : ICpuUnderTest, new()
{
    /// <summary>The mnemonics that have judged forms.</summary>
    public static TheoryData<Mnemonic> Mnemonics => [.. InstructionForms.Judged.Select(form => form.Mnemonic).Distinct().Order()];

    /// <summary>Cases for each form.</summary>
    protected virtual int Cases => OracleSettings.CasesPerForm();

    /// <summary>Where the numbers go.</summary>
    protected ITestOutputHelper Output => output;

    /// <summary>Told after each form.</summary>
    /// <param name="cpu">The CPU.</param>
    /// <param name="form">The form.</param>
    /// <param name="before">Instructions that had run on the host before it, where the CPU can say.</param>
    protected virtual void Judged(TCpu cpu, InstructionForm form, ulong before)
    {
    }

    /// <summary>The CPU does what the host does, in every form of the mnemonic.</summary>
    [HostCpuTheory]
    [MemberData(nameof(Mnemonics))]
    public void Agrees_with_the_host(Mnemonic mnemonic)
    {
        output.WriteLine($"TOYVMM_SEED=0x{fixture.Seed:X16}");
        int cases = Cases;
        var mismatches = new List<string>();
        foreach (InstructionForm form in InstructionForms.Judged.Where(form => form.Mnemonic == mnemonic))
        {
            var clock = Stopwatch.StartNew();
            ulong before = (fixture.Cpu as InterpreterUnderTest)?.HostInstructions ?? 0;
            OracleVerdict verdict = fixture.Oracle().Judge(form, cases);
            Judged(fixture.Cpu, form, before);
            output.WriteLine($"{form}: {verdict.Cases:N0} cases and {verdict.Faults:N0} faults of {verdict.Encodings:N0} encodings in {clock.Elapsed.TotalMilliseconds:N0} ms");
            mismatches.AddRange(verdict.Mismatches.Take(1));
            Assert.True(verdict.Mismatches.Count > 0 || verdict.Cases + verdict.Faults >= cases, $"{form}: too few cases");
        }

        Assert.True(mismatches.Count == 0, $"{mismatches.Count} forms differ from the host:{Environment.NewLine}{string.Join(Environment.NewLine, mismatches)}");
    }
}

/// <summary>One host oracle, one CPU under test and one seed for all rows of <see cref="HostOracleTests{TCpu}"/>.</summary>
public sealed class HostOracleFixture<TCpu> : IDisposable
    where TCpu : ICpuUnderTest, new()
{
    private readonly TCpu cpu = new();
    private HostCpu? host;

    /// <summary>The seed of the run.</summary>
    public ulong Seed { get; } = OracleSettings.Seed();

    /// <summary>The CPU under test.</summary>
    public TCpu Cpu => cpu;

    /// <summary>The oracle; not made before it is asked for, so that the fixture itself works on every host.</summary>
    public HostOracle Oracle() => new(host ??= new HostCpu(), cpu, Seed);

    /// <inheritdoc/>
    public void Dispose()
    {
        host?.Dispose();
        (cpu as IDisposable)?.Dispose();
    }
}
