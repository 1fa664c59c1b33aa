using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Interpretation.Events;

/// <summary>The image that PUSHF stores: EFLAGS with RF and VM as zeros (SDM 2B, PUSHF).</summary>
public sealed unsafe class PushedFlagsTests : IDisposable
{
    private const uint Visible = Eflags.CF | Eflags.ZF | Eflags.DF | Eflags.NT | Eflags.AC | Eflags.ID | Eflags.Fixed;

    private readonly CpuBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Rf_is_pushed_as_zero()
    {
        _ = _bench.Protected(0).Program(0x9C);
        _bench.Eflags = Visible | Eflags.RF;
        _bench.Cpu.NotifyStateChanged();
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(Visible, _bench.Stack32(0));
    }

    [Fact]
    public void Vm_is_pushed_as_zero()
    {
        _ = _bench.Virtual8086(3).Program(0x66, 0x9C);
        _bench.Eflags |= Visible;
        _bench.Cpu.NotifyStateChanged();
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(Visible | Eflags.IoplMask, _bench.Stack32(0));
    }
}
