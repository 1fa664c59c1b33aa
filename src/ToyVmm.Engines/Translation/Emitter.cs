using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Translation;

/// <summary>Emits the instructions of one block; see <see cref="BlockTranslator"/> for the rules.</summary>
/// <param name="code">Where to.</param>
/// <param name="block">What it becomes.</param>
/// <param name="callOuts">Receives the instructions that are left to the interpreter.</param>
/// <param name="differing">Instructions that give something else on this host than in the interpreter (<see cref="HostFlags"/>).</param>
/// <param name="trapOnly">Sensitive instructions become a fault of the host each (<see cref="TranslatorOptions.TrapOnly"/>).</param>
internal sealed unsafe partial class Emitter(CodeCache code, TranslatedBlock block, CallOutTable callOuts, IReadOnlySet<Mnemonic> differing, bool trapOnly)
{
    private readonly List<WayOut> _waysOut = [];

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

        bool sse = (files & RegisterFile.Sse) != 0;
        PutEcxAside();
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.ECX, State(sse ? StateOffset.SseAway : StateOffset.FpuAway)));
        int branchEnd = ShortBranch(Code.Jecxz_rel8_64);
        RestoreEcx();
        code.Emit(Instruction.Create(Code.Lea_r64_m, Register.R14, new MemoryOperand(Register.R14, count)));
        StoreEip(block.Block->Eip);
        code.Emit(Instruction.Create(Code.Mov_rm32_imm32, State(StateOffset.HostExitSlot), block.Start));
        Leave(sse ? ExitKind.LoadSse : ExitKind.LoadFpu);
        code.PatchShort(branchEnd, code.Used);
        RestoreEcx();
    }

    /// <summary>Leaves a whole block to the interpreter: nothing has been counted.</summary>
    public void CallOut() => LeaveToInterpreter(0);

    /// <summary>Leaves an instruction, and those behind it, to the interpreter.</summary>
    /// <param name="remaining">Instructions of the block from it on.</param>
    public void CallOut(int remaining)
    {
        code.Emit(Instruction.Create(Code.Lea_r64_m, Register.R14, new MemoryOperand(Register.R14, remaining)));
        LeaveToInterpreter(block.Block->Count - remaining);
    }

    /// <summary>Has the host fault at an instruction, and leaves it and those behind it to the interpreter.</summary>
    /// <param name="remaining">Instructions of the block from it on.</param>
    public void Trap(int remaining)
    {
        code.Emit(Instruction.Create(Code.Hlt));
        CallOut(remaining);
    }

    /// <summary>Emits one instruction.</summary>
    /// <param name="x">The guest's instruction.</param>
    /// <param name="remaining">Instructions of the block from it on, which have been counted.</param>
    /// <param name="open">False when the block ends with it.</param>
    /// <returns>False, with nothing emitted, when it must go to the interpreter.</returns>
    public bool TryEmit(in Instruction x, int remaining, out bool open)
    {
        open = true;
        if (differing.Contains(x.Mnemonic) || (trapOnly && x.Mnemonic == Mnemonic.Rdtsc))
        {
            return false;
        }

        int start = code.Used;
        int waysOut = _waysOut.Count;
        if (TryBranch(x, remaining))
        {
            block.Note(start, TranslationReasonText.OfBranch(x));
            open = false;
            return true;
        }

        TranslationReason? reason = true switch
        {
            _ when TryStack(x) => TranslationReason.Stack,
            _ when !trapOnly && TryFlags(x, remaining) => TranslationReason.Flags,
            _ when !trapOnly && TrySystem(x, remaining) => TranslationReasonText.OfSystem(x),
            _ when TryString(x, remaining) => TranslationReason.StringInView,
            _ when TryLoadControl(x, remaining) => TranslationReason.ControlWord,
            _ when IdentityList.Contains(x) && TryIdentity(x) => TranslationReason.None,
            _ => null,
        };
        if (reason is { } known)
        {
            block.Note(start, known);
            return true;
        }

        code.Rewind(start);
        block.ForgetNotes(start);
        _waysOut.RemoveRange(waysOut, _waysOut.Count - waysOut);
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
        foreach (WayOut way in _waysOut)
        {
            code.Patch(way.BranchEnd, code.Used);
            block.Note(
                code.Used,
                way.Remaining > 0 ? TranslationReason.InterpretersCase : OnPage(way.Eip) ? TranslationReason.WayOut : TranslationReason.JumpTable);
            if (way.Remaining > 0)
            {
                if (way.RestoresEcx)
                {
                    RestoreEcx();
                }

                CallOut(way.Remaining);
            }
            else if (OnPage(way.Eip))
            {
                StoreEip(way.Eip);
                code.Emit(Instruction.Create(Code.Mov_rm32_imm32, State(StateOffset.HostExitSlot), way.BranchEnd));
                Leave(ExitKind.Link);
            }
            else
            {
                GoToFar(code, way.Eip);
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

    // [ESP + offset] in the view; behind AddressStack.
    private MemoryOperand StackSlot(int offset) => StackOperand(Register.R12D, offset);

    private MemoryOperand StackOperand(Register pointer, int offset) =>
        new(pointer, IsBased(Register.SS) ? Register.R9D : Register.None, 1, offset, offset == 0 && pointer != Register.EBP ? 0 : 1, false, Register.GS);

    // Where CS begins is not known here, but only its low bits count, and the block's physical address has the sum's.
    private bool OnPage(uint target) => ((uint)block.Block->Physical & 0xFFF) + (target - block.Block->Eip) <= 0xFFF;

    private void StoreEip(uint eip) => code.Emit(Instruction.Create(Code.Mov_rm32_imm32, State(StateOffset.Eip), (int)eip));

    private void LeaveToInterpreter(int index)
    {
        int number = callOuts.Add(Block.Instructions(block.Block) + index, ((block.Left >> index) & 1) != 0);
        code.Emit(Instruction.Create(Code.Mov_rm32_imm32, State(StateOffset.HostExitSlot), number));
        Leave(ExitKind.CallOut);
    }

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
        _waysOut.Add(new WayOut(code.Used, target));
    }

    // Branches to a call-out: the interpreter performs the instruction, of which nothing must have happened yet.
    private void BranchToCallOut(Code branch, in Instruction x, int remaining, bool restoresEcx = false)
    {
        code.Emit(Instruction.CreateBranch(branch, 0));
        _waysOut.Add(new WayOut(code.Used, (uint)x.IP, remaining, restoresEcx));
    }

    // ECX, whose own value R8D keeps, holds a condition: zero goes on, everything else is the interpreter's. JECXZ is the one branch that
    // asks no flag.
    private void LeaveUnlessEcxIsZero(in Instruction x, int remaining)
    {
        const int ShortJump = 3;
        const int NearJump = 5;
        code.Emit(Instruction.CreateBranch(Code.Jecxz_rel8_64, (ulong)(code.Used + ShortJump + NearJump)));
        BranchToCallOut(Code.Jmp_rel32_64, x, remaining, restoresEcx: true);
        RestoreEcx();
    }

    private void PutEcxAside() => code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R8D, Register.ECX));

    private void RestoreEcx() => code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.ECX, Register.R8D));

    // Where a branch goes while it is not linked: on to an address, or (with instructions remaining) to a call-out for the one there.
    private readonly record struct WayOut(int BranchEnd, uint Eip, int Remaining = 0, bool RestoresEcx = false);

    private static Register Guest(Register register) => register switch
    {
        Register.ESP => Register.R12D,
        Register.SP => Register.R12W,
        _ => register,
    };
}
