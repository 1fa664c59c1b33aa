using Iced.Intel;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Translation;

/// <summary>PUSH, POP and their like on ESP, which is R12D.</summary>
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
                AddressStack();
                code.Emit(Instruction.Create(Code.Mov_r32_rm32, Guest(x.Op0Register), StackSlot(0)));
                if (x.Op0Register != Register.ESP)
                {
                    MoveStack(4);
                }

                return true;
            case Code.Push_r16 or Code.Push_rm16 when x.Op0Kind == OpKind.Register:
                AddressStack();
                PushWord(Instruction.Create(Code.Mov_rm16_r16, StackSlot(-2), Guest(x.Op0Register)));
                return true;
            case Code.Push_rm16 when TryLoad(x, Register.R8D):
                AddressStack();
                PushWord(Instruction.Create(Code.Mov_rm16_r16, StackSlot(-2), Register.R8W));
                return true;
            case Code.Pushw_imm8 or Code.Push_imm16:
                AddressStack();
                PushWord(Instruction.Create(Code.Mov_rm16_imm16, StackSlot(-2), (int)(ushort)x.GetImmediate(0)));
                return true;
            case Code.Pop_r16 or Code.Pop_rm16 when x.Op0Kind == OpKind.Register:
                AddressStack();
                code.Emit(Instruction.Create(Code.Movzx_r32_rm16, Register.R13D, StackSlot(0)));
                MoveStack(2);
                code.Emit(Instruction.Create(Code.Mov_r16_rm16, Guest(x.Op0Register), Register.R13W));
                return true;
            case Code.Pop_rm32 or Code.Pop_rm16 when IdentityList.Is32BitAddress(x):
                return TryPopToMemory(x);
            case Code.Pushad:
                PushAll();
                return true;
            case Code.Popad:
                PopAll();
                return true;
            case Code.Enterd_imm16_imm8 when (x.Immediate8_2nd & 31) == 0:
                EnterFrame(x.Immediate16);
                return true;
            case Code.Leaved:
                AddressStack();
                code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R8D, StackOperand(Register.EBP, 0)));
                code.Emit(Instruction.Create(Code.Lea_r32_m, Register.R12D, new MemoryOperand(Register.EBP, 4)));
                code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.EBP, Register.R8D));
                return true;
            default:
                return false;
        }
    }

    private void Push(uint value)
    {
        AddressStack();
        code.Emit(Instruction.Create(Code.Mov_rm32_imm32, StackSlot(-4), (int)value));
        MoveStack(-4);
    }

    private void Push(Register value)
    {
        AddressStack();
        code.Emit(Instruction.Create(Code.Mov_rm32_r32, StackSlot(-4), value));
        MoveStack(-4);
    }

    // The base of SS into R9D, where there is one: StackSlot adds it.
    private void AddressStack()
    {
        if (IsBased(Register.SS))
        {
            block.Note(code.Used, TranslationReason.SegmentBase);
            LoadBase(Register.SS);
        }
    }

    private void MoveStack(int bytes) => code.Emit(Instruction.Create(Code.Lea_r32_m, Register.R12D, new MemoryOperand(Register.R12D, bytes)));

    private void PushWord(in Instruction store)
    {
        code.Emit(store);
        MoveStack(-2);
    }

    // An address that ESP is a part of is computed with the ESP behind the operand (SDM 2B, POP).
    private bool TryPopToMemory(in Instruction x)
    {
        bool word = x.Code == Code.Pop_rm16;
        int size = word ? 2 : 4;
        AddressStack();
        code.Emit(Instruction.Create(word ? Code.Movzx_r32_rm16 : Code.Mov_r32_rm32, Register.R13D, StackSlot(0)));
        Instruction store = x;
        store.Code = word ? Code.Mov_rm16_r16 : Code.Mov_rm32_r32;
        store.Op1Kind = OpKind.Register;
        store.Op1Register = word ? Register.R13W : Register.R13D;
        if (x.MemoryBase == Register.ESP)
        {
            store.MemoryDisplacement64 = (uint)(x.MemoryDisplacement32 + size);
            store.MemoryDisplSize = 4;
        }

        if (!TryIdentity(store))
        {
            return false;
        }

        MoveStack(size);
        return true;
    }

    // No access behind the first store may fault: all lie in the pages of the lowest and the highest. The lowest is tried by storing
    // what is there already; and each is read, because one of them may run over the last address, into the guard.
    private void PushAll()
    {
        const int Bytes = 32;
        AddressStack();
        Touch(-Bytes);
        for (int at = 4 - Bytes; at < 0; at += 4)
        {
            Try(at);
        }

        Register[] order =
            [Register.EAX, Register.ECX, Register.EDX, Register.EBX, Register.R12D, Register.EBP, Register.ESI, Register.EDI];
        for (int n = 0; n < order.Length; n++)
        {
            code.Emit(Instruction.Create(Code.Mov_rm32_r32, StackSlot(-4 * (n + 1)), order[n]));
        }

        MoveStack(-Bytes);
    }

    // Likewise; the stored ESP is skipped.
    private void PopAll()
    {
        const int Bytes = 32;
        AddressStack();
        for (int at = 0; at < Bytes; at += 4)
        {
            Try(at);
        }

        Register[] order = [Register.EDI, Register.ESI, Register.EBP, Register.None, Register.EBX, Register.EDX, Register.ECX];
        for (int n = 0; n < order.Length; n++)
        {
            if (order[n] != Register.None)
            {
                code.Emit(Instruction.Create(Code.Mov_r32_rm32, order[n], StackSlot(4 * n)));
            }
        }

        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.EAX, Register.R8D));
        MoveStack(Bytes);
    }

    // ENTER of level 0. The new end of the stack must be writable (SDM 2A, ENTER).
    private void EnterFrame(int locals)
    {
        AddressStack();
        Touch(-4 - locals);
        code.Emit(Instruction.Create(Code.Mov_rm32_r32, StackSlot(-4), Register.EBP));
        code.Emit(Instruction.Create(Code.Lea_r32_m, Register.EBP, new MemoryOperand(Register.R12D, -4)));
        MoveStack(-4 - locals);
    }

    private void Try(int offset) => code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R8D, StackSlot(offset)));

    private void Touch(int offset)
    {
        Try(offset);
        code.Emit(Instruction.Create(Code.Mov_rm32_r32, StackSlot(offset), Register.R8D));
    }
}
