using System.Globalization;
using System.Text;
using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Monitoring;

/// <summary>The CPU's registers for people, in the layout of QEMU's "info registers".</summary>
internal static unsafe class RegisterText
{
    private static readonly string[] s_segments = ["ES", "CS", "SS", "DS", "FS", "GS", "LDT", "TR"];

    public static string Describe(Vcpu vcpu)
    {
        CpuState* s = vcpu.State;
        StringBuilder text = new();
        uint eflags = LazyFlags.GetEflags(s);
        Line(text, $"EAX={s->Eax:x8} EBX={s->Ebx:x8} ECX={s->Ecx:x8} EDX={s->Edx:x8}");
        Line(text, $"ESI={s->Esi:x8} EDI={s->Edi:x8} EBP={s->Ebp:x8} ESP={s->Esp:x8}");
        Line(text, $"EIP={s->Eip:x8} EFL={eflags:x8} [{Flags(eflags)}] CPL={s->Cpl} {Mode(s, eflags)}{(s->Halted != 0 ? " HALTED" : "")}");
        for (int n = 0; n < s_segments.Length; n++)
        {
            SegmentCache* segment = &s->Es + n;
            Line(text, $"{s_segments[n],-3}={segment->Selector:x4} {segment->Base:x8} {segment->Limit:x8} {segment->Access:x4}");
        }

        Line(text, $"GDT=     {s->GdtBase:x8} {s->GdtLimit:x8}");
        Line(text, $"IDT=     {s->IdtBase:x8} {s->IdtLimit:x8}");
        Line(text, $"CR0={s->Cr0:x8} CR2={s->Cr2:x8} CR3={s->Cr3:x8} CR4={s->Cr4:x8}");
        Line(text, $"DR0={s->BreakpointAddresses[0]:x8} DR1={s->BreakpointAddresses[1]:x8} DR2={s->BreakpointAddresses[2]:x8} DR3={s->BreakpointAddresses[3]:x8}");
        Line(text, $"DR6={s->Dr6:x8} DR7={s->Dr7:x8}");
        Line(text, $"FCW={s->FpuControl:x4} FSW={s->FpuStatus:x4} FTW={s->FpuTags:x2} MXCSR={s->Mxcsr:x8}");
        int top = (s->FpuStatus >> 11) & 7;
        for (int n = 0; n < 8; n++)
        {
            int physical = (top + n) & 7;
            Line(text, $"ST{n}={s->FpuRegisters[(2 * physical) + 1] & 0xFFFF:x4} {s->FpuRegisters[2 * physical]:x16}{(n % 2 == 0 ? " " : "\n")}", end: "");
        }

        for (int n = 0; n < 8; n++)
        {
            Line(text, $"XMM{n}={s->XmmRegisters[(2 * n) + 1]:x16}{s->XmmRegisters[2 * n]:x16}{(n % 2 == 0 ? " " : "\n")}", end: "");
        }

        return text.ToString().TrimEnd('\n');
    }

    private static string Flags(uint eflags)
    {
        ReadOnlySpan<(uint Bit, char Name)> names =
        [
            (Eflags.DF, 'D'), (Eflags.OF, 'O'), (Eflags.SF, 'S'), (Eflags.ZF, 'Z'), (Eflags.AF, 'A'), (Eflags.PF, 'P'), (Eflags.CF, 'C'), (Eflags.IF, 'I'), (Eflags.TF, 'T'),
        ];
        StringBuilder text = new();
        foreach ((uint bit, char name) in names)
        {
            _ = text.Append((eflags & bit) != 0 ? name : '-');
        }

        return text.ToString();
    }

    private static string Mode(CpuState* s, uint eflags) =>
        (s->Cr0 & Cr0.PE) == 0 ? "real mode"
        : (eflags & Eflags.VM) != 0 ? "virtual-8086 mode"
        : s->Cs.Big ? "32-bit protected mode" : "16-bit protected mode";

    private static void Line(StringBuilder text, FormattableString line, string end = "\n") =>
        text.Append(line.ToString(CultureInfo.InvariantCulture)).Append(end);
}
