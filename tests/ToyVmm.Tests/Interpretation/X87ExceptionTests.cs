using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Interpretation;

/// <summary>When the x87 unit may not run, and how its exceptions reach the guest: CR0.EM, TS, MP and NE (SDM 3A 2.5, SDM 1 8.7).</summary>
public sealed unsafe class X87ExceptionTests : IDisposable
{
    private const uint Data = 0x3000;

    private static readonly byte[] s_wait = [0x9B];
    private static readonly byte[] s_faddMemory = [0xD8, 0x05, 0x00, 0x30, 0x00, 0x00];
    private static readonly byte[] s_fninit = [0xDB, 0xE3];
    private static readonly byte[] s_fnclex = [0xDB, 0xE2];
    private static readonly byte[] s_fnstsw = [0xDF, 0xE0];
    private static readonly byte[] s_fld1 = [0xD9, 0xE8];

    // fld1 ; fldz ; fdivp
    private static readonly byte[] s_divideByZero = [0xD9, 0xE8, 0xD9, 0xEE, 0xDE, 0xF9];

    private readonly X87Machine _machine = new();

    public void Dispose() => _machine.Dispose();

    public static TheoryData<byte[]> AllKinds => [s_faddMemory, s_fninit, s_fnclex, s_fnstsw, s_fld1, [0xDD, 0x35, 0, 0x30, 0, 0], [0xDA, 0xC1]];

    [Theory]
    [MemberData(nameof(AllKinds))]
    public void Every_instruction_is_unavailable_under_EM_and_under_TS(byte[] code)
    {
        foreach (uint bit in (uint[])[Cr0.EM, Cr0.TS])
        {
            _machine.State->Cr0 = Cr0.PE | Cr0.ET | bit;
            Assert.Equal(Vector.DeviceNotAvailable, _machine.RunOne(code));
            Assert.Equal(X87Machine.Origin, _machine.State->Eip);
        }
    }

    [Theory]
    [InlineData(0, -1)]
    [InlineData(Cr0.TS, -1)]
    [InlineData(Cr0.MP, -1)]
    [InlineData(Cr0.EM, -1)]
    [InlineData(Cr0.MP | Cr0.TS, Vector.DeviceNotAvailable)]
    public void Wait_obeys_TS_only_together_with_MP(uint bits, int expected)
    {
        _machine.State->Cr0 = Cr0.PE | Cr0.ET | bits;
        Assert.Equal(expected, _machine.RunOne(s_wait));
    }

    [Fact]
    public void A_pending_exception_faults_the_next_waiting_instruction()
    {
        _machine.State->Cr0 |= Cr0.NE;
        DivideByZeroUnmasked();
        Assert.Equal(-1, _machine.RunOne(s_fnstsw));
        Assert.Equal(0x8084u, _machine.State->Eax & 0x80FF);
        foreach (byte[] waiting in (byte[][])[s_wait, s_fld1, s_faddMemory])
        {
            Assert.Equal(Vector.FloatingPoint, _machine.RunOne(waiting));
        }

        Assert.Equal(-1, _machine.RunOne(s_fnclex));
        Assert.Equal(-1, _machine.RunOne(s_wait));
        Assert.Equal(-1, _machine.RunOne(s_fld1));
        Assert.Equal(0, _machine.State->FpuError);
    }

    [Fact]
    public void The_operands_of_an_unmasked_division_by_zero_are_still_there()
    {
        DivideByZeroUnmasked();
        CpuState* s = _machine.State;
        Assert.Equal(6, (s->FpuStatus >> 11) & 7);
        Assert.Equal(0xC0, s->FpuTags);
        Assert.Equal(0x3FFFul, s->FpuRegisters[15]);
        Assert.Equal(0ul, s->FpuRegisters[13]);
    }

    [Fact]
    public void Without_NE_the_unit_asserts_FERR_and_stops_until_it_is_told_to_ignore_the_exception()
    {
        DivideByZeroUnmasked();
        CpuState* s = _machine.State;
        Assert.Equal(0, s->FpuError);
        ExitReason exit = _machine.RunToExit(s_fld1);
        Assert.Equal(ExitReason.Halt, exit);
        Assert.Equal(X87Machine.Origin, s->Eip);
        Assert.NotEqual(0, s->FpuError);

        // What the board does on a write to port F0.
        s->FpuIgnoreError = 1;
        s->Halted = 0;
        Assert.Equal(-1, _machine.RunOne(s_fld1));
        Assert.Equal(X87Machine.Origin + 2, s->Eip);
        Assert.Equal(-1, _machine.RunOne(s_fnclex));
        Assert.Equal(0, s->FpuError);
        Assert.Equal(0, s->FpuIgnoreError);
    }

    [Fact]
    public void FLDCW_makes_a_flag_pending_and_takes_it_back()
    {
        CpuState* s = _machine.State;
        Assert.Equal(-1, _machine.RunOne(s_fninit));
        s->FpuStatus = 0x04;
        Store(0x37B);
        byte[] fldcw = [0xD9, 0x2D, 0x00, 0x30, 0x00, 0x00];
        Assert.Equal(-1, _machine.RunOne(fldcw));
        Assert.Equal(0x8084, s->FpuStatus);
        s->FpuControl = 0x37F;
        s->FpuStatus = 0x04;
        Store(0x37F);
        Assert.Equal(-1, _machine.RunOne(fldcw));
        Assert.Equal(0x04, s->FpuStatus);
    }

    [Fact]
    public void After_reset_the_registers_are_zero_and_not_empty()
    {
        using var vcpu = new Vcpu(_machine.Memory);
        Assert.Equal(0x40, vcpu.State->FpuControl);
        Assert.Equal(0, vcpu.State->FpuStatus);
        Assert.Equal(0xFF, vcpu.State->FpuTags);
        Assert.NotEqual(0u, vcpu.Model.Query(1).Edx & 1);
    }

    private void DivideByZeroUnmasked()
    {
        Assert.Equal(-1, _machine.RunOne(s_fninit));
        _machine.State->FpuControl = 0x37B;
        Assert.Equal(-1, _machine.Run(s_divideByZero, 3));
    }

    private void Store(ushort value) => _machine.Write(Data, BitConverter.GetBytes(value));
}
