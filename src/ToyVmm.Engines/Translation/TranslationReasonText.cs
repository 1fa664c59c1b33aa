using System.Numerics;
using Iced.Intel;

namespace ToyVmm.Engines.Translation;

/// <summary>What <see cref="TranslationReason"/> says to people, and which of them holds for what goes to the interpreter.</summary>
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

    /// <summary>Why an instruction that the emitter refused goes to the interpreter.</summary>
    /// <param name="x">The guest's instruction.</param>
    public static TranslationReason WhyInterpreted(in Instruction x)
    {
        if (x.IsInvalid)
        {
            return TranslationReason.Undefined;
        }

        if (IsSensitive(x))
        {
            return TranslationReason.Sensitive;
        }

        if (x.IsStringInstruction)
        {
            return TranslationReason.String;
        }

        for (int n = 0; n < x.OpCount; n++)
        {
            if (x.GetOpKind(n) == OpKind.Memory && (x.MemoryBase.IsGPR16() || x.MemoryIndex.IsGPR16() || (x.MemoryBase == Register.None && x.MemoryDisplSize == 2)))
            {
                return TranslationReason.SmallAddress;
            }
        }

        return IdentityList.Contains(x) ? TranslationReason.NoEncoding : TranslationReason.HostDiffers;
    }

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
        TranslationReason.HighByte => "a REX prefix excludes AH to BH: by way of the low byte",
        TranslationReason.SegmentBase => "adds the base of the segment, through its gate",
        TranslationReason.Stack => "the guest's stack is memory in the view, at R12D",
        TranslationReason.Linked => "to its way out until linked to its target",
        TranslationReason.JumpTable => "by way of the jump table: to another page, or where only the run tells",
        TranslationReason.WayOut => "way out: tells where to go on, and which branch to patch",
        TranslationReason.ShortBranch => "reaches 127 bytes only: by way of near jumps",
        TranslationReason.TimeStamp => "time is what the budget says",
        TranslationReason.Sensitive => "interpreted: sensitive",
        TranslationReason.String => "interpreted: a string instruction with such addresses",
        TranslationReason.Undefined => "interpreted: undefined, #UD",
        TranslationReason.SmallAddress => "interpreted: 16-bit address",
        TranslationReason.NoEncoding => "interpreted: no encoding in 64-bit code with these operands",
        TranslationReason.Faults => "interpreted: it has faulted too often",
        TranslationReason.HostDiffers => "interpreted: the host's result could differ",
        TranslationReason.Flags => "arithmetic flags are the host's; IF and the others lie beside the state",
        TranslationReason.State => "a system register is a field of the state",
        TranslationReason.ControlWord => "on the host while every exception stays masked",
        TranslationReason.StringInView => "RSI and RDI point into the view meanwhile",
        TranslationReason.InterpretersCase => "way out: this case is the interpreter's",
        _ => reason.ToString(),
    };

    // What Popek and Goldberg call sensitive: it reads or changes the machine's state, or control leaves the segment.
    private static bool IsSensitive(in Instruction x)
    {
        if (x.IsPrivileged || x.FlowControl is FlowControl.Interrupt or FlowControl.Exception || x.IsCallFar || x.IsCallFarIndirect || x.IsJmpFar || x.IsJmpFarIndirect)
        {
            return true;
        }

        for (int n = 0; n < x.OpCount; n++)
        {
            if (x.GetOpKind(n) == OpKind.Register && (x.GetOpRegister(n).IsSegmentRegister() || x.GetOpRegister(n).IsCR() || x.GetOpRegister(n).IsDR()))
            {
                return true;
            }
        }

        return x.Mnemonic is Mnemonic.Pushf or Mnemonic.Pushfd or Mnemonic.Popf or Mnemonic.Popfd or Mnemonic.Iret or Mnemonic.Iretd or Mnemonic.Retf
            or Mnemonic.Sgdt or Mnemonic.Sidt or Mnemonic.Sldt or Mnemonic.Str or Mnemonic.Smsw or Mnemonic.Lar or Mnemonic.Lsl or Mnemonic.Verr or Mnemonic.Verw
            or Mnemonic.In or Mnemonic.Out or Mnemonic.Insb or Mnemonic.Insw or Mnemonic.Insd or Mnemonic.Outsb or Mnemonic.Outsw or Mnemonic.Outsd
            or Mnemonic.Cli or Mnemonic.Sti or Mnemonic.Cpuid or Mnemonic.Rdtsc or Mnemonic.Rdpmc or Mnemonic.Lds or Mnemonic.Les or Mnemonic.Lfs or Mnemonic.Lgs or Mnemonic.Lss;
    }
}
