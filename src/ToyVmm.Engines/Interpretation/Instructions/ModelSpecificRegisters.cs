using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Probing;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>
/// RDTSC, RDPMC, RDMSR, WRMSR, and the registers of a P6 that software touches without asking CPUID (SDM 4, table 2-20). A Pentium has counters
/// of its own instead (SDM 4, table 2-21).
/// </summary>
internal static unsafe class ModelSpecificRegisters
{
    private const uint TimeStampCounter = 0x10;
    private const uint PentiumEventSelect = 0x11;
    private const uint PentiumCounter0 = 0x12;
    private const uint PentiumCounter1 = 0x13;
    private const uint PlatformId = 0x17;
    private const uint ApicBase = 0x1B;
    private const uint PowerOnConfiguration = 0x2A;
    private const uint MicrocodeRevision = 0x8B;
    private const uint Counter0 = 0xC1;
    private const uint Counter1 = 0xC2;
    private const uint SysenterCs = 0x174;
    private const uint SysenterEsp = 0x175;
    private const uint SysenterEip = 0x176;
    private const uint EventSelect0 = 0x186;
    private const uint EventSelect1 = 0x187;
    private const uint MiscellaneousEnable = 0x1A0;
    private const uint DebugControl = 0x1D9;
    private const uint ExtendedFeatures = 0xC000_0080;

    // IA32_APIC_BASE: what is not the address (32 bits), bit 11 (enabled) and bit 8 (bootstrap processor) is reserved.
    private const ulong ApicBaseBits = 0xFFFF_F900;

    // IA32_MISC_ENABLE (SDM 4, table 2-2), which came with SSE2's processors: fast strings are on; no branch-trace store, no PEBS;
    // bit 34, which would take NX away, is clear. Nothing can be changed.
    private const ulong MiscellaneousBits = 0x1801;

    /// <summary>RDTSC: privileged when CR4.TSD is set.</summary>
    public static nint ReadTimeStamp(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if ((s->Cr4 & Cr4.TSD) != 0 && s->Cpl != 0)
        {
            return Flow.Raise(i, cpu, Vector.GeneralProtection);
        }

        Answer(s, TimeStamp(s, cpu));
        return Flow.EndBlock(s, i);
    }

    /// <summary>RDPMC: privileged unless CR4.PCE is set. The two counters of a P6 exist and do not count.</summary>
    public static nint ReadCounter(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (((s->Cr4 & Cr4.PCE) == 0 && s->Cpl != 0) || s->Ecx > 1)
        {
            return Flow.Raise(i, cpu, Vector.GeneralProtection);
        }

        Answer(s, 0);
        return Flow.EndBlock(s, i);
    }

    /// <summary>RDMSR.</summary>
    public static nint Read(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!Privilege.IsRingZero(s, cpu))
        {
            return Flow.StopHere(i, cpu);
        }

        CpuModel model = cpu.Vcpu.Model;
        bool isP6 = model.Generation >= CpuGeneration.P6;
        bool hasSysenter = model.Has(CpuFeatures.Sep);
        ulong value;
        switch (s->Ecx)
        {
            case TimeStampCounter: value = TimeStamp(s, cpu); break;
            case ApicBase when isP6: value = cpu.Vcpu.ApicBase; break;
            case SysenterCs when hasSysenter: value = s->SysenterCs; break;
            case SysenterEsp when hasSysenter: value = s->SysenterEsp; break;
            case SysenterEip when hasSysenter: value = s->SysenterEip; break;
            case PlatformId or PowerOnConfiguration or MicrocodeRevision or DebugControl when isP6: value = 0; break;
            case Counter0 or Counter1 or EventSelect0 or EventSelect1 when isP6: value = 0; break;
            case ExtendedFeatures when model.Has(CpuExtendedFeatures.Nx): value = s->Efer; break;
            case MiscellaneousEnable when model.Has(CpuFeatures.Sse2): value = MiscellaneousBits; break;
            case PentiumEventSelect or PentiumCounter0 or PentiumCounter1 when !isP6: value = 0; break;
            default: return Unknown(i, cpu);
        }

        Answer(s, value);
        return Flow.EndBlock(s, i);
    }

    /// <summary>WRMSR.</summary>
    public static nint Write(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!Privilege.IsRingZero(s, cpu))
        {
            return Flow.StopHere(i, cpu);
        }

        CpuModel model = cpu.Vcpu.Model;
        bool isP6 = model.Generation >= CpuGeneration.P6;
        bool hasSysenter = model.Has(CpuFeatures.Sep);
        ulong value = ((ulong)s->Edx << 32) | s->Eax;
        switch (s->Ecx)
        {
            // A P6 writes the low half and clears the high one (SDM 3B 17.17.3).
            case TimeStampCounter: s->TscOffset = s->Eax - cpu.RetiredAtBlockEnd; break;
            case SysenterCs when hasSysenter: s->SysenterCs = (uint)value; break;
            case SysenterEsp when hasSysenter: s->SysenterEsp = (uint)value; break;
            case SysenterEip when hasSysenter: s->SysenterEip = (uint)value; break;

            // What a page's entries mean changes with NXE, so nothing that was cached under the old meaning may live on.
            case ExtendedFeatures when model.Has(CpuExtendedFeatures.Nx) && (value & ~(ulong)Efer.Writable) == 0:
                bool toggles = s->Efer != (uint)value;
                s->Efer = (uint)value;
                if (toggles)
                {
                    cpu.Vcpu.Mmu.Tlb.FlushAll();
                    cpu.FlushTlbProjection();
                    cpu.Tell(new MicroStep(MicroStepKind.TlbFlushed, Text: "EFER.NXE changed"));
                }

                break;

            // Software clears the revision before CPUID fills it in; counters that do not count swallow what is written.
            case MicrocodeRevision or Counter0 or Counter1 or EventSelect0 or EventSelect1 when isP6: break;
            case MiscellaneousEnable when model.Has(CpuFeatures.Sse2) && value == MiscellaneousBits: break;
            case PentiumEventSelect or PentiumCounter0 or PentiumCounter1 when !isP6: break;
            case ApicBase when isP6 && (value & ~ApicBaseBits) == 0:
                cpu.Vcpu.ApicBase = value;
                cpu.NoteModelSpecificRegister(ApicBase, value);
                cpu.RequestedExit = new VmExit(ExitReason.ApicBaseWritten);
                return Flow.LeaveAfter(s, i, cpu);
            case DebugControl when isP6 && value == 0: break;
            default: return Unknown(i, cpu);
        }

        cpu.NoteModelSpecificRegister(s->Ecx, value);
        return Flow.EndBlock(s, i);
    }

    private static ulong TimeStamp(CpuState* s, Interpreter cpu) => cpu.RetiredAtBlockEnd + s->TscOffset;

    private static void Answer(CpuState* s, ulong value)
    {
        s->Eax = (uint)value;
        s->Edx = (uint)(value >> 32);
    }

    private static nint Unknown(DecodedInstruction* i, Interpreter cpu)
    {
        _ = cpu.Raise(Vector.GeneralProtection, 0, "a model-specific register that this CPU lacks, or a value it does not take");
        return Flow.StopHere(i, cpu);
    }
}
