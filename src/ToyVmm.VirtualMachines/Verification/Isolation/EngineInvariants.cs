using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.VirtualMachines.Verification.Isolation;

/// <summary>What holds of a CPU's state between runs, whatever the guest did.</summary>
public static unsafe class EngineInvariants
{
    /// <summary>Checks them all; the derived fields are compared with what the engine derives anew.</summary>
    /// <returns>Null, or which does not hold.</returns>
    public static string? Violation(Vcpu vcpu)
    {
        CpuState* s = vcpu.State;
        (DecodeMode mode, Attention attention, nint tlb) = (s->Mode, s->Attention, (nint)s->Tlb);
        vcpu.NotifyStateChanged();
        if (s->Mode != mode)
        {
            return $"Mode was {mode}, the state makes it {s->Mode}";
        }

        if (s->Attention != attention)
        {
            return $"Attention was {attention}, the state makes it {s->Attention}";
        }

        if ((nint)s->Tlb != tlb)
        {
            return "the TLB in use is not the one that the state asks for";
        }

        // A CPU that shut down in the middle of a task switch has only part of the new task's registers.
        return Registers(s) ?? (vcpu.Autopsy is null ? Segments(s) : null);
    }

    private static string? Registers(CpuState* s)
    {
        bool isProtected = (s->Cr0 & Cr0.PE) != 0;
        bool isVirtual = (s->OtherFlags & Eflags.VM) != 0;
        uint flags = s->OtherFlags;
        return s switch
        {
            _ when s->Zero != 0 => $"the Zero register holds {s->Zero:X8}",
            _ when (flags & (Eflags.Arithmetic | Eflags.Fixed)) != Eflags.Fixed => $"OtherFlags is {flags:X8}",
            _ when (flags & ~(Eflags.Defined | Eflags.Fixed)) != 0 => $"reserved bits in EFLAGS: {flags:X8}",
            _ when (s->Cr0 & ~Cr0.Writable) != Cr0.ET => $"CR0 is {s->Cr0:X8}",
            _ when (s->Cr0 & (Cr0.PE | Cr0.PG)) == Cr0.PG => "paging without protection",
            _ when (s->Cr4 & ~Cr4.Writable) != 0 => $"CR4 is {s->Cr4:X8}",
            _ when (s->Efer & ~Efer.Writable) != 0 => $"EFER is {s->Efer:X8}",
            _ when ReservedPointer(s) => "a reserved bit in a PDPTE register that is present",
            _ when !isProtected && s->Cpl != 0 => $"CPL {s->Cpl} in real mode",
            _ when !isProtected && isVirtual => "EFLAGS.VM in real mode",
            _ when isVirtual && s->Cpl != 3 => $"CPL {s->Cpl} in virtual-8086 mode",
            _ when s->Cpl > 3 => $"CPL {s->Cpl}",
            _ when (s->Dr6 & 0xFFFF_1FF0) != 0xFFFF_0FF0 => $"reserved bits in DR6: {s->Dr6:X8}",
            _ when (s->Dr7 & 0xDC00) != 0x400 => $"reserved bits in DR7: {s->Dr7:X8}",
            _ when s->GdtLimit > 0xFFFF || s->IdtLimit > 0xFFFF => "a table limit above 64 KiB",
            _ when (uint)s->Shadow > 2 => $"shadow {s->Shadow}",
            _ => null,
        };
    }

    // Bits 1-2, 5-8 and 36-63: with one of them set the load is a #GP and loads nothing (SDM 3A table 4-8).
    private static bool ReservedPointer(CpuState* s)
    {
        bool reserved = false;
        for (int n = 0; n < 4; n++)
        {
            ulong pointer = s->PageDirectoryPointers[n];
            reserved |= (pointer & 1) != 0 && (pointer & 0xFFFF_FFF0_0000_01E6) != 0;
        }

        return reserved;
    }

    private static string? Segments(CpuState* s)
    {
        bool isVirtual = (s->OtherFlags & Eflags.VM) != 0;
        bool isProtected = (s->Cr0 & Cr0.PE) != 0 && !isVirtual;
        for (SegmentCache* segment = &s->Es; segment <= &s->Gs; segment++)
        {
            string name = $"segment register {segment - &s->Es}";
            if (isVirtual && (segment->Base != (uint)segment->Selector << 4 || segment->Limit != 0xFFFF || segment->Dpl != 3))
            {
                return $"{name} in virtual-8086 mode: {segment->Selector:X4} base {segment->Base:X8} limit {segment->Limit:X} access {segment->Access:X4}";
            }

            SegmentCache fresh = *segment;
            fresh.Refresh();
            bool isNull = segment->Rights == SegmentRights.None && segment->Lowest > segment->Highest;
            bool isReal = segment->Rights == SegmentRights.All;
            if (!isNull && (segment->Lowest != fresh.Lowest || segment->Highest != fresh.Highest || (segment->Rights != fresh.Rights && !isReal)))
            {
                return $"{name}: {segment->Lowest:X}-{segment->Highest:X} {segment->Rights}, its descriptor makes it {fresh.Lowest:X}-{fresh.Highest:X} {fresh.Rights}";
            }
        }

        // SDM 3A 5.5: the CPL is the DPL of the stack segment.
        return isProtected && s->Ss.Rights != SegmentRights.None && s->Ss.Dpl != s->Cpl
            ? $"CPL {s->Cpl} over a stack segment with DPL {s->Ss.Dpl}"
            : null;
    }
}
