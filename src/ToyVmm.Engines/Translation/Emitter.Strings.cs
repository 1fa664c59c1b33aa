using Iced.Intel;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Translation;

/// <summary>
/// String instructions. No prefix moves ES:EDI into the view, so they run with 64-bit addresses: RSI and RDI point into the view
/// meanwhile, which <see cref="TranslatedBlock.FixString"/> undoes after a fault in the middle. An address that wraps around at
/// 4 GiB meets the guard, and the interpreter goes on.
/// </summary>
internal sealed unsafe partial class Emitter
{
    private bool TryString(in Instruction x, int remaining)
    {
        if (!StringOperation.TryParse(x, IsBased(x.MemorySegment), out StringOperation operation))
        {
            return false;
        }

        if (operation.Repeats)
        {
            // Longer ones go to the interpreter, which lets the run loop look now and then; 65,535 elements it can wait for.
            PutEcxAside();
            code.Emit(Instruction.Create(Code.Mov_rm32_r32, State(StateOffset.HostScratch), Register.ECX));
            code.Emit(Instruction.Create(Code.Movzx_r32_rm16, Register.ECX, State(StateOffset.HostScratch + 2)));
            LeaveUnlessEcxIsZero(x, remaining);
            if (operation.Compares)
            {
                NoteStart();
            }
        }

        bool sourceBased = operation.Source && IsBased(operation.Segment);
        bool destinationBased = operation.Destination && IsBased(Register.ES);
        if (sourceBased || destinationBased)
        {
            block.Note(code.Used, TranslationReason.SegmentBase);
        }

        if (sourceBased)
        {
            LoadBase(operation.Segment);
            code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R13D, Register.R9D));
        }

        if (destinationBased)
        {
            LoadBase(Register.ES);
            code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R8D, Register.R9D));
        }

        code.Emit(Instruction.Create(Code.Mov_r64_rm64, Register.R9, State(StateOffset.HostView)));
        if (operation.Source)
        {
            Rebase(Register.ESI, Register.RSI, sourceBased ? Register.R13 : Register.None);
        }

        if (operation.Destination)
        {
            Rebase(Register.EDI, Register.RDI, destinationBased ? Register.R8 : Register.None);
        }

        block.NoteString(code.Used, operation);
        code.Emit(operation.In64Bits());
        code.Emit(Instruction.Create(Code.Not_rm64, Register.R9));
        if (operation.Source)
        {
            BackToOffset(Register.ESI, Register.RSI, Register.R9);
        }

        if (operation.Destination)
        {
            BackToOffset(Register.EDI, Register.RDI, Register.R9);
        }

        if (sourceBased)
        {
            code.Emit(Instruction.Create(Code.Not_rm32, Register.R13D));
            BackToOffset(Register.ESI, Register.RSI, Register.R13);
        }

        if (destinationBased)
        {
            code.Emit(Instruction.Create(Code.Not_rm32, Register.R8D));
            BackToOffset(Register.EDI, Register.RDI, Register.R8);
        }

        return true;
    }

    // What a fault in the middle leaves of the flags is not the same everywhere (SDM 2B, REP); comparisons start afresh after one.
    private void NoteStart()
    {
        HostFlagsToR8();
        code.Emit(Instruction.Create(Code.Mov_rm32_r32, State(StateOffset.HostStringFlags), Register.R8D));
        code.Emit(Instruction.Create(Code.Mov_rm32_r32, State(StateOffset.HostStringCount), Register.ECX));
        code.Emit(Instruction.Create(Code.Mov_rm32_r32, State(StateOffset.HostStringSource), Register.ESI));
        code.Emit(Instruction.Create(Code.Mov_rm32_r32, State(StateOffset.HostStringDestination), Register.EDI));
    }

    // The linear address with 32 bits first, so that nothing above them is carried into the view.
    private void Rebase(Register half, Register full, Register segmentBase)
    {
        code.Emit(segmentBase != Register.None
            ? Instruction.Create(Code.Lea_r32_m, half, new MemoryOperand(full, segmentBase))
            : Instruction.Create(Code.Mov_r32_rm32, half, half));
        code.Emit(Instruction.Create(Code.Lea_r64_m, full, new MemoryOperand(Register.R9, full)));
    }

    // Subtracts the base, whose complement the register holds: -base = ~base + 1.
    private void BackToOffset(Register half, Register full, Register complement) =>
        code.Emit(Instruction.Create(Code.Lea_r32_m, half, new MemoryOperand(full, complement, 1, 1, 1)));

    // True for a segment whose base must be added: FS and GS, whatever they are, and of the others those that have one in this mode.
    private bool IsBased(Register segment) => segment switch
    {
        Register.ES => (block.Block->Mode & DecodeMode.BasedEs) != 0,
        Register.CS => (block.Block->Mode & DecodeMode.BasedCs) != 0,
        Register.SS => (block.Block->Mode & DecodeMode.BasedSs) != 0,
        Register.DS => (block.Block->Mode & DecodeMode.BasedDs) != 0,
        _ => segment is Register.FS or Register.GS,
    };

    // The base of a segment into R9D. The block's mode says that CS, DS, ES and SS have 4 GiB. It does not tell of FS and GS, which are mostly
    // null: theirs comes through the gate; an unusable segment's gate leads nowhere, and the fault tells.
    private void LoadBase(Register segment)
    {
        if (segment is not (Register.FS or Register.GS))
        {
            code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R9D, State(StateOffset.SegmentBase(segment - Register.ES))));
            return;
        }

        int gate = segment == Register.FS ? StateOffset.FsGate : StateOffset.GsGate;
        code.Emit(Instruction.Create(Code.Mov_r64_rm64, Register.R9, State(gate)));
        code.Emit(Instruction.Create(Code.Mov_r32_rm32, Register.R9D, new MemoryOperand(Register.R9)));
    }
}
