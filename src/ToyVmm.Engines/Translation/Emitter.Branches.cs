using Iced.Intel;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Translation;

/// <summary>Near branches, and what reads the clock.</summary>
internal sealed unsafe partial class Emitter
{
    private bool TryBranch(in Instruction x, int remaining)
    {
        uint next = (uint)x.NextIP;
        switch (x.Code)
        {
            case Code.Jmp_rel8_32 or Code.Jmp_rel32_32:
                GoTo((uint)x.NearBranchTarget);
                return true;
            case Code.Call_rel32_32:
                Push(next);
                GoTo((uint)x.NearBranchTarget);
                return true;
            case Code.Jmp_rm32 when TryLoad(x, Register.R13D):
                GoToR13(code);
                return true;
            case Code.Call_rm32 when TryLoad(x, Register.R13D):
                Push(next);
                GoToR13(code);
                return true;
            case Code.Retnd or Code.Retnd_imm16:
                AddressStack();
                code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R13D, StackSlot(0)));
                MoveStack(4 + (x.Code == Code.Retnd_imm16 ? x.Immediate16 : 0));
                GoToR13(code);
                return true;
            case Code.Rdtsc when (block.Block->Mode & DecodeMode.User) == 0:
                RequireRingZero(x, remaining);
                ReadTimeStamp();
                GoTo(next);
                return true;
            case Code.Jecxz_rel8_32:
                JumpIfEcxZero(whenZero: (uint)x.NearBranchTarget, otherwise: next);
                return true;
            case Code.Loop_rel8_32_ECX:
                code.Emit(Instruction.Create(Code.Lea_r32_m, Register.ECX, new MemoryOperand(Register.ECX, -1)));
                JumpIfEcxZero(whenZero: next, otherwise: (uint)x.NearBranchTarget);
                return true;
            case Code.Loope_rel8_32_ECX or Code.Loopne_rel8_32_ECX:
                code.Emit(Instruction.Create(Code.Lea_r32_m, Register.ECX, new MemoryOperand(Register.ECX, -1)));

                // A prefix decides before the opcode does, as in the interpreter.
                bool whileEqual = !x.HasRepnePrefix && (x.HasRepePrefix || x.Code == Code.Loope_rel8_32_ECX);
                LoopWhile(whileEqual ? Code.Je_rel32_64 : Code.Jne_rel32_64, (uint)x.NearBranchTarget, next);
                return true;
            case Code.Jcxz_rel8_32:
                JumpIfCxZero(whenZero: (uint)x.NearBranchTarget, otherwise: next);
                return true;
            case Code.Into:
                Branch(Code.Jno_rel32_64, next);
                CallOut(remaining);
                return true;
            default:
                if (!x.Code.IsJccShortOrNear() || x.Op0Kind != OpKind.NearBranch32)
                {
                    return false;
                }

                // Iced lists the conditions of Jcc in the order of their encodings, and each with its rel16, rel32 (32), rel32 (64) forms.
                Branch(Code.Jo_rel32_64 + (((int)x.ConditionCode - 1) * (Code.Jno_rel32_64 - Code.Jo_rel32_64)), (uint)x.NearBranchTarget);
                GoTo(next);
                return true;
        }
    }

    // Time base - budget - 1, without touching a flag. RDTSC ends its block, so the budget is exact.
    private void ReadTimeStamp()
    {
        code.Emit(Instruction.Create(Code.Mov_r64_rm64, Register.R8, State(StateOffset.HostTimeBase)));
        code.Emit(Instruction.Create(Code.Mov_r64_rm64, Register.R9, Register.R14));
        code.Emit(Instruction.Create(Code.Not_rm64, Register.R9));
        code.Emit(Instruction.Create(Code.Lea_r64_m, Register.R8, new MemoryOperand(Register.R8, Register.R9)));
        code.Emit(Instruction.Create(Code.Mov_rm64_r64, State(StateOffset.HostScratch), Register.R8));
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.EAX, State(StateOffset.HostScratch)));
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.EDX, State(StateOffset.HostScratch + 4)));
    }

    private void JumpIfEcxZero(uint whenZero, uint otherwise)
    {
        const int NearJump = 5;
        int branch = code.Used;
        const int ShortJump = 3;
        code.Emit(Instruction.CreateBranch(Code.Jecxz_rel8_64, (ulong)(branch + ShortJump + NearJump)));
        Branch(Code.Jmp_rel32_64, otherwise);
        Branch(Code.Jmp_rel32_64, whenZero);
    }

    // LOOPE and LOOPNE, behind the count.
    private void LoopWhile(Code condition, uint target, uint next)
    {
        const int ShortJump = 3;
        const int NearJump = 6;
        code.Emit(Instruction.CreateBranch(Code.Jecxz_rel8_64, (ulong)(code.Used + ShortJump + NearJump)));
        Branch(condition, target);
        Branch(Code.Jmp_rel32_64, next);
    }

    // 64-bit code has JECXZ and JRCXZ only.
    private void JumpIfCxZero(uint whenZero, uint otherwise)
    {
        PutEcxAside();
        code.Emit(Instruction.Create(Code.Movzx_r32_rm16, Register.ECX, Register.CX));
        int branch = code.Used;
        code.Emit(Instruction.CreateBranch(Code.Jecxz_rel8_64, (ulong)(branch + 32)));
        int branchEnd = code.Used;
        RestoreEcx();
        Branch(Code.Jmp_rel32_64, otherwise);
        code.PatchShort(branchEnd, code.Used);
        RestoreEcx();
        Branch(Code.Jmp_rel32_64, whenZero);
    }
}
