using Iced.Intel;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Translation;

/// <summary>Instructions as the guest wrote them: registers renamed, memory operands moved into the view.</summary>
internal sealed unsafe partial class Emitter
{
    // The operand of an indirect branch or PUSH into a scratch register.
    private bool TryLoad(in Instruction x, Register target)
    {
        if (x.Op0Kind == OpKind.Register)
        {
            code.Emit(Instruction.Create(Code.Mov_r32_rm32, target, Guest(x.Op0Register)));
            return true;
        }

        Instruction load = x;
        load.Code = x.MemorySize.GetSize() == 2 ? Code.Movzx_r32_rm16 : Code.Mov_r32_rm32;
        load.Op1Kind = OpKind.Memory;
        load.Op0Kind = OpKind.Register;
        load.Op0Register = target;
        return TryIdentity(load);
    }

    // The guest's instruction, its ESP renamed and its memory operand moved into the view.
    private bool TryIdentity(in Instruction guest)
    {
        int start = code.Used;
        Instruction x = guest;
        x.Code = IdentityList.In64Bits(x.Code);

        // On these instructions they mean nothing (or, with LOCK, a hint of another processor).
        TranslationReason reasons = x.HasRepPrefix || x.HasRepnePrefix ? TranslationReason.IdlePrefix : TranslationReason.None;
        x.HasRepPrefix = false;
        x.HasRepnePrefix = false;
        bool highByte = false;
        bool renamed = false;
        bool memory = false;
        for (int n = 0; n < x.OpCount; n++)
        {
            OpKind kind = x.GetOpKind(n);
            if (kind == OpKind.Register)
            {
                Register register = x.GetOpRegister(n);
                Register host = Guest(register);
                highByte |= register is >= Register.AH and <= Register.BH;
                renamed |= host != register || host is >= Register.R8D and <= Register.R15D;
                x.SetOpRegister(n, host);
            }
            else if (kind == OpKind.Memory)
            {
                memory = true;
            }
            else if (kind is OpKind.MemorySegESI)
            {
                x.SegmentPrefix = Register.GS;
            }
        }

        if (memory)
        {
            Register segment = x.MemorySegment;
            if (segment == Register.CS && x.Op0Kind == OpKind.Memory && x.Mnemonic is not (Mnemonic.Cmp or Mnemonic.Test))
            {
                // A code segment cannot be written; the interpreter says so.
                return false;
            }

            if (!IdentityList.Is32BitAddress(x))
            {
                reasons |= TranslationReason.NarrowAddress;
                ComputeNarrowAddress(ref x);
            }

            x.MemoryBase = Guest(x.MemoryBase);
            renamed |= x.MemoryBase is Register.R12D or Register.R8D;
            if (x.Mnemonic == Mnemonic.Lea)
            {
                x.SegmentPrefix = Register.None;
            }
            else if (IsBased(segment))
            {
                Instruction address = Instruction.Create(Code.Lea_r32_m, Register.R8D, new MemoryOperand(Register.EAX));
                address.MemoryBase = x.MemoryBase;
                address.MemoryIndex = x.MemoryIndex;
                address.MemoryIndexScale = x.MemoryIndexScale;
                address.MemoryDisplSize = x.MemoryDisplSize;
                address.MemoryDisplacement64 = x.MemoryDisplacement64;
                reasons |= TranslationReason.SegmentBase;
                LoadBase(segment);
                code.Emit(address);
                x.SegmentPrefix = Register.GS;
                x.MemoryBase = Register.R8D;
                x.MemoryIndex = Register.R9D;
                x.MemoryIndexScale = 1;
                x.MemoryDisplSize = 0;
                x.MemoryDisplacement64 = 0;
                renamed = true;
            }
            else
            {
                x.SegmentPrefix = Register.GS;
            }
        }

        reasons |= x.Code != guest.Code ? TranslationReason.Encoding : 0;
        reasons |= x.SegmentPrefix == Register.GS && x.Mnemonic != Mnemonic.Lea ? TranslationReason.InView : 0;
        reasons |= UsesStackPointer(guest) ? TranslationReason.StackPointer : 0;
        reasons |= highByte && renamed ? TranslationReason.HighByte : 0;
        block.Note(start, reasons);

        // A REX prefix turns AH, CH, DH and BH into other registers.
        return highByte && renamed ? TryHighByte(x) : code.TryEmit(x);
    }

    // 64-bit code has no 16-bit addresses: R8D takes their place.
    private void ComputeNarrowAddress(ref Instruction x)
    {
        Instruction sum = Instruction.Create(
            Code.Lea_r32_m,
            Register.R8D,
            new MemoryOperand(Wide(x.MemoryBase), Wide(x.MemoryIndex), 1, (ushort)x.MemoryDisplacement32, 4));
        code.Emit(sum);
        code.Emit(Instruction.Create(Code.Movzx_r32_rm16, Register.R8D, Register.R8W));
        x.MemoryBase = Register.R8D;
        x.MemoryIndex = Register.None;
        x.MemoryIndexScale = 1;
        x.MemoryDisplSize = 0;
        x.MemoryDisplacement64 = 0;
    }

    private static Register Wide(Register register) => register == Register.None ? register : register - Register.AX + Register.EAX;

    // The same by way of R8B (or R13B, where R8D holds the address): DH, say, is DL while DL and DH are exchanged, which touches no flag, and nothing faults meanwhile.
    private bool TryHighByte(in Instruction x)
    {
        // Some instructions write both operands.
        if (x.OpCount != 2 || x.Mnemonic is Mnemonic.Xchg or Mnemonic.Xadd or Mnemonic.Cmpxchg)
        {
            return false;
        }

        bool toMemory = x.Op0Kind == OpKind.Memory;
        Register high = toMemory ? x.Op1Register : x.Op0Register;
        if (high is not (>= Register.AH and <= Register.BH) || (toMemory ? x.Op1Kind : x.Op0Kind) != OpKind.Register || !(toMemory || x.Op1Kind == OpKind.Memory))
        {
            return false;
        }

        Register low = high - Register.AH + Register.AL;
        (Register scratch, Register scratchLow) = x.MemoryBase == Register.R8D ? (Register.R13D, Register.R13L) : (Register.R8D, Register.R8L);
        Instruction swap = Instruction.Create(Code.Xchg_rm8_r8, low, high);
        Instruction operation = x;
        if (toMemory)
        {
            code.Emit(swap);
            code.Emit(Instruction.Create(Code.Mov_r32_rm32, scratch, low - Register.AL + Register.EAX));
            code.Emit(swap);
            operation.Op1Register = scratchLow;
            return code.TryEmit(operation);
        }

        Instruction load = x;
        load.Code = Code.Movzx_r32_rm8;
        load.Op0Register = scratch;
        operation.Op0Register = low;
        operation.Op1Kind = OpKind.Register;
        operation.Op1Register = scratchLow;
        operation.SegmentPrefix = Register.None;
        return code.TryEmit(load) && code.TryEmit(swap) && code.TryEmit(operation) && code.TryEmit(swap);
    }

    private static bool UsesStackPointer(in Instruction x)
    {
        bool uses = x.MemoryBase is Register.ESP;
        for (int n = 0; n < x.OpCount; n++)
        {
            uses |= x.GetOpKind(n) == OpKind.Register && x.GetOpRegister(n) is Register.ESP or Register.SP;
        }

        return uses;
    }
}
