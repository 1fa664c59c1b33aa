using Iced.Intel;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Translation;

/// <summary>Reads of control and segment registers: loads from the state.</summary>
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
            case Code.Mov_rm16_Sreg or Code.Mov_r32m16_Sreg when x.Op0Kind == OpKind.Register:
                // A 32-bit register is zero-extended (P6 and later; SDM 2B, MOV).
                bool wide = x.Op0Register.IsGPR32();
                code.Emit(Instruction.Create(wide ? Code.Movzx_r32_rm16 : Code.Mov_r16_rm16, Guest(x.Op0Register), Selector(x.Op1Register)));
                return true;
            case Code.Mov_rm16_Sreg or Code.Mov_r32m16_Sreg when IdentityList.Is32BitAddress(x):
                LoadSelector(Register.R13D, x.Op1Register);
                Instruction store = x;
                store.Code = Code.Mov_rm16_r16;
                store.Op1Register = Register.R13W;
                return TryIdentity(store);
            case Code.Pushd_ES or Code.Pushd_CS or Code.Pushd_SS or Code.Pushd_DS or Code.Pushd_FS or Code.Pushd_GS:
                LoadSelector(Register.R8D, x.Op0Register);
                Push(Register.R8D);
                return true;
            default:
                return false;
        }
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
