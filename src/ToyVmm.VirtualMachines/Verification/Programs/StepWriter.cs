using System.Collections.Immutable;
using ToyVmm.Engines.Generation;

namespace ToyVmm.VirtualMachines.Verification.Programs;

/// <summary>Collects the instructions of one step; short notations for what steps are made of, for 16- and 32-bit code.</summary>
internal sealed class StepWriter(InstructionWriter writer, bool code32)
{
    private const byte OperandSize = 0x66;
    private readonly ImmutableArray<ProgramInstruction>.Builder _instructions = ImmutableArray.CreateBuilder<ProgramInstruction>();

    /// <summary>Who can judge the step.</summary>
    public StepTraits Traits { get; set; }

    /// <summary>True for 32-bit code.</summary>
    public bool Code32 => code32;

    /// <summary>How many instructions there are.</summary>
    public int Count => _instructions.Count;

    /// <summary>Bytes of code so far.</summary>
    public int Length => _instructions.Sum(instruction => instruction.Bytes.Length);

    /// <summary>Takes what was collected, and starts again.</summary>
    public ProgramStep Finish(int number, string kind)
    {
        ProgramStep step = new(number, kind, _instructions.ToImmutable(), Traits);
        _instructions.Clear();
        Traits = StepTraits.None;
        return step;
    }

    /// <summary>Forgets the last instructions.</summary>
    public void DropFrom(int count) => _instructions.RemoveRange(count, _instructions.Count - count);

    /// <summary>Writes an instruction again.</summary>
    public void Replace(int index, params ReadOnlySpan<byte> bytes) => _instructions[index] = new ProgramInstruction([.. bytes]);

    /// <summary>An instruction by its bytes.</summary>
    public StepWriter Code(params ReadOnlySpan<byte> bytes)
    {
        _instructions.Add(new ProgramInstruction([.. bytes]));
        return this;
    }

    /// <summary>An instruction by its bytes, with an operand of 32 bits whatever the code's size.</summary>
    public StepWriter Wide(params ReadOnlySpan<byte> bytes) => code32 ? Code(bytes) : Code([OperandSize, .. bytes]);

    /// <summary>An instruction by its form; nothing where it cannot be written so.</summary>
    public bool Form(InstructionForm form, IOperandSource operands)
    {
        ReadOnlySpan<byte> bytes = writer.Write(form, 0x1000, operands);
        if (bytes.IsEmpty)
        {
            return false;
        }

        _ = Code(bytes);
        return true;
    }

    /// <summary>MOV register, value: 32 bits.</summary>
    public StepWriter Load(int register, uint value) => Wide([(byte)(0xB8 + register), .. Word(value)]);

    /// <summary>MOV dword [address], value; in 16-bit code an offset below 64 KiB.</summary>
    public StepWriter Store(uint address, uint value) => Wide([0xC7, Absolute(0), .. Offset(address), .. Word(value)]);

    /// <summary>PUSH value: of the code's size.</summary>
    public StepWriter Push(uint value) => Code([0x68, .. Offset(value)]);

    /// <summary>A near branch to a step.</summary>
    /// <param name="target">The step's number.</param>
    /// <param name="opcode">The opcode, which a relative address of the code's size follows.</param>
    public StepWriter Branch(int target, params ReadOnlySpan<byte> opcode)
    {
        _instructions.Add(new ProgramInstruction([.. opcode, .. Offset(0)], target));
        return this;
    }

    /// <summary>A ModR/M byte for an absolute address.</summary>
    /// <param name="register">The other field.</param>
    public byte Absolute(int register) => (byte)((register << 3) | (code32 ? 5 : 6));

    /// <summary>A value of the code's address size.</summary>
    public byte[] Offset(uint value) => code32 ? Word(value) : [(byte)value, (byte)(value >> 8)];

    /// <summary>Four bytes.</summary>
    public static byte[] Word(uint value) => BitConverter.GetBytes(value);
}
