using System.Numerics;
using Iced.Intel;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Decoding;

/// <summary>How a memory operand is reached: which <see cref="IAddress"/> its handler is compiled for.</summary>
internal enum AddressForm
{
    /// <summary><see cref="Interpretation.FlatBase"/>.</summary>
    FlatBase,

    /// <summary><see cref="Interpretation.FlatIndexed"/>.</summary>
    FlatIndexed,

    /// <summary><see cref="Interpretation.Segmented"/>.</summary>
    Segmented,
}

/// <summary>Iced's operands in the engines' form: the same fields for every instruction, whatever its family.</summary>
/// <remarks>
/// The first register operand is the destination (or the source, where the destination is memory), the second the source; the
/// immediate is sign-extended as the form says; a near branch's target is the immediate; a far pointer is the immediate and the second
/// immediate (the selector).
/// </remarks>
internal static unsafe class OperandEncoder
{
    /// <summary>The byte offset of <see cref="CpuState.Zero"/>.</summary>
    public const byte ZeroRegister = 32;

    /// <summary>Fills the operand fields.</summary>
    public static void Encode(in Instruction x, DecodedInstruction* i, DecodeMode mode)
    {
        i->Base = ZeroRegister;
        i->Index = ZeroRegister;
        i->Flags = (x.HasRepPrefix || x.HasRepePrefix ? InstructionFlags.Repeat : 0)
            | (x.HasRepnePrefix ? InstructionFlags.RepeatNotEqual : 0)
            | (x.HasLockPrefix ? InstructionFlags.Lock : 0);
        bool destinationTaken = false;
        bool immediateTaken = false;
        for (int n = 0; n < x.OpCount; n++)
        {
            OpKind kind = x.GetOpKind(n);
            switch (kind)
            {
                case OpKind.Register when n == 0:
                    i->Destination = RegisterOffset(x.GetOpRegister(n));
                    destinationTaken = true;
                    break;
                case OpKind.Register when n == 1:
                    i->Source = RegisterOffset(x.GetOpRegister(n));
                    break;
                case OpKind.Register when n == 2 && x.Op0Kind is OpKind.MemorySegDI or OpKind.MemorySegEDI:
                    // MASKMOVQ and MASKMOVDQU: the value, then the mask.
                    i->Destination = i->Source;
                    i->Source = RegisterOffset(x.GetOpRegister(n));
                    destinationTaken = true;
                    break;
                case OpKind.Register:
                    break;
                case OpKind.Memory:
                    EncodeMemory(x, i);
                    break;
                case OpKind.NearBranch16:
                case OpKind.NearBranch32:
                    i->Immediate = (uint)x.NearBranchTarget;
                    break;
                case OpKind.FarBranch16:
                    i->Immediate = x.FarBranch16;
                    i->Immediate2 = x.FarBranchSelector;
                    break;
                case OpKind.FarBranch32:
                    i->Immediate = x.FarBranch32;
                    i->Immediate2 = x.FarBranchSelector;
                    break;
                case OpKind.Immediate8_2nd:
                    i->Immediate2 = x.Immediate8_2nd;
                    break;
                case OpKind.MemorySegSI or OpKind.MemorySegESI or OpKind.MemorySegDI or OpKind.MemorySegEDI or OpKind.MemoryESDI or OpKind.MemoryESEDI:
                    EncodeString(x, i, kind);
                    break;
                default:
                    if (!immediateTaken)
                    {
                        i->Immediate = (uint)x.GetImmediate(n);
                        immediateTaken = true;
                    }

                    break;
            }
        }

        if (!destinationTaken)
        {
            i->Destination = i->Source;
        }

        if ((mode & DecodeMode.Code32) != 0)
        {
            // Handlers that are not generic over the width look at the code size only where Iced's Code does not tell it.
            i->Flags |= InstructionFlags.Code32;
        }
    }

    /// <summary>Which way the memory operand takes.</summary>
    public static AddressForm FormOf(in Instruction x, DecodeMode mode)
    {
        DecodeMode flat = x.MemorySegment switch
        {
            Register.ES => DecodeMode.FlatEs,
            Register.SS => DecodeMode.FlatSs,
            Register.DS => DecodeMode.FlatDs,
            _ => 0,
        };
        if ((mode & flat) == 0 || !Is32(x))
        {
            return AddressForm.Segmented;
        }

        return x.MemoryIndex == Register.None ? AddressForm.FlatBase : AddressForm.FlatIndexed;
    }

    /// <summary>The byte offset of a register in <see cref="CpuState"/>; for control, debug, x87, MMX and XMM registers the number.</summary>
    public static byte RegisterOffset(Register register)
    {
        if (register is >= Register.AL and <= Register.BL)
        {
            return (byte)((register - Register.AL) * 4);
        }

        if (register is >= Register.AH and <= Register.BH)
        {
            return (byte)(((register - Register.AH) * 4) + 1);
        }

        if (register is >= Register.AX and <= Register.DI)
        {
            return (byte)((register - Register.AX) * 4);
        }

        if (register is >= Register.EAX and <= Register.EDI)
        {
            return (byte)((register - Register.EAX) * 4);
        }

        if (register is >= Register.ES and <= Register.GS)
        {
            return Interpreter.SegmentOffset(register - Register.ES);
        }

        return register switch
        {
            >= Register.CR0 and <= Register.CR15 => (byte)(register - Register.CR0),
            >= Register.DR0 and <= Register.DR15 => (byte)(register - Register.DR0),
            >= Register.ST0 and <= Register.ST7 => (byte)(register - Register.ST0),
            >= Register.MM0 and <= Register.MM7 => (byte)(register - Register.MM0),
            >= Register.XMM0 and <= Register.XMM7 => (byte)(register - Register.XMM0),
            _ => ZeroRegister,
        };
    }

    private static bool Is32(in Instruction x) =>
        x.MemoryBase.IsGPR32() || x.MemoryIndex.IsGPR32()
        || (x.MemoryBase == Register.None && x.MemoryIndex == Register.None && x.MemoryDisplSize == 4);

    private static void EncodeMemory(in Instruction x, DecodedInstruction* i)
    {
        i->Flags |= InstructionFlags.Memory | (Is32(x) ? InstructionFlags.Address32 : 0);
        i->Segment = RegisterOffset(x.MemorySegment);
        i->Displacement = x.MemoryDisplacement32;
        i->Base = x.MemoryBase == Register.None ? ZeroRegister : RegisterOffset(x.MemoryBase);
        i->Index = x.MemoryIndex == Register.None ? ZeroRegister : RegisterOffset(x.MemoryIndex);
        i->Scale = (byte)BitOperations.Log2((uint)x.MemoryIndexScale);
    }

    // Strings: the segment of the source (DS or an override); ES for the destination is fixed.
    private static void EncodeString(in Instruction x, DecodedInstruction* i, OpKind kind)
    {
        i->Flags |= kind is OpKind.MemorySegESI or OpKind.MemorySegEDI or OpKind.MemoryESEDI ? InstructionFlags.Address32 : 0;
        if (kind is not (OpKind.MemoryESDI or OpKind.MemoryESEDI))
        {
            i->Segment = RegisterOffset(x.MemorySegment);
        }
    }
}
