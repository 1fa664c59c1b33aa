using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Interpretation.Events;

/// <summary>Far transfers: call gates with every combination of privileges, stack switches, far returns, real and unreal mode.</summary>
public sealed unsafe class FarTransferTests : IDisposable
{
    private readonly CpuBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Theory]
    [InlineData(0u)]
    [InlineData(1u)]
    [InlineData(2u)]
    [InlineData(3u)]
    public void Call_gates_by_privilege(uint cpl)
    {
        for (uint n = 0; n < 4 * 4 * 4 * 2 * 2; n++)
        {
            uint gateDpl = n & 3;
            uint rpl = (n >> 2) & 3;
            uint codeDpl = (n >> 4) & 3;
            bool conforming = (n & 64) != 0;
            bool jump = (n & 128) != 0;
            uint selector = CpuBench.Slot | rpl;
            _ = _bench.Protected(cpl).Program(jump ? (byte)0xEA : (byte)0x9A, 0, 0, 0, 0, (byte)selector, 0);
            _bench.Gate(CpuBench.Slot / 8, CpuBench.Slot2 | 3, 0x4321, 0xC, gateDpl, table: CpuBench.Gdt);
            _bench.Descriptor(CpuBench.Slot2, 0, 0xFFFFF, CpuBench.Access(conforming ? 0xFu : 0xB, codeDpl), 0xC);
            uint esp = _bench.State->Esp;

            bool gateOk = Math.Max(cpl, rpl) <= gateDpl;
            bool codeOk = codeDpl <= cpl && (!jump || conforming || codeDpl == cpl);
            int vector = _bench.Step();
            if (!gateOk || !codeOk)
            {
                Assert.Equal(Vector.GeneralProtection, vector);
                Assert.Equal(gateOk ? CpuBench.Slot2 : (uint)CpuBench.Slot, _bench.Stack32(0));
                continue;
            }

            uint newCpl = conforming || jump ? cpl : codeDpl;
            Assert.Equal(-1, vector);
            Assert.Equal(0x4321u, _bench.State->Eip);
            Assert.Equal(newCpl, _bench.State->Cpl);
            Assert.Equal(CpuBench.Slot2 | newCpl, _bench.State->Cs.Selector);
            if (!jump)
            {
                Assert.Equal(CpuBench.Code + 7, _bench.Stack32(0));
                Assert.Equal(CpuBench.CodeSelector(cpl), _bench.Stack32(1));
                if (newCpl < cpl)
                {
                    Assert.Equal(CpuBench.DataSelector(newCpl), _bench.State->Ss.Selector);
                    Assert.Equal(esp, _bench.Stack32(2));
                    Assert.Equal(CpuBench.DataSelector(cpl), _bench.Stack32(3));
                }
            }
        }
    }

    [Theory]
    [InlineData(0xCu, 4)]
    [InlineData(0x4u, 2)]
    public void Parameters_are_copied_and_released_on_both_stacks(uint type, int size)
    {
        _ = _bench.Protected(3).Program(0x9A, 0, 0, 0, 0, CpuBench.Slot | 3, 0);
        _bench.Gate(CpuBench.Slot / 8, CpuBench.CodeSelector(0), CpuBench.Handler(0x40), type, 3, parameters: 3, table: CpuBench.Gdt);
        // ret far 3 * size, with the operand size of the gate
        _bench.Write(CpuBench.Handler(0x40), size == 4 ? [0xCA, 12, 0] : [0x66, 0xCA, 6, 0]);
        _bench.State->Esp = 0x7000;
        for (uint n = 0; n < 3; n++)
        {
            _bench.Write32(0x7000 + (n * 4), 0x11111111 * (n + 1));
        }

        _ = _bench.Step();
        Assert.Equal(CpuBench.Ring0Stack - (7u * (uint)size), _bench.State->Esp);
        for (int n = 0; n < 3; n++)
        {
            uint expected = size == 4 ? _bench.Read32(0x7000 + ((uint)n * 4)) : _bench.Read16(0x7000 + ((uint)n * 2));
            Assert.Equal(expected, size == 4 ? _bench.Stack32(2 + n) : _bench.Stack16(2 + n));
        }

        if (size == 2)
        {
            // The 16-bit gate has saved the low half of EIP: put the return address where it can be reached.
            _bench.Write16(_bench.State->Esp, 0x7777);
        }

        _bench.State->Fs = _bench.State->Ss;
        _ = _bench.Step();
        Assert.Equal(3u, _bench.State->Cpl);
        Assert.Equal(0x7000u + (3u * (uint)size), _bench.State->Esp);
        Assert.Equal(size == 4 ? CpuBench.Code + 7 : 0x7777, _bench.State->Eip);
        Assert.Equal(CpuBench.DataSelector(3), _bench.State->Ds.Selector);
        Assert.Equal(0, _bench.State->Fs.Selector);
        Assert.Equal(SegmentRights.None, _bench.State->Fs.Rights);
    }

    [Fact]
    public void A_call_gate_without_an_inner_stack_is_an_invalid_tss()
    {
        _ = _bench.Protected(3).Program(0x9A, 0, 0, 0, 0, CpuBench.Slot | 3, 0);
        _bench.Gate(CpuBench.Slot / 8, CpuBench.CodeSelector(1), 0, 0xC, 3, table: CpuBench.Gdt);
        _bench.Write32(CpuBench.Tss + 16, CpuBench.DataSelector(2)); // SS1 of the wrong ring
        Assert.Equal(Vector.InvalidTss, _bench.Step());
        Assert.Equal(CpuBench.DataSelector(2) & 0xFFFCu, _bench.Stack32(0));
    }

    [Fact]
    public void A_far_call_that_cannot_push_changes_nothing()
    {
        _ = _bench.Protected(0).Program(0x9A, 0, 0, 0, 0, (byte)CpuBench.CodeSelector(0), 0);
        _bench.Descriptor(CpuBench.Slot, 0, 0xFFF, CpuBench.Access(3, 0));
        _bench.State->Ss.LoadDescriptor(CpuBench.Slot, _bench.Read32(CpuBench.Gdt + CpuBench.Slot), _bench.Read32(CpuBench.Gdt + CpuBench.Slot + 4));
        _bench.State->Esp = 6;
        _bench.Cpu.NotifyStateChanged();
        // #SS on a stack without room: #DF cannot be delivered either.
        Assert.Equal(int.MaxValue, _bench.Step());
        Assert.Equal(6u, _bench.State->Esp);
        Assert.Equal(CpuBench.Code, _bench.State->Eip);
    }

    [Fact]
    public void Iret_to_an_outer_ring_takes_away_what_that_ring_may_not_use()
    {
        _ = _bench.Protected(0).Program(0xCF);
        uint[] frame = [0x9000, CpuBench.CodeSelector(2), Eflags.IF | 2, 0x7000, CpuBench.DataSelector(2)];
        _bench.State->Esp -= 20;
        for (uint n = 0; n < frame.Length; n++)
        {
            _bench.Write32(_bench.State->Esp + (n * 4), frame[n]);
        }

        _bench.Descriptor(CpuBench.Slot, 0, 0xFFFFF, CpuBench.Access(0xF, 0), 0xC);
        _bench.State->Gs.LoadDescriptor(CpuBench.Slot, _bench.Read32(CpuBench.Gdt + CpuBench.Slot), _bench.Read32(CpuBench.Gdt + CpuBench.Slot + 4));
        _bench.State->Es.LoadDescriptor(CpuBench.DataSelector(3), _bench.Read32(CpuBench.Gdt + 0x40), _bench.Read32(CpuBench.Gdt + 0x44));
        Assert.Equal(-1, _bench.Step());
        Assert.Equal((0x9000u, 0x7000u, 2u, Eflags.IF | 2), (_bench.State->Eip, _bench.State->Esp, _bench.State->Cpl, _bench.Eflags));
        Assert.Equal((CpuBench.CodeSelector(2), CpuBench.DataSelector(2)), (_bench.State->Cs.Selector, _bench.State->Ss.Selector));
        Assert.Equal((0, 0), (_bench.State->Ds.Selector, _bench.State->Fs.Selector));

        // Conforming code stays, and so does data of an outer ring.
        Assert.Equal((CpuBench.Slot, CpuBench.DataSelector(3)), (_bench.State->Gs.Selector, _bench.State->Es.Selector));
    }

    [Fact]
    public void Real_mode_far_call_and_return()
    {
        _ = _bench.Real().Program(0x9A, 0x34, 0x12, 0x00, 0x20);
        _bench.Write(0x21234, 0xCA, 4, 0);
        Assert.Equal(-1, _bench.Step());
        Assert.Equal((0x2000, 0x20000u, 0x1234u), (_bench.State->Cs.Selector, _bench.State->Cs.Base, _bench.State->Eip));
        Assert.Equal((5, 0x1000), (_bench.Stack16(0), _bench.Stack16(1)));
        Assert.Equal(-1, _bench.Step());
        Assert.Equal((0x1000, 5u, 0x1004u), (_bench.State->Cs.Selector, _bench.State->Eip, _bench.State->Esp));
    }

    /// <summary>Unreal mode (pitfall 10): a 4 GiB limit loaded in protected mode outlives CR0.PE and a real-mode load of the base.</summary>
    [Fact]
    public void Unreal_mode_keeps_the_limit()
    {
        _ = _bench.Real();
        _bench.Descriptor(CpuBench.Slot, 0, 0xFFFFF, CpuBench.Access(3, 0), 8);
        _bench.State->GdtBase = CpuBench.Gdt;
        _bench.State->GdtLimit = 0x7F;
        _ = _bench.Program(
            0x0F, 0x20, 0xC0, 0x0C, 0x01, 0x0F, 0x22, 0xC0, // mov eax, cr0; or al, 1; mov cr0, eax
            0xB9, CpuBench.Slot, 0x00, 0x8E, 0xD9, // mov cx, Slot; mov ds, cx
            0x24, 0xFE, 0x0F, 0x22, 0xC0, // and al, 0FEh; mov cr0, eax
            0xB9, 0x00, 0x40, 0x8E, 0xD9, // mov cx, 4000h; mov ds, cx
            0x67, 0xC6, 0x05, 0x00, 0x00, 0x20, 0x00, 0x77); // mov byte [200000h], 77h
        _ = _bench.Run(10);
        Assert.Equal(0x77u, _bench.Read32(0x240000));
        Assert.Equal(uint.MaxValue, _bench.State->Ds.Limit);

        // Without it, the same access is #GP.
        _ = _bench.Real();
        _bench.State->Ds.Limit = 0xFFFF;
        _bench.State->Ds.Refresh();
        _bench.State->Eip = 23;
        Assert.Equal(Vector.GeneralProtection, _bench.Step());
    }

    [Fact]
    public void Protected_mode_starts_with_the_cached_code_segment_until_the_far_jump()
    {
        _ = _bench.Real();
        _bench.Descriptor(CpuBench.Slot, 0x10000, 0xFFFFF, CpuBench.Access(0xB, 0), 0xC);
        _bench.State->GdtBase = CpuBench.Gdt;
        _bench.State->GdtLimit = 0x7F;
        _ = _bench.Program(0x66, 0xB8, 0x01, 0, 0, 0, 0x0F, 0x01, 0xF0, 0xEA, 14, 0, CpuBench.Slot, 0, 0x40); // mov eax, 1; lmsw ax; jmp Slot:14; inc eax
        _ = _bench.Run(2);
        Assert.Equal((0x1000, 9u, 0u), (_bench.State->Cs.Selector, _bench.State->Eip, _bench.State->Cpl));
        _ = _bench.Run(2);
        Assert.Equal((CpuBench.Slot, 15u, 2u), (_bench.State->Cs.Selector, _bench.State->Eip, _bench.State->Eax));
    }
}
