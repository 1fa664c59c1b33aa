using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Interpretation.Events;

/// <summary>Privileged and sensitive instructions: who may, with which values, and what they change.</summary>
public sealed unsafe class SystemInstructionTests : IDisposable
{
    private readonly CpuBench _bench = new();

    public void Dispose() => _bench.Dispose();

    public static TheoryData<string, byte[]> Privileged() => new()
    {
        { "lgdt", [0x0F, 0x01, 0x15, 0, 0, 4, 0] },
        { "lidt", [0x0F, 0x01, 0x1D, 0, 0, 4, 0] },
        { "lldt", [0x0F, 0x00, 0xD0] },
        { "ltr", [0x0F, 0x00, 0xD8] },
        { "lmsw", [0x0F, 0x01, 0xF0] },
        { "clts", [0x0F, 0x06] },
        { "mov cr0", [0x0F, 0x22, 0xC0] },
        { "mov from cr3", [0x0F, 0x20, 0xD8] },
        { "mov dr7", [0x0F, 0x23, 0xF8] },
        { "mov from dr6", [0x0F, 0x21, 0xF0] },
        { "hlt", [0xF4] },
        { "invd", [0x0F, 0x08] },
        { "wbinvd", [0x0F, 0x09] },
        { "invlpg", [0x0F, 0x01, 0x38] },
        { "rdmsr", [0x0F, 0x32] },
        { "wrmsr", [0x0F, 0x30] },
        { "sysexit", [0x0F, 0x35] },
    };

    [Theory]
    [MemberData(nameof(Privileged))]
    public void Privileged_instructions_fault_outside_ring_0(string name, byte[] code)
    {
        for (uint ring = 1; ring < 4; ring++)
        {
            _ = _bench.Protected(ring).Program(code);
            Assert.True(_bench.Step() == Vector.GeneralProtection, name);
            Assert.Equal(0u, _bench.Stack32(0));
        }

        _ = _bench.Virtual8086(3).Program(code);
        bool undefined = name is "lldt" or "ltr";
        Assert.True(_bench.Step() == (undefined ? Vector.InvalidOpcode : Vector.GeneralProtection), name);
    }

    [Theory]
    [InlineData(new byte[] { 0x0F, 0x01, 0x05, 0, 0, 4, 0 })] // sgdt
    [InlineData(new byte[] { 0x0F, 0x01, 0x0D, 0, 0, 4, 0 })] // sidt
    [InlineData(new byte[] { 0x0F, 0x00, 0xC0 })] // sldt
    [InlineData(new byte[] { 0x0F, 0x00, 0xC8 })] // str
    [InlineData(new byte[] { 0x0F, 0x01, 0xE0 })] // smsw
    [InlineData(new byte[] { 0x9C })] // pushf
    [InlineData(new byte[] { 0x8C, 0xC8 })] // mov eax, cs
    public void Sensitive_instructions_do_not_fault_in_ring_3(byte[] code)
    {
        _ = _bench.Protected(3).Program(code);
        Assert.Equal(-1, _bench.Step());
    }

    [Theory]
    [InlineData(Cr0.PG, Vector.GeneralProtection)]
    [InlineData(Cr0.PE | Cr0.NW, Vector.GeneralProtection)]
    [InlineData(Cr0.PE | Cr0.NW | Cr0.CD, -1)]
    [InlineData(Cr0.PE | 0x1FF8_0000u, -1)]
    public void Cr0_combinations(uint value, int vector)
    {
        _ = _bench.Protected(0).Program(0x0F, 0x22, 0xC0);
        _bench.State->Eax = value;
        Assert.Equal(vector, _bench.Step());
        if (vector < 0)
        {
            Assert.Equal((value & Cr0.Writable) | Cr0.ET, _bench.State->Cr0);
        }
    }

    [Fact]
    public void Cr4_refuses_reserved_bits()
    {
        for (int bit = 0; bit < 32; bit++)
        {
            _ = _bench.Protected(0).Program(0x0F, 0x22, 0xE0);
            _bench.State->Cr4 = 0;
            _bench.State->Eax = 1u << bit;
            Assert.Equal(((1u << bit) & Cr4.Writable) != 0 ? -1 : Vector.GeneralProtection, _bench.Step());
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(7)]
    public void Control_registers_that_do_not_exist(byte number)
    {
        _ = _bench.Protected(0).Program(0x0F, 0x22, (byte)(0xC0 | (number << 3)));
        Assert.Equal(Vector.InvalidOpcode, _bench.Step());
    }

    [Fact]
    public void Dr4_and_dr5_are_aliases_until_CR4_DE()
    {
        _ = _bench.Protected(0).Program(0x0F, 0x23, 0xE8, 0x0F, 0x21, 0xE0); // mov dr5, eax; mov eax, dr4
        _bench.State->Eax = 0xFFFF_DC00; // no breakpoint armed, no GD
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(0xFFFF_0400u, _bench.State->Dr7);
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(0xFFFF_0FF0u, _bench.State->Eax);
        _ = _bench.Protected(0);
        _bench.State->Cr4 = Cr4.DE;
        Assert.Equal(Vector.InvalidOpcode, _bench.Step());
    }

    /// <summary>Found by QEMU on random programs.</summary>
    [Theory]
    [InlineData(0xE0)]
    [InlineData(0xE8)]
    public void In_virtual_8086_mode_dr4_and_dr5_are_privileged_whatever_CR4_DE_is(byte modRm)
    {
        _ = _bench.Virtual8086(3).Program(0x0F, 0x21, modRm);
        _bench.State->Cr4 = Cr4.DE;
        Assert.Equal(Vector.GeneralProtection, _bench.Step());
    }

    [Fact]
    public void Lmsw_sets_PE_but_cannot_clear_it()
    {
        _ = _bench.Protected(0).Program(0x0F, 0x01, 0xF0);
        _bench.State->Eax = 0xFFF0 | Cr0.TS;
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(Cr0.PE | Cr0.TS, _bench.State->Cr0 & 0xF);
    }

    [Fact]
    public void Table_registers_go_to_memory_and_back()
    {
        _ = _bench.Protected(0).Program(0x0F, 0x01, 0x05, 0, 0, 4, 0, 0x0F, 0x01, 0x1D, 0, 0, 4, 0, 0x66, 0x0F, 0x01, 0x1D, 0, 0, 4, 0);
        Assert.Equal(-1, _bench.Step());
        Assert.Equal((0x007F, CpuBench.Gdt), (_bench.Read16(CpuBench.Data), _bench.Read32(CpuBench.Data + 2)));
        _bench.Write32(CpuBench.Data + 2, 0xAB001000);
        Assert.Equal(-1, _bench.Step());
        Assert.Equal((0x7Fu, 0xAB001000u), (_bench.State->IdtLimit, _bench.State->IdtBase));
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(0x001000u, _bench.State->IdtBase);
    }

    [Fact]
    public void Ltr_marks_the_task_busy_and_refuses_it_the_second_time()
    {
        _ = _bench.Protected(0).Program(0x0F, 0x00, 0xD8, 0x0F, 0x00, 0xD8);
        _bench.State->Eax = CpuBench.OtherTssSelector;
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(0xBu, _bench.Read32(CpuBench.Gdt + CpuBench.OtherTssSelector + 4) >> 8 & 0xF);
        Assert.Equal(CpuBench.OtherTss, _bench.State->Tr.Base);
        Assert.Equal(Vector.GeneralProtection, _bench.Step());
    }

    [Fact]
    public void Sysenter_and_sysexit_load_flat_segments()
    {
        _ = _bench.Protected(3).Program(0x0F, 0x34);
        CpuState* s = _bench.State;
        (s->SysenterCs, s->SysenterEsp, s->SysenterEip) = (CpuBench.CodeSelector(0), 0x9000, CpuBench.Data);
        _bench.Eflags = Eflags.IF | 2;
        _bench.Write(CpuBench.Data, 0x0F, 0x35);
        Assert.Equal(-1, _bench.Step());
        Assert.Equal((0u, 0x9000u, CpuBench.Data, 2u), (s->Cpl, s->Esp, s->Eip, _bench.Eflags));
        Assert.Equal((8, 16), (s->Cs.Selector, s->Ss.Selector));
        (s->Ecx, s->Edx) = (0x7000, 0x6000);
        Assert.Equal(-1, _bench.Step());
        Assert.Equal((3u, 0x7000u, 0x6000u), (s->Cpl, s->Esp, s->Eip));
        Assert.Equal((8 + 16 + 3, 8 + 24 + 3), (s->Cs.Selector, s->Ss.Selector));
        s->SysenterCs = 3;
        _ = _bench.Protected(3);
        Assert.Equal(Vector.GeneralProtection, _bench.Step());
    }

    [Fact]
    public void Rdtsc_counts_instructions_and_is_guarded_by_TSD()
    {
        _ = _bench.Protected(3).Program(0x90, 0x90, 0x0F, 0x31);
        _bench.State->TscOffset = 0x1_0000_0000 - _bench.State->Retired;
        _ = _bench.Run(3);
        Assert.Equal((2u, 1u), (_bench.State->Eax, _bench.State->Edx));
        _ = _bench.Protected(3);
        _bench.State->Cr4 |= Cr4.TSD;
        _bench.State->Eip += 2;
        Assert.Equal(Vector.GeneralProtection, _bench.Step());
    }

    [Theory]
    [InlineData(0x174u, true)]
    [InlineData(0x8Bu, true)]
    [InlineData(0xFEu, false)]
    [InlineData(0x1A0u, true)]
    [InlineData(0xC0000080u, true)]
    [InlineData(0xC0000081u, false)]
    public void Model_specific_registers(uint number, bool exists)
    {
        _ = _bench.Protected(0).Program(0x0F, 0x32);
        _bench.State->Ecx = number;
        Assert.Equal(exists ? -1 : Vector.GeneralProtection, _bench.Step());
    }

    [Fact]
    public void Vmcall_leaves_in_ring_0_and_is_undefined_elsewhere()
    {
        _ = _bench.Protected(0).Program(0x0F, 0x01, 0xC1);
        Assert.Equal(ExitReason.Hypercall, _bench.Run(5).Reason);
        Assert.Equal(CpuBench.Code + 3, _bench.State->Eip);
        _ = _bench.Protected(3);
        Assert.Equal(Vector.InvalidOpcode, _bench.Step());
    }

    [Theory]
    [InlineData(new byte[] { 0xD9, 0xC0 }, Cr0.EM, Vector.DeviceNotAvailable)]
    [InlineData(new byte[] { 0xDB, 0xE3 }, Cr0.TS, Vector.DeviceNotAvailable)]
    [InlineData(new byte[] { 0x9B }, Cr0.TS, -1)]
    [InlineData(new byte[] { 0x9B }, Cr0.TS | Cr0.MP, Vector.DeviceNotAvailable)]
    [InlineData(new byte[] { 0x0F, 0x6F, 0xC0 }, Cr0.TS, Vector.DeviceNotAvailable)]
    [InlineData(new byte[] { 0x0F, 0x6F, 0xC0 }, Cr0.EM, Vector.InvalidOpcode)]
    [InlineData(new byte[] { 0x0F, 0x0B }, 0u, Vector.InvalidOpcode)]
    [InlineData(new byte[] { 0x0F, 0xAA }, 0u, Vector.InvalidOpcode)]
    public void Coprocessor_and_undefined_opcodes(byte[] code, uint cr0, int vector)
    {
        _ = _bench.Protected(0).Program(code);
        _bench.State->Cr0 |= cr0;
        Assert.Equal(vector, _bench.Step());
    }

    [Theory]
    [InlineData(0x10u, 0x13u, 0x13u, true)]
    [InlineData(0x12u, 0x11u, 0x12u, false)]
    public void Arpl_raises_the_rpl(uint selector, uint source, uint result, bool zero)
    {
        _ = _bench.Protected(3).Program(0x63, 0xC8); // arpl ax, cx
        (_bench.State->Eax, _bench.State->Ecx) = (selector, source);
        Assert.Equal(-1, _bench.Step());
        Assert.Equal(result, _bench.State->Eax);
        Assert.Equal(zero ? Eflags.ZF : 0, _bench.Eflags & Eflags.ZF);
    }

    [Theory]
    [InlineData(0x0F, 0x02)]
    [InlineData(0x0F, 0x03)]
    [InlineData(0x0F, 0x00)]
    [InlineData(0x63, 0xC8)]
    public void Selector_checks_do_not_exist_in_real_mode(byte first, byte second)
    {
        _ = _bench.Real().Program(first, second, 0xE0);
        Assert.Equal(Vector.InvalidOpcode, _bench.Step());
    }
}
