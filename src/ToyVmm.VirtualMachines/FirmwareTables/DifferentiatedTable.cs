using ToyVmm.Hardware;
using ToyVmm.Hardware.Interrupts;
using static ToyVmm.VirtualMachines.FirmwareTables.AmlEncoder;

namespace ToyVmm.VirtualMachines.FirmwareTables;

/// <summary>
/// The body of the DSDT: the sleep state S5, the PCI root bridge with its windows and interrupt wires, and the ISA devices that
/// cannot be found by probing.
/// </summary>
internal static class DifferentiatedTable
{
    /// <summary>The AML terms of a machine.</summary>
    public static byte[] Build(MachineConfig config) =>
    [
        // SLP_TYP of PM1a and PM1b control; the last two elements are reserved (ACPI 7.4.2).
        .. Name("\\_S5", Package(Integer(0), Integer(0), Integer(0), Integer(0))),
        .. Scope("\\_SB", Processor(), Device("PCI0", [.. RootBridge(config), .. IsaDevices(config)])),
    ];

    // ACPI 8.4: a processor is a device whose _UID is its number in the MADT.
    private static byte[] Processor() => Device("CPU0", Name("_HID", Text("ACPI0007")), Name("_UID", Integer(0)));

    private static byte[][] RootBridge(MachineConfig config) =>
    [
        Name("_HID", EisaId("PNP0A03")),
        Name("_UID", Integer(0)),
        Name("_CRS", ResourceTemplate.Of(
            ResourceTemplate.BusNumbers(0xFF),
            ResourceTemplate.Ports(0xCF8, 8),
            ResourceTemplate.Window(ResourceTemplate.AddressSpace.Ports, 0x0000, 0x0CF7),
            ResourceTemplate.Window(ResourceTemplate.AddressSpace.Ports, 0x0D00, 0xFFFF),
            ResourceTemplate.Window(ResourceTemplate.AddressSpace.Memory, 0xA_0000, 0xB_FFFF),
            ResourceTemplate.Window(ResourceTemplate.AddressSpace.Memory, config.MemorySize, IoApic.DefaultAddress - 1))),
        Name("_PRT", Package([.. Enumerable.Range(0, BoardWiring.PciSlots * 4).Select(index => Route(index / 4, index % 4))])),
    ];

    // ACPI 6.2.13: address (slot, any function), pin, source 0 = wired to a fixed global system interrupt, its number.
    private static byte[] Route(int slot, int pin) => Package(
        Integer(((uint)slot << 16) | 0xFFFF), Integer((uint)pin), Integer(0), Integer(BoardWiring.PciInterrupt(slot, pin)));

    private static IEnumerable<byte[]> IsaDevices(MachineConfig config)
    {
        yield return IsaDevice("PIC", "PNP0000", ResourceTemplate.Ports(0x20, 2), ResourceTemplate.Ports(0xA0, 2), ResourceTemplate.Ports(0x4D0, 2), ResourceTemplate.Irq(2));
        yield return IsaDevice("TIMR", "PNP0100", ResourceTemplate.Ports(0x40, 4), ResourceTemplate.Irq(0));
        yield return IsaDevice("DMAC", "PNP0200", ResourceTemplate.Ports(0x00, 16), ResourceTemplate.Ports(0x81, 15), ResourceTemplate.Ports(0xC0, 32), ResourceTemplate.Dma(4));
        yield return IsaDevice("SPKR", "PNP0800", ResourceTemplate.Ports(0x61, 1));
        yield return IsaDevice("RTC", "PNP0B00", ResourceTemplate.Ports(0x70, 2), ResourceTemplate.Irq(8));
        yield return IsaDevice("KBD", "PNP0303", ResourceTemplate.Ports(0x60, 1), ResourceTemplate.Ports(0x64, 1), ResourceTemplate.Irq(1));

        // What belongs to the board and to no device: power management, as PNP0C02 "motherboard resources".
        yield return IsaDevice("MBRD", "PNP0C02", ResourceTemplate.Ports(AcpiTables.PowerManagementPorts, 12), ResourceTemplate.Ports(0x92, 1));

        ushort[] ports = [0x3F8, 0x2F8, 0x3E8, 0x2E8];
        for (int index = 0; index < config.SerialPorts; index++)
        {
            yield return Device($"COM{index + 1}",
                Name("_HID", EisaId("PNP0501")),
                Name("_UID", Integer((uint)index + 1)),
                Name("_CRS", ResourceTemplate.Of(ResourceTemplate.Ports(ports[index], 8), ResourceTemplate.Irq(index % 2 == 0 ? 4 : 3))));
        }
    }

    private static byte[] IsaDevice(string name, string id, params byte[][] resources) =>
        Device(name, Name("_HID", EisaId(id)), Name("_CRS", ResourceTemplate.Of(resources)));
}
