using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Interpretation.Events;

/// <summary>What becomes of a fault while another one is delivered (SDM 3A table 6-5), and what the autopsy of a triple fault says (pitfall 23).</summary>
public sealed unsafe class AutopsyTests : IDisposable
{
    private readonly CpuBench _bench = new();

    public void Dispose() => _bench.Dispose();

    /// <summary>A first fault whose gate is not present, so that #NP follows.</summary>
    [Theory]
    [InlineData("ud2: benign, then #NP", new byte[] { 0x0F, 0x0B }, Vector.InvalidOpcode, Vector.SegmentNotPresent)]
    [InlineData("lldt of a bad selector: #GP, then #NP, so #DF", new byte[] { 0x0F, 0x00, 0xD0 }, Vector.GeneralProtection, Vector.DoubleFault)]
    [InlineData("int3: not an exception of the CPU", new byte[] { 0xCC }, Vector.Breakpoint, Vector.SegmentNotPresent)]
    public void Two_faults(string name, byte[] code, int first, int delivered)
    {
        _ = _bench.Protected(0).Program(code);
        _bench.State->Eax = 0xFFF8;
        _bench.Gate((uint)first, CpuBench.CodeSelector(0), 0, 0xE, 0, present: false);
        Assert.True(delivered == _bench.Step(), name);
        Assert.Equal(delivered == Vector.DoubleFault ? 0u : ((uint)first * 8) | 2 | (first == Vector.Breakpoint ? 0u : 1), _bench.Stack32(0));
        Assert.Equal(CpuBench.Code, _bench.Stack32(1));
    }

    [Fact]
    public void A_page_fault_while_a_page_fault_is_delivered_is_a_double_fault()
    {
        // The page of gate 14 (the second page of the IDT) is missing.
        _ = _bench.Protected(0).Program(0xA3, 0x00, 0x00, 0x70, 0x00);
        Page(missing: 0x700);
        _bench.State->Esp = 0x701004;
        Page(missing: 0x700);
        Assert.Equal(int.MaxValue, _bench.Step() == int.MaxValue ? int.MaxValue : 0);
        Autopsy autopsy = Assert.IsType<Autopsy>(_bench.Cpu.Autopsy);
        Assert.Equal([14, 14, 8, 14], autopsy.Chain.Select(fault => fault.Trap.Vector));
        Assert.Contains("00700000", autopsy.Chain[0].Cause, StringComparison.Ordinal);
        Assert.Contains("supervisor write", autopsy.Chain[0].Cause, StringComparison.Ordinal);
    }

    [Fact]
    public void The_autopsy_names_the_first_cause_the_bad_gate_and_the_tables()
    {
        _ = _bench.Protected(0).Program(0x90, 0x0F, 0x0B);
        for (uint vector = 0; vector < 32; vector++)
        {
            _bench.Gate(vector, CpuBench.CodeSelector(0), 0, 0xE, 0, present: false);
        }

        Assert.Equal(ExitReason.Shutdown, _bench.Run(10).Reason);
        Autopsy autopsy = Assert.IsType<Autopsy>(_bench.Cpu.Autopsy);
        Assert.Equal(
            [Vector.InvalidOpcode, Vector.SegmentNotPresent, Vector.SegmentNotPresent, Vector.DoubleFault, Vector.SegmentNotPresent],
            autopsy.Chain.Select(fault => fault.Trap.Vector));
        Assert.All(autopsy.Chain, fault => Assert.Equal((CpuBench.CodeSelector(0), CpuBench.Code + 1), (fault.CodeSelector, fault.Eip)));
        Assert.Contains("not present", autopsy.Chain[1].Cause, StringComparison.Ordinal);
        Assert.Contains("IDT entry 06h", autopsy.Chain[1].Cause, StringComparison.Ordinal);
        Assert.Contains("its bytes: 00 00 08 00 00 0E 00 00", autopsy.Chain[1].Cause, StringComparison.Ordinal);
        Assert.Contains(autopsy.Tables, line => line.StartsWith("IDT base 00002000", StringComparison.Ordinal));
        Assert.Equal(1u, (uint)_bench.State->Retired);

        // Dead until reset.
        Assert.Equal(ExitReason.Shutdown, _bench.Run(10).Reason);
        Assert.Equal(1u, (uint)_bench.State->Retired);
    }

    [Fact]
    public void An_alignment_fault_that_can_only_repeat_itself_ends_in_shutdown()
    {
        // Ring 3 handlers, a misaligned ring 3 stack, alignment checks on: #AC for ever on real hardware.
        _ = _bench.Protected(3).Program(0x50);
        for (uint vector = 0; vector < 32; vector++)
        {
            _bench.Gate(vector, CpuBench.CodeSelector(3), CpuBench.Handler((int)vector), 0xE, 3);
        }

        _bench.State->Cr0 |= Cr0.AM;
        _bench.State->Esp = CpuBench.Ring3Stack - 1;
        _bench.Eflags = Eflags.AC | 2;
        _bench.Cpu.NotifyStateChanged();
        Assert.Equal(ExitReason.Shutdown, _bench.Run(10).Reason);
        Assert.Equal(Vector.AlignmentCheck, _bench.Cpu.Autopsy!.Chain[0].Trap.Vector);
    }

    private void Page(uint missing)
    {
        const uint Directory = 0x100000;
        const uint Table = 0x101000;
        for (uint n = 0; n < 2; n++)
        {
            _bench.Write32(Directory + (n * 4), (Table + (n * 0x1000)) | 7);
        }

        for (uint page = 0; page < 2048; page++)
        {
            bool mapped = page < 0x400 && page < missing;
            _bench.Write32(Table + (page * 4), mapped ? (page << 12) | 7 : 0);
        }

        _bench.State->Cr3 = Directory;
        _bench.State->Cr0 |= Cr0.PG;
        _bench.Cpu.NotifyStateChanged();
    }
}
