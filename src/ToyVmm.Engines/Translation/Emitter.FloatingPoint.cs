using Iced.Intel;

namespace ToyVmm.Engines.Translation;

/// <summary>FLDCW, which compiled code uses for every cast from floating-point to integer.</summary>
internal sealed unsafe partial class Emitter
{
    // It runs on the host while the new control word leaves every exception masked. FLDCW changes no flag, so the test must not:
    // the complement of bits 0-5 is shifted to the top of a byte, and JECXZ asks whether it is zero.
    private bool TryLoadControl(in Instruction x, int remaining)
    {
        if (x.Code != Code.Fldcw_m2byte)
        {
            return false;
        }

        Instruction load = x;
        load.Code = Code.Movzx_r32_rm16;
        load.Op0Kind = OpKind.Register;
        load.Op0Register = Register.R13D;
        load.Op1Kind = OpKind.Memory;
        if (!TryIdentity(load))
        {
            return false;
        }

        PutEcxAside();
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R9D, Register.R13D));
        code.Emit(Instruction.Create(Code.Not_rm32, Register.R9D));
        code.Emit(Instruction.Create(Code.Lea_r32_m, Register.R9D, new MemoryOperand(Register.None, Register.R9, 4, 0, 8)));
        code.Emit(Instruction.Create(Code.Movzx_r32_rm8, Register.ECX, Register.R9L));
        LeaveUnlessEcxIsZero(x, remaining);
        code.Emit(Instruction.Create(Code.Mov_rm32_r32, State(StateOffset.HostScratch), Register.R13D));
        code.Emit(Instruction.Create(Code.Fldcw_m2byte, State(StateOffset.HostScratch)));
        return true;
    }
}
