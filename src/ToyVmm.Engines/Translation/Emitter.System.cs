using Iced.Intel;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Translation;

/// <summary>Reads of control and segment registers, which are loads from the state; ports that are mere latches; and XLAT.</summary>
internal sealed unsafe partial class Emitter
{
    private bool TrySystem(in Instruction x, int remaining)
    {
        switch (x.Code)
        {
            case Code.Mov_r32_cr when (block.Block->Mode & DecodeMode.User) == 0 && ControlRegister(x.Op1Register) is { } offset:
                RequireRingZero(x, remaining);
                code.Emit(Instruction.Create(Code.Mov_r32_rm32, Guest(x.Op0Register), State(offset)));
                return true;
            case Code.In_AL_DX or Code.In_AL_imm8 or Code.Out_DX_AL or Code.Out_imm8_AL when (block.Block->Mode & DecodeMode.User) == 0:
                AccessLatch(x, remaining);
                return true;
            case Code.Mov_rm16_Sreg or Code.Mov_r32m16_Sreg when x.Op0Kind == OpKind.Register:
                // A 32-bit register is zero-extended (P6 and later; SDM 2B, MOV).
                bool wide = x.Op0Register.IsGPR32();
                code.Emit(Instruction.Create(wide ? Code.Movzx_r32_rm16 : Code.Mov_r16_rm16, Guest(x.Op0Register), Selector(x.Op1Register)));
                return true;
            case Code.Mov_rm16_Sreg or Code.Mov_r32m16_Sreg:
                LoadSelector(Register.R13D, x.Op1Register);
                Instruction store = x;
                store.Code = Code.Mov_rm16_r16;
                store.Op1Register = Register.R13W;
                return TryIdentity(store);
            case Code.Pushd_ES or Code.Pushd_CS or Code.Pushd_SS or Code.Pushd_DS or Code.Pushd_FS or Code.Pushd_GS:
                LoadSelector(Register.R8D, x.Op0Register);
                Push(Register.R8D);
                return true;
            case Code.Xlat_m8 when x.MemoryBase == Register.EBX:
                // AL is a part of the address: R8D holds it, zero-extended.
                code.Emit(Instruction.Create(Code.Movzx_r32_rm8, Register.R8D, Register.AL));
                return TryIdentity(Instruction.Create(
                    Code.Mov_r8_rm8, Register.AL, new MemoryOperand(Register.EBX, Register.R8D, 1, 0, 0, false, x.SegmentPrefix)));
            default:
                if (x.Mnemonic is not (Mnemonic.Reservednop or Mnemonic.Nop))
                {
                    return false;
                }

                // Its memory operand is never accessed; 0F 1F pads code everywhere.
                code.Emit(Instruction.Create(Code.Nopd));
                return true;
        }
    }

    // A byte of a latch (IPortAccess.Latches); any other port is the interpreter's.
    private void AccessLatch(in Instruction x, int remaining)
    {
        const int Bytes = 1 << 16;
        RequireRingZero(x, remaining);
        PutEcxAside();
        FindLatch(x);
        code.Emit(Instruction.Create(Code.Movzx_r32_rm8, Register.ECX, new MemoryOperand(Register.R9, Register.R13)));
        LeaveUnlessEcxIsZero(x, remaining);
        FindLatch(x);
        MemoryOperand latch = new(Register.R9, Register.R13, 1, Bytes, 8);
        code.Emit(x.Mnemonic == Mnemonic.In
            ? Instruction.Create(Code.Mov_r8_rm8, Register.AL, latch)
            : Instruction.Create(Code.Mov_rm8_r8, latch, Register.AL));
        code.Emit(Instruction.Create(Code.Mov_r64_rm64, Register.R9, State(StateOffset.LatchAccesses)));
        code.Emit(Instruction.Create(Code.Lea_r64_m, Register.R9, new MemoryOperand(Register.R9, 1)));
        code.Emit(Instruction.Create(Code.Mov_rm64_r64, State(StateOffset.LatchAccesses), Register.R9));
    }

    private void FindLatch(in Instruction x)
    {
        code.Emit(Instruction.Create(Code.Mov_r64_rm64, Register.R9, State(StateOffset.PortLatches)));
        code.Emit(x.Code is Code.In_AL_imm8 or Code.Out_imm8_AL
            ? Instruction.Create(Code.Mov_r32_imm32, Register.R13D, (uint)x.Immediate8)
            : Instruction.Create(Code.Movzx_r32_rm16, Register.R13D, Register.DX));
    }

    private void LoadSelector(Register target, Register segment) =>
        code.Emit(Instruction.Create(Code.Movzx_r32_rm16, target, Selector(segment)));

    private static MemoryOperand Selector(Register segment) => State(StateOffset.Selector(segment - Register.ES));

    private static int? ControlRegister(Register register) => register switch
    {
        Register.CR0 => StateOffset.Cr0,
        Register.CR2 => StateOffset.Cr2,
        Register.CR3 => StateOffset.Cr3,
        Register.CR4 => StateOffset.Cr4,
        _ => null,
    };
}
