using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation.Instructions;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>
/// Every instruction, one line each, grouped as the families' files are: mnemonic to handler. What is not here is #UD. Iced's decoder has already refused
/// what the form forbids (LOCK on a register, for example).
/// </summary>
internal static unsafe class HandlerTable
{
    /// <summary>The handler of an instruction.</summary>
    /// <param name="x">The instruction.</param>
    /// <param name="form">How its memory operand is reached, if it has one.</param>
    public static Handler Select(in Instruction x, AddressForm form)
    {
        switch (x.Mnemonic)
        {
            // Arithmetic and logic
            case Mnemonic.Add: return Arithmetic.Binary<Add>(x, form);
            case Mnemonic.Or: return Arithmetic.Binary<Or>(x, form);
            case Mnemonic.Adc: return Arithmetic.Binary<AddWithCarry>(x, form);
            case Mnemonic.Sbb: return Arithmetic.Binary<SubtractWithBorrow>(x, form);
            case Mnemonic.And: return Arithmetic.Binary<And>(x, form);
            case Mnemonic.Sub: return Arithmetic.Binary<Subtract>(x, form);
            case Mnemonic.Xor: return Arithmetic.Binary<Xor>(x, form);
            case Mnemonic.Cmp: return Arithmetic.Binary<Compare>(x, form);
            case Mnemonic.Test: return Arithmetic.Binary<Test>(x, form);
            case Mnemonic.Inc: return Arithmetic.Unary<Increment>(x, form);
            case Mnemonic.Dec: return Arithmetic.Unary<Decrement>(x, form);
            case Mnemonic.Neg: return Arithmetic.Unary<Negate>(x, form);
            case Mnemonic.Not: return Arithmetic.Unary<Not>(x, form);

            // Data transfer
            case Mnemonic.Mov when IsGeneral(x): return DataTransfer.Move(x, form);
            case Mnemonic.Movzx: return DataTransfer.MoveZeroExtended(x, form);
            case Mnemonic.Movsx: return DataTransfer.MoveSignExtended(x, form);
            case Mnemonic.Lea: return DataTransfer.LoadEffectiveAddress(x);
            case Mnemonic.Nop or Mnemonic.Pause or Mnemonic.Reservednop: return &DataTransfer.NoOperation;

            // Stack
            case Mnemonic.Push when IsGeneral(x): return Stack.Push(x, form);
            case Mnemonic.Pop when IsGeneral(x): return Stack.Pop(x);

            // Near control transfer
            case Mnemonic.Jmp when !IsFar(x): return ControlTransfer.Jump(x, form);
            case Mnemonic.Call when !IsFar(x): return ControlTransfer.Call(x, form);
            case Mnemonic.Ret: return ControlTransfer.Return(x);
            case Mnemonic when x.Code.IsJccShortOrNear(): return ControlTransfer.JumpConditional(x);
            case Mnemonic.Loop or Mnemonic.Loope or Mnemonic.Loopne: return Conditional.Loop(x);
            case Mnemonic.Jcxz or Mnemonic.Jecxz: return Conditional.JumpIfCountZero(x);

            // Shifts and rotates
            case Mnemonic.Rol: return Shifts.Shift<RotateLeft>(x, form);
            case Mnemonic.Ror: return Shifts.Shift<RotateRight>(x, form);
            case Mnemonic.Rcl: return Shifts.Shift<RotateCarryLeft>(x, form);
            case Mnemonic.Rcr: return Shifts.Shift<RotateCarryRight>(x, form);
            case Mnemonic.Shl or Mnemonic.Sal: return Shifts.Shift<ShiftLeft>(x, form);
            case Mnemonic.Shr: return Shifts.Shift<ShiftRight>(x, form);
            case Mnemonic.Sar: return Shifts.Shift<ShiftArithmeticRight>(x, form);
            case Mnemonic.Shld: return Shifts.DoubleLeft(x, form);
            case Mnemonic.Shrd: return Shifts.DoubleRight(x, form);

            // Multiplication and division
            case Mnemonic.Mul: return MultiplyDivide.Accumulator<Mul>(x, form);
            case Mnemonic.Imul: return MultiplyDivide.SignedMultiply(x, form);
            case Mnemonic.Div: return MultiplyDivide.Accumulator<Div>(x, form);
            case Mnemonic.Idiv: return MultiplyDivide.Accumulator<Idiv>(x, form);

            // Bits
            case Mnemonic.Bt: return BitInstructions.Test<BitTest>(x, form);
            case Mnemonic.Bts: return BitInstructions.Test<BitSet>(x, form);
            case Mnemonic.Btr: return BitInstructions.Test<BitReset>(x, form);
            case Mnemonic.Btc: return BitInstructions.Test<BitComplement>(x, form);
            case Mnemonic.Bsf: return BitInstructions.ScanForward(x, form);
            case Mnemonic.Bsr: return BitInstructions.ScanReverse(x, form);
            case Mnemonic.Bswap: return BitInstructions.ByteSwap(x);

            // Decimal
            case Mnemonic.Aaa: return &DecimalAdjust.AdjustAfterAddition;
            case Mnemonic.Aas: return &DecimalAdjust.AdjustAfterSubtraction;
            case Mnemonic.Aam: return &DecimalAdjust.AdjustAfterMultiplication;
            case Mnemonic.Aad: return &DecimalAdjust.AdjustBeforeDivision;
            case Mnemonic.Daa: return &DecimalAdjust.DecimalAdjustAfterAddition;
            case Mnemonic.Das: return &DecimalAdjust.DecimalAdjustAfterSubtraction;

            // Exchange
            case Mnemonic.Xchg: return Exchange.Select<Swap>(x, form);
            case Mnemonic.Xadd: return Exchange.Select<ExchangeAdd>(x, form);
            case Mnemonic.Cmpxchg: return Exchange.Select<CompareExchange>(x, form);
            case Mnemonic.Cmpxchg8b: return &Exchange.CompareExchange8;

            // Conditional
            case Mnemonic when x.Code is >= Code.Seto_rm8 and <= Code.Setg_rm8: return Conditional.Set(x, form);
            case Mnemonic when x.Code is >= Code.Cmovo_r16_rm16 and <= Code.Cmovg_r64_rm64: return Conditional.Move(x, form);

            // Conversions
            case Mnemonic.Cbw: return &Conversions.ByteToWord;
            case Mnemonic.Cwde: return &Conversions.WordToDouble;
            case Mnemonic.Cwd: return &Conversions.WordToPair;
            case Mnemonic.Cdq: return &Conversions.DoubleToPair;

            // Flag bits
            case Mnemonic.Clc: return &FlagBits.ClearCarry;
            case Mnemonic.Stc: return &FlagBits.SetCarry;
            case Mnemonic.Cmc: return &FlagBits.ComplementCarry;
            case Mnemonic.Cld: return &FlagBits.ClearDirection;
            case Mnemonic.Std: return &FlagBits.SetDirection;
            case Mnemonic.Lahf: return &FlagBits.LoadAh;
            case Mnemonic.Sahf: return &FlagBits.StoreAh;
            case Mnemonic.Salc: return &FlagBits.SetAlFromCarry;

            // Stack frames
            case Mnemonic.Pusha or Mnemonic.Pushad: return StackFrames.PushAll(x);
            case Mnemonic.Popa or Mnemonic.Popad: return StackFrames.PopAll(x);
            case Mnemonic.Enter: return StackFrames.Enter(x);
            case Mnemonic.Leave: return StackFrames.Leave(x);

            // Strings (MOVSD and CMPSD are mnemonics of SSE2 too)
            case Mnemonic.Movsb: return Strings.Select<MoveString>(x, 1);
            case Mnemonic.Movsw: return Strings.Select<MoveString>(x, 2);
            case Mnemonic.Movsd when x.Code == Code.Movsd_m32_m32: return Strings.Select<MoveString>(x, 4);
            case Mnemonic.Stosb: return Strings.Select<StoreString>(x, 1);
            case Mnemonic.Stosw: return Strings.Select<StoreString>(x, 2);
            case Mnemonic.Stosd: return Strings.Select<StoreString>(x, 4);
            case Mnemonic.Lodsb: return Strings.Select<LoadString>(x, 1);
            case Mnemonic.Lodsw: return Strings.Select<LoadString>(x, 2);
            case Mnemonic.Lodsd: return Strings.Select<LoadString>(x, 4);
            case Mnemonic.Scasb: return Strings.Select<ScanString>(x, 1);
            case Mnemonic.Scasw: return Strings.Select<ScanString>(x, 2);
            case Mnemonic.Scasd: return Strings.Select<ScanString>(x, 4);
            case Mnemonic.Cmpsb: return Strings.Select<CompareString>(x, 1);
            case Mnemonic.Cmpsw: return Strings.Select<CompareString>(x, 2);
            case Mnemonic.Cmpsd when x.Code == Code.Cmpsd_m32_m32: return Strings.Select<CompareString>(x, 4);

            // Ports
            case Mnemonic.In: return PortInstructions.In(x);
            case Mnemonic.Out: return PortInstructions.Out(x);
            case Mnemonic.Insb: return PortInstructions.String<InputString>(x, 1);
            case Mnemonic.Insw: return PortInstructions.String<InputString>(x, 2);
            case Mnemonic.Insd: return PortInstructions.String<InputString>(x, 4);
            case Mnemonic.Outsb: return PortInstructions.String<OutputString>(x, 1);
            case Mnemonic.Outsw: return PortInstructions.String<OutputString>(x, 2);
            case Mnemonic.Outsd: return PortInstructions.String<OutputString>(x, 4);

            // Miscellaneous
            case Mnemonic.Xlatb: return &Miscellaneous.Translate;
            case Mnemonic.Bound: return Miscellaneous.Bound(x);

            // Segment registers
            case Mnemonic.Mov when HasSegmentOperand(x): return SegmentRegisters.Move(x);
            case Mnemonic.Push: return SegmentRegisters.Push(x);
            case Mnemonic.Pop: return SegmentRegisters.Pop(x);
            case Mnemonic.Lds or Mnemonic.Les or Mnemonic.Lfs or Mnemonic.Lgs or Mnemonic.Lss: return SegmentRegisters.LoadFarPointer(x);

            // Far control transfer and interrupts
            case Mnemonic.Jmp: return FarTransfers.Jump(x);
            case Mnemonic.Call: return FarTransfers.Call(x);
            case Mnemonic.Retf: return FarReturn.Select(x);
            case Mnemonic.Int: return &Interrupts.Interrupt;
            case Mnemonic.Int3: return &Interrupts.Breakpoint;
            case Mnemonic.Into: return &Interrupts.Overflow;
            case Mnemonic.Int1: return &Interrupts.IceBreakpoint;
            case Mnemonic.Iret or Mnemonic.Iretd: return InterruptReturn.Select(x);
            case Mnemonic.Sysenter: return &SystemInstructions.Enter;
            case Mnemonic.Sysexit: return &SystemInstructions.Exit;

            // Guarded flags
            case Mnemonic.Pushf or Mnemonic.Pushfd: return FlagInstructions.Push(x);
            case Mnemonic.Popf or Mnemonic.Popfd: return FlagInstructions.Pop(x);
            case Mnemonic.Cli: return &FlagInstructions.ClearInterrupt;
            case Mnemonic.Sti: return &FlagInstructions.SetInterrupt;

            // System registers
            case Mnemonic.Mov: return SystemRegisters.Move(x);
            case Mnemonic.Smsw: return SystemRegisters.StoreStatus(x);
            case Mnemonic.Lmsw: return SystemRegisters.LoadStatus(x);
            case Mnemonic.Clts: return &SystemRegisters.ClearTaskSwitched;
            case Mnemonic.Lgdt or Mnemonic.Lidt: return TableRegisters.LoadTable(x);
            case Mnemonic.Sgdt: return &TableRegisters.StoreGdt;
            case Mnemonic.Sidt: return &TableRegisters.StoreIdt;
            case Mnemonic.Sldt or Mnemonic.Str: return TableRegisters.StoreSelector(x);
            case Mnemonic.Lldt: return TableRegisters.LoadLdtr(x);
            case Mnemonic.Ltr: return TableRegisters.LoadTr(x);
            case Mnemonic.Rdtsc: return &ModelSpecificRegisters.ReadTimeStamp;
            case Mnemonic.Rdpmc: return &ModelSpecificRegisters.ReadCounter;
            case Mnemonic.Rdmsr: return &ModelSpecificRegisters.Read;
            case Mnemonic.Wrmsr: return &ModelSpecificRegisters.Write;

            // Selectors
            case Mnemonic.Lar: return SelectorChecks.LoadAccess(x);
            case Mnemonic.Lsl: return SelectorChecks.LoadLimit(x);
            case Mnemonic.Verr or Mnemonic.Verw: return SelectorChecks.Verify(x);
            case Mnemonic.Arpl: return SelectorChecks.AdjustRpl(x);

            // System
            case Mnemonic.Hlt: return &SystemInstructions.Halt;
            case Mnemonic.Cpuid: return &SystemInstructions.Identify;
            case Mnemonic.Vmcall: return &SystemInstructions.Hypercall;
            case Mnemonic.Invd or Mnemonic.Wbinvd: return &SystemInstructions.InvalidateCaches;
            case Mnemonic.Invlpg: return &SystemInstructions.InvalidatePage;
            // The vector units and the x87 unit have tables of their own
            default:
                Handler vector = VectorTable.Select(x);
                Handler extension = vector != null ? vector : SseExtensionTable.Select(x);
                return extension != null ? extension : X87Table.Select(x);
        }
    }

    /// <summary>True for an instruction after which a block cannot go on.</summary>
    public static bool EndsBlock(in Instruction x) => x.FlowControl != FlowControl.Next || HandlerTraits.EndsBlock(x);

    /// <summary>True for a branch whose successors are remembered in the slot behind it.</summary>
    public static bool HasLinks(in Instruction x) =>
        x.FlowControl is FlowControl.ConditionalBranch or FlowControl.UnconditionalBranch && !IsFar(x)
        || x.Code is Code.Call_rel16 or Code.Call_rel32_32;

    /// <summary>#UD.</summary>
    public static nint InvalidOpcode(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Flow.Raise(i, cpu, Vector.InvalidOpcode);

    /// <summary>#UD: the CPU model lacks the instruction.</summary>
    public static nint AbsentFeature(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        _ = cpu.Raise(Vector.InvalidOpcode, 0, "an instruction that this CPU model lacks");
        return Flow.StopHere(i, cpu);
    }

    /// <summary>More than 15 bytes: #GP(0).</summary>
    public static nint TooLong(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Flow.Raise(i, cpu, Vector.GeneralProtection);

    /// <summary>True for far transfers.</summary>
    public static bool IsFar(in Instruction x) => x.IsJmpFar || x.IsCallFar || x.IsJmpFarIndirect || x.IsCallFarIndirect;

    private static bool HasSegmentOperand(in Instruction x) =>
        (x.Op0Kind == OpKind.Register && x.Op0Register.IsSegmentRegister()) || (x.Op1Kind == OpKind.Register && x.Op1Register.IsSegmentRegister());

    private static bool IsGeneral(in Instruction x)
    {
        for (int n = 0; n < x.OpCount; n++)
        {
            if (x.GetOpKind(n) == OpKind.Register && !x.GetOpRegister(n).IsGPR())
            {
                return false;
            }
        }

        return true;
    }
}
