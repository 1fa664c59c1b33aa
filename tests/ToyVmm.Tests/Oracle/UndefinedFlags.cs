using Iced.Intel;

namespace ToyVmm.Tests.Oracle;

/// <summary>
/// Which flags an instruction leaves undefined, exactly: for shifts and rotates that depends on the count (SDM 2B). Everything
/// else is Iced's table, as a test confirms.
/// </summary>
public static class UndefinedFlags
{
    public const uint Cf = 0x001;
    public const uint Pf = 0x004;
    public const uint Af = 0x010;
    public const uint Zf = 0x040;
    public const uint Sf = 0x080;
    public const uint Of = 0x800;

    /// <summary>The undefined EFLAGS bits of an instruction in a state.</summary>
    public static uint Mask(EncodedInstruction instruction, in OracleState before)
    {
        InstructionForm form = instruction.Form;
        switch (form.Mnemonic)
        {
            case Mnemonic.Shl or Mnemonic.Sal or Mnemonic.Shr:
                int count = ShiftCount(instruction, before);
                return count == 0 ? 0 : Af | (count == 1 ? 0 : Of) | (count >= Width(form) ? Cf : 0);
            case Mnemonic.Sar:
                count = ShiftCount(instruction, before);
                return count == 0 ? 0 : Af | (count == 1 ? 0 : Of);
            case Mnemonic.Rol or Mnemonic.Ror or Mnemonic.Rcl or Mnemonic.Rcr:
                return ShiftCount(instruction, before) <= 1 ? 0 : Of;
            case Mnemonic.Shld or Mnemonic.Shrd:
                count = ShiftCount(instruction, before);
                return count == 0 ? 0 : Af | (count == 1 ? 0 : Of);
            default:
                return FromIced(instruction.Instruction.RflagsUndefined);
        }
    }

    /// <summary>The count of a shift or rotate, masked to five bits as the processor does.</summary>
    public static int ShiftCount(EncodedInstruction instruction, in OracleState before) => instruction.Form.Operands[^1] switch
    {
        OpCodeOperandKind.cl => (int)before.Ecx & 31,
        OpCodeOperandKind.imm8 => instruction.Instruction.Immediate8 & 31,
        OpCodeOperandKind.imm8_const_1 => 1,
        _ => throw new ArgumentException($"{instruction.Form} has no count.", nameof(instruction)),
    };

    /// <summary>Width of the destination in bits.</summary>
    public static int Width(InstructionForm form) => form.Operands[0] switch
    {
        OpCodeOperandKind.r8_or_mem => 8,
        OpCodeOperandKind.r16_or_mem => 16,
        _ => 32,
    };

    /// <summary>Iced's flag set as EFLAGS bits.</summary>
    public static uint FromIced(RflagsBits flags) =>
        (flags.HasFlag(RflagsBits.CF) ? Cf : 0) | (flags.HasFlag(RflagsBits.PF) ? Pf : 0) | (flags.HasFlag(RflagsBits.AF) ? Af : 0)
        | (flags.HasFlag(RflagsBits.ZF) ? Zf : 0) | (flags.HasFlag(RflagsBits.SF) ? Sf : 0) | (flags.HasFlag(RflagsBits.OF) ? Of : 0);
}
