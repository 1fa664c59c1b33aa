using ToyVmm.Engines.Metering;
using ToyVmm.VirtualMachines.Hypercalls;

namespace ToyVmm.VirtualMachines.Advising;

/// <summary>Interventions in words.</summary>
internal static class InterventionText
{
    /// <summary>What a place is left for: "out 0x3f8 (COM1)", "invlpg [ecx]", "hidden fault".</summary>
    public static string Describe(InterventionSite site)
    {
        uint detail = site.Key.Detail;
        return site.Key.Kind switch
        {
            InterventionKind.PortRead => $"in 0x{detail:x}{PortName(detail)}",
            InterventionKind.PortWrite => $"out 0x{detail:x}{PortName(detail)}",
            InterventionKind.DeviceRead => $"load from 0x{detail:x}{DeviceName(detail)}",
            InterventionKind.DeviceWrite => $"store to 0x{detail:x}{DeviceName(detail)}",
            InterventionKind.Hypercall => $"hypercall {(detail < (uint)HypercallCatalog.Calls.Count ? HypercallCatalog.Calls[(int)detail].Name : detail)}",
            InterventionKind.Halt => "hlt",
            InterventionKind.OtherExit => "local APIC moved",
            InterventionKind.HiddenFault => detail != 0 ? "hidden fault" : "hidden fault, paging off",
            InterventionKind.PageFault => "page fault of the guest",
            InterventionKind.OtherFault => "other host fault",
            InterventionKind.Lookup => "look-up",
            InterventionKind.TlbFlush => With(site, "the same table"),
            InterventionKind.FaultedOften => With(site, "faults often"),
            InterventionKind kind => site.Instruction.Length > 0 ? site.Instruction : kind.ToString(),
        };
    }

    private static string With(InterventionSite site, string remark) => site.Instruction.Length > 0 ? $"{site.Instruction} ({remark})" : remark;

    private static string PortName(uint port)
    {
        string name = port switch
        {
            <= 0x0F or (>= 0xC0 and <= 0xDF) => "DMA",
            0x20 or 0x21 => "PIC",
            >= 0x40 and <= 0x43 => "PIT",
            0x60 or 0x64 => "keyboard",
            0x61 => "control B",
            0x70 or 0x71 => "RTC",
            0x80 => "POST",
            >= 0x81 and <= 0x8F => "DMA pages",
            0x92 => "control A",
            0xA0 or 0xA1 => "PIC 2",
            0xE9 => "debug console",
            0xF4 => "debug exit",
            (>= 0x1F0 and <= 0x1F7) or 0x3F6 => "ATA",
            (>= 0x170 and <= 0x177) or 0x376 => "ATA 2",
            >= 0x2E8 and <= 0x2EF => "COM4",
            >= 0x2F8 and <= 0x2FF => "COM2",
            >= 0x3B4 and <= 0x3DA => "VGA",
            >= 0x3E8 and <= 0x3EF => "COM3",
            >= 0x3F8 and <= 0x3FF => "COM1",
            >= 0x600 and <= 0x60B => "ACPI",
            0xCF8 or 0xCF9 or (>= 0xCFA and <= 0xCFF) => "PCI",
            _ => "",
        };
        return name.Length > 0 ? $" ({name})" : "";
    }

    private static string DeviceName(uint address) => address switch
    {
        >= 0xA_0000 and < 0xC_0000 => " (VGA)",
        >= 0xFEC0_0000 and < 0xFEC0_1000 => " (I/O APIC)",
        >= 0xFEE0_0000 and < 0xFEE0_1000 => " (local APIC)",
        _ => "",
    };
}
