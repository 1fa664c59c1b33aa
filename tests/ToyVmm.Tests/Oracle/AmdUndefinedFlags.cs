using System.Numerics;
using Iced.Intel;
using static ToyVmm.Tests.Oracle.Operands;
using static ToyVmm.Tests.Oracle.UndefinedFlags;

namespace ToyVmm.Tests.Oracle;

/// <summary>
/// What AMD processors (probed on Zen 5) put into the flags that the manuals leave undefined. Every rule is a function of the
/// state before and the result, so an emulator can follow it; <see cref="UndefinedFlagsTests"/> holds it against the host.
/// </summary>
public static class AmdUndefinedFlags
{
    /// <summary>The undefined flags after an instruction, in the bits of <see cref="Mask"/>.</summary>
    public static uint Expected(EncodedInstruction instruction, in OracleState before, ReadOnlySpan<byte> windowBefore, in OracleState after, ReadOnlySpan<byte> windowAfter)
    {
        InstructionForm form = instruction.Form;
        uint old = before.Eflags;
        switch (form.Mnemonic)
        {
            case Mnemonic.Mul or Mnemonic.Imul or Mnemonic.Bt or Mnemonic.Bts or Mnemonic.Btr or Mnemonic.Btc:
                return old;
            case Mnemonic.Div or Mnemonic.Idiv:
                return (old & (Cf | Of)) | Af;
            case Mnemonic.And or Mnemonic.Or or Mnemonic.Xor or Mnemonic.Test:
                return 0;
            case Mnemonic.Bsf or Mnemonic.Bsr:
                // A source of zero (ZF) leaves the destination alone; the parity is then that of zero.
                return Parity((after.Eflags & Zf) != 0 ? 0 : ReadOperand(instruction, 0, after, windowAfter));
            case Mnemonic.Aaa or Mnemonic.Aas:
                // The adjustment is made on AX as a whole, and the flags are those of that, before AL is cut to four bits.
                ushort ax = (ushort)before.Eax;
                int adjust = (ax & 15) > 9 || (old & Af) != 0 ? 0x106 : 0;
                ushort adjusted = (ushort)(form.Mnemonic == Mnemonic.Aaa ? ax + adjust : ax - adjust);
                int overflowed = form.Mnemonic == Mnemonic.Aaa ? ~ax & adjusted : ax & ~adjusted;
                return Parity(adjusted) | (adjusted == 0 ? Zf : 0) | ((adjusted & 0x8000) != 0 ? Sf : 0) | ((overflowed & 0x8000) != 0 ? Of : 0);
            case Mnemonic.Daa or Mnemonic.Das:
                byte result = (byte)after.Eax;
                int changed = form.Mnemonic == Mnemonic.Daa ? ~(byte)before.Eax & result : (byte)before.Eax & ~result;
                return (changed & 0x80) != 0 ? Of : 0;
            case Mnemonic.Aam:
                return 0;
            case Mnemonic.Aad:
                byte low = (byte)before.Eax;
                byte product = (byte)((before.Eax >> 8) * instruction.Instruction.Immediate8);
                byte sum = (byte)(low + product);
                return (sum < low ? Cf : 0) | ((uint)(low ^ product ^ sum) & Af) | (((low ^ sum) & (product ^ sum) & 0x80) != 0 ? Of : 0);
            case Mnemonic.Shl or Mnemonic.Sal or Mnemonic.Shr or Mnemonic.Sar or Mnemonic.Shld or Mnemonic.Shrd
                or Mnemonic.Rol or Mnemonic.Ror or Mnemonic.Rcl or Mnemonic.Rcr:
                return AfterShift(instruction, before, windowBefore, after, windowAfter);
            default:
                return old;
        }
    }

    private static uint AfterShift(EncodedInstruction instruction, in OracleState before, ReadOnlySpan<byte> windowBefore, in OracleState after, ReadOnlySpan<byte> windowAfter)
    {
        int width = Width(instruction.Form);
        uint result = AfterValue(instruction, before, after, windowAfter);
        bool top = ((result >> (width - 1)) & 1) != 0;
        bool second = ((result >> (width - 2)) & 1) != 0;
        int count = ShiftCount(instruction, before);
        bool carry = (after.Eflags & Cf) != 0;
        uint carryIfUndefined = 0;
        if (instruction.Form.Mnemonic is Mnemonic.Shl or Mnemonic.Sal or Mnemonic.Shr && count >= width)
        {
            // The last bit out: bit 0 (or the sign) at exactly the width, zero beyond.
            uint operand = ReadOperand(instruction, 0, before, windowBefore);
            uint last = instruction.Form.Mnemonic == Mnemonic.Shr ? operand >> (width - 1) : operand & 1;
            carryIfUndefined = count == width ? last : 0;
            carry = carryIfUndefined != 0;
        }

        bool overflow = instruction.Form.Mnemonic is Mnemonic.Shl or Mnemonic.Sal or Mnemonic.Shld or Mnemonic.Rol or Mnemonic.Rcl ? top ^ carry : top ^ second;
        if (instruction.Form.Mnemonic == Mnemonic.Shld && count == width)
        {
            overflow = carry; // SHLD r16 by exactly 16: as if the new sign were clear
        }

        return carryIfUndefined | Af | (overflow ? Of : 0);
    }

    // The address of a memory operand is that of before: the instruction may have changed its registers (none of these does).
    private static uint AfterValue(EncodedInstruction instruction, in OracleState before, in OracleState after, ReadOnlySpan<byte> windowAfter) =>
        instruction.MemoryOperand >= 0
            ? Read(windowAfter, OperandAddress(instruction, before), OperandSize(instruction, 0))
            : ReadOperand(instruction, 0, after, windowAfter);

    private static uint Parity(uint value) => (BitOperations.PopCount(value & 0xFF) & 1) == 0 ? Pf : 0;
}
