using System.Diagnostics;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.Tests.Oracle;

/// <summary>Straight lines of instructions of a CPU against the host's: derive once for each engine.</summary>
/// <typeparam name="TCpu">The CPU under test.</typeparam>
/// <param name="output">Where the numbers go.</param>
public abstract class HostSequenceTests<TCpu>(ITestOutputHelper output)
    where TCpu : ICpuUnderTest, new()
{
    /// <summary>The cases where the environment asks for nothing else.</summary>
    protected virtual long StandardCases => 400_000;

    /// <summary>The CPU does what the host does, a program at a time.</summary>
    [HostCpuFact]
    public void Programs_agree_with_the_host()
    {
        ulong seed = OracleSettings.Seed();
        output.WriteLine($"TOYVMM_SEED=0x{seed:X16}");
        using var host = new HostCpu();
        var cpu = new TCpu();
        using var disposable = cpu as IDisposable;
        var clock = Stopwatch.StartNew();
        (long cases, string? mismatch) = new SequenceOracle(host, cpu, seed).Judge(OracleSettings.Cases(StandardCases), Supports);
        output.WriteLine($"{cases:N0} programs in states, {cases / clock.Elapsed.TotalSeconds:N0} a second");
        Assert.True(mismatch is null, mismatch);
    }

    /// <summary>Whether a form may occur in programs; all may, unless an engine says otherwise.</summary>
    protected virtual bool Supports(InstructionForm form) => true;
}
