using System.Runtime.Intrinsics.X86;
using Iced.Intel;

namespace ToyVmm.Engines.Translation;

/// <summary>
/// The instructions that do on the host what they do in the guest: innocuous in Popek and Goldberg's sense, with every flag and
/// result that the manuals leave undefined the same as the interpreter's. Everything else is the interpreter's.
/// </summary>
internal static class IdentityList
{
    // Each of SSE3, SSSE3 and SSE4.1 is a part of what has SSE4.2.
    private static readonly bool s_hasSse42 = Sse42.IsSupported;

    /// <summary>True for an instruction that may run as the guest wrote it.</summary>
    public static bool Contains(in Instruction x)
    {
        if (x.Mnemonic is Mnemonic.Pause or Mnemonic.Lfence or Mnemonic.Sfence or Mnemonic.Mfence)
        {
            return true;
        }

        if (FilesOf(x) != RegisterFile.General)
        {
            // FLDCW may unmask an exception: it is emitted in a way of its own.
            return x.Mnemonic != Mnemonic.Fldcw;
        }

        for (int n = 0; n < x.OpCount; n++)
        {
            OpKind kind = x.GetOpKind(n);
            if (kind == OpKind.Register && !x.GetOpRegister(n).IsGPR())
            {
                return false;
            }

            // A bit string around a 16-bit address wraps around at 64 KiB.
            if (kind == OpKind.Memory && x.Mnemonic is Mnemonic.Bt or Mnemonic.Bts or Mnemonic.Btr or Mnemonic.Btc && !Is32BitAddress(x))
            {
                return false;
            }
        }

        switch (x.Mnemonic)
        {
            case Mnemonic.Add or Mnemonic.Or or Mnemonic.Adc or Mnemonic.Sbb or Mnemonic.And or Mnemonic.Sub or Mnemonic.Xor or Mnemonic.Cmp:
            case Mnemonic.Test or Mnemonic.Inc or Mnemonic.Dec or Mnemonic.Neg or Mnemonic.Not:
            case Mnemonic.Mov or Mnemonic.Movzx or Mnemonic.Movsx or Mnemonic.Lea or Mnemonic.Nop:
            case Mnemonic.Rol or Mnemonic.Ror or Mnemonic.Rcl or Mnemonic.Rcr or Mnemonic.Shl or Mnemonic.Sal or Mnemonic.Shr or Mnemonic.Sar:
            case Mnemonic.Mul or Mnemonic.Imul or Mnemonic.Div or Mnemonic.Idiv:
            case Mnemonic.Bt or Mnemonic.Bts or Mnemonic.Btr or Mnemonic.Btc or Mnemonic.Bsf or Mnemonic.Bsr:
            case Mnemonic.Xchg or Mnemonic.Xadd or Mnemonic.Cmpxchg or Mnemonic.Cmpxchg8b:
            case Mnemonic.Popcnt when Popcnt.IsSupported:
            case Mnemonic.Movnti:
            case Mnemonic.Cbw or Mnemonic.Cwde or Mnemonic.Cwd or Mnemonic.Cdq:
            case Mnemonic.Clc or Mnemonic.Stc or Mnemonic.Cmc or Mnemonic.Cld or Mnemonic.Std or Mnemonic.Lahf or Mnemonic.Sahf:
                return true;

            // Of 16-bit operands, counts beyond 16 and BSWAP give what no manual defines.
            case Mnemonic.Shld or Mnemonic.Shrd:
                return x.Op0Kind == OpKind.Register ? x.Op0Register.GetSize() == 4 : x.MemorySize.GetSize() == 4;
            case Mnemonic.Bswap:
                return x.Code == Code.Bswap_r32;

            // The other string instructions store or compare through ES:EDI, which no prefix moves into the view.
            case Mnemonic.Lodsb or Mnemonic.Lodsw or Mnemonic.Lodsd:
                return !x.HasRepPrefix && !x.HasRepnePrefix && !x.HasRepePrefix && x.Op1Kind == OpKind.MemorySegESI
                    && x.MemorySegment is not (Register.FS or Register.GS);
            default:
                return x.Code is (>= Code.Seto_rm8 and <= Code.Setg_rm8) or (>= Code.Cmovo_r16_rm16 and <= Code.Cmovg_r64_rm64);
        }
    }

    /// <summary>The register files beside the general one that an instruction uses when it runs on the host; none for one that does not.</summary>
    public static RegisterFile FilesOf(in Instruction x)
    {
        switch (x.Mnemonic)
        {
            // What stores or loads the unit's environment, or may unmask an exception: the host's pointers must not show.
            case Mnemonic.Fldenv or Mnemonic.Fnstenv or Mnemonic.Fstenv or Mnemonic.Fnsave or Mnemonic.Fsave or Mnemonic.Frstor:
            case Mnemonic.Fninit or Mnemonic.Finit or Mnemonic.Fxsave or Mnemonic.Fxrstor or Mnemonic.Ldmxcsr:
            case Mnemonic.Fneni or Mnemonic.Feni or Mnemonic.Fndisi or Mnemonic.Fdisi or Mnemonic.Fnsetpm or Mnemonic.Fsetpm:

            // FCLEX, FSTSW and the like with the WAIT that an assembler puts in front are two instructions to a CPU.
            case Mnemonic.Fclex or Mnemonic.Fstcw or Mnemonic.Fstsw:

            // The interpreter computes these by a documented algorithm.
            case Mnemonic.F2xm1 or Mnemonic.Fyl2x or Mnemonic.Fyl2xp1 or Mnemonic.Fptan or Mnemonic.Fpatan:
            case Mnemonic.Fsin or Mnemonic.Fcos or Mnemonic.Fsincos:
            case Mnemonic.Rcpps or Mnemonic.Rcpss or Mnemonic.Rsqrtps or Mnemonic.Rsqrtss:

            // They store through DS:EDI, and no prefix puts that into the view with 32 bits.
            case Mnemonic.Maskmovq or Mnemonic.Maskmovdqu:

            // No register of these files; some are on the list of general ones.
            case Mnemonic.Clflush or Mnemonic.Prefetchnta or Mnemonic.Prefetcht0 or Mnemonic.Prefetcht1 or Mnemonic.Prefetcht2:
            case Mnemonic.Lfence or Mnemonic.Sfence or Mnemonic.Mfence or Mnemonic.Pause or Mnemonic.Movnti:
                return RegisterFile.General;
        }

        RegisterFile files = x.Mnemonic == Mnemonic.Wait ? RegisterFile.X87 : RegisterFile.General;
        foreach (CpuidFeature feature in x.Code.CpuidFeatures())
        {
            files |= feature switch
            {
                CpuidFeature.FPU or CpuidFeature.FPU287 or CpuidFeature.FPU387 => RegisterFile.X87,
                CpuidFeature.MMX => RegisterFile.X87,
                CpuidFeature.SSE or CpuidFeature.SSE2 => RegisterFile.X87 | RegisterFile.Sse,
                CpuidFeature.SSE3 or CpuidFeature.SSSE3 or CpuidFeature.SSE4_1 or CpuidFeature.SSE4_2 when s_hasSse42 => RegisterFile.X87 | RegisterFile.Sse,
                _ => RegisterFile.General,
            };
        }

        return files;
    }

    /// <summary>The same operation in an encoding that 64-bit code has.</summary>
    public static Code In64Bits(Code code) => code switch
    {
        // 40-4F are REX prefixes there.
        Code.Inc_r32 => Code.Inc_rm32,
        Code.Inc_r16 => Code.Inc_rm16,
        Code.Dec_r32 => Code.Dec_rm32,
        Code.Dec_r16 => Code.Dec_rm16,

        // 82 is another name of 80 there no more.
        Code.Add_rm8_imm8_82 => Code.Add_rm8_imm8,
        Code.Or_rm8_imm8_82 => Code.Or_rm8_imm8,
        Code.Adc_rm8_imm8_82 => Code.Adc_rm8_imm8,
        Code.Sbb_rm8_imm8_82 => Code.Sbb_rm8_imm8,
        Code.And_rm8_imm8_82 => Code.And_rm8_imm8,
        Code.Sub_rm8_imm8_82 => Code.Sub_rm8_imm8,
        Code.Xor_rm8_imm8_82 => Code.Xor_rm8_imm8,
        Code.Cmp_rm8_imm8_82 => Code.Cmp_rm8_imm8,

        // The address of these would have 64 bits, or no segment.
        Code.Mov_AL_moffs8 => Code.Mov_r8_rm8,
        Code.Mov_AX_moffs16 => Code.Mov_r16_rm16,
        Code.Mov_EAX_moffs32 => Code.Mov_r32_rm32,
        Code.Mov_moffs8_AL => Code.Mov_rm8_r8,
        Code.Mov_moffs16_AX => Code.Mov_rm16_r16,
        Code.Mov_moffs32_EAX => Code.Mov_rm32_r32,
        _ => code,
    };

    /// <summary>False for a memory operand with a 16-bit address.</summary>
    public static bool Is32BitAddress(in Instruction x) =>
        x.MemoryBase.IsGPR32() || x.MemoryIndex.IsGPR32()
        || (x.MemoryBase == Register.None && x.MemoryIndex == Register.None && x.MemoryDisplSize == 4);
}

/// <summary>Registers beside the general ones.</summary>
[Flags]
internal enum RegisterFile
{
    /// <summary>None.</summary>
    General = 0,

    /// <summary>x87 and MMX.</summary>
    X87 = 1,

    /// <summary>XMM.</summary>
    Sse = 2,
}
