using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines.Loading;

namespace ToyVmm.VirtualMachines;

/// <summary>Puts a CPU into the state in which a loader wants its image entered.</summary>
internal static unsafe class EntryPoint
{
    private const uint FlatCodeHigh = 0x00CF_9B00;
    private const uint FlatDataHigh = 0x00CF_9300;
    private const uint FlatLow = 0x0000_FFFF;

    public static void Apply(EntryState entry, Vcpu vcpu)
    {
        if (entry.BootThroughBios)
        {
            return;
        }

        CpuState* s = vcpu.State;
        (s->Eax, s->Ebx, s->Ecx, s->Edx) = (entry.Eax, entry.Ebx, entry.Ecx, entry.Edx);
        (s->Esi, s->Edi, s->Ebp, s->Esp) = (entry.Esi, entry.Edi, entry.Ebp, entry.Esp);
        s->Eip = entry.Eip;
        s->OtherFlags = (entry.Eflags & ~Eflags.Arithmetic & Eflags.Defined) | Eflags.Fixed;
        LazyFlags.Set(s, entry.Eflags);
        if (entry.ProtectedModeSegments is { } segments)
        {
            s->Cr0 |= Cr0.PE;
            s->GdtBase = segments.GdtBase;
            s->GdtLimit = segments.GdtLimit;
            for (SegmentCache* segment = &s->Es; segment <= &s->Gs; segment++)
            {
                segment->LoadDescriptor(segments.DataSelector, FlatLow, FlatDataHigh);
            }

            s->Cs.LoadDescriptor(segments.CodeSelector, FlatLow, FlatCodeHigh);
        }
        else if (entry.RealModeSegments is { } real)
        {
            s->Cs.LoadReal(real.Cs);
            s->Ss.LoadReal(real.Ss);
            s->Ds.LoadReal(real.Data);
            s->Es.LoadReal(real.Data);
            s->Fs.LoadReal(real.Data);
            s->Gs.LoadReal(real.Data);
        }

        vcpu.NotifyStateChanged();
    }
}
