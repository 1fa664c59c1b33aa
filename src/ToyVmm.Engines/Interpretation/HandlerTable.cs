using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation.Instructions;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>
/// Every instruction, one line each, grouped as the families' files are: mnemonic to handler. What is not here is #UD. Iced's decoder has already refused
/// what the form forbids (LOCK on a register, for example).
/// </summary>
internal static unsafe class HandlerTable
{
    /// <summary>The handler of an instruction.</summary>
    /// <param name="x">The instruction.</param>
    /// <param name="form">How its memory operand is reached, if it has one.</param>
    public static Handler Select(in Instruction x, AddressForm form)
    {
        switch (x.Mnemonic)
        {
            // Arithmetic and logic
            case Mnemonic.Add: return Arithmetic.Binary<Add>(x, form);
            case Mnemonic.Or: return Arithmetic.Binary<Or>(x, form);
            case Mnemonic.Adc: return Arithmetic.Binary<AddWithCarry>(x, form);
            case Mnemonic.Sbb: return Arithmetic.Binary<SubtractWithBorrow>(x, form);
            case Mnemonic.And: return Arithmetic.Binary<And>(x, form);
            case Mnemonic.Sub: return Arithmetic.Binary<Subtract>(x, form);
            case Mnemonic.Xor: return Arithmetic.Binary<Xor>(x, form);
            case Mnemonic.Cmp: return Arithmetic.Binary<Compare>(x, form);
            case Mnemonic.Test: return Arithmetic.Binary<Test>(x, form);
            case Mnemonic.Inc: return Arithmetic.Unary<Increment>(x, form);
            case Mnemonic.Dec: return Arithmetic.Unary<Decrement>(x, form);
            case Mnemonic.Neg: return Arithmetic.Unary<Negate>(x, form);
            case Mnemonic.Not: return Arithmetic.Unary<Not>(x, form);

            // Data transfer
            case Mnemonic.Mov when IsGeneral(x): return DataTransfer.Move(x, form);
            case Mnemonic.Movzx: return DataTransfer.MoveZeroExtended(x, form);
            case Mnemonic.Movsx: return DataTransfer.MoveSignExtended(x, form);
            case Mnemonic.Lea: return DataTransfer.LoadEffectiveAddress(x);
            case Mnemonic.Nop or Mnemonic.Pause or Mnemonic.Reservednop: return &DataTransfer.NoOperation;

            // Stack
            case Mnemonic.Push when IsGeneral(x): return Stack.Push(x, form);
            case Mnemonic.Pop when IsGeneral(x): return Stack.Pop(x);

            // Near control transfer
            case Mnemonic.Jmp when !IsFar(x): return ControlTransfer.Jump(x, form);
            case Mnemonic.Call when !IsFar(x): return ControlTransfer.Call(x, form);
            case Mnemonic.Ret: return ControlTransfer.Return(x);
            case Mnemonic when x.Code.IsJccShortOrNear(): return ControlTransfer.JumpConditional(x);

            default: return &InvalidOpcode;
        }
    }

    /// <summary>True for an instruction after which a block cannot go on.</summary>
    public static bool EndsBlock(in Instruction x) => x.FlowControl != FlowControl.Next || HandlerTraits.EndsBlock(x);

    /// <summary>True for a branch whose successors are remembered in the slot behind it.</summary>
    public static bool HasLinks(in Instruction x) =>
        x.FlowControl is FlowControl.ConditionalBranch or FlowControl.UnconditionalBranch && !IsFar(x)
        || x.Code is Code.Call_rel16 or Code.Call_rel32_32;

    /// <summary>#UD.</summary>
    public static nint InvalidOpcode(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Flow.Raise(i, cpu, Vector.InvalidOpcode);

    /// <summary>More than 15 bytes: #GP(0).</summary>
    public static nint TooLong(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Flow.Raise(i, cpu, Vector.GeneralProtection);

    /// <summary>True for far transfers.</summary>
    public static bool IsFar(in Instruction x) => x.IsJmpFar || x.IsCallFar || x.IsJmpFarIndirect || x.IsCallFarIndirect;

    private static bool IsGeneral(in Instruction x)
    {
        for (int n = 0; n < x.OpCount; n++)
        {
            if (x.GetOpKind(n) == OpKind.Register && !x.GetOpRegister(n).IsGPR())
            {
                return false;
            }
        }

        return true;
    }
}
