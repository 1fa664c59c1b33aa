using System.Globalization;
using ToyVmm.Hardware.Cpu;
using Xunit;

namespace ToyVmm.Tests.Interpretation;

/// <summary>Results that are known without a host to ask, so the engine does not ask one either: the constants of mathematics, and the manual's tables of special operands.</summary>
public sealed unsafe class X87ResultTests : IDisposable
{
    private const uint Invalid = 1;
    private const uint DivideByZero = 4;

    private readonly X87Machine _machine = new(portable: true);

    public X87ResultTests() => Assert.Equal(-1, _machine.RunOne([0xDB, 0xE3]));

    public void Dispose() => _machine.Dispose();

    /// <summary>Computed with 60 decimal digits by other means.</summary>
    [Theory]
    [InlineData("fld1 ; fsin", "D9E8 D9FE", 0x3FFE, 0xD76A_A478_4867_7021)]
    [InlineData("fld1 ; fcos", "D9E8 D9FF", 0x3FFE, 0x8A51_407D_A834_5C92)]
    [InlineData("fld1 ; fsincos ; fdivp (tangent)", "D9E8 D9FB DEF9", 0x3FFF, 0xC759_22E5_F71D_2DC5)]
    [InlineData("fld1 ; fptan ; fstp st0", "D9E8 D9F2 DDD8", 0x3FFF, 0xC759_22E5_F71D_2DC5)]
    [InlineData("fld1 ; fld1 ; fpatan (pi/4)", "D9E8 D9E8 D9F3", 0x3FFE, 0xC90F_DAA2_2168_C235)]
    [InlineData("fld1 ; fild 10 ; fyl2x", "D9E8 DF0500300000 D9F1", 0x4000, 0xD49A_784B_CD1B_8AFE)]
    [InlineData("fld1 ; fild 10 ; fdivp (1/10) ; fild 10 ; fmulp", "D9E8 DF0500300000 DEF9 DF0500300000 DEC9", 0x3FFF, 0x8000_0000_0000_0000)]
    [InlineData("fld1 ; fadd st0 ; fsqrt", "D9E8 D8C0 D9FA", 0x3FFF, 0xB504_F333_F9DE_6484)]
    [InlineData("fldpi ; fsin: the 66-bit pi shows", "D9EB D9FE", 0xBFBF, 0x8000_0000_0000_0000)]
    [InlineData("fld1 ; fchs ; fld1 ; fscale (2^-1) ; f2xm1", "D9E8 D9E0 D9E8 D9FD D9F0", 0x3FFD, 0xD413_CCCF_E779_9211)]
    public void A_known_value_comes_out(string what, string code, ushort signExponent, ulong significand)
    {
        _machine.Write(0x3000, BitConverter.GetBytes((ushort)10));
        Run(code);
        Assert.Equal((what, signExponent, significand), (what, (ushort)Top(1), Top(0)));
    }

    [Theory]
    [InlineData("inf - inf", "D9E8 D9EE DEF9 D8E0", 0xFFFF, 0xC000_0000_0000_0000, DivideByZero | Invalid)]
    [InlineData("0 / 0", "D9EE D8F0", 0xFFFF, 0xC000_0000_0000_0000, Invalid)]
    [InlineData("sqrt(-1)", "D9E8 D9E0 D9FA", 0xFFFF, 0xC000_0000_0000_0000, Invalid)]
    [InlineData("sqrt(-0)", "D9EE D9E0 D9FA", 0x8000, 0, 0)]
    [InlineData("1 / 0", "D9E8 D9EE DEF9", 0x7FFF, 0x8000_0000_0000_0000, DivideByZero)]
    [InlineData("1 * log2(0)", "D9E8 D9EE D9F1", 0xFFFF, 0x8000_0000_0000_0000, DivideByZero)]
    [InlineData("0 * log2(1)", "D9EE D9E8 D9F1", 0, 0, 0)]
    [InlineData("1 - 1", "D9E8 D8E0", 0, 0, 0)]
    public void A_special_operand_gets_the_masked_response(string what, string code, ushort signExponent, ulong significand, uint exceptions)
    {
        Run(code);
        Assert.Equal((what, signExponent, significand), (what, (ushort)Top(1), Top(0)));
        Assert.Equal(exceptions, _machine.State->FpuStatus & 0x3Fu);
    }

    /// <summary>One third, in every precision and rounding mode.</summary>
    [Theory]
    [InlineData(0x037F, 0xAAAA_AAAA_AAAA_AAAB)]
    [InlineData(0x077F, 0xAAAA_AAAA_AAAA_AAAA)]
    [InlineData(0x0B7F, 0xAAAA_AAAA_AAAA_AAAB)]
    [InlineData(0x0F7F, 0xAAAA_AAAA_AAAA_AAAA)]
    [InlineData(0x027F, 0xAAAA_AAAA_AAAA_A800)]
    [InlineData(0x0A7F, 0xAAAA_AAAA_AAAA_B000)]
    [InlineData(0x007F, 0xAAAA_AB00_0000_0000)]
    [InlineData(0x0C7F, 0xAAAA_AA00_0000_0000)]
    public void One_third_obeys_precision_and_rounding_control(ushort control, ulong significand)
    {
        _machine.State->FpuControl = control;
        _machine.Write(0x3000, BitConverter.GetBytes((ushort)3));
        Run("D9E8 DE3500300000"); // fld1 ; fidiv word [0x3000]
        Assert.Equal((0x3FFDul, significand), (Top(1), Top(0)));
        Assert.Equal(0x20, _machine.State->FpuStatus & 0x3F);
    }

    private void Run(string code)
    {
        foreach (string instruction in code.Split(' '))
        {
            byte[] bytes = Convert.FromHexString(instruction);
            int vector = _machine.RunOne(bytes);
            Assert.True(vector == -1, string.Create(CultureInfo.InvariantCulture, $"{instruction} raised {vector}"));
        }
    }

    private ulong Top(int word)
    {
        CpuState* s = _machine.State;
        return s->FpuRegisters[(2 * ((s->FpuStatus >> 11) & 7)) + word];
    }
}
