global using unsafe Handler = delegate*<
    ToyVmm.Hardware.Cpu.CpuState*,
    ToyVmm.Engines.Decoding.DecodedInstruction*,
    ToyVmm.Engines.Interpretation.Interpreter,
    nint>;
using System.Runtime.InteropServices;

namespace ToyVmm.Engines.Decoding;

/// <summary>
/// An instruction as the engines keep it: 32 bytes, decoded once. A register operand is a byte offset into
/// <see cref="Hardware.Cpu.CpuState"/> (AH is EAX + 1). The instructions of a block lie one behind the other.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct DecodedInstruction
{
    /// <summary>What executes it.</summary>
    public Handler Handler;

    /// <summary>Its offset in CS.</summary>
    public uint Eip;

    /// <summary>The immediate (sign-extended as the form says), the target of a relative branch, or the 11 opcode bits of an x87 instruction (FOP).</summary>
    public uint Immediate;

    /// <summary>The displacement of the memory operand.</summary>
    public uint Displacement;

    /// <summary>The base register of the memory operand; the zero register where there is none.</summary>
    public byte Base;

    /// <summary>The index register of the memory operand; the zero register where there is none.</summary>
    public byte Index;

    /// <summary>Log2 of the index's scale.</summary>
    public byte Scale;

    /// <summary>The memory operand's segment, as the byte offset of its cache.</summary>
    public byte Segment;

    /// <summary>The destination (or only) register.</summary>
    public byte Destination;

    /// <summary>The source register.</summary>
    public byte Source;

    /// <summary>Bytes, 1-15.</summary>
    public byte Length;

    /// <summary>Instructions before it in its block.</summary>
    public byte Position;

    /// <summary>Prefixes and sizes.</summary>
    public InstructionFlags Flags;

    /// <summary>A second immediate: ENTER's level, a far pointer's selector.</summary>
    public ushort Immediate2;

    /// <summary>The offset of the next instruction.</summary>
    public readonly uint NextEip => Eip + Length;
}

/// <summary>Sizes and prefixes that handlers ask for.</summary>
[Flags]
internal enum InstructionFlags : ushort
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>The instruction stands in 32-bit code.</summary>
    Code32 = 1,

    /// <summary>32-bit addresses.</summary>
    Address32 = 2,

    /// <summary>REP or REPE.</summary>
    Repeat = 4,

    /// <summary>REPNE.</summary>
    RepeatNotEqual = 8,

    /// <summary>The LOCK prefix.</summary>
    Lock = 16,

    /// <summary>The operand is memory (where a handler serves both forms).</summary>
    Memory = 32,

    /// <summary>Not an instruction of the guest: closes a block that does not end in a branch.</summary>
    Closing = 64,
}
