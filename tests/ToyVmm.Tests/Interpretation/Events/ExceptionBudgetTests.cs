using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Interpretation.Events;

/// <summary>The delivery of an exception counts as an instruction, however it is delivered: a guest that only faults spends its budget.</summary>
public sealed unsafe class ExceptionBudgetTests : IDisposable
{
    private const uint Rounds = 100;

    private readonly CpuBench _bench = new();

    public void Dispose() => _bench.Dispose();

    /// <summary>UD2 again and again, through a flat gate of the same ring, whose delivery takes the short way once its tables are known.</summary>
    [Theory]
    [InlineData(0u)]
    [InlineData(3u)]
    public void Each_round_costs_three(uint ring)
    {
        _ = _bench.Protected(ring).Program(0x0F, 0x0B);
        _bench.Write(CpuBench.Handler(Vector.InvalidOpcode), 0x40, 0xCF); // inc eax; iret
        ulong before = _bench.State->Retired;
        Assert.Equal(ExitReason.BudgetSpent, _bench.Run(3 * Rounds).Reason);
        Assert.Equal((Rounds, before + (3 * Rounds)), (_bench.State->Eax, _bench.State->Retired));
    }
}
