using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>HLT, CPUID, VMCALL, the caches and the TLB, SYSENTER and SYSEXIT.</summary>
internal static unsafe class SystemInstructions
{
    // The access bits of the fixed descriptors of SYSENTER and SYSEXIT (SDM 2B): flat, 4 GiB, 32-bit, accessed; DPL is added.
    private const uint FlatCodeAccess = 0xC09B;
    private const uint FlatDataAccess = 0xC093;

    /// <summary>HLT: completes, and the CPU sleeps until an interrupt.</summary>
    public static nint Halt(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!Privilege.IsRingZero(s, cpu))
        {
            return Flow.StopHere(i, cpu);
        }

        return Sleep(s, i, cpu, i->NextEip);
    }

    /// <summary>Ends an instruction with the CPU asleep until an interrupt, which will return to <paramref name="eip"/>.</summary>
    public static nint Sleep(CpuState* s, DecodedInstruction* i, Interpreter cpu, uint eip)
    {
        // What is deliverable at once wakes the CPU at once: the single-step trap of this very instruction, and what a shadow held off until now.
        bool wakes = cpu.HasStepTrap || s->PendingDebug != 0
            || ((s->Attention & Attention.Nmi) != 0 && s->NmiBlocked == 0)
            || ((s->Attention & Attention.Interrupt) != 0 && (s->OtherFlags & Eflags.IF) != 0);
        if (wakes)
        {
            s->Eip = eip;
            return Flow.Lookup;
        }

        s->Halted = 1;
        s->Attention |= Attention.Halted;
        cpu.RequestedExit = new VmExit(ExitReason.Halt);
        return Flow.LeaveTo(s, i, cpu, eip);
    }

    /// <summary>CPUID.</summary>
    public static nint Identify(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        const uint ApicGlobalEnable = 1 << 11;
        bool isFeatureLeaf = s->Eax == 1;
        (s->Eax, s->Ebx, s->Ecx, s->Edx) = cpu.Vcpu.Model.Query(s->Eax);

        // An APIC that IA32_APIC_BASE switched off looks as if there were none (SDM 3A 11.4.3).
        if (isFeatureLeaf && (cpu.Vcpu.ApicBase & ApicGlobalEnable) == 0)
        {
            s->Edx &= ~(uint)CpuFeatures.Apic;
        }

        return Flow.EndBlock(s, i);
    }

    /// <summary>VMCALL: a hypercall from ring 0; elsewhere there is no such instruction.</summary>
    public static nint Hypercall(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (s->Cpl != 0)
        {
            return Flow.Raise(i, cpu, Vector.InvalidOpcode);
        }

        return cpu.Hypercall(i->NextEip) ? Flow.EndBlock(s, i) : Flow.LeaveAfter(s, i, cpu);
    }

    /// <summary>INVD and WBINVD: there is no cache to speak of.</summary>
    public static nint InvalidateCaches(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        Privilege.IsRingZero(s, cpu) ? Flow.EndBlock(s, i) : Flow.StopHere(i, cpu);

    /// <summary>INVLPG: the operand is an address only; no limit is checked (SDM 2A, INVLPG).</summary>
    public static nint InvalidatePage(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!Privilege.IsRingZero(s, cpu))
        {
            return Flow.StopHere(i, cpu);
        }

        cpu.InvalidatePage(cpu.Segment(i->Segment)->Base + Segmented.Effective(s, i));
        return Flow.EndBlock(s, i);
    }

    /// <summary>SYSENTER.</summary>
    public static nint Enter(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (cpu.IsReal || (s->SysenterCs & 0xFFFC) == 0)
        {
            _ = cpu.Raise(Vector.GeneralProtection, 0, "SYSENTER in real mode, or with a null IA32_SYSENTER_CS");
            return Flow.StopHere(i, cpu);
        }

        s->OtherFlags &= ~(Eflags.VM | Eflags.IF | Eflags.RF);
        LoadFlat(cpu, (ushort)(s->SysenterCs & 0xFFFC), 0);
        s->Esp = s->SysenterEsp;
        s->Eip = s->SysenterEip;
        cpu.UpdateAttentionAfterFlags();
        return Flow.Lookup;
    }

    /// <summary>SYSEXIT.</summary>
    public static nint Exit(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (cpu.IsReal || s->Cpl != 0 || (s->SysenterCs & 0xFFFC) == 0)
        {
            _ = cpu.Raise(Vector.GeneralProtection, 0, "SYSEXIT outside ring 0 of protected mode, or with a null IA32_SYSENTER_CS");
            return Flow.StopHere(i, cpu);
        }

        LoadFlat(cpu, (ushort)((s->SysenterCs + 16) | 3), 3);
        s->Esp = s->Ecx;
        s->Eip = s->Edx;
        return Flow.Lookup;
    }

    private static void LoadFlat(Interpreter cpu, ushort code, uint cpl) =>
        cpu.LoadFlat(code, (ushort)(FlatCodeAccess | (cpl << 5)), (ushort)(code + 8), (ushort)(FlatDataAccess | (cpl << 5)));
}
