using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Interpretation;

/// <summary>PUSHA, POPA, ENTER, LEAVE, BOUND, XLAT where the host cannot show it: 16-bit stacks, limits, restarts.</summary>
public sealed unsafe class StackFrameTests : IDisposable
{
    private readonly TestCpu _cpu = new();

    private CpuState* State => _cpu.State;

    public void Dispose() => _cpu.Dispose();

    [Theory]
    [InlineData(true, 0x8000u)]
    [InlineData(true, 0x8010u)] // across a page edge
    [InlineData(true, 0x8003u)]
    [InlineData(false, 0xABCD8000u)]
    [InlineData(false, 0xABCD0008u)] // SP wraps
    public void Pusha_and_popa_mirror_each_other(bool stack32, uint esp)
    {
        foreach (int size in (int[])[2, 4])
        {
            _cpu.Reset(stack32: stack32);
            SetRegisters(esp);
            CpuState before = *State;
            _cpu.Load(size == 4 ? [0x60, 0x61] : [0x66, 0x60, 0x66, 0x61]);
            Assert.Equal(ExitReason.BudgetSpent, _cpu.Run().Reason);
            uint pushed = stack32 ? esp - (uint)(8 * size) : (esp & 0xFFFF_0000) | (ushort)(esp - (uint)(8 * size));
            Assert.Equal(pushed, State->Esp);
            uint[] order = [before.Edi, before.Esi, before.Ebp, before.Esp, before.Ebx, before.Edx, before.Ecx, before.Eax];
            for (int n = 0; n < 8; n++)
            {
                uint at = State->Esp + (uint)(n * size);
                at = stack32 ? at : (ushort)at;
                uint stored = size == 4 ? BitConverter.ToUInt32(_cpu.Bytes[(int)at..]) : BitConverter.ToUInt16(_cpu.Bytes[(int)at..]);
                Assert.Equal(size == 4 ? order[n] : (ushort)order[n], stored);
            }

            uint keep = size == 4 ? 0 : 0xFFFF_0000;
            (State->Eax, State->Ebp, State->Edi) = (0x9999_9999, 0x8888_8888, 0x7777_7777);
            Assert.Equal(ExitReason.BudgetSpent, _cpu.Run().Reason);
            Assert.Equal((before.Eax & ~keep) | (0x9999_9999 & keep), State->Eax);
            Assert.Equal((before.Ebp & ~keep) | (0x8888_8888 & keep), State->Ebp);
            Assert.Equal((before.Edi & ~keep) | (0x7777_7777 & keep), State->Edi);
            Assert.Equal(esp, State->Esp);
        }
    }

    /// <summary>A stack that is too short for the last slot leaves the first ones alone.</summary>
    [Theory]
    [InlineData(new byte[] { 0x60 })]
    [InlineData(new byte[] { 0x66, 0x60 })]
    [InlineData(new byte[] { 0xC8, 0, 0, 4 })]
    [InlineData(new byte[] { 0xC8, 0, 0x10, 0 })]
    public void A_stack_fault_changes_nothing(byte[] code)
    {
        // Expand-down: offsets above 0x8FF8.
        State->Ss.LoadDescriptor(0x10, 0x8FF8, 0x0040_9700);
        _cpu.Vcpu.NotifyStateChanged();
        _cpu.Bytes[0x8F00..0x9100].Fill(0x5A);
        SetRegisters(0x9002);
        State->Ebp = 0x9080;
        CpuState before = *State;
        _cpu.Load(code);
        Assert.Equal(ExitReason.Shutdown, _cpu.Run().Reason);
        Assert.Equal(Vector.StackFault, _cpu.FaultVector);
        Assert.Equal((before.Esp, before.Ebp, TestCpu.Origin), (_cpu.AtFault.Esp, _cpu.AtFault.Ebp, _cpu.AtFault.Eip));
        Assert.True(_cpu.Bytes[0x8F00..0x9100].IndexOfAnyExcept((byte)0x5A) < 0);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, false)]
    [InlineData(3, false)]
    [InlineData(31, false)]
    [InlineData(33, false)] // modulo 32
    [InlineData(3, true)]
    public void Enter_builds_the_display_and_leave_takes_it_down(int level, bool wide)
    {
        int size = wide ? 4 : 2;
        foreach (bool stack32 in (bool[])[false, true])
        {
            _cpu.Reset(stack32: stack32);
            uint high = stack32 ? 0 : 0xABCD_0000;
            (State->Esp, State->Ebp) = (high | 0x9010, high | 0x9800);
            for (int n = 1; n < 32; n++)
            {
                BitConverter.TryWriteBytes(_cpu.Bytes[(0x9800 - (n * size))..], (ushort)(0x100 + n));
            }

            byte[] prefix = wide ? [] : [0x66];
            _cpu.Load([.. prefix, 0xC8, 0x34, 0x02, (byte)level, .. prefix, 0xC9]);
            Assert.Equal(ExitReason.BudgetSpent, _cpu.Run().Reason);
            uint frame = (uint)(0x9010 - size);
            int levels = level % 32;
            Assert.Equal(high | (frame - (uint)(levels * size) - 0x234), State->Esp);
            Assert.Equal(high | frame, State->Ebp);
            Assert.Equal(0x9800, BitConverter.ToUInt16(_cpu.Bytes[(int)frame..]));
            for (int n = 1; n <= levels; n++)
            {
                int expected = n == levels ? (int)frame : 0x100 + n;
                Assert.Equal(expected, BitConverter.ToUInt16(_cpu.Bytes[((int)frame - (n * size))..]));
            }

            Assert.Equal(ExitReason.BudgetSpent, _cpu.Run().Reason);
            Assert.Equal((high | 0x9010, high | 0x9800), (State->Esp, State->Ebp));
        }
    }

    [Theory]
    [InlineData(-5, -5, 10, true)]
    [InlineData(10, -5, 10, true)]
    [InlineData(11, -5, 10, false)]
    [InlineData(-6, -5, 10, false)]
    public void Bound_is_inclusive_and_signed(int index, int lower, int upper, bool inside)
    {
        foreach (bool wide in (bool[])[false, true])
        {
            _cpu.Reset();
            _cpu.Load(wide ? [0x62, 0x03] : [0x66, 0x62, 0x03]); // bound eax, [ebx]
            (State->Eax, State->Ebx) = ((uint)index, 0x9FFE);
            if (wide)
            {
                BitConverter.TryWriteBytes(_cpu.Bytes[0x9FFE..], lower);
                BitConverter.TryWriteBytes(_cpu.Bytes[0xA002..], upper);
            }
            else
            {
                BitConverter.TryWriteBytes(_cpu.Bytes[0x9FFE..], (short)lower);
                BitConverter.TryWriteBytes(_cpu.Bytes[0xA000..], (short)upper);
            }

            _ = _cpu.Run();
            Assert.Equal(inside ? TestCpu.None : Vector.BoundRange, _cpu.FaultVector);
        }
    }

    [Fact]
    public void Xlat_wraps_at_the_address_size()
    {
        _cpu.Bytes[0x0010] = 0xC3;
        _cpu.Load(0x67, 0xD7);
        (State->Eax, State->Ebx) = (0x1234_5620, 0xFFFF_FFF0);
        Assert.Equal(ExitReason.BudgetSpent, _cpu.Run().Reason);
        Assert.Equal(0x1234_56C3u, State->Eax);
    }

    private void SetRegisters(uint esp)
    {
        (State->Eax, State->Ecx, State->Edx, State->Ebx) = (0x1111_AAA1, 0x2222_AAA2, 0x3333_AAA3, 0x4444_AAA4);
        (State->Esp, State->Ebp, State->Esi, State->Edi) = (esp, 0x6666_AAA6, 0x7777_AAA7, 0x8888_AAA8);
    }
}
