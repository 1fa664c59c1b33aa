using System.Buffers.Binary;
using Iced.Intel;
using ToyVmm.Tests.Properties;
using static ToyVmm.Tests.Oracle.Operands;

namespace ToyVmm.Tests.Oracle;

/// <summary>
/// Makes random registers and memory for an encoded instruction, so that every access lands in the window (across the page
/// border often), branches go to the stub, and operands are worth testing: edge values, operands that are related, divisions that
/// mostly do not fault, comparisons that are sometimes equal.
/// </summary>
public sealed class StateGenerator(EdgeRandom random)
{
    /// <summary>The instruction completes.</summary>
    public const int Completes = -1;

    /// <summary>No good state was found; another attempt, or another encoding, may do.</summary>
    public const int Rejected = -2;

    private const int Attempts = 12;
    private const int Eax = 0;
    private const int Ecx = 1;
    private const int Edx = 2;
    private const int Ebx = 3;
    private const int Esp = 4;
    private const int Ebp = 5;
    private const int Esi = 6;
    private const int Edi = 7;
    private const int MaxStringBytes = 240;
    private const uint WindowEnd = OracleLayout.WindowAddress + OracleLayout.WindowSize;
    private const uint PageBorder = OracleLayout.WindowAddress + (OracleLayout.WindowSize / 2);

    /// <summary>Fills in a case.</summary>
    /// <returns><see cref="Completes"/>; or the vector of the exception it raises, so that it must not run on the host; or <see cref="Rejected"/>.</returns>
    public int Generate(EncodedInstruction instruction, OracleImage image)
    {
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            int outcome = TryGenerate(instruction, ref image.State, image.Window);
            if (outcome != Rejected)
            {
                return outcome;
            }
        }

        return Rejected;
    }

    private int TryGenerate(EncodedInstruction instruction, ref OracleState state, Span<byte> window)
    {
        for (int register = 0; register < 8; register++)
        {
            state[register] = random.UInt32();
        }

        state.Eflags = random.ArithmeticFlags();
        state.Eip = instruction.Address;
        for (int i = 0; i < window.Length; i += 8)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(window[i..], random.Bits64());
        }

        SetCounts(instruction, ref state);
        bool isPlaced = instruction.Form switch
        {
            { IsString: true } => PlaceStrings(instruction, ref state, window),
            { Mnemonic: Mnemonic.Xlatb } => PlaceTable(instruction, ref state),
            { IsBitTestByRegister: true } when instruction.MemoryOperand >= 0 => PlaceBitString(instruction, ref state),
            _ => PlaceOperands(instruction, ref state, window),
        };
        return isPlaced ? Finish(instruction, ref state, window) : Rejected;
    }

    // Registers whose value decides what happens, before addresses are solved for (an address may need them).
    private void SetCounts(EncodedInstruction instruction, ref OracleState state)
    {
        switch (instruction.Form.Mnemonic)
        {
            case Mnemonic.Loop or Mnemonic.Loope or Mnemonic.Loopne or Mnemonic.Jcxz or Mnemonic.Jecxz:
                if (random.OneIn(2))
                {
                    uint few = (uint)random.Below(3);
                    state.Ecx = random.OneIn(2) ? few : (state.Ecx & 0xFFFF_0000) | few;
                }

                break;
            case Mnemonic.Shl or Mnemonic.Sal or Mnemonic.Shr or Mnemonic.Sar or Mnemonic.Rol or Mnemonic.Ror or Mnemonic.Rcl or Mnemonic.Rcr or Mnemonic.Shld or Mnemonic.Shrd:
                if (random.OneIn(2))
                {
                    state.Ecx = (state.Ecx & 0xFFFF_FF00) | (uint)random.Below(34);
                }

                break;
        }
    }

    private bool PlaceOperands(EncodedInstruction instruction, ref OracleState state, Span<byte> window)
    {
        uint pinned = 0;
        bool usesFrame = instruction.Form.Mnemonic is Mnemonic.Enter or Mnemonic.Leave;
        if (!PlacePointer(instruction, ref state, Esp, ref pinned) || (usesFrame && !PlacePointer(instruction, ref state, Ebp, ref pinned)))
        {
            return false;
        }

        foreach (MemoryUse use in instruction.Uses)
        {
            bool isPlaced = use is { Base: Esp, Index: < 0 } || (usesFrame && use is { Base: Ebp, Index: < 0 });
            if (!isPlaced && !use.IsInWindow(state) && !use.Solve(ref state, PickAddress(use.Size, instruction.IsLocked), pinned, random.Bits32()))
            {
                return false;
            }
        }

        foreach (MemoryUse use in instruction.Uses)
        {
            if (!use.IsInWindow(state))
            {
                return false;
            }

            // What is read should be an edge, or related to a register.
            for (int i = 0; i < use.Size; i += 4)
            {
                Write(window, use.Address(state) + (uint)i, random.UInt32(), Math.Min(4, use.Size - i));
            }
        }

        return true;
    }

    // ESP (or EBP in ENTER and LEAVE): all that is addressed through it alone must be in the window at once.
    private bool PlacePointer(EncodedInstruction instruction, ref OracleState state, int register, ref uint pinned)
    {
        long lowest = long.MaxValue;
        long highest = long.MinValue;
        foreach (MemoryUse use in instruction.Uses)
        {
            if (use.Base == register && use.Index < 0)
            {
                lowest = Math.Min(lowest, (int)use.Displacement);
                highest = Math.Max(highest, (int)use.Displacement + use.Size);
            }
        }

        if (lowest > highest)
        {
            return true;
        }

        long first = OracleLayout.WindowAddress - lowest;
        long last = WindowEnd - highest;
        if (first > last)
        {
            return false;
        }

        long pointer = random.OneIn(3)
            ? Math.Clamp(PageBorder - random.Below(9) + 4, first, last)
            : first + random.Below((int)Math.Min(last - first + 1, int.MaxValue));
        state[register] = (uint)pointer;
        pinned |= 1u << register;
        return true;
    }

    private bool PlaceTable(EncodedInstruction instruction, ref OracleState state)
    {
        bool isSixteenBit = instruction.Instruction.MemoryBase == Register.BX;
        uint table = PickAddress(1, isLocked: false) - (byte)state.Eax;
        state.Ebx = isSixteenBit ? (state.Ebx & 0xFFFF_0000) | (table & 0xFFFF) : table;
        return true;
    }

    // BT m, r: the bit number is signed and reaches 2^28 bytes down and up (SDM 2A, BT); with 16-bit addresses it is kept from wrapping.
    private bool PlaceBitString(EncodedInstruction instruction, ref OracleState state)
    {
        Instruction decoded = instruction.Instruction;
        int register = EncodedInstruction.Number(decoded.GetOpRegister(1));
        int size = decoded.MemorySize.GetSize();
        bool isSixteenBit = instruction.AddressMask == 0xFFFF;
        if (isSixteenBit || random.OneIn(2))
        {
            state[register] = (uint)(random.Below(4096) - 2048);
        }

        int bit = size == 2 ? (short)state[register] : (int)state[register];
        int offset = (bit >> (size == 2 ? 4 : 5)) * size;
        var use = new MemoryUse(
            EncodedInstruction.Number(decoded.MemoryBase), EncodedInstruction.Number(decoded.MemoryIndex), (uint)decoded.MemoryIndexScale, decoded.MemoryDisplacement32, size, isSixteenBit);
        uint target = PickAddress(size, instruction.IsLocked);
        return use.Solve(ref state, target - (uint)offset, 1u << register, random.Bits32())
            && use.Address(state) + (uint)offset is var address && address >= OracleLayout.WindowAddress && address + size <= WindowEnd
            && (!instruction.IsLocked || IsWithinLine(address, size));
    }

    private bool PlaceStrings(EncodedInstruction instruction, ref OracleState state, Span<byte> window)
    {
        int size = instruction.Instruction.MemorySize.GetSize();
        uint mask = instruction.AddressMask;
        int count = 1;
        if (instruction.IsRepeated)
        {
            count = random.OneIn(2) ? random.Below(4) : random.Below(MaxStringBytes / size);
            state.Ecx = (state.Ecx & ~mask) | (uint)count;
        }

        bool isDown = (state.Eflags & 0x400) != 0;
        if (count > 0)
        {
            state.Esi = (state.Esi & ~mask) | StringStart(size, count, isDown);
            state.Edi = (state.Edi & ~mask) | (random.OneIn(4) ? NearbyStart(state.Esi & mask, size, count, isDown) : StringStart(size, count, isDown));
        }

        if (instruction.Form.Mnemonic is Mnemonic.Cmpsb or Mnemonic.Cmpsw or Mnemonic.Cmpsd or Mnemonic.Scasb or Mnemonic.Scasw or Mnemonic.Scasd && random.Below(4) != 0)
        {
            // A repeated comparison should not end at the first element: equal everywhere but in a few places, or (for REPNE)
            // hardly anywhere equal, which the random bytes are already.
            byte fill = random.Byte();
            window.Fill(fill);
            state.Eax = random.OneIn(4) ? state.Eax : fill * 0x0101_0101u;
            for (int i = random.Below(4); i > 0; i--)
            {
                window[random.Below(window.Length)] = random.Byte();
            }
        }

        return true;
    }

    private uint StringStart(int size, int count, bool isDown)
    {
        int bytes = size * count;
        uint lowest = OracleLayout.WindowAddress + (uint)random.Below(OracleLayout.WindowSize - bytes + 1);
        return isDown ? lowest + (uint)(bytes - size) : lowest;
    }

    // Source and destination that overlap: MOVS then repeats what it wrote.
    private uint NearbyStart(uint other, int size, int count, bool isDown)
    {
        long start = other + random.Below(17) - 8;
        long bytes = (long)size * count;
        long first = OracleLayout.WindowAddress + (isDown ? bytes - size : 0);
        long last = WindowEnd - (isDown ? size : bytes);
        return (uint)Math.Clamp(start, first, last);
    }

    // What depends on the operand's value, now that its place is known; and whether the instruction faults.
    private int Finish(EncodedInstruction instruction, ref OracleState state, Span<byte> window)
    {
        InstructionForm form = instruction.Form;
        int outcome = Completes;
        switch (form.Mnemonic)
        {
            case Mnemonic.Div or Mnemonic.Idiv:
                outcome = SetDividend(instruction, ref state, window);
                break;
            case Mnemonic.Aam when instruction.Instruction.Immediate8 == 0:
                outcome = DivideModel.DivideError;
                break;
            case Mnemonic.Into:
                outcome = (state.Eflags & 0x800) != 0 ? 4 : Completes;
                break;
            case Mnemonic.Bound:
                outcome = SetBounds(instruction, ref state, window);
                break;
            case Mnemonic.Jmp or Mnemonic.Call when form.IsIndirectBranch:
                WriteOperand(instruction, 0, ref state, window, instruction.Target);
                break;
            case Mnemonic.Ret:
                Write(window, state.Esp, instruction.Target, form.Info.OperandSize / 8);
                break;
            case Mnemonic.Popf or Mnemonic.Popfd:
                // Not TF, which would trap, nor AC, which would fault on the next odd address.
                Write(window, state.Esp, Read(window, state.Esp, 4) & ~0x4_0100u, 4);
                break;
            case Mnemonic.Cmpxchg when random.OneIn(2):
                SetAccumulator(ref state, ReadOperand(instruction, 0, state, window), OperandSize(instruction, 0));
                break;
            case Mnemonic.Cmpxchg8b when random.OneIn(2):
                state.Eax = Read(window, instruction.Uses[0].Address(state), 4);
                state.Edx = Read(window, instruction.Uses[0].Address(state) + 4, 4);
                break;
            case Mnemonic.Shld or Mnemonic.Shrd when form.Info.OperandSize == 16 && UndefinedFlags.ShiftCount(instruction, state) > 16:
                return Rejected; // the result itself is undefined (SDM 2B, SHLD)
        }

        // Setting a register above may have moved an address that was already placed.
        foreach (MemoryUse use in instruction.Uses)
        {
            if (!use.IsInWindow(state) || (instruction.IsLocked && !IsWithinLine(use.Address(state), use.Size)))
            {
                return Rejected;
            }
        }

        bool landsAstray = form.IsIndirectBranch && (ReadOperand(instruction, 0, state, window) != Truncate(instruction.Target, OperandSize(instruction, 0)));
        bool returnsAstray = form.Mnemonic == Mnemonic.Ret && Read(window, state.Esp, form.Info.OperandSize / 8) != Truncate(instruction.Target, form.Info.OperandSize / 8);
        return landsAstray || returnsAstray ? Rejected : outcome;
    }

    private int SetDividend(EncodedInstruction instruction, ref OracleState state, Span<byte> window)
    {
        int size = OperandSize(instruction, 0);
        bool isSigned = instruction.Form.Mnemonic == Mnemonic.Idiv;
        uint divisor = ReadOperand(instruction, 0, state, window);
        if (divisor != 0 && random.Below(8) != 0)
        {
            // quotient x divisor + remainder, so that most divisions succeed; random dividends nearly always overflow.
            uint quotient = Truncate(random.UInt32(), size);
            ulong dividend;
            if (isSigned)
            {
                long wide = (long)SignExtend(quotient, size) * SignExtend(divisor, size);
                long remainder = random.Bits32() % Math.Abs((long)SignExtend(divisor, size));
                dividend = (ulong)(wide + (wide < 0 ? -remainder : remainder));
            }
            else
            {
                dividend = ((ulong)quotient * divisor) + (random.Bits32() % divisor);
            }

            switch (size)
            {
                case 1:
                    state.Eax = (state.Eax & 0xFFFF_0000) | (ushort)dividend;
                    break;
                case 2:
                    state.Eax = (state.Eax & 0xFFFF_0000) | (ushort)dividend;
                    state.Edx = (state.Edx & 0xFFFF_0000) | (ushort)(dividend >> 16);
                    break;
                default:
                    state.Eax = (uint)dividend;
                    state.Edx = (uint)(dividend >> 32);
                    break;
            }
        }

        foreach (MemoryUse use in instruction.Uses)
        {
            if (!use.IsInWindow(state))
            {
                return Rejected; // the dividend's register was the address
            }
        }

        divisor = ReadOperand(instruction, 0, state, window); // may be EAX or EDX itself
        return DivideModel.Faults(isSigned, state.Eax, state.Edx, divisor, size * 8) ? DivideModel.DivideError : Completes;
    }

    private int SetBounds(EncodedInstruction instruction, ref OracleState state, Span<byte> window)
    {
        int size = OperandSize(instruction, 0);
        OracleState before = state;
        uint address = instruction.Uses.Min(use => use.Address(before));
        int index = SignExtend(ReadOperand(instruction, 0, state, window), size);
        if (random.Below(4) != 0)
        {
            int low = SignExtend(random.UInt32(), size);
            int high = SignExtend(random.UInt32(), size);
            Write(window, address, (uint)Math.Min(low, index), size);
            Write(window, address + (uint)size, (uint)Math.Max(high, index), size);
        }

        int lower = SignExtend(Read(window, address, size), size);
        int upper = SignExtend(Read(window, address + (uint)size, size), size);
        return index < lower || index > upper ? 5 : Completes;
    }

    private static void SetAccumulator(ref OracleState state, uint value, int size)
    {
        uint mask = Truncate(uint.MaxValue, size);
        state.Eax = (state.Eax & ~mask) | (value & mask);
    }

    private uint PickAddress(int size, bool isLocked)
    {
        uint address = random.OneIn(3)
            ? PageBorder - (uint)random.Below(size + 1)
            : OracleLayout.WindowAddress + (uint)random.Below(OracleLayout.WindowSize - size - 7) + 7; // room for rounding down to a multiple of 8
        return isLocked ? address & ~(uint)(Math.Max(size, 1) - 1) : address;
    }

    private static bool IsWithinLine(uint address, int size) => (address & 63) + size <= 64;
}
