using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Interpretation.Events;

/// <summary>What comes in between ends an interrupt shadow: a handler does not begin in it (pitfall 9).</summary>
public sealed unsafe class ShadowEndTests : IDisposable
{
    private readonly CpuBench _bench = new();

    public void Dispose() => _bench.Dispose();

    /// <summary>The single-step trap behind STI (SDM 2B, STI: only interrupts are held off).</summary>
    [Fact]
    public void The_step_trap_behind_sti_ends_its_shadow()
    {
        _ = _bench.Protected(0).Program(0xFB, 0x90);
        _bench.Eflags = Eflags.TF | Eflags.Fixed;
        _bench.Cpu.NotifyStateChanged();
        ExpectOpenHandler(CpuBench.Code + 1);
    }

    /// <summary>An instruction breakpoint at the instruction in the shadow of STI.</summary>
    [Fact]
    public void A_breakpoint_in_the_shadow_of_sti_ends_it()
    {
        _ = _bench.Protected(0).Program(0xFB, 0x90);
        _bench.State->BreakpointAddresses[0] = CpuBench.Code + 1;
        _bench.State->Dr7 = 0x401; // execute
        _bench.Cpu.NotifyStateChanged();
        ExpectOpenHandler(CpuBench.Code + 1);
    }

    // #DB through a trap gate, which leaves IF set: an interrupt may come before the handler's first instruction.
    private void ExpectOpenHandler(uint from)
    {
        _bench.Gate(Vector.Debug, CpuBench.CodeSelector(0), CpuBench.Handler(Vector.Debug), 0xF, 0);
        Assert.Equal(ExitReason.BudgetSpent, _bench.Run(2).Reason);
        Assert.Equal((Vector.Debug, from), (_bench.VectorAtEip(), _bench.Stack32(0)));
        Assert.Equal(InterruptShadow.None, _bench.State->Shadow);
        Assert.True(_bench.Cpu.CanAcceptInterrupt);
    }
}
