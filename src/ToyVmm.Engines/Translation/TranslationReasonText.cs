using System.Numerics;
using Iced.Intel;

namespace ToyVmm.Engines.Translation;

/// <summary>What <see cref="TranslationReason"/> says to people. What goes to the interpreter has a <see cref="CallOutReason"/> instead.</summary>
internal static class TranslationReasonText
{
    /// <summary>The reasons in words.</summary>
    public static string Of(TranslationReason reasons)
    {
        List<string> texts = [];
        for (uint left = (uint)reasons; left != 0; left &= left - 1)
        {
            texts.Add(OfOne((TranslationReason)(1u << BitOperations.TrailingZeroCount(left))));
        }

        return string.Join("; ", texts);
    }

    /// <summary>What holds of what is emitted along with the reads of system registers.</summary>
    public static TranslationReason OfSystem(in Instruction x) => x.Mnemonic switch
    {
        Mnemonic.Nop or Mnemonic.Reservednop => x.OpCount == 0 ? TranslationReason.None : TranslationReason.IdleOperand,
        Mnemonic.Xlatb => TranslationReason.Encoding,
        _ => TranslationReason.State,
    };

    /// <summary>What holds of a branch.</summary>
    public static TranslationReason OfBranch(in Instruction x) => x.Code switch
    {
        Code.Call_rel32_32 => TranslationReason.Stack,
        Code.Call_rm32 => TranslationReason.Stack | TranslationReason.JumpTable,
        Code.Retnd or Code.Retnd_imm16 => TranslationReason.Stack | TranslationReason.JumpTable,
        Code.Jmp_rm32 => TranslationReason.JumpTable,
        Code.Rdtsc => TranslationReason.TimeStamp,
        Code.Jecxz_rel8_32 or Code.Jcxz_rel8_32 or Code.Loop_rel8_32_ECX or Code.Loope_rel8_32_ECX or Code.Loopne_rel8_32_ECX => TranslationReason.ShortBranch,
        _ => TranslationReason.None,
    };

    private static string OfOne(TranslationReason reason) => reason switch
    {
        TranslationReason.Counts => "counts the block's instructions, without a flag",
        TranslationReason.BudgetEnd => "faults where the budget does not suffice",
        TranslationReason.RegisterFile => "leaves unless the host has the guest's x87 and SSE registers",
        TranslationReason.InView => "memory operand in the view: GS, 32-bit address",
        TranslationReason.StackPointer => "ESP is R12D",
        TranslationReason.Encoding => "another encoding: the guest's is none in 64-bit code",
        TranslationReason.IdlePrefix => "without a REP prefix that does nothing",
        TranslationReason.IdleOperand => "without an operand that means nothing",
        TranslationReason.NarrowAddress => "64-bit code has no 16-bit addresses: it is computed in a register",
        TranslationReason.HighByte => "a REX prefix excludes AH to BH: by way of the low byte",
        TranslationReason.SegmentBase => "adds the base of the segment",
        TranslationReason.Stack => "the guest's stack is memory in the view, at R12D",
        TranslationReason.Linked => "to its way out until linked to its target",
        TranslationReason.JumpTable => "by way of the jump table: to another page, or where only the run tells",
        TranslationReason.WayOut => "way out: tells where to go on, and which branch to patch",
        TranslationReason.ShortBranch => "reaches 127 bytes only: by way of near jumps",
        TranslationReason.TimeStamp => "time is what the budget says",
        TranslationReason.Flags => "arithmetic flags are the host's; IF and the others lie beside the state",
        TranslationReason.State => "a system register is a field of the state",
        TranslationReason.ControlWord => "on the host while every exception stays masked",
        TranslationReason.StringInView => "RSI and RDI point into the view meanwhile",
        TranslationReason.InterpretersCase => "way out: this case is the interpreter's",
        _ => reason.ToString(),
    };
}
