using Iced.Intel;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Decoding;

/// <summary>What an instruction reads, writes and leaves undefined, from the manual's tables: for tools that look at code before it runs. Immutable.</summary>
public sealed class InstructionFacts
{
    private InstructionFacts()
    {
    }

    /// <summary>Its bytes.</summary>
    public required int Length { get; init; }

    /// <summary>Its name, in lower case.</summary>
    public required string Name { get; init; }

    /// <summary>What kind of instruction it is, as far as checks tell kinds apart.</summary>
    public required InstructionKind Kind { get; init; }

    /// <summary>The arithmetic flags that it reads.</summary>
    public required uint FlagsRead { get; init; }

    /// <summary>The arithmetic flags that it gives a value.</summary>
    public required uint FlagsWritten { get; init; }

    /// <summary>The arithmetic flags that it leaves undefined.</summary>
    public required uint FlagsUndefined { get; init; }

    /// <summary>True with a REP prefix: nothing happens where the count is zero.</summary>
    public required bool IsRepeated { get; init; }

    /// <summary>Its operands, in the manual's order.</summary>
    public required IReadOnlyList<OperandFacts> Operands { get; init; }

    /// <summary>Its memory accesses, the implied ones on the stack and of string instructions included. Addresses that are only computed are none.</summary>
    public required IReadOnlyList<MemoryFacts> Memory { get; init; }

    /// <summary>Bytes of the general registers that it writes: a bit for each, register n's four at 4n.</summary>
    public required uint RegistersWritten { get; init; }

    /// <summary>Decodes an instruction.</summary>
    /// <param name="bytes">The code.</param>
    /// <param name="bitness">16 or 32.</param>
    /// <returns>Null where it is none.</returns>
    public static InstructionFacts? Of(ReadOnlySpan<byte> bytes, int bitness)
    {
        Decoder decoder = Decoder.Create(bitness, new ByteArrayCodeReader(bytes.ToArray()), InstructionDecoder.P6Options);
        decoder.Decode(out Instruction x);
        if (x.IsInvalid)
        {
            return null;
        }

        InstructionInfo info = new InstructionInfoFactory().GetInfo(x);
        List<MemoryFacts> memory = [];
        foreach (UsedMemory used in info.GetUsedMemory())
        {
            bool reads = used.Access is OpAccess.Read or OpAccess.CondRead or OpAccess.ReadWrite or OpAccess.ReadCondWrite;
            bool writes = used.Access is OpAccess.Write or OpAccess.CondWrite or OpAccess.ReadWrite or OpAccess.ReadCondWrite;
            // XLAT's address has a part register, which the model of an access does not know.
            if ((reads || writes) && used.Index != Register.AL)
            {
                memory.Add(new MemoryFacts(Segment(used.Segment), Number(used.Base), Number(used.Index), used.Scale, (uint)used.Displacement, used.AddressSize == CodeSize.Code16 ? 16 : 32, Size(x, used), reads, writes));
            }
        }

        uint written = 0;
        foreach (UsedRegister used in info.GetUsedRegisters())
        {
            if (used.Access is OpAccess.Write or OpAccess.CondWrite or OpAccess.ReadWrite or OpAccess.ReadCondWrite)
            {
                written |= Bytes(used.Register);
            }
        }

        return new InstructionFacts
        {
            Length = x.Length,
            Name = x.Mnemonic.ToString().ToLowerInvariant(),
            Kind = KindOf(x),
            FlagsRead = Flags(x.RflagsRead),
            FlagsWritten = Flags(x.RflagsWritten | x.RflagsCleared | x.RflagsSet),
            FlagsUndefined = Flags(x.RflagsUndefined),
            IsRepeated = x.IsStringInstruction && (x.HasRepPrefix || x.HasRepnePrefix),
            Operands = [.. Enumerable.Range(0, x.OpCount).Select(n => OperandOf(x, n, memory))],
            Memory = memory,
            RegistersWritten = written,
        };
    }

    // Of a repeated string instruction the whole has no size that is known; each of its steps has.
    private static int Size(in Instruction x, in UsedMemory used) =>
        x.IsStringInstruction && used.MemorySize == MemorySize.Unknown ? x.MemorySize.GetSize() : used.MemorySize.GetSize();

    private static OperandFacts OperandOf(in Instruction x, int n, List<MemoryFacts> memory)
    {
        switch (x.GetOpKind(n))
        {
            case OpKind.Register:
                return Bytes(x.GetOpRegister(n)) is var bytes and not 0 ? new OperandFacts(OperandKind.Register, bytes, 0) : new OperandFacts(OperandKind.Other, 0, 0);
            case OpKind.Memory or (>= OpKind.MemorySegSI and <= OpKind.MemoryESRDI):
                return memory.Count > 0 ? new OperandFacts(OperandKind.Memory, 0, 0) : new OperandFacts(OperandKind.Other, 0, 0);
            case >= OpKind.Immediate8 and <= OpKind.Immediate32to64:
                return new OperandFacts(OperandKind.Immediate, 0, (uint)x.GetImmediate(n));
            default:
                return new OperandFacts(OperandKind.Other, 0, 0);
        }
    }

    private static InstructionKind KindOf(in Instruction x) => x.Mnemonic switch
    {
        // With a control, debug or segment register on one side a move is a use of the other.
        Mnemonic.Mov => Bytes(x.Op0Register) == 0 && x.Op0Kind == OpKind.Register ? InstructionKind.Use : x.Op1Kind == OpKind.Register && Bytes(x.Op1Register) == 0 ? InstructionKind.Other : InstructionKind.Copy,
        Mnemonic.Movzx or Mnemonic.Movsx => InstructionKind.Extend,
        Mnemonic.Push or Mnemonic.Pop => InstructionKind.Copy,
        Mnemonic.Movsb or Mnemonic.Movsw or Mnemonic.Movsd when x.IsStringInstruction => InstructionKind.Copy,
        Mnemonic.Stosb or Mnemonic.Stosw or Mnemonic.Stosd or Mnemonic.Lodsb or Mnemonic.Lodsw or Mnemonic.Lodsd => InstructionKind.Copy,
        Mnemonic.Xchg => InstructionKind.Exchange,
        Mnemonic.Add or Mnemonic.Sub or Mnemonic.Adc or Mnemonic.Cmp or Mnemonic.Inc or Mnemonic.Dec or Mnemonic.Neg or Mnemonic.Mul or Mnemonic.Imul or Mnemonic.Div or Mnemonic.Idiv
            or Mnemonic.Cmpsb or Mnemonic.Cmpsw or Mnemonic.Cmpsd or Mnemonic.Scasb or Mnemonic.Scasw or Mnemonic.Scasd or Mnemonic.Cmpxchg or Mnemonic.Xadd or Mnemonic.Test or Mnemonic.Out
            when x.Mnemonic != Mnemonic.Cmpsd || x.IsStringInstruction => InstructionKind.Use,
        Mnemonic.Iret or Mnemonic.Iretd => InstructionKind.InterruptReturn,
        Mnemonic.Ret or Mnemonic.Retf => InstructionKind.Return,
        Mnemonic.Jmp or Mnemonic.Call when x.Op0Kind is OpKind.FarBranch16 or OpKind.FarBranch32 || x.IsJmpFarIndirect || x.IsCallFarIndirect => InstructionKind.FarTransfer,
        Mnemonic.Jmp or Mnemonic.Call when x.IsJmpNearIndirect || x.IsCallNearIndirect => InstructionKind.IndirectBranch,
        Mnemonic.Pushf or Mnemonic.Pushfd or Mnemonic.Lahf => InstructionKind.FlagsSave,
        Mnemonic.Popf or Mnemonic.Popfd or Mnemonic.Sahf => InstructionKind.FlagsRestore,
        Mnemonic.Shl or Mnemonic.Sal or Mnemonic.Shr or Mnemonic.Sar or Mnemonic.Rol or Mnemonic.Ror or Mnemonic.Rcl or Mnemonic.Rcr => InstructionKind.Shift,
        Mnemonic.Shld or Mnemonic.Shrd => InstructionKind.DoubleShift,
        _ when x.FlowControl is FlowControl.UnconditionalBranch or FlowControl.ConditionalBranch => InstructionKind.Jump,
        _ => InstructionKind.Other,
    };

    private static uint Flags(RflagsBits bits) =>
        ((bits & RflagsBits.CF) != 0 ? Eflags.CF : 0) | ((bits & RflagsBits.PF) != 0 ? Eflags.PF : 0) | ((bits & RflagsBits.AF) != 0 ? Eflags.AF : 0)
        | ((bits & RflagsBits.ZF) != 0 ? Eflags.ZF : 0) | ((bits & RflagsBits.SF) != 0 ? Eflags.SF : 0) | ((bits & RflagsBits.OF) != 0 ? Eflags.OF : 0);

    // Segment registers in encoding order, as CpuState has them.
    private static int Segment(Register register) => register switch
    {
        Register.ES => 0,
        Register.CS => 1,
        Register.SS => 2,
        Register.DS => 3,
        Register.FS => 4,
        Register.GS => 5,
        _ => -1,
    };

    private static int Number(Register register) => register switch
    {
        >= Register.EAX and <= Register.EDI => register - Register.EAX,
        >= Register.AX and <= Register.DI => register - Register.AX,
        _ => -1,
    };

    private static uint Bytes(Register register) => register switch
    {
        >= Register.EAX and <= Register.EDI => 0xFu << (4 * (register - Register.EAX)),
        >= Register.AX and <= Register.DI => 3u << (4 * (register - Register.AX)),
        >= Register.AL and <= Register.BL => 1u << (4 * (register - Register.AL)),
        >= Register.AH and <= Register.BH => 2u << (4 * (register - Register.AH)),
        _ => 0,
    };
}

/// <summary>The kinds of instructions that checks tell apart.</summary>
public enum InstructionKind
{
    /// <summary>Any other.</summary>
    Other,

    /// <summary>Copies a value and looks at nothing of it.</summary>
    Copy,

    /// <summary>Copies a value into a larger register.</summary>
    Extend,

    /// <summary>Copies two values.</summary>
    Exchange,

    /// <summary>Computes or decides something with its operands, or passes them to a device or a system register.</summary>
    Use,

    /// <summary>A shift or rotation, whose flags depend on its count.</summary>
    Shift,

    /// <summary>SHLD and SHRD.</summary>
    DoubleShift,

    /// <summary>A near jump.</summary>
    Jump,

    /// <summary>A near jump or call to an address in a register or in memory.</summary>
    IndirectBranch,

    /// <summary>A far jump or call.</summary>
    FarTransfer,

    /// <summary>A return.</summary>
    Return,

    /// <summary>IRET.</summary>
    InterruptReturn,

    /// <summary>Stores the flags for later, and decides nothing.</summary>
    FlagsSave,

    /// <summary>Loads the flags.</summary>
    FlagsRestore,
}

/// <summary>What an operand is.</summary>
public enum OperandKind
{
    /// <summary>None of the others: a branch target, a segment or vector register.</summary>
    Other,

    /// <summary>A general register, or a part of one.</summary>
    Register,

    /// <summary>Memory.</summary>
    Memory,

    /// <summary>A constant.</summary>
    Immediate,
}

/// <summary>One operand.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="RegisterBytes">Of a register: its bytes, as in <see cref="InstructionFacts.RegistersWritten"/>.</param>
/// <param name="Immediate">Of a constant: its value.</param>
public readonly record struct OperandFacts(OperandKind Kind, uint RegisterBytes, uint Immediate);

/// <summary>One memory access: segment:[base + index * scale + displacement].</summary>
/// <param name="Segment">0-5: ES CS SS DS FS GS; -1 for a linear address (a descriptor).</param>
/// <param name="Base">0-7, or -1.</param>
/// <param name="Index">0-7, or -1.</param>
/// <param name="Scale">1, 2, 4 or 8.</param>
/// <param name="Displacement">Added.</param>
/// <param name="AddressBits">16 or 32: the offset wraps there.</param>
/// <param name="Size">Bytes; 0 where that depends on the machine's state.</param>
/// <param name="Reads">True where it may read.</param>
/// <param name="Writes">True where it may write.</param>
public readonly record struct MemoryFacts(int Segment, int Base, int Index, int Scale, uint Displacement, int AddressBits, int Size, bool Reads, bool Writes)
{
    /// <summary>The offset in the segment, with the registers as they are.</summary>
    /// <param name="state">The CPU.</param>
    public unsafe uint Offset(CpuState* state)
    {
        uint offset = Displacement;
        offset += Base >= 0 ? (&state->Eax)[Base] : 0;
        offset += Index >= 0 ? (&state->Eax)[Index] * (uint)Scale : 0;
        return AddressBits == 16 ? offset & 0xFFFF : offset;
    }

    /// <summary>The linear address.</summary>
    /// <param name="state">The CPU.</param>
    public unsafe uint Linear(CpuState* state) => Offset(state) + (Segment >= 0 ? (&state->Es)[Segment].Base : 0);
}
