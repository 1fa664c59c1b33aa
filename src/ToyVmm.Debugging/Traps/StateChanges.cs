using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Debugging.Traps;

/// <summary>Two states of a CPU, compared register by register.</summary>
internal static unsafe class StateChanges
{
    private static readonly string[] s_general = ["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"];
    private static readonly string[] s_segments = ["ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR"];

    private static readonly (uint Bit, string Name)[] s_flags =
    [
        (Eflags.CF, "CF"), (Eflags.PF, "PF"), (Eflags.AF, "AF"), (Eflags.ZF, "ZF"), (Eflags.SF, "SF"), (Eflags.TF, "TF"), (Eflags.IF, "IF"), (Eflags.DF, "DF"),
        (Eflags.OF, "OF"), (Eflags.NT, "NT"), (Eflags.RF, "RF"), (Eflags.VM, "VM"), (Eflags.AC, "AC"), (Eflags.VIF, "VIF"), (Eflags.VIP, "VIP"), (Eflags.ID, "ID"),
    ];

    /// <summary>The differences, in a fixed order.</summary>
    public static ImmutableArray<StateChange> Between(CpuState before, CpuState after)
    {
        ImmutableArray<StateChange>.Builder changes = ImmutableArray.CreateBuilder<StateChange>();
        for (int n = 0; n < s_general.Length; n++)
        {
            Add(changes, s_general[n], (&before.Eax)[n], (&after.Eax)[n]);
        }

        Add(changes, "EIP", before.Eip, after.Eip);
        uint oldFlags = LazyFlags.GetEflags(&before);
        uint newFlags = LazyFlags.GetEflags(&after);
        Add(changes, "EFLAGS", oldFlags, newFlags, note: Flags(oldFlags, newFlags));
        Add(changes, "CPL", before.Cpl, after.Cpl, 1, after.Cpl < before.Cpl ? "to an inner ring" : "to an outer ring");
        for (int n = 0; n < s_segments.Length; n++)
        {
            Compare(changes, s_segments[n], (&before.Es)[n], (&after.Es)[n]);
        }

        Add(changes, "GDTR.base", before.GdtBase, after.GdtBase);
        Add(changes, "GDTR.limit", before.GdtLimit, after.GdtLimit, 4);
        Add(changes, "IDTR.base", before.IdtBase, after.IdtBase);
        Add(changes, "IDTR.limit", before.IdtLimit, after.IdtLimit, 4);
        Add(changes, "CR0", before.Cr0, after.Cr0);
        Add(changes, "CR2", before.Cr2, after.Cr2);
        Add(changes, "CR3", before.Cr3, after.Cr3);
        Add(changes, "CR4", before.Cr4, after.Cr4);
        for (int n = 0; n < 4; n++)
        {
            Add(changes, $"PDPTE{n}", before.PageDirectoryPointers[n], after.PageDirectoryPointers[n], 16);
        }

        for (int n = 0; n < 4; n++)
        {
            Add(changes, $"DR{n}", before.BreakpointAddresses[n], after.BreakpointAddresses[n]);
        }

        Add(changes, "DR6", before.Dr6, after.Dr6);
        Add(changes, "DR7", before.Dr7, after.Dr7);
        Add(changes, "SYSENTER_CS", before.SysenterCs, after.SysenterCs);
        Add(changes, "SYSENTER_ESP", before.SysenterEsp, after.SysenterEsp);
        Add(changes, "SYSENTER_EIP", before.SysenterEip, after.SysenterEip);
        Add(changes, "EFER", before.Efer, after.Efer);
        Add(changes, "TSC offset", before.TscOffset, after.TscOffset, 16);
        Add(changes, "interrupt shadow", (uint)before.Shadow, (uint)after.Shadow, 1, after.Shadow == InterruptShadow.None ? "over" : "covers the next instruction");
        Add(changes, "halted", before.Halted, after.Halted, 1);
        Add(changes, "NMI blocked", before.NmiBlocked, after.NmiBlocked, 1);
        return changes.ToImmutable();
    }

    private static void Compare(ImmutableArray<StateChange>.Builder changes, string name, in SegmentCache before, in SegmentCache after)
    {
        Add(changes, name, before.Selector, after.Selector, 4);
        Add(changes, name + ".base", before.Base, after.Base);
        Add(changes, name + ".limit", before.Limit, after.Limit);
        Add(changes, name + ".access", before.Access, after.Access, 4);
    }

    private static void Add(ImmutableArray<StateChange>.Builder changes, string name, ulong before, ulong after, int digits = 8, string? note = null)
    {
        if (before != after)
        {
            changes.Add(new StateChange(name, Hex(before, digits), Hex(after, digits), note));
        }
    }

    private static string Hex(ulong value, int digits) => value.ToString("x" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    private static string Flags(uint before, uint after)
    {
        StringBuilder text = new();
        foreach ((uint bit, string name) in s_flags)
        {
            if (((before ^ after) & bit) != 0)
            {
                _ = text.Append(text.Length > 0 ? " " : "").Append((after & bit) != 0 ? '+' : '-').Append(name);
            }
        }

        if (((before ^ after) & Eflags.IoplMask) != 0)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"{(text.Length > 0 ? " " : "")}IOPL={(after & Eflags.IoplMask) >> 12}");
        }

        return text.ToString();
    }
}
