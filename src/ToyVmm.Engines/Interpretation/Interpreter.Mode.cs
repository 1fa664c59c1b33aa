using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>What the engine derives from the state: the decode mode, the TLB in use, and what needs attention.</summary>
public sealed unsafe partial class Interpreter
{
    private const SegmentRights ReadWrite = SegmentRights.Read | SegmentRights.Write;

    /// <summary>True in protected mode proper: CR0.PE and not virtual-8086.</summary>
    internal bool IsProtected => (State->Cr0 & Cr0.PE) != 0 && (State->OtherFlags & Eflags.VM) == 0;

    /// <summary>True in real mode.</summary>
    internal bool IsReal => (State->Cr0 & Cr0.PE) == 0;

    /// <summary>True in virtual-8086 mode.</summary>
    internal bool IsVirtual8086 => (State->OtherFlags & Eflags.VM) != 0;

    /// <summary>EFLAGS.IOPL.</summary>
    internal uint Iopl => (State->OtherFlags >> 12) & 3;

    /// <summary>True unless every access must be checked (an armed watchpoint, alignment checks).</summary>
    internal bool MayRunTranslated => State->Tlb != NeverTlb;

    /// <summary>Derives the decode mode and the TLB in use. After any change of a segment register, CPL, CR0, EFLAGS.AC or DR7.</summary>
    internal void UpdateMode()
    {
        CpuState* s = State;
        DecodeMode mode = DecodeMode.None;
        mode |= s->Cs.Big ? DecodeMode.Code32 : 0;
        mode |= s->Ss.Big ? DecodeMode.Stack32 : 0;
        mode |= s->Cpl == 3 ? DecodeMode.User : 0;
        mode |= Reach(s->Es, ReadWrite, DecodeMode.FlatEs, DecodeMode.BasedEs);
        mode |= Reach(s->Cs, SegmentRights.Read, DecodeMode.FlatCs, DecodeMode.BasedCs);
        mode |= Reach(s->Ss, ReadWrite, DecodeMode.FlatSs, DecodeMode.BasedSs);
        mode |= Reach(s->Ds, ReadWrite, DecodeMode.FlatDs, DecodeMode.BasedDs);
        mode |= s->Cs.Limit switch
        {
            uint.MaxValue => 0,
            0xFFFF => DecodeMode.SmallCodeLimit,
            _ => DecodeMode.OddCodeLimit,
        };
        s->Mode = mode;

        Vcpu.Frame->FsGate = s->Fs.IsWide(ReadWrite) ? (nint)(&s->Fs.Base) : 0;
        Vcpu.Frame->GsGate = s->Gs.IsWide(ReadWrite) ? (nint)(&s->Gs.Base) : 0;

        bool watching = (s->Dr7 & 0xFF) != 0;
        bool aligning = s->Cpl == 3 && (s->OtherFlags & Eflags.AC) != 0 && (s->Cr0 & Cr0.AM) != 0;
        s->Tlb = watching || aligning ? NeverTlb : s->Cpl == 3 ? UserTlb : SupervisorTlb;
        NoteMode();
    }

    private static DecodeMode Reach(in SegmentCache cache, SegmentRights rights, DecodeMode flat, DecodeMode based) =>
        !cache.IsWide(rights) ? 0 : cache.Base == 0 ? flat : based;

    /// <summary>Derives from EFLAGS, the shadow and DR7 whether the run loop must look. After any change of those.</summary>
    internal void UpdateAttention()
    {
        CpuState* s = State;
        Attention kept = s->Attention & (Attention.Interrupt | Attention.Nmi | Attention.InterruptWindow | Attention.Trace | Attention.Completion | Attention.PostedWrites | Attention.Leave | Attention.StopCondition);
        Attention derived = (s->OtherFlags & Eflags.TF) != 0 ? Attention.SingleStep : 0;
        derived |= (s->OtherFlags & Eflags.RF) != 0 ? Attention.Resume : 0;
        derived |= s->Shadow != InterruptShadow.None ? Attention.Shadow : 0;
        derived |= (s->Dr7 & 0xFF) != 0 ? Attention.Breakpoints : 0;
        derived |= s->Halted != 0 ? Attention.Halted : 0;
        derived |= s->PendingDebug != 0 ? Attention.DebugTrap : 0;
        s->Attention = kept | derived;
    }
}
