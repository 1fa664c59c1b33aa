using Iced.Intel;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Translation;

/// <summary>
/// PUSHF, POPF, CLI and STI. The arithmetic flags and DF are the host's own; IF lies in <see cref="HostFrame.InterruptFlag"/> while emitted
/// code runs, and the rest in <see cref="HostFrame.SystemFlags"/>, where nothing changes it: what would is the interpreter's.
/// </summary>
internal sealed unsafe partial class Emitter
{
    // What a host flags image has beside the arithmetic flags and DF: IF, and bit 1, which is always set.
    private const uint HostImage = Eflags.IF | Eflags.Fixed;

    // A POPF that changes one of these, or sets DF, is the interpreter's. RF and VM in the image mean nothing (SDM 2B, POPF).
    private const uint Guarded = Eflags.TF | Eflags.DF | Eflags.IoplMask | Eflags.NT | Eflags.AC | Eflags.ID | Eflags.VIF | Eflags.VIP;

    // It clears these whatever the image has: where one is set, it is the interpreter's too.
    private const uint Cleared = Eflags.VIF | Eflags.VIP;

    private bool TryFlags(in Instruction x, int remaining)
    {
        bool user = (block.Block->Mode & DecodeMode.User) != 0;
        switch (x.Code)
        {
            case Code.Pushfd:
                PushFlags();
                return true;
            case Code.Popfd:
                PopFlags(x, remaining, user);
                return true;
            case Code.Cli when !user:
                RequireRingZero(x, remaining);
                StoreInterruptFlag(0);
                return true;
            case Code.Sti when !user:
                SetInterruptFlag(x, remaining);
                return true;
            default:
                return false;
        }
    }

    // Rings 1 and 2 run the blocks of ring 0: what only ring 0 may do (or who IOPL allows it) asks first.
    private void RequireRingZero(in Instruction x, int remaining)
    {
        PutEcxAside();
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.ECX, State(StateOffset.Cpl)));
        LeaveUnlessEcxIsZero(x, remaining);
    }

    // The host's image, with the guest's system flags in the place of the host's: no bit is set twice, so sums do for ORs.
    private void PushFlags()
    {
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R9D, State(StateOffset.HostSystemFlags)));
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R13D, State(StateOffset.HostInterruptFlag)));
        code.Emit(Instruction.Create(Code.Lea_r32_m, Register.R9D, new MemoryOperand(Register.R9, Register.R13, 1, -(int)HostImage, 8)));
        HostFlagsToR8();
        code.Emit(Instruction.Create(Code.Lea_r32_m, Register.R8D, new MemoryOperand(Register.R8, Register.R9)));
        Push(Register.R8D);
    }

    // Through the host's own stack, which nothing else of the emitted code uses.
    private void HostFlagsToR8()
    {
        code.Emit(Instruction.Create(Code.Pushfq));
        code.Emit(Instruction.Create(Code.Pop_r64, Register.R8));
    }

    // Before the last branch to the interpreter only scratch registers and the arithmetic flags change, and it sets all of these.
    private void PopFlags(in Instruction x, int remaining, bool user)
    {
        AddressStack();
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R8D, StackSlot(0)));
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R9D, Register.R8D));
        code.Emit(Instruction.Create(Code.And_rm32_imm32, Register.R9D, ~Cleared));
        code.Emit(Instruction.Create(Code.Xor_r32_rm32, Register.R9D, State(StateOffset.HostSystemFlags)));
        code.Emit(Instruction.Create(Code.Test_rm32_imm32, Register.R9D, Guarded));
        BranchToCallOut(Code.Jne_rel32_64, x, remaining);
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R9D, State(StateOffset.HostInterruptFlag)));
        code.Emit(Instruction.Create(Code.Xor_r32_rm32, Register.R9D, Register.R8D));
        code.Emit(Instruction.Create(Code.Test_rm32_imm32, Register.R9D, Eflags.IF));
        if (user)
        {
            BranchToCallOut(Code.Jne_rel32_64, x, remaining);
        }
        else
        {
            int same = ShortBranch(Code.Je_rel8_64);
            code.Emit(Instruction.Create(Code.Cmp_rm32_imm8, State(StateOffset.Cpl), 0));
            BranchToCallOut(Code.Jne_rel32_64, x, remaining);
            code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R9D, Register.R8D));
            code.Emit(Instruction.Create(Code.And_rm32_imm32, Register.R9D, Eflags.IF));
            int closes = ShortBranch(Code.Je_rel8_64);

            // Interrupts open again: whatever waits for that comes first.
            code.Emit(Instruction.Create(Code.Cmp_rm32_imm8, State(StateOffset.Attention), 0));
            BranchToCallOut(Code.Jne_rel32_64, x, remaining);
            code.PatchShort(closes, code.Used);
            code.Emit(Instruction.Create(Code.Mov_rm32_r32, State(StateOffset.HostInterruptFlag), Register.R9D));
            code.PatchShort(same, code.Used);
        }

        MoveStack(4);
        SetHostFlagsFromR8();
    }

    // SAHF and an addition that overflows where OF is set: many times faster than POPF. DF was found clear.
    private void SetHostFlagsFromR8()
    {
        const int OverflowBit = 11;
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R9D, Register.EAX));
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.EAX, Register.R8D));
        code.Emit(Instruction.Create(Code.Shl_rm32_imm8, Register.EAX, 8));
        code.Emit(Instruction.Create(Code.Bt_rm32_imm8, Register.R8D, OverflowBit));
        code.Emit(Instruction.Create(Code.Setb_rm8, Register.AL));
        code.Emit(Instruction.Create(Code.Add_AL_imm8, Register.AL, 0x7F));
        code.Emit(Instruction.Create(Code.Sahf));
        code.Emit(Instruction.Create(Code.Cld));
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.EAX, Register.R9D));
    }

    // While nothing waits for an open window, STI's shadow over the next instruction (SDM 2B, STI) can only be seen where a run
    // ends before that instruction. So one more must be left in the budget: else the byte below the ramp's start faults.
    private void SetInterruptFlag(in Instruction x, int remaining)
    {
        PutEcxAside();
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.ECX, State(StateOffset.Cpl)));
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R9D, State(StateOffset.Attention)));
        code.Emit(Instruction.Create(Code.Lea_r32_m, Register.ECX, new MemoryOperand(Register.RCX, Register.R9)));
        LeaveUnlessEcxIsZero(x, remaining);
        code.Emit(Instruction.Create(Code.Movzx_r32_rm8, Register.R8D, new MemoryOperand(Register.R14, -1)));
        StoreInterruptFlag(Eflags.IF);
    }

    private void StoreInterruptFlag(uint value) =>
        code.Emit(Instruction.Create(Code.Mov_rm32_imm32, State(StateOffset.HostInterruptFlag), (int)value));

    private int ShortBranch(Code branch)
    {
        const int Anywhere = 64;
        code.Emit(Instruction.CreateBranch(branch, (ulong)(code.Used + Anywhere)));
        return code.Used;
    }
}
