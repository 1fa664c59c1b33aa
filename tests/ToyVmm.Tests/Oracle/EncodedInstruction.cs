using Iced.Intel;

namespace ToyVmm.Tests.Oracle;

/// <summary>
/// One encoding of a form at an address, with what the state generator must know of it: which memory it touches as a function
/// of the registers, and where it may go.
/// </summary>
public sealed class EncodedInstruction
{
    private EncodedInstruction(InstructionForm form, Instruction instruction, byte[] code, uint address, uint target, IReadOnlyList<MemoryUse> uses)
    {
        Form = form;
        Instruction = instruction;
        Code = code;
        Address = address;
        Target = target;
        Uses = uses;
        MemoryOperand = -1;
        for (int i = 0; i < instruction.OpCount; i++)
        {
            if (instruction.GetOpKind(i) == OpKind.Memory)
            {
                MemoryOperand = i;
            }
        }

        IsRepeated = form.IsString && (instruction.HasRepPrefix || instruction.HasRepnePrefix);
        IsLocked = instruction.HasLockPrefix || (form.Mnemonic == Mnemonic.Xchg && MemoryOperand >= 0);
        AddressMask = form.IsString
            ? StringAddressMask(instruction)
            : MemoryOperand >= 0 && IsSixteenBit(instruction) ? 0xFFFF : uint.MaxValue;
    }

    /// <summary>The form.</summary>
    public InstructionForm Form { get; }

    /// <summary>The decoded instruction.</summary>
    public Instruction Instruction { get; }

    /// <summary>The bytes.</summary>
    public byte[] Code { get; }

    /// <summary>Where the bytes lie.</summary>
    public uint Address { get; }

    /// <summary>A place to go to: encoded in relative branches, to be put into the operand or on the stack for others.</summary>
    public uint Target { get; }

    /// <summary>Every access to memory, except those of repeated strings, XLAT and bit tests by register, whose generator knows.</summary>
    public IReadOnlyList<MemoryUse> Uses { get; }

    /// <summary>Number of the explicit memory operand, or -1.</summary>
    public int MemoryOperand { get; }

    /// <summary>Whether a repeat prefix makes a string instruction loop.</summary>
    public bool IsRepeated { get; }

    /// <summary>Whether the access is locked; those are kept within a cache line, since kernels punish split locks.</summary>
    public bool IsLocked { get; }

    /// <summary>Ones in the bits of an address that count: 16 or 32.</summary>
    public uint AddressMask { get; }

    /// <summary>Analyses an instruction; null when it is no good as a case (it would fault whatever the registers hold, or its state cannot be solved for).</summary>
    public static EncodedInstruction? Create(InstructionForm form, Instruction instruction, byte[] code, uint address, uint target)
    {
        var uses = new List<MemoryUse>();
        var factory = new InstructionInfoFactory();
        bool hasOwnRule = form.IsString || form.Mnemonic == Mnemonic.Xlatb || form.IsBitTestByRegister;
        foreach (UsedMemory memory in factory.GetInfo(instruction).GetUsedMemory())
        {
            if (memory.Access is OpAccess.NoMemAccess or OpAccess.None)
            {
                continue;
            }

            // A code segment cannot be written (SDM 3A 5.5): the limit of the segment is the host's, so is the fault.
            if (memory.Segment == Register.CS && memory.Access is not (OpAccess.Read or OpAccess.CondRead))
            {
                return null;
            }

            if (!hasOwnRule)
            {
                uses.Add(new MemoryUse(Number(memory.Base), Number(memory.Index), (uint)memory.Scale, (uint)memory.Displacement, Math.Max(1, memory.MemorySize.GetSize()), memory.AddressSize == CodeSize.Code16));
            }
        }

        var encoded = new EncodedInstruction(form, instruction, code, address, target, uses);
        if (form.IsBitTestByRegister && encoded.MemoryOperand >= 0)
        {
            // The bit number moves the address, so it must not be part of it, or there is nothing left to solve for.
            int bit = Number(instruction.GetOpRegister(1));
            if (bit == Number(instruction.MemoryBase) || bit == Number(instruction.MemoryIndex) || (instruction.MemoryBase == Register.None && instruction.MemoryIndex == Register.None))
            {
                return null;
            }
        }

        // CALL ESP cannot have its target in ESP and a stack as well.
        bool callsEsp = form.Mnemonic == Mnemonic.Call && instruction.OpCount > 0 && instruction.Op0Kind == OpKind.Register && Number(instruction.Op0Register) == 4;
        return callsEsp ? null : encoded;
    }

    /// <summary>Encoding number of the general register that holds a register (AH is in EAX), or -1.</summary>
    public static int Number(Register register) => register switch
    {
        >= Register.EAX and <= Register.EDI => register - Register.EAX,
        >= Register.AX and <= Register.DI => register - Register.AX,
        >= Register.AL and <= Register.BL => register - Register.AL,
        >= Register.AH and <= Register.BH => register - Register.AH,
        _ => -1,
    };

    private static bool IsSixteenBit(in Instruction instruction) =>
        instruction.MemoryBase is Register.BX or Register.BP or Register.SI or Register.DI
        || instruction.MemoryIndex is Register.SI or Register.DI
        || (instruction.MemoryBase == Register.None && instruction.MemoryIndex == Register.None && instruction.MemoryDisplSize == 2);

    private static uint StringAddressMask(in Instruction instruction)
    {
        for (int i = 0; i < instruction.OpCount; i++)
        {
            switch (instruction.GetOpKind(i))
            {
                case OpKind.MemoryESDI or OpKind.MemorySegSI:
                    return 0xFFFF;
                case OpKind.MemoryESEDI or OpKind.MemorySegESI:
                    return uint.MaxValue;
            }
        }

        return uint.MaxValue;
    }
}

/// <summary>One access: base + index x scale + displacement, in 16 or 32 bits; registers by number, -1 for none.</summary>
public readonly record struct MemoryUse(int Base, int Index, uint Scale, uint Displacement, int Size, bool IsSixteenBit)
{
    private uint Mask => IsSixteenBit ? 0xFFFF : uint.MaxValue;

    /// <summary>The effective address.</summary>
    public uint Address(in OracleState state) =>
        ((Base < 0 ? 0 : state[Base]) + (Index < 0 ? 0 : state[Index] * Scale) + Displacement) & Mask;

    /// <summary>Whether the access lies in the window.</summary>
    public bool IsInWindow(in OracleState state)
    {
        uint address = Address(state);
        return address >= OracleLayout.WindowAddress && address + Size <= OracleLayout.WindowAddress + OracleLayout.WindowSize;
    }

    /// <summary>Sets base or index so that the access lands at, or a few bytes below, a target; false when nothing is free.</summary>
    /// <param name="state">The registers.</param>
    /// <param name="target">The wanted address.</param>
    /// <param name="pinned">A bit for each register that must keep its value.</param>
    /// <param name="noise">Random bits for what the address does not depend on.</param>
    public bool Solve(ref OracleState state, uint target, uint pinned, uint noise)
    {
        bool baseFree = Base >= 0 && (pinned & (1u << Base)) == 0;
        bool indexFree = Index >= 0 && (pinned & (1u << Index)) == 0;
        if (Base >= 0 && Base == Index)
        {
            if (!baseFree)
            {
                return false;
            }

            // (1 + scale) x register: halve it, or multiply by the inverse of 3, 5 or 9 modulo 2^32.
            uint rest = target - Displacement;
            Set(ref state, Base, Scale switch
            {
                1 => (rest >> 1) | (noise & 0x8000_0000),
                2 => rest * 0xAAAA_AAAB,
                4 => rest * 0xCCCC_CCCD,
                _ => rest * 0x38E3_8E39,
            }, noise);
            return true;
        }

        if (baseFree)
        {
            Set(ref state, Base, target - Displacement - (Index < 0 ? 0 : state[Index] * Scale), noise);
            return true;
        }

        if (indexFree)
        {
            uint rest = target - Displacement - (Base < 0 ? 0 : state[Base]);
            int shift = System.Numerics.BitOperations.Log2(Scale);
            Set(ref state, Index, (rest >> shift) | (shift == 0 ? 0 : noise << (32 - shift)), noise);
            return true;
        }

        return false;
    }

    private void Set(ref OracleState state, int register, uint value, uint noise) =>
        state[register] = IsSixteenBit ? (value & 0xFFFF) | (noise & 0xFFFF_0000) : value;
}
