using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Interpretation.Events;

/// <summary>Entering handlers: frames, flags, error codes, stack switches, in every mode.</summary>
public sealed unsafe class DeliveryTests : IDisposable
{
    private readonly CpuBench _bench = new();

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Real_mode_pushes_flags_cs_ip_and_masks()
    {
        _ = _bench.Real().Program(0xCD, 0x21);
        _bench.Eflags = Eflags.IF | Eflags.CF | Eflags.DF | 2;
        Assert.Equal(0x21, _bench.Step());
        Assert.Equal(0x0FFAu, _bench.State->Esp);
        Assert.Equal(2, _bench.Stack16(0));
        Assert.Equal(0x1000, _bench.Stack16(1));
        Assert.Equal((ushort)(Eflags.IF | Eflags.CF | Eflags.DF | 2), _bench.Stack16(2));
        Assert.Equal(Eflags.CF | Eflags.DF | 2, _bench.Eflags);
        Assert.Equal(0x0800, _bench.State->Cs.Selector);
    }

    [Fact]
    public void Real_mode_vector_beyond_the_table_is_a_general_protection_fault()
    {
        _ = _bench.Real().Program(0xCD, 0x21);
        _bench.State->IdtLimit = 0x7F;
        Assert.Equal(Vector.GeneralProtection, _bench.Step());
        Assert.Equal(0, _bench.Stack16(0));
    }

    [Fact]
    public void Real_mode_without_room_for_the_frame_ends_in_shutdown()
    {
        _ = _bench.Real().Program(0xCD, 0x21);
        _bench.State->Esp = 3;
        Assert.Equal(ExitReason.Shutdown, _bench.Run(10).Reason);
    }

    [Theory]
    [InlineData(0xEu, true, 4)]
    [InlineData(0xFu, false, 4)]
    [InlineData(0x6u, true, 2)]
    [InlineData(0x7u, false, 2)]
    public void Same_ring_gates_push_by_their_size_and_mask_by_their_kind(uint type, bool masks, int size)
    {
        _ = _bench.Protected(0).Program(0xCD, 0x40);
        _bench.Gate(0x40, CpuBench.CodeSelector(0), CpuBench.Handler(0x40), type, 0);
        _bench.Eflags = Eflags.IF | Eflags.NT | Eflags.AC | 2;
        Assert.Equal(0x40, _bench.Step());
        Assert.Equal(CpuBench.Ring0Stack - (3u * (uint)size), _bench.State->Esp);
        Assert.Equal((CpuBench.Code + 2) & (size == 2 ? 0xFFFF : uint.MaxValue), size == 4 ? _bench.Stack32(0) : _bench.Stack16(0));
        Assert.Equal(CpuBench.CodeSelector(0), size == 4 ? _bench.Stack32(1) : _bench.Stack16(1));
        Assert.Equal(Eflags.AC | 2 | (masks ? 0 : Eflags.IF), _bench.Eflags);
    }

    [Fact]
    public void A_gate_to_an_inner_ring_switches_stacks()
    {
        _ = _bench.Protected(3).Program(0xCD, 0x40);
        Assert.Equal(0x40, _bench.Step());
        Assert.Equal(0u, _bench.State->Cpl);
        Assert.Equal(CpuBench.CodeSelector(0), _bench.State->Cs.Selector);
        Assert.Equal(CpuBench.DataSelector(0), _bench.State->Ss.Selector);
        Assert.Equal(CpuBench.Ring0Stack - 20, _bench.State->Esp);
        Assert.Equal(CpuBench.Code + 2, _bench.Stack32(0));
        Assert.Equal(CpuBench.CodeSelector(3), _bench.Stack32(1));
        Assert.Equal(CpuBench.Ring3Stack, _bench.Stack32(3));
        Assert.Equal(CpuBench.DataSelector(3), _bench.Stack32(4));
    }

    [Fact]
    public void The_inner_stack_comes_from_a_16_bit_tss_as_well()
    {
        _ = _bench.Protected(3).Program(0xCD, 0x40);
        _bench.State->Tr.Access = 0x83;
        _bench.Write16(CpuBench.Tss + 2, 0x7000);
        _bench.Write16(CpuBench.Tss + 4, CpuBench.DataSelector(0));
        Assert.Equal(0x40, _bench.Step());
        Assert.Equal(0x7000u - 20, _bench.State->Esp);
    }

    [Fact]
    public void A_fault_pushes_its_error_code_and_a_set_resume_flag()
    {
        // mov ds, ax with a selector beyond the GDT
        _ = _bench.Protected(0).Program(0x8E, 0xD8);
        _bench.State->Eax = 0x0FFB;
        Assert.Equal(Vector.GeneralProtection, _bench.Step());
        Assert.Equal(0x0FF8u, _bench.Stack32(0));
        Assert.Equal(CpuBench.Code, _bench.Stack32(1));
        Assert.Equal(Eflags.RF | 2, _bench.Stack32(3));
    }

    [Fact]
    public void Int_n_pushes_no_error_code_whatever_its_vector()
    {
        _ = _bench.Protected(0).Program(0xCD, 13);
        Assert.Equal(13, _bench.Step());
        Assert.Equal(CpuBench.Code + 2, _bench.Stack32(0));
    }

    [Fact]
    public void Int_n_needs_the_gates_privilege_but_faults_do_not()
    {
        _ = _bench.Protected(3).Program(0xCD, 0x40, 0x0F, 0x0B);
        _bench.Gate(0x40, CpuBench.CodeSelector(0), CpuBench.Handler(0x40), 0xE, 0);
        _bench.Gate(6, CpuBench.CodeSelector(0), CpuBench.Handler(6), 0xE, 0);
        Assert.Equal(Vector.GeneralProtection, _bench.Step());
        Assert.Equal((0x40u * 8) | 2, _bench.Stack32(0));
        _ = _bench.Protected(3);
        _bench.Gate(6, CpuBench.CodeSelector(0), CpuBench.Handler(6), 0xE, 0);
        _bench.State->Eip += 2;
        Assert.Equal(Vector.InvalidOpcode, _bench.Step());
    }

    [Fact]
    public void Int1_goes_past_the_gates_privilege_and_leaves_DR6()
    {
        _ = _bench.Protected(3).Program(0xF1);
        _bench.Gate(1, CpuBench.CodeSelector(0), CpuBench.Handler(1), 0xE, 0);
        uint before = _bench.State->Dr6;
        Assert.Equal(1, _bench.Step());
        Assert.Equal(CpuBench.Code + 1, _bench.Stack32(0));
        Assert.Equal(before, _bench.State->Dr6);
    }

    /// <summary>EXT: 0 for INT n, 1 for what comes from outside the program.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_external_bit_tells_who_is_to_blame(bool software)
    {
        _ = _bench.Protected(0).Program(0xCD, 0x40);
        _bench.Gate(0x40, CpuBench.CodeSelector(0), CpuBench.Handler(0x40), 0xE, 0, present: false);
        if (!software)
        {
            _bench.Eflags |= Eflags.IF;
            _bench.Cpu.NotifyStateChanged();
            _bench.Cpu.InjectInterrupt(0x40);
        }

        Assert.Equal(Vector.SegmentNotPresent, _bench.Step());
        Assert.Equal((0x40u * 8) | 2 | (software ? 0u : 1), _bench.Stack32(0));
        Assert.Equal(CpuBench.Code, _bench.Stack32(1));
    }

    [Fact]
    public void An_external_interrupt_does_not_count_but_an_exception_does()
    {
        _ = _bench.Protected(0).Program(0x0F, 0x0B);
        _bench.Write(CpuBench.Handler(0x40), 0x90, 0x90);
        _bench.Eflags |= Eflags.IF;
        _bench.Cpu.NotifyStateChanged();
        _bench.Cpu.InjectInterrupt(0x40);
        ulong before = _bench.State->Retired;
        Assert.Equal(ExitReason.BudgetSpent, _bench.Run(1).Reason);
        Assert.Equal(before + 1, _bench.State->Retired);
        Assert.Equal(CpuBench.Handler(0x40) + 1, _bench.State->Eip);
        _ = _bench.Protected(0);
        before = _bench.State->Retired;
        Assert.Equal(Vector.InvalidOpcode, _bench.Step());
        Assert.Equal(before + 1, _bench.State->Retired);
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(3u)]
    public void Virtual_8086_mode_is_left_to_ring_0_with_its_segments_on_the_stack(uint iopl)
    {
        _ = _bench.Virtual8086(iopl).Program(0xCC);
        Assert.Equal(Vector.Breakpoint, _bench.Step());
        Assert.Equal(CpuBench.Ring0Stack - 36, _bench.State->Esp);
        Assert.Equal(1u, _bench.Stack32(0));
        Assert.Equal(0x1000u, _bench.Stack32(1));
        Assert.Equal(Eflags.VM | (iopl << 12) | 2, _bench.Stack32(2));
        Assert.Equal(0x1000u, _bench.Stack32(3));
        Assert.Equal(0x3000u, _bench.Stack32(4));
        Assert.Equal(0x4000u, _bench.Stack32(5));
        Assert.Equal(0x4003u, _bench.Stack32(6));
        Assert.Equal(0x4004u, _bench.Stack32(7));
        Assert.Equal(0x4005u, _bench.Stack32(8));
        Assert.Equal(0u, _bench.Eflags & Eflags.VM);
        Assert.Equal(SegmentRights.None, _bench.State->Ds.Rights);
        Assert.Equal(0u, _bench.State->Cpl);

        // IRETD goes back to where it came from.
        _bench.Write(CpuBench.Handler(3), 0xCF);
        Assert.Equal(-1, _bench.Step());
        Assert.Equal((1u, 0x1000, 0x3000, 0x1000u), (_bench.State->Eip, _bench.State->Cs.Selector, _bench.State->Ss.Selector, _bench.State->Esp));
        Assert.Equal((0x4000, 0x4003, 0x4004, 0x4005), (_bench.State->Es.Selector, _bench.State->Ds.Selector, _bench.State->Fs.Selector, _bench.State->Gs.Selector));
        Assert.Equal(Eflags.VM | (iopl << 12) | 2, _bench.Eflags);
        Assert.Equal(3u, _bench.State->Cpl);
    }

    [Theory]
    [InlineData(0xCD)] // INT n
    [InlineData(0xCF)] // IRET
    [InlineData(0x9C)] // PUSHF
    [InlineData(0x9D)] // POPF
    [InlineData(0xFA)] // CLI
    [InlineData(0xFB)] // STI
    public void Virtual_8086_mode_guards_by_iopl(byte opcode)
    {
        _ = _bench.Virtual8086(2).Program(opcode, 0x40);
        Assert.Equal(Vector.GeneralProtection, _bench.Step());
        Assert.Equal(0u, _bench.Stack32(0));
        _ = _bench.Virtual8086(3).Program(opcode, 0x40);
        Assert.Equal(opcode == 0xCD ? 0x40 : -1, _bench.Step());
    }

    [Fact]
    public void A_page_fault_sets_CR2_and_tells_the_access()
    {
        _ = _bench.Protected(3).Program(0xA3, 0x00, 0x00, 0x30, 0x00); // mov [0x300000], eax
        const uint Directory = 0x100000;
        const uint Table = 0x101000;
        _bench.Write32(Directory, Table | 7);
        for (uint page = 0; page < 1024; page++)
        {
            _bench.Write32(Table + (page * 4), (page << 12) | (page == 0x300 ? 5u : 7));
        }

        _bench.State->Cr3 = Directory;
        _bench.State->Cr0 |= Cr0.PG;
        _bench.Cpu.NotifyStateChanged();
        Assert.Equal(Vector.PageFault, _bench.Step());
        Assert.Equal(7u, _bench.Stack32(0));
        Assert.Equal(0x300000u, _bench.State->Cr2);
    }
}
