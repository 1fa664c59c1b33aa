using Iced.Intel;

namespace ToyVmm.Tests.Oracle;

/// <summary>Reads and writes the operands of a decoded instruction in a case's registers and window.</summary>
internal static class Operands
{
    /// <summary>Size of an operand in bytes.</summary>
    public static int OperandSize(EncodedInstruction instruction, int operand) =>
        instruction.Instruction.GetOpKind(operand) == OpKind.Register
            ? instruction.Instruction.GetOpRegister(operand).GetSize()
            : instruction.Form.Operands[operand] switch
            {
                OpCodeOperandKind.r8_or_mem => 1,
                OpCodeOperandKind.r16_or_mem => 2,
                _ => 4,
            };

    /// <summary>Value of a register or memory operand, zero-extended.</summary>
    public static uint ReadOperand(EncodedInstruction instruction, int operand, in OracleState state, ReadOnlySpan<byte> window)
    {
        int size = OperandSize(instruction, operand);
        if (instruction.Instruction.GetOpKind(operand) != OpKind.Register)
        {
            return Read(window, OperandAddress(instruction, state), size);
        }

        Register register = instruction.Instruction.GetOpRegister(operand);
        uint value = state[EncodedInstruction.Number(register)];
        return Truncate(register is >= Register.AH and <= Register.BH ? value >> 8 : value, size);
    }

    /// <summary>Sets a register or memory operand.</summary>
    public static void WriteOperand(EncodedInstruction instruction, int operand, ref OracleState state, Span<byte> window, uint value)
    {
        int size = OperandSize(instruction, operand);
        if (instruction.Instruction.GetOpKind(operand) != OpKind.Register)
        {
            Write(window, OperandAddress(instruction, state), value, size);
            return;
        }

        int register = EncodedInstruction.Number(instruction.Instruction.GetOpRegister(operand));
        uint mask = Truncate(uint.MaxValue, size);
        state[register] = (state[register] & ~mask) | (value & mask);
    }

    /// <summary>Effective address of the explicit memory operand.</summary>
    public static uint OperandAddress(EncodedInstruction instruction, in OracleState state)
    {
        Instruction decoded = instruction.Instruction;
        return new MemoryUse(
            EncodedInstruction.Number(decoded.MemoryBase), EncodedInstruction.Number(decoded.MemoryIndex), (uint)decoded.MemoryIndexScale, decoded.MemoryDisplacement32, 1, instruction.AddressMask == 0xFFFF)
            .Address(state);
    }

    /// <summary>Reads from the window; bytes outside it read as zero.</summary>
    public static uint Read(ReadOnlySpan<byte> window, uint address, int size)
    {
        uint value = 0;
        for (int i = 0; i < size; i++)
        {
            uint at = address - OracleLayout.WindowAddress + (uint)i;
            value |= at < window.Length ? (uint)window[(int)at] << (8 * i) : 0;
        }

        return value;
    }

    /// <summary>Writes to the window; bytes outside it are dropped.</summary>
    public static void Write(Span<byte> window, uint address, uint value, int size)
    {
        for (int i = 0; i < size; i++)
        {
            uint at = address - OracleLayout.WindowAddress + (uint)i;
            if (at < window.Length)
            {
                window[(int)at] = (byte)(value >> (8 * i));
            }
        }
    }

    /// <summary>The low bytes of a value.</summary>
    public static uint Truncate(uint value, int size) => size == 4 ? value : value & ((1u << (8 * size)) - 1);

    /// <summary>A value of some bytes as a signed number.</summary>
    public static int SignExtend(uint value, int size) => size switch
    {
        1 => (sbyte)value,
        2 => (short)value,
        _ => (int)value,
    };
}
