using Iced.Intel;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Engines.Decoding;

/// <summary>One disassembled instruction.</summary>
/// <param name="Address">Its offset in the code segment.</param>
/// <param name="Length">Its bytes; 1 for a byte that begins no instruction.</param>
/// <param name="Text">Its text in NASM's syntax; "db 0x.." for a byte that begins no instruction.</param>
/// <param name="Flow">Where the CPU goes behind it.</param>
/// <param name="Target">Where a near branch goes: an offset in the code segment. Null for what is none, or depends on a register or memory.</param>
/// <param name="Reference">The offset of a memory operand that no register takes part in. Null where there is none.</param>
public readonly record struct DisassembledInstruction(uint Address, int Length, string Text, InstructionFlow Flow = InstructionFlow.Next, uint? Target = null, uint? Reference = null);

/// <summary>Where an instruction leads.</summary>
public enum InstructionFlow
{
    /// <summary>To the next one.</summary>
    Next,

    /// <summary>To the next one, after any number of repetitions.</summary>
    Repeat,

    /// <summary>Elsewhere, or to the next one where it is conditional.</summary>
    Branch,

    /// <summary>Into a procedure that comes back to the next one.</summary>
    Call,

    /// <summary>Into an interrupt handler or the system, which come back to the next one.</summary>
    Interrupt,

    /// <summary>Back to whoever called or was interrupted.</summary>
    Return,
}

/// <summary>Turns machine code into text, for traces, listings and debuggers. Reads guest memory without a trace.</summary>
public sealed class Disassembler
{
    /// <summary>The longest instruction (SDM 2A 2.3.11).</summary>
    public const int MaxInstructionLength = 15;

    private readonly NasmFormatter _formatter = CreateFormatter();
    private readonly StringOutput _text = new();

    /// <summary>Disassembles one instruction.</summary>
    /// <param name="bytes">The code; at most 15 bytes of it are looked at.</param>
    /// <param name="bitness">16 or 32.</param>
    /// <param name="address">The offset of the first byte in its segment: where relative branches count from.</param>
    public DisassembledInstruction Disassemble(ReadOnlySpan<byte> bytes, int bitness, uint address)
    {
        byte[] code = bytes[..Math.Min(bytes.Length, MaxInstructionLength)].ToArray();
        if (code.Length == 0)
        {
            return new DisassembledInstruction(address, 1, "(no memory)");
        }

        Decoder decoder = Decoder.Create(bitness, new ByteArrayCodeReader(code), address);
        decoder.Decode(out Instruction instruction);
        if (instruction.IsInvalid)
        {
            return new DisassembledInstruction(address, 1, $"db 0x{code[0]:x2}");
        }

        _formatter.Format(instruction, _text);
        return new DisassembledInstruction(address, instruction.Length, _text.ToStringAndReset(), FlowOf(instruction), TargetOf(instruction), ReferenceOf(instruction));
    }

    private static uint? TargetOf(in Instruction instruction) =>
        instruction.Op0Kind is OpKind.NearBranch16 or OpKind.NearBranch32 ? (uint)instruction.NearBranchTarget : null;

    private static uint? ReferenceOf(in Instruction instruction)
    {
        for (int n = 0; n < instruction.OpCount; n++)
        {
            if (instruction.GetOpKind(n) == OpKind.Memory && instruction.MemoryBase == Register.None && instruction.MemoryIndex == Register.None)
            {
                return (uint)instruction.MemoryDisplacement64;
            }
        }

        return null;
    }

    private static InstructionFlow FlowOf(in Instruction instruction) => instruction.FlowControl switch
    {
        FlowControl.Call or FlowControl.IndirectCall when instruction.Mnemonic is Mnemonic.Sysenter or Mnemonic.Vmcall => InstructionFlow.Interrupt,
        FlowControl.Call or FlowControl.IndirectCall => InstructionFlow.Call,
        FlowControl.Interrupt => InstructionFlow.Interrupt,
        FlowControl.Return => InstructionFlow.Return,
        FlowControl.UnconditionalBranch or FlowControl.IndirectBranch or FlowControl.ConditionalBranch => InstructionFlow.Branch,
        _ => instruction.IsStringInstruction && (instruction.HasRepPrefix || instruction.HasRepnePrefix) ? InstructionFlow.Repeat : InstructionFlow.Next,
    };

    /// <summary>A formatter for NASM's syntax as this project writes it: for whoever has decoded already.</summary>
    internal static NasmFormatter CreateFormatter()
    {
        NasmFormatter formatter = new();
        FormatterOptions options = formatter.Options;
        options.HexPrefix = "0x";
        options.HexSuffix = "";
        options.UppercaseHex = false;
        options.SpaceAfterOperandSeparator = true;
        options.BranchLeadingZeros = false;
        options.ShowBranchSize = false;
        options.SmallHexNumbersInDecimal = true;
        return formatter;
    }

    /// <summary>Disassembles the instruction that a CPU is about to execute.</summary>
    /// <param name="vcpu">The CPU.</param>
    /// <param name="bytes">At least 15 bytes: receives the instruction's bytes.</param>
    public unsafe DisassembledInstruction DisassembleNext(Vcpu vcpu, Span<byte> bytes)
    {
        CpuState* s = vcpu.State;
        bool code32 = s->Cs.Big;
        int count = ReadCode(vcpu, s->Cs.Base + s->Eip, bytes[..MaxInstructionLength]);
        return Disassemble(bytes[..count], code32 ? 32 : 16, s->Eip);
    }

    /// <summary>Reads code as the CPU would fetch it, but changes nothing: no accessed bits, no TLB entries, no device is touched.</summary>
    /// <param name="vcpu">The CPU whose page tables count.</param>
    /// <param name="linear">The linear address.</param>
    /// <param name="bytes">Receives the bytes.</param>
    /// <returns>How many bytes could be read before something that is no memory.</returns>
    public static int ReadCode(Vcpu vcpu, uint linear, Span<byte> bytes)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        int count = 0;
        while (count < bytes.Length
            && vcpu.Mmu.Peek(linear + (uint)count) is { } physical
            && vcpu.Memory.TryRead(physical, bytes.Slice(count, 1)))
        {
            count++;
        }

        return count;
    }
}
