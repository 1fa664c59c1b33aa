using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Interpretation.Events;

/// <summary>The trap flag (pitfall 8), interrupt shadows (pitfall 9), NMI, HLT and the debug registers.</summary>
public sealed unsafe class StepAndShadowTests : IDisposable
{
    private const uint StepBit = 1 << 14;

    private readonly CpuBench _bench = new();

    public void Dispose() => _bench.Dispose();

    /// <summary>TF is set in the image on the stack; a POPFD sets it, and the trap comes behind the instruction after it.</summary>
    [Fact]
    public void Popf_that_sets_TF_traps_behind_the_next_instruction() => ExpectStepTrap([0x9D, 0x90, 0x90], CpuBench.Code + 2, Eflags.TF | 2);

    [Fact]
    public void Popf_that_clears_TF_still_traps()
    {
        _ = Start([0x9D, 0x90], Eflags.TF);
        _bench.Write32(_bench.State->Esp, 2);
        ExpectDebug(CpuBench.Code + 1, StepBit);
    }

    [Fact]
    public void Iret_that_sets_TF_traps_behind_the_next_instruction() =>
        ExpectStepTrap([0xCF, 0x90, 0x90], CpuBench.Code + 2, CpuBench.Code + 1, CpuBench.CodeSelector(0), Eflags.TF | 2);

    [Fact]
    public void Mov_ss_delays_the_trap_by_one_instruction()
    {
        _ = Start([0x8E, 0xD0, 0x90, 0x90], Eflags.TF); // mov ss, ax
        _bench.State->Eax = CpuBench.DataSelector(0);
        ExpectDebug(CpuBench.Code + 3, StepBit);
    }

    [Fact]
    public void A_repeated_string_traps_behind_each_iteration()
    {
        _ = Start([0xF3, 0xAA, 0x90], Eflags.TF); // rep stosb
        _bench.State->Ecx = 2;
        _bench.State->Edi = CpuBench.Data;
        ExpectDebug(CpuBench.Code, StepBit);
        Assert.Equal(1u, _bench.State->Ecx);
        Assert.Equal(Eflags.RF | Eflags.TF | 2, _bench.Stack32(2));
        _bench.State->Dr6 = 0;
        _bench.Write(CpuBench.Handler(1), 0xCF);
        ExpectDebug(CpuBench.Code + 2, StepBit);
        Assert.Equal(Eflags.TF | 2, _bench.Stack32(2));
    }

    [Fact]
    public void Int_enters_its_handler_without_a_trap_and_iret_resumes_stepping()
    {
        _ = Start([0xCD, 0x40, 0x90, 0x90], Eflags.TF);
        _bench.Write(CpuBench.Handler(0x40), 0x90, 0xCF);
        Assert.Equal(0x40, _bench.Step());
        ExpectDebug(CpuBench.Code + 3, StepBit);
    }

    [Fact]
    public void Hlt_is_left_through_its_own_trap()
    {
        _ = Start([0xF4, 0x90], Eflags.TF);
        ExpectDebug(CpuBench.Code + 1, StepBit);
        Assert.Equal(0u, _bench.State->Halted);
    }

    [Fact]
    public void An_instruction_that_needed_the_monitor_traps_when_it_is_complete()
    {
        _ = Start([0xE4, 0x60, 0x90], Eflags.TF); // in al, 60h
        Assert.Equal(ExitReason.PortIo, _bench.Run(10).Reason);
        _bench.Cpu.CompleteRead(0x5A);
        ExpectDebug(CpuBench.Code + 2, StepBit);
        Assert.Equal(0x5Au, _bench.State->Eax & 0xFF);
    }

    [Fact]
    public void A_fault_drops_the_trap_of_the_faulting_instruction()
    {
        _ = Start([0x0F, 0x0B], Eflags.TF);
        Assert.Equal(Vector.InvalidOpcode, RunToHandler());
        Assert.Equal(0u, _bench.State->Dr6 & StepBit);
    }

    /// <summary>Where an interrupt that was waiting comes in: bytes of code before it.</summary>
    [Theory]
    [InlineData("sti with IF clear", false, new byte[] { 0xFB, 0x90, 0x90 }, 2)]
    [InlineData("sti twice", false, new byte[] { 0xFB, 0xFB, 0x90 }, 2)]
    [InlineData("mov ss", true, new byte[] { 0x8E, 0xD0, 0x90, 0x90 }, 3)]
    [InlineData("mov ss twice", true, new byte[] { 0x8E, 0xD0, 0x8E, 0xD0, 0x90 }, 4)]
    [InlineData("pop ss", true, new byte[] { 0x17, 0x90, 0x90 }, 2)]
    [InlineData("sti, then mov ss", false, new byte[] { 0xFB, 0x8E, 0xD0, 0x90, 0x90 }, 4)]
    [InlineData("mov ds casts none", true, new byte[] { 0x8E, 0xD8, 0x90 }, 2)]
    public void Shadows_last_one_instruction(string name, bool open, byte[] code, uint length)
    {
        _ = Start(code, 0);
        _bench.State->Eax = CpuBench.DataSelector(0);
        _bench.Write32(_bench.State->Esp, CpuBench.DataSelector(0));
        _bench.Write32(_bench.State->Esp + 4, CpuBench.DataSelector(0));
        if (open)
        {
            // The interrupt arrives while the first instruction runs.
            Assert.Equal(-1, _bench.Step());
            _bench.Eflags |= Eflags.IF;
        }

        _bench.Cpu.InjectInterrupt(0x40);
        Assert.Equal(0x40, RunToHandler());
        Assert.True(_bench.Stack32(0) == CpuBench.Code + length, name);
    }

    [Fact]
    public void Sti_with_IF_already_set_casts_no_shadow()
    {
        _ = Start([0xFB, 0x90], Eflags.IF);
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(InterruptShadow.None, _bench.State->Shadow);
        Assert.True(_bench.Cpu.CanAcceptInterrupt);
    }

    [Fact]
    public void A_fault_in_the_shadow_ends_it()
    {
        _ = Start([0x8E, 0xD0, 0x0F, 0x0B], 0);
        _bench.State->Eax = CpuBench.DataSelector(0);
        Assert.Equal(Vector.InvalidOpcode, RunToHandler());
        Assert.Equal(InterruptShadow.None, _bench.State->Shadow);
    }

    [Fact]
    public void Nmi_waits_for_mov_ss_and_for_iret()
    {
        _ = Start([0x8E, 0xD0, 0x90, 0x90, 0x90], 0);
        _bench.State->Eax = CpuBench.DataSelector(0);
        Assert.Equal(-1, _bench.Step());
        _bench.Cpu.RaiseNmi();
        Assert.Equal(2, RunToHandler());
        Assert.Equal(CpuBench.Code + 3, _bench.Stack32(0));
        _bench.Write(CpuBench.Handler(2), 0x90, 0xCF);
        _bench.Cpu.RaiseNmi();
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(CpuBench.Handler(2) + 1, _bench.State->Eip);
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(CpuBench.Code + 3, _bench.State->Eip);
        _ = _bench.Run(1);
        Assert.Equal(CpuBench.Handler(2) + 1, _bench.State->Eip);
        Assert.Equal(CpuBench.Code + 3, _bench.Stack32(0));
    }

    [Fact]
    public void Hlt_sleeps_until_an_interrupt()
    {
        _ = Start([0xF4, 0x90], Eflags.IF);
        Assert.Equal(ExitReason.Halt, _bench.Run(10).Reason);
        Assert.Equal(ExitReason.Halt, _bench.Run(10).Reason);
        _bench.Cpu.InjectInterrupt(0x40);
        Assert.Equal(0x40, RunToHandler());
        Assert.Equal(CpuBench.Code + 1, _bench.Stack32(0));
    }

    [Theory]
    [InlineData(0u, CpuBench.Code + 1)] // execute: a fault, before the instruction
    [InlineData(1u, CpuBench.Code + 6)] // write: a trap, behind it
    [InlineData(3u, CpuBench.Code + 6)] // read or write
    public void Breakpoint_registers(uint kind, uint reported)
    {
        _ = Start([0x90, 0xA3, 0x00, 0x00, 0x04, 0x00, 0x90], 0); // nop; mov [Data], eax
        _bench.State->BreakpointAddresses[1] = kind == 0 ? CpuBench.Code + 1 : CpuBench.Data;
        _bench.State->Dr7 = 0x400 | (2u << 2) | (kind << 20) | (kind == 0 ? 0 : 3u << 22);
        _bench.Cpu.NotifyStateChanged();
        ExpectDebug(reported, 2);
        if (kind == 0)
        {
            // The handler sets RF and returns: the instruction runs.
            Assert.Equal(2u, _bench.Stack32(2));
            _bench.Write32(_bench.State->Esp + 8, Eflags.RF | 2);
            _bench.Write(CpuBench.Handler(1), 0xCF);
            Assert.Equal(-1, _bench.Step());
            Assert.Equal(-1, _bench.Step());
            Assert.Equal(CpuBench.Code + 6, _bench.State->Eip);
            Assert.Equal(2u, _bench.Eflags);
        }
    }

    [Fact]
    public void Mov_ss_hides_an_instruction_breakpoint_and_delays_a_data_breakpoint()
    {
        _ = Start([0x8E, 0x15, 0x00, 0x00, 0x04, 0x00, 0x90, 0x90], 0); // mov ss, [Data]
        _bench.Write32(CpuBench.Data, CpuBench.DataSelector(0));
        _bench.State->BreakpointAddresses[0] = CpuBench.Code + 6;
        _bench.State->BreakpointAddresses[2] = CpuBench.Data;
        _bench.State->Dr7 = 0x400 | 1 | (1 << 4) | (3u << 24);
        _bench.Cpu.NotifyStateChanged();
        ExpectDebug(CpuBench.Code + 7, 4);
    }

    [Fact]
    public void General_detect_guards_the_debug_registers()
    {
        _ = Start([0x0F, 0x21, 0xC0], 0); // mov eax, dr0
        _bench.State->Dr7 |= 1 << 13;
        ExpectDebug(CpuBench.Code, 1 << 13);
        Assert.Equal(0u, _bench.State->Dr7 & (1 << 13));
    }

    [Fact]
    public void Port_breakpoints_need_CR4_DE()
    {
        _ = Start([0xE6, 0x80, 0x90, 0x90], 0);
        _bench.State->Cr4 |= Cr4.DE;
        _bench.State->BreakpointAddresses[3] = 0x80;
        _bench.State->Dr7 = 0x400 | (1 << 6) | (2u << 28);
        _bench.Cpu.NotifyStateChanged();
        Assert.Equal(ExitReason.PortIo, _bench.Run(10).Reason);
        ExpectDebug(CpuBench.Code + 2, 8);
    }

    private CpuBench Start(ReadOnlySpan<byte> code, uint flags)
    {
        _ = _bench.Protected(0).Program(code);
        _bench.State->Esp -= 64;
        _bench.Eflags = flags | 2;
        _bench.Cpu.NotifyStateChanged();
        return _bench;
    }

    private void ExpectStepTrap(ReadOnlySpan<byte> code, uint eip, params ReadOnlySpan<uint> stack)
    {
        _ = Start(code, 0);
        for (int n = 0; n < stack.Length; n++)
        {
            _bench.Write32(_bench.State->Esp + ((uint)n * 4), stack[n]);
        }

        ExpectDebug(eip, StepBit);
    }

    private void ExpectDebug(uint eip, uint dr6)
    {
        Assert.Equal(Vector.Debug, RunToHandler());
        Assert.Equal(eip, _bench.Stack32(0));
        Assert.Equal(dr6, _bench.State->Dr6 & 0xE00F);
    }

    // Single-instruction runs until a handler is entered.
    private int RunToHandler()
    {
        for (int n = 0; n < 20; n++)
        {
            // A handler that was entered by an interrupt has its first instruction (HLT) executed within the same budget.
            VmExit exit = _bench.Run(1);
            int vector = _bench.VectorAtEip();
            if (vector < 0 && exit.Reason == ExitReason.Halt)
            {
                _bench.State->Eip--;
                vector = _bench.VectorAtEip();
            }

            if (vector >= 0)
            {
                return vector;
            }
        }

        return -1;
    }
}
