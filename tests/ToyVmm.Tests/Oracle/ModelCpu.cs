using System.Numerics;
using Iced.Intel;
using static ToyVmm.Tests.Oracle.Operands;

namespace ToyVmm.Tests.Oracle;

/// <summary>Faults that can be seeded into <see cref="ModelCpu"/>: the oracle must find each.</summary>
public enum ModelFault
{
    None,
    IncrementChangesCarry,
    AuxiliaryCarryIsClear,
    OverflowOfSubtractionIsThatOfAddition,
    ZeroCountChangesFlags,
    CountIsNotMasked,
    HighByteRegistersAreLow,
    UpperHalfIsLost,
    ParityCountsAllBits,
    PageCrossingStoreLosesItsLastByte,
    SixteenBitAddressDoesNotWrap,
    ExtraException,
}

/// <summary>
/// A deliberately plain CPU that knows ADD, SUB, INC, DEC, SHL and, to end a program, a direct JMP: written from the manual, sharing nothing with the engines, slow.
/// The harness is tested with it: it must agree with the host, and a fault seeded into it must be found.
/// </summary>
public sealed class ModelCpu(ModelFault fault) : ICpuUnderTest
{
    /// <summary>What it knows.</summary>
    public static readonly IReadOnlyList<Mnemonic> Known = [Mnemonic.Add, Mnemonic.Sub, Mnemonic.Inc, Mnemonic.Dec, Mnemonic.Shl];

    private byte[] code = [];
    private uint codeAddress;
    private Instruction instruction;

    /// <summary>A correct one.</summary>
    public ModelCpu()
        : this(ModelFault.None)
    {
    }

    /// <inheritdoc/>
    public void Load(ReadOnlySpan<byte> code, uint address)
    {
        this.code = code.ToArray();
        codeAddress = address;
    }

    /// <inheritdoc/>
    public int Run(int instructions, ref OracleState state, Span<byte> window)
    {
        int vector = ICpuUnderTest.NoException;
        for (int i = 0; i < instructions && vector == ICpuUnderTest.NoException; i++)
        {
            var decoder = Decoder.Create(32, new ByteArrayCodeReader(code[(int)(state.Eip - codeAddress)..]), state.Eip);
            decoder.Decode(out instruction);
            vector = Step(ref state, window);
        }

        return vector;
    }

    private int Step(ref OracleState state, Span<byte> window)
    {
        if (instruction.Mnemonic == Mnemonic.Jmp)
        {
            state.Eip = instruction.NearBranch32;
            return ICpuUnderTest.NoException;
        }

        int size = instruction.GetOpKind(0) == OpKind.Register ? instruction.Op0Register.GetSize() : instruction.MemorySize.GetSize();
        ulong mask = (1UL << (8 * size)) - 1;
        ulong sign = 1UL << ((8 * size) - 1);
        ulong a = Get(0, size, state, window);
        ulong b = instruction.OpCount > 1 ? Get(1, size, state, window) & mask : 1;
        ulong result;
        uint flags = state.Eflags & ~0x8D5u;
        bool carry;
        bool overflow;
        switch (instruction.Mnemonic)
        {
            case Mnemonic.Add or Mnemonic.Inc:
                result = (a + b) & mask;
                carry = a + b > mask;
                overflow = (~(a ^ b) & (a ^ result) & sign) != 0;
                break;
            case Mnemonic.Sub or Mnemonic.Dec:
                result = (a - b) & mask;
                carry = a < b;
                overflow = ((a ^ b) & (a ^ result) & sign) != 0;
                overflow = fault == ModelFault.OverflowOfSubtractionIsThatOfAddition ? (~(a ^ b) & (a ^ result) & sign) != 0 : overflow;
                break;
            case Mnemonic.Shl:
                int count = (int)(instruction.Op1Kind == OpKind.Register ? state.Ecx & 0xFF : instruction.Immediate8);
                count = fault == ModelFault.CountIsNotMasked ? Math.Min(count, 63) : count & 31;
                if (count == 0 && fault != ModelFault.ZeroCountChangesFlags)
                {
                    state.Eip += (uint)instruction.Length;
                    return ICpuUnderTest.NoException;
                }

                result = (a << count) & mask;
                carry = count > 0 && ((a << (count - 1)) & sign) != 0;
                overflow = carry != ((result & sign) != 0);
                break;
            default:
                return 6; // #UD: not one of the known
        }

        bool keepsCarry = instruction.Mnemonic is Mnemonic.Inc or Mnemonic.Dec && fault != ModelFault.IncrementChangesCarry;
        bool parity = (BitOperations.PopCount(fault == ModelFault.ParityCountsAllBits ? result : result & 0xFF) & 1) == 0;
        flags |= (keepsCarry ? state.Eflags & 1 : carry ? 1u : 0)
            | (parity ? 4u : 0)
            | (((a ^ b ^ result) & 0x10) != 0 && fault != ModelFault.AuxiliaryCarryIsClear ? 0x10u : 0)
            | (result == 0 ? 0x40u : 0)
            | ((result & sign) != 0 ? 0x80u : 0)
            | (overflow ? 0x800u : 0);
        Set(result, size, ref state, window);
        state.Eflags = flags;
        state.Eip += (uint)instruction.Length;
        return fault == ModelFault.ExtraException && result == 0 ? 13 : ICpuUnderTest.NoException;
    }

    private ulong Get(int operand, int size, in OracleState state, ReadOnlySpan<byte> window)
    {
        switch (instruction.GetOpKind(operand))
        {
            case OpKind.Register:
                Register register = instruction.GetOpRegister(operand);
                uint value = state[EncodedInstruction.Number(register)];
                return Truncate(IsHigh(register) ? value >> 8 : value, register.GetSize());
            case OpKind.Memory:
                return Read(window, Address(state), size);
            default:
                return instruction.GetImmediate(operand);
        }
    }

    private void Set(ulong value, int size, ref OracleState state, Span<byte> window)
    {
        if (instruction.Op0Kind == OpKind.Memory)
        {
            uint address = Address(state);
            bool crosses = (address & 0xFFF) + size > 0x1000;
            Write(window, address, (uint)value, crosses && fault == ModelFault.PageCrossingStoreLosesItsLastByte ? size - 1 : size);
            return;
        }

        Register register = instruction.Op0Register;
        int number = EncodedInstruction.Number(register);
        int shift = IsHigh(register) ? 8 : 0;
        uint mask = fault == ModelFault.UpperHalfIsLost && size == 2 ? uint.MaxValue : Truncate(uint.MaxValue, size) << shift;
        state[number] = (state[number] & ~mask) | (((uint)value << shift) & mask);
    }

    private uint Address(in OracleState state)
    {
        uint sum = (instruction.MemoryBase == Register.None ? 0 : state[EncodedInstruction.Number(instruction.MemoryBase)])
            + (instruction.MemoryIndex == Register.None ? 0 : state[EncodedInstruction.Number(instruction.MemoryIndex)] * (uint)instruction.MemoryIndexScale)
            + instruction.MemoryDisplacement32;
        bool isSixteenBit = instruction.MemoryBase is Register.BX or Register.BP or Register.SI or Register.DI
            || (instruction.MemoryBase == Register.None && instruction.MemoryIndex == Register.None && instruction.MemoryDisplSize == 2);
        return isSixteenBit && fault != ModelFault.SixteenBitAddressDoesNotWrap ? sum & 0xFFFF : sum;
    }

    private bool IsHigh(Register register) => register is >= Register.AH and <= Register.BH && fault != ModelFault.HighByteRegistersAreLow;
}
