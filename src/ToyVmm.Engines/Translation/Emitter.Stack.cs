using Iced.Intel;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Translation;

/// <summary>PUSH, POP and their like on ESP in R12D</summary>
internal sealed unsafe partial class Emitter
{
    private bool TryStack(in Instruction x)
    {
        switch (x.Code)
        {
            case Code.Push_r32 or Code.Push_rm32 when x.Op0Kind == OpKind.Register:
                Push(Guest(x.Op0Register));
                return true;
            case Code.Push_rm32 when TryLoad(x, Register.R8D):
                Push(Register.R8D);
                return true;
            case Code.Pushd_imm8 or Code.Pushd_imm32:
                Push((uint)x.GetImmediate(0));
                return true;
            case Code.Pop_r32 or Code.Pop_rm32 when x.Op0Kind == OpKind.Register:
                code.Emit(Instruction.Create(Code.Mov_r32_rm32, Guest(x.Op0Register), StackSlot(0)));
                if (x.Op0Register != Register.ESP)
                {
                    MoveStack(4);
                }

                return true;
            case Code.Leaved:
                code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R8D, new MemoryOperand(Register.EBP, Register.None, 1, 0, 1, false, Register.GS)));
                code.Emit(Instruction.Create(Code.Lea_r32_m, Register.R12D, new MemoryOperand(Register.EBP, 4)));
                code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.EBP, Register.R8D));
                return true;
            default:
                return false;
        }
    }

    private void Push(uint value)
    {
        code.Emit(Instruction.Create(Code.Mov_rm32_imm32, StackSlot(-4), (int)value));
        MoveStack(-4);
    }

    private void Push(Register value)
    {
        code.Emit(Instruction.Create(Code.Mov_rm32_r32, StackSlot(-4), value));
        MoveStack(-4);
    }

    private void MoveStack(int bytes) => code.Emit(Instruction.Create(Code.Lea_r32_m, Register.R12D, new MemoryOperand(Register.R12D, bytes)));
}
