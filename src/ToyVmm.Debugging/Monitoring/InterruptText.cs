using System.Globalization;
using System.Text;
using ToyVmm.Hardware;
using ToyVmm.Hardware.Devices;
using ToyVmm.Hardware.Interrupts;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Monitoring;

/// <summary>The interrupt controllers and timers for people. Registers whose read would change something are not read.</summary>
internal static class InterruptText
{
    // Registers of SDM 3A table 11-1 that tell how the APIC is set up; none has a side effect.
    private static readonly (string Name, uint Offset)[] s_apicRegisters =
    [
        ("ID", 0x20), ("version", 0x30), ("TPR", 0x80), ("PPR", 0xA0), ("LDR", 0xD0), ("DFR", 0xE0), ("SVR", 0xF0), ("ESR", 0x280), ("ICR low", 0x300), ("ICR high", 0x310),
        ("LVT timer", 0x320), ("LVT counter", 0x340), ("LVT LINT0", 0x350), ("LVT LINT1", 0x360), ("LVT error", 0x370), ("timer initial", 0x380), ("timer current", 0x390), ("timer divide", 0x3E0),
    ];

    public static string Pic(Machine machine)
    {
        StringBuilder text = new();
        foreach ((string name, Pic8259 chip) in ((string, Pic8259)[])[("master", machine.Pic.Master), ("slave", machine.Pic.Slave)])
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"{name,-7} vectors from {chip.VectorBase:x2}, IRR={chip.Requests:x2} ISR={chip.InService:x2} IMR={chip.Mask:x2} ELCR={chip.EdgeLevelControl:x2}\n");
        }

        return text.Append(machine.Pic.Output ? "INTR is asserted" : "INTR is not asserted").ToString();
    }

    public static string Pit(Machine machine)
    {
        StringBuilder text = new();
        for (int n = 0; n < 3; n++)
        {
            PitCounterState counter = machine.Pit.State(n);
            string rate = counter is { Mode: 2 or 3, Reload: > 0 } ? string.Create(CultureInfo.InvariantCulture, $", {(double)Pit8254.Frequency / counter.Reload:0.##} Hz") : "";
            _ = text.Append(CultureInfo.InvariantCulture, $"counter {n}: mode {counter.Mode}, count {counter.Count} of {counter.Reload}{rate}, gate {Level(counter.Gate)}, out {Level(counter.Output)}\n");
        }

        return text.ToString().TrimEnd('\n');
    }

    public static string Apic(Machine machine)
    {
        LocalApic apic = machine.LocalApic;
        StringBuilder text = new();
        _ = text.Append(CultureInfo.InvariantCulture, $"local APIC: {(!apic.Present ? "switched off by IA32_APIC_BASE" : apic.IsEnabled ? "enabled" : "disabled by software (SVR)")}\n");
        foreach ((string name, uint offset) in s_apicRegisters)
        {
            _ = text.Append(CultureInfo.InvariantCulture, $"  {name,-14} {apic.Read(offset, 4):x8}\n");
        }

        foreach ((string name, uint first) in ((string, uint)[])[("in service", 0x100), ("requested", 0x200)])
        {
            IEnumerable<string> vectors = Enumerable.Range(0, 256).Where(vector => ((apic.Read(first + (0x10 * ((uint)vector / 32)), 4) >> (vector % 32)) & 1) != 0).Select(vector => $"{vector:x2}");
            _ = text.Append(CultureInfo.InvariantCulture, $"  {name,-14} {(string.Join(' ', vectors) is { Length: > 0 } list ? list : "none")}\n");
        }

        _ = text.Append("I/O APIC:\n");
        for (int pin = 0; pin < IoApic.PinCount; pin++)
        {
            ulong entry = machine.IoApic.Entry(pin);
            if ((entry & 0x1_0000) == 0)
            {
                // 82093AA 3.2.4: destination 63-56, mask 16, trigger 15, polarity 13, destination mode 11, delivery mode 10-8, vector 7-0.
                _ = text.Append(CultureInfo.InvariantCulture, $"  pin {pin,2}: vector {entry & 0xFF:x2}, {Delivery(entry)}, {((entry & 0x8000) != 0 ? "level" : "edge")}, active {((entry & 0x2000) != 0 ? "low" : "high")}, to {((entry & 0x800) != 0 ? "logical " : "")}{entry >> 56:x2}\n");
            }
        }

        return text.Append("  all other pins are masked").ToString();
    }

    private static string Delivery(ulong entry) => ((entry >> 8) & 7) switch
    {
        0 => "fixed",
        1 => "lowest priority",
        2 => "SMI",
        4 => "NMI",
        5 => "INIT",
        7 => "ExtINT",
        ulong other => $"reserved {other}",
    };

    private static string Level(bool high) => high ? "high" : "low";
}
