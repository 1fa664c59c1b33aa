using System.Runtime.InteropServices;
using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Interpretation;

/// <summary>When MMX and SSE instructions are refused (SDM 3A 12.5, 13.1), and how their operands reach memory.</summary>
public sealed unsafe class VectorFaultTests : IDisposable
{
    private const uint Data = 0x8000;
    private const uint One = 0x3F80_0000;
    private const uint Device = 0x20_0000;

    private readonly TestCpu _cpu = new();

    public VectorFaultTests() => Reset();

    public static TheoryData<string, uint, bool, int> Refusals => new()
    {
        // Code, CR0, CR4.OSFXSR, vector. ADDPS; PADDB of MMX and of XMM registers; EMMS.
        { "0F58C1", 0, true, TestCpu.None },
        { "0F58C1", 0, false, Vector.InvalidOpcode },
        { "0F58C1", Cr0.EM, true, Vector.InvalidOpcode },
        { "0F58C1", Cr0.TS, true, Vector.DeviceNotAvailable },
        { "0F58C1", Cr0.TS, false, Vector.InvalidOpcode },
        { "0F58C1", Cr0.TS | Cr0.EM, true, Vector.InvalidOpcode },
        { "660FFCC1", 0, false, Vector.InvalidOpcode },
        { "0FFCC1", 0, false, TestCpu.None },
        { "0FFCC1", Cr0.EM, true, Vector.InvalidOpcode },
        { "0FFCC1", Cr0.TS, true, Vector.DeviceNotAvailable },
        { "0F77", Cr0.EM | Cr0.TS, true, Vector.InvalidOpcode },
        { "0F77", Cr0.TS, true, Vector.DeviceNotAvailable },

        // FXSAVE is an x87 instruction in this; LDMXCSR is not.
        { "0FAE0500800000", Cr0.EM, true, Vector.DeviceNotAvailable },
        { "0FAE0500800000", 0, false, TestCpu.None },
        { "0FAE1500800000", 0, false, Vector.InvalidOpcode },
        { "0FAE1500800000", Cr0.TS, true, Vector.DeviceNotAvailable },

        // MOVNTI, SFENCE, CLFLUSH: nothing guards them.
        { "0FC30500800000", Cr0.EM | Cr0.TS, false, TestCpu.None },
        { "0FAEF8", Cr0.EM | Cr0.TS, false, TestCpu.None },
        { "0FAE3D00800000", Cr0.EM | Cr0.TS, false, TestCpu.None },

        // Aligned or not: MOVAPS, ADDPS, FXSAVE, FXRSTOR, CVTPD2PS; MOVUPS, MOVSS, CVTPS2PD.
        { "0F280504800000", 0, true, Vector.GeneralProtection },
        { "0F290508800000", 0, true, Vector.GeneralProtection },
        { "0F580501800000", 0, true, Vector.GeneralProtection },
        { "0FAE0508800000", 0, true, Vector.GeneralProtection },
        { "0FAE0D08800000", 0, true, Vector.GeneralProtection },
        { "660F5A0508800000", 0, true, Vector.GeneralProtection },
        { "0F100501800000", 0, true, TestCpu.None },
        { "F30F100503800000", 0, true, TestCpu.None },
        { "0F5A0501800000", 0, true, TestCpu.None },

        // HADDPS, PSHUFB, MOVNTDQA, PTEST must be aligned; LDDQU, PCMPISTRI, PMOVSXBW, MOVDDUP, INSERTPS and PSHUFB of MMX need not.
        { "F20F7C0501800000", 0, true, Vector.GeneralProtection },
        { "660F38000501800000", 0, true, Vector.GeneralProtection },
        { "660F382A0508800000", 0, true, Vector.GeneralProtection },
        { "660F38170508800000", 0, true, Vector.GeneralProtection },
        { "F20FF00501800000", 0, true, TestCpu.None },
        { "660F3A63050180000000", 0, true, TestCpu.None },
        { "660F38200501800000", 0, true, TestCpu.None },
        { "F20F120501800000", 0, true, TestCpu.None },
        { "660F3A21050180000000", 0, true, TestCpu.None },
        { "0F38000501800000", 0, false, TestCpu.None },

        // SSSE3 of XMM and of MMX registers, SSE4.1, SSE4.2; FISTTP is an x87 instruction; CRC32 and POPCNT are guarded by nothing.
        { "660F381CC1", 0, false, Vector.InvalidOpcode },
        { "0F381CC1", 0, false, TestCpu.None },
        { "0F381CC1", Cr0.TS, false, Vector.DeviceNotAvailable },
        { "0F381CC1", Cr0.EM, false, Vector.InvalidOpcode },
        { "660F3A14C000", 0, false, Vector.InvalidOpcode },
        { "660F3A14C000", Cr0.TS, true, Vector.DeviceNotAvailable },
        { "660F3A62C100", Cr0.EM, true, Vector.InvalidOpcode },
        { "DF0D00800000", Cr0.EM, true, Vector.DeviceNotAvailable },
        { "F20F38F0C1", Cr0.EM | Cr0.TS, false, TestCpu.None },
        { "F30FB8C1", Cr0.EM | Cr0.TS, false, TestCpu.None },

        // MONITOR and MWAIT, which CPUID does not promise; LOCK belongs to none of these.
        { "0F01C8", 0, true, Vector.InvalidOpcode },
        { "0F01C9", 0, true, Vector.InvalidOpcode },
        { "F0F30FB80500800000", 0, true, Vector.InvalidOpcode },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public void Is_refused(string code, uint cr0, bool osfxsr, int vector)
    {
        _cpu.State->Cr0 |= cr0;
        _cpu.State->Cr4 = osfxsr ? Cr4.OSFXSR : 0;
        _cpu.Load(Convert.FromHexString(code));
        _ = _cpu.Run();
        Assert.Equal(vector, _cpu.FaultVector);
    }

    [Theory]
    [InlineData("0FFCC1")] // PADDB mm0, mm1
    [InlineData("0F77")] // EMMS
    [InlineData("0F2AC1")] // CVTPI2PS xmm0, mm1
    [InlineData("F20FD6C1")] // MOVDQ2Q mm0, xmm1
    public void A_pending_x87_exception_comes_first(string code)
    {
        _cpu.State->Cr0 |= Cr0.NE;
        _cpu.State->FpuControl = 0x37E;
        _cpu.State->FpuStatus = 0x8081;
        _cpu.Load(Convert.FromHexString(code));
        _ = _cpu.Run();
        Assert.Equal(Vector.FloatingPoint, _cpu.FaultVector);
    }

    [Fact]
    public void MMX_takes_the_x87_registers_and_EMMS_gives_them_back()
    {
        _cpu.State->FpuTags = 0x11;
        _cpu.State->FpuStatus = 0x3800;
        _cpu.State->Eax = 0x1234_5678;
        _cpu.Load(0x0F, 0x6E, 0xD0, 0x0F, 0x77); // movd mm2, eax; emms
        _ = _cpu.Run();
        Assert.Equal(0xFF, _cpu.State->FpuTags);
        Assert.Equal(0, _cpu.State->FpuStatus);
        Assert.Equal(0x1234_5678ul, _cpu.State->FpuRegisters[4]);
        Assert.Equal(0xFFFFul, _cpu.State->FpuRegisters[5]);
        _ = _cpu.Run();
        Assert.Equal(0, _cpu.State->FpuTags);
    }

    [Theory]
    [InlineData(0x1_0000u)]
    [InlineData(0x2_0000u)]
    [InlineData(0x8000_0000u)]
    public void Reserved_bits_of_MXCSR_are_refused(uint value)
    {
        foreach (byte[] code in (byte[][])[[0x0F, 0xAE, 0x15, 0, 0x80, 0, 0], [0x0F, 0xAE, 0x0D, 0, 0x80, 0, 0]]) // LDMXCSR, FXRSTOR
        {
            Reset();
            BitConverter.TryWriteBytes(_cpu.Bytes[(int)(Data + (code[2] == 0x15 ? 0 : 24))..], value);
            _cpu.Load(code);
            _ = _cpu.Run();
            Assert.Equal(Vector.GeneralProtection, _cpu.FaultVector);
            Assert.Equal(0x1F80u, _cpu.AtFault.Mxcsr);
        }
    }

    [Theory]
    [InlineData(true, Vector.SimdFloatingPoint)]
    [InlineData(false, Vector.InvalidOpcode)]
    public void An_unmasked_division_by_zero_leaves_the_destination(bool known, int vector)
    {
        _cpu.State->Cr4 |= known ? Cr4.OSXMMEXCPT : 0;
        _cpu.State->Mxcsr = 0x1F80 & ~0x200u;

        // Lane 0 is 1 / 0; lane 1 is 1 / 3, whose PE is then not told.
        _cpu.State->XmmRegisters[0] = One | ((ulong)One << 32);
        _cpu.State->XmmRegisters[2] = 0x4040_0000ul << 32;
        _cpu.Load(0x0F, 0x5E, 0xC1); // divps xmm0, xmm1
        _ = _cpu.Run();
        Assert.Equal(vector, _cpu.FaultVector);
        Assert.Equal(0x1D80u | 5, _cpu.AtFault.Mxcsr); // IE: lanes 2 and 3 are 0 / 0
        CpuState state = _cpu.AtFault;
        Assert.Equal(One | ((ulong)One << 32), state.XmmRegisters[0]);
    }

    [Theory]
    [InlineData(0x7F7F_FFFFu, 0x7F7F_FFFFu, 0x08u, 0x28u)] // measured on an AMD EPYC, as are the others
    [InlineData(0x7F00_0000u, 0x4000_0000u, 0x08u, 0x08u)] // 2^127 * 2: exact but for the exponent
    [InlineData(0x7F00_0000u, 0x4000_0000u, 0x20u, 0x28u)]
    [InlineData(0x0080_0000u, 0x3F00_0000u, 0x10u, 0x10u)] // tiny and exact
    [InlineData(0x0080_0001u, 0x3F00_0000u, 0x30u, 0x10u)]
    [InlineData(0x0080_0001u, 0x0080_0001u, 0x10u, 0x30u)]
    [InlineData(0x0000_0001u, 0x3E80_0000u, 0x02u, 0x02u)]
    public void An_unmasked_exception_tells_of_others(uint a, uint b, uint unmasked, uint flags)
    {
        _cpu.State->Cr4 |= Cr4.OSXMMEXCPT;
        _cpu.State->Mxcsr = 0x1F80 & ~(unmasked << 7);
        _cpu.State->XmmRegisters[0] = a;
        _cpu.State->XmmRegisters[2] = b;
        _cpu.Load(0xF3, 0x0F, 0x59, 0xC1); // mulss xmm0, xmm1
        _ = _cpu.Run();
        Assert.Equal(Vector.SimdFloatingPoint, _cpu.FaultVector);
        Assert.Equal(flags, _cpu.AtFault.Mxcsr & 0x3F);
    }

    [Theory]
    [InlineData(0x01u, 0x01u)] // infinity times zero: the overflow of another lane's product is not told
    [InlineData(0x08u, 0x29u)] // that overflow, and with it what the products raised; the sums are not computed
    [InlineData(0x20u, 0x29u)]
    public void A_dot_product_stops_where_an_exception_is_unmasked(uint unmasked, uint flags)
    {
        _cpu.State->Cr4 |= Cr4.OSXMMEXCPT;
        _cpu.State->Mxcsr = 0x1F80 & ~(unmasked << 7);
        _cpu.State->XmmRegisters[0] = 0x7F7F_FFFF_7F80_0000;
        _cpu.State->XmmRegisters[2] = 0x7F7F_FFFF_0000_0000;
        _cpu.Load(0x66, 0x0F, 0x3A, 0x40, 0xC1, 0x3F); // dpps xmm0, xmm1, 3F
        _ = _cpu.Run();
        Assert.Equal(Vector.SimdFloatingPoint, _cpu.FaultVector);
        Assert.Equal(flags, _cpu.AtFault.Mxcsr & 0x3F);
        CpuState state = _cpu.AtFault;
        Assert.Equal(0x7F7F_FFFF_7F80_0000ul, state.XmmRegisters[0]);
    }

    [Fact]
    public void An_operand_may_cross_a_page()
    {
        for (int n = 0; n < 16; n++)
        {
            _cpu.Bytes[0x8FF8 + n] = (byte)(n + 1);
        }

        _cpu.Load(0x0F, 0x10, 0x05, 0xF8, 0x8F, 0, 0, 0x0F, 0x11, 0x05, 0xF3, 0x9F, 0, 0); // movups xmm0, [8FF8]; movups [9FF3], xmm0
        _ = _cpu.Run(2);
        Assert.Equal(TestCpu.None, _cpu.FaultVector);
        Assert.Equal(_cpu.Bytes.Slice(0x8FF8, 16), _cpu.Bytes.Slice(0x9FF3, 16));
    }

    [Fact]
    public void A_device_sees_an_operand_in_pieces()
    {
        _cpu.Load(0x0F, 0x10, 0x05, 0, 0, 0x20, 0, 0x0F, 0x11, 0x05, 0x10, 0, 0x20, 0); // movups xmm0, [200000]; movups [200010], xmm0
        for (uint n = 0; n < 4; n++)
        {
            VmExit read = _cpu.Run();
            Assert.Equal(new VmExit(ExitReason.Mmio, IsWrite: false, 4, Device + (4 * n)), read);
            _cpu.Vcpu.CompleteRead(0x1111_1111u * (n + 1));
        }

        _ = _cpu.Run();
        Assert.Equal(0x2222_2222_1111_1111ul, _cpu.State->XmmRegisters[0]);
        Assert.Equal(0x4444_4444_3333_3333ul, _cpu.State->XmmRegisters[1]);
        for (uint n = 0; n < 4; n++)
        {
            Assert.Equal(new VmExit(ExitReason.Mmio, IsWrite: true, 4, Device + 0x10 + (4 * n), 0x1111_1111u * (n + 1)), _cpu.Run());
        }
    }

    [Fact]
    public void The_registers_are_aligned() =>
        Assert.Equal(0, (int)Marshal.OffsetOf<CpuState>(nameof(CpuState.XmmRegisters)) % 16);

    [Fact]
    public void Masked_stores_touch_the_chosen_bytes_only()
    {
        _cpu.Bytes.Slice(0x8FF8, 16).Fill(0xEE);
        _cpu.State->Edi = 0x8FF8;
        _cpu.State->XmmRegisters[0] = 0x0807_0605_0403_0201;
        _cpu.State->XmmRegisters[1] = 0x100F_0E0D_0C0B_0A09;
        _cpu.State->XmmRegisters[2] = 0x0000_0000_0000_0080;
        _cpu.State->XmmRegisters[3] = 0x8000_0000_0000_7F80;
        _cpu.Load(0x66, 0x0F, 0xF7, 0xC1); // maskmovdqu xmm0, xmm1
        _ = _cpu.Run();
        Assert.Equal("01EEEEEEEEEEEEEE09EEEEEEEEEEEE10", Convert.ToHexString(_cpu.Bytes.Slice(0x8FF8, 16)));
    }

    public void Dispose() => _cpu.Dispose();

    private void Reset()
    {
        _cpu.Reset();
        _cpu.State->Cr4 = Cr4.OSFXSR;
        _cpu.State->Mxcsr = 0x1F80;
    }
}
