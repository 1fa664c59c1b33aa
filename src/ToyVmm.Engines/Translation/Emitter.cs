using Iced.Intel;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Translation;

/// <summary>Emits the instructions of one block; see <see cref="BlockTranslator"/> for the rules.</summary>
internal sealed unsafe class Emitter(CodeCache code, TranslatedBlock block)
{
    private readonly List<(int BranchEnd, uint Target)> _waysOut = [];

    /// <summary>Counts the block's instructions, or faults at the end of the budget.</summary>
    public void Budget(int count)
    {
        block.Note(code.Used, TranslationReason.Counts);
        code.Emit(Instruction.Create(Code.Lea_r64_m, Register.R14, new MemoryOperand(Register.R14, -count)));
        block.Note(code.Used, TranslationReason.BudgetEnd);
        code.Emit(Instruction.Create(Code.Movzx_r32_rm8, Register.R8D, new MemoryOperand(Register.R14)));
    }

    /// <summary>Leaves the block at its start unless the host has the guest's registers that it uses.</summary>
    /// <param name="files">Which.</param>
    /// <param name="count">The block's instructions, which have been counted.</param>
    public void Require(RegisterFile files, int count)
    {
        if (files == RegisterFile.General)
        {
            return;
        }

        block.Note(code.Used, TranslationReason.RegisterFile);

        // JECXZ is the one branch that asks no flag.
        bool sse = (files & RegisterFile.Sse) != 0;
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R8D, Register.ECX));
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.ECX, State(sse ? StateOffset.SseAway : StateOffset.FpuAway)));
        int branch = code.Used;
        code.Emit(Instruction.CreateBranch(Code.Jecxz_rel8_64, (ulong)(branch + 64)));
        int branchEnd = code.Used;
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.ECX, Register.R8D));
        code.Emit(Instruction.Create(Code.Lea_r64_m, Register.R14, new MemoryOperand(Register.R14, count)));
        StoreEip(block.Block->Eip);
        code.Emit(Instruction.Create(Code.Mov_rm32_imm32, State(StateOffset.HostExitSlot), block.Start));
        Leave(sse ? ExitKind.LoadSse : ExitKind.LoadFpu);
        code.PatchShort(branchEnd, code.Used);
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.ECX, Register.R8D));
    }

    /// <summary>Leaves the instruction at an address, and those behind it, to the interpreter.</summary>
    /// <param name="eip">Its address.</param>
    /// <param name="remaining">Instructions of the block from it on, which have been counted.</param>
    public void CallOut(uint eip, int remaining)
    {
        code.Emit(Instruction.Create(Code.Lea_r64_m, Register.R14, new MemoryOperand(Register.R14, remaining)));
        StoreEip(eip);
        Leave(ExitKind.CallOut);
    }

    /// <summary>Emits one instruction.</summary>
    /// <param name="x">The guest's instruction.</param>
    /// <param name="open">False when the block ends with it.</param>
    /// <returns>False, with nothing emitted, when it must go to the interpreter.</returns>
    public bool TryEmit(in Instruction x, out bool open)
    {
        open = true;
        int start = code.Used;
        if (TryBranch(x))
        {
            open = false;
            return true;
        }

        if (TryStack(x) || (IdentityList.Contains(x) && TryIdentity(x)))
        {
            return true;
        }

        code.Rewind(start);
        block.Rewind(start);
        return false;
    }

    /// <summary>Goes on at an address behind the block.</summary>
    public void GoTo(uint target)
    {
        if (!OnPage(target))
        {
            block.Note(code.Used, TranslationReason.JumpTable);
            GoToFar(code, target);
            return;
        }

        Branch(Code.Jmp_rel32_64, target);
    }

    /// <summary>Emits what the branches of the block lead to while they are not linked.</summary>
    public void EmitWaysOut()
    {
        foreach ((int branchEnd, uint target) in _waysOut)
        {
            code.Patch(branchEnd, code.Used);
            block.Note(code.Used, OnPage(target) ? TranslationReason.WayOut : TranslationReason.JumpTable);
            if (OnPage(target))
            {
                StoreEip(target);
                code.Emit(Instruction.Create(Code.Mov_rm32_imm32, State(StateOffset.HostExitSlot), branchEnd));
                Leave(ExitKind.Link);
            }
            else
            {
                GoToFar(code, target);
            }
        }
    }

    /// <summary>Emits a jump to a guest address by way of the jump table.</summary>
    public static void GoToFar(CodeCache code, uint target)
    {
        code.Emit(Instruction.Create(Code.Mov_r32_imm32, Register.R13D, target));
        GoToR13(code);
    }

    private static MemoryOperand State(int offset) => new(Register.R15, offset);

    // [ESP + offset] in the view.
    private static MemoryOperand StackSlot(int offset) => new(Register.R12D, Register.None, 1, offset, offset == 0 ? 0 : 1, false, Register.GS);

    private bool OnPage(uint target) => block.Block->Eip >> 12 == target >> 12;

    private void StoreEip(uint eip) => code.Emit(Instruction.Create(Code.Mov_rm32_imm32, State(StateOffset.Eip), (int)eip));

    private void Leave(ExitKind kind)
    {
        code.Emit(Instruction.Create(Code.Mov_r32_imm32, Register.R8D, (uint)kind));
        code.Emit(Instruction.CreateBranch(Code.Jmp_rel32_64, (ulong)code.Exit));
    }

    // To the block at the guest address in R13D, by way of the jump table; no flag is touched.
    private static void GoToR13(CodeCache code)
    {
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R9D, new MemoryOperand(Register.R11, Register.R13, 4)));
        code.Emit(Instruction.Create(Code.Lea_r64_m, Register.R9, new MemoryOperand(Register.R10, Register.R9)));
        code.Emit(Instruction.Create(Code.Jmp_rm64, Register.R9));
    }

    private void Branch(Code branch, uint target)
    {
        block.Note(code.Used, TranslationReason.Linked);

        // The displacement is patched with the way out: any target that needs 32 bits will do until then.
        code.Emit(Instruction.CreateBranch(branch, 0));
        _waysOut.Add((code.Used, target));
    }

    private bool TryBranch(in Instruction x)
    {
        uint next = (uint)x.NextIP;
        switch (x.Code)
        {
            case Code.Jmp_rel8_32 or Code.Jmp_rel32_32:
                GoTo((uint)x.NearBranchTarget);
                return true;
            case Code.Call_rel32_32:
                block.Note(code.Used, TranslationReason.Stack);
                Push(next);
                GoTo((uint)x.NearBranchTarget);
                return true;
            case Code.Jmp_rm32 when TryLoad(x, Register.R13D):
                block.Note(code.Used, TranslationReason.JumpTable);
                GoToR13(code);
                return true;
            case Code.Call_rm32 when TryLoad(x, Register.R13D):
                block.Note(code.Used, TranslationReason.Stack);
                Push(next);
                block.Note(code.Used, TranslationReason.JumpTable);
                GoToR13(code);
                return true;
            case Code.Retnd or Code.Retnd_imm16:
                block.Note(code.Used, TranslationReason.Stack);
                code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R13D, StackSlot(0)));
                MoveStack(4 + (x.Code == Code.Retnd_imm16 ? x.Immediate16 : 0));
                block.Note(code.Used, TranslationReason.JumpTable);
                GoToR13(code);
                return true;
            case Code.Rdtsc when (block.Block->Mode & DecodeMode.User) == 0:
                block.Note(code.Used, TranslationReason.TimeStamp);
                ReadTimeStamp();
                GoTo(next);
                return true;
            case Code.Jecxz_rel8_32:
                JumpIfEcxZero(whenZero: (uint)x.NearBranchTarget, otherwise: next);
                return true;
            case Code.Loop_rel8_32_ECX:
                block.Note(code.Used, TranslationReason.ShortBranch);
                code.Emit(Instruction.Create(Code.Lea_r32_m, Register.ECX, new MemoryOperand(Register.ECX, -1)));
                JumpIfEcxZero(whenZero: next, otherwise: (uint)x.NearBranchTarget);
                return true;
            default:
                if (!x.Code.IsJccShortOrNear() || x.Op0Kind != OpKind.NearBranch32)
                {
                    return false;
                }

                // Iced lists the conditions of Jcc in the order of their encodings, and each with its rel16, rel32 (32), rel32 (64) forms.
                Branch(Code.Jo_rel32_64 + (((int)x.ConditionCode - 1) * (Code.Jno_rel32_64 - Code.Jo_rel32_64)), (uint)x.NearBranchTarget);
                GoTo(next);
                return true;
        }
    }

    // Time base - budget - 1, without touching a flag. RDTSC ends its block, so the budget is exact.
    private void ReadTimeStamp()
    {
        code.Emit(Instruction.Create(Code.Mov_r64_rm64, Register.R8, State(StateOffset.HostTimeBase)));
        code.Emit(Instruction.Create(Code.Mov_r64_rm64, Register.R9, Register.R14));
        code.Emit(Instruction.Create(Code.Not_rm64, Register.R9));
        code.Emit(Instruction.Create(Code.Lea_r64_m, Register.R8, new MemoryOperand(Register.R8, Register.R9)));
        code.Emit(Instruction.Create(Code.Mov_rm64_r64, State(StateOffset.HostScratch), Register.R8));
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.EAX, State(StateOffset.HostScratch)));
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.EDX, State(StateOffset.HostScratch + 4)));
    }

    private void JumpIfEcxZero(uint whenZero, uint otherwise)
    {
        const int NearJump = 5;
        int branch = code.Used;
        block.Note(code.Used, TranslationReason.ShortBranch);
        const int ShortJump = 3;
        code.Emit(Instruction.CreateBranch(Code.Jecxz_rel8_64, (ulong)(branch + ShortJump + NearJump)));
        Branch(Code.Jmp_rel32_64, otherwise);
        Branch(Code.Jmp_rel32_64, whenZero);
    }

    private bool TryStack(in Instruction x)
    {
        // Taken back where this is none of these.
        int start = code.Used;
        block.Note(code.Used, TranslationReason.Stack);
        switch (x.Code)
        {
            case Code.Push_r32 or Code.Push_rm32 when x.Op0Kind == OpKind.Register:
                Push(Guest(x.Op0Register));
                return true;
            case Code.Push_rm32 when TryLoad(x, Register.R8D):
                Push(Register.R8D);
                return true;
            case Code.Pushd_imm8 or Code.Pushd_imm32:
                Push((uint)x.GetImmediate(0));
                return true;
            case Code.Pop_r32 or Code.Pop_rm32 when x.Op0Kind == OpKind.Register:
                code.Emit(Instruction.Create(Code.Mov_r32_rm32, Guest(x.Op0Register), StackSlot(0)));
                if (x.Op0Register != Register.ESP)
                {
                    MoveStack(4);
                }

                return true;
            case Code.Leaved:
                code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R8D, new MemoryOperand(Register.EBP, Register.None, 1, 0, 1, false, Register.GS)));
                code.Emit(Instruction.Create(Code.Lea_r32_m, Register.R12D, new MemoryOperand(Register.EBP, 4)));
                code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.EBP, Register.R8D));
                return true;
            default:
                block.Rewind(start);
                return false;
        }
    }

    private void Push(uint value)
    {
        code.Emit(Instruction.Create(Code.Mov_rm32_imm32, StackSlot(-4), (int)value));
        MoveStack(-4);
    }

    private void Push(Register value)
    {
        code.Emit(Instruction.Create(Code.Mov_rm32_r32, StackSlot(-4), value));
        MoveStack(-4);
    }

    private void MoveStack(int bytes) => code.Emit(Instruction.Create(Code.Lea_r32_m, Register.R12D, new MemoryOperand(Register.R12D, bytes)));

    // The 32-bit operand of an indirect branch or PUSH into a scratch register.
    private bool TryLoad(in Instruction x, Register target)
    {
        if (x.Op0Kind == OpKind.Register)
        {
            block.Note(code.Used, target == Register.R13D ? TranslationReason.JumpTable : TranslationReason.Stack);
            code.Emit(Instruction.Create(Code.Mov_r32_rm32, target, Guest(x.Op0Register)));
            return true;
        }

        Instruction load = x;
        load.Code = Code.Mov_r32_rm32;
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

            x.MemoryBase = Guest(x.MemoryBase);
            renamed |= x.MemoryBase == Register.R12D;
            if (x.Mnemonic == Mnemonic.Lea)
            {
                x.SegmentPrefix = Register.None;
            }
            else if (segment is Register.FS or Register.GS)
            {
                // The base of the segment is where its gate leads; an unusable segment's gate leads nowhere, and the fault tells.
                Instruction address = Instruction.Create(Code.Lea_r32_m, Register.R8D, new MemoryOperand(Register.EAX));
                address.MemoryBase = x.MemoryBase;
                address.MemoryIndex = x.MemoryIndex;
                address.MemoryIndexScale = x.MemoryIndexScale;
                address.MemoryDisplSize = x.MemoryDisplSize;
                address.MemoryDisplacement64 = x.MemoryDisplacement64;
                int gate = segment == Register.FS ? StateOffset.FsGate : StateOffset.GsGate;
                reasons |= TranslationReason.SegmentBase;
                code.Emit(Instruction.Create(Code.Mov_r64_rm64, Register.R9, State(gate)));
                code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R9D, new MemoryOperand(Register.R9)));
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

    // The same by way of R8B: DH, say, is DL while DL and DH are exchanged, which touches no flag, and nothing faults meanwhile.
    private bool TryHighByte(in Instruction x)
    {
        // R8D may hold the address (FS and GS), and some instructions write both operands.
        if (x.OpCount != 2 || x.MemoryBase == Register.R8D || x.Mnemonic is Mnemonic.Xchg or Mnemonic.Xadd or Mnemonic.Cmpxchg)
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
        Instruction swap = Instruction.Create(Code.Xchg_rm8_r8, low, high);
        Instruction operation = x;
        if (toMemory)
        {
            code.Emit(swap);
            code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R8D, low - Register.AL + Register.EAX));
            code.Emit(swap);
            operation.Op1Register = Register.R8L;
            return code.TryEmit(operation);
        }

        Instruction load = x;
        load.Code = Code.Movzx_r32_rm8;
        load.Op0Register = Register.R8D;
        operation.Op0Register = low;
        operation.Op1Kind = OpKind.Register;
        operation.Op1Register = Register.R8L;
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

    private static Register Guest(Register register) => register switch
    {
        Register.ESP => Register.R12D,
        Register.SP => Register.R12W,
        _ => register,
    };
}
