using ToyVmm.Hardware;
using ToyVmm.Hardware.Memory;

namespace ToyVmm.Debugging.Traps;

/// <summary>The devices of a board by name, at the ports and addresses where they lie now.</summary>
internal sealed class DeviceNames
{
    private readonly Machine _machine;
    private readonly Dictionary<object, string> _names;

    public DeviceNames(Machine machine)
    {
        _machine = machine;
        _names = new Dictionary<object, string>(ReferenceEqualityComparer.Instance)
        {
            [machine.Pic.Master] = "8259A PIC, master",
            [machine.Pic.Slave] = "8259A PIC, slave",
            [machine.Pit] = "8254 PIT",
            [machine.Rtc] = "MC146818 RTC",
            [machine.KeyboardController] = "8042 keyboard controller",
            [machine.Vga] = "VGA",
            [machine.LocalApic] = "local APIC",
            [machine.IoApic] = "I/O APIC",
            [machine.DebugConsole] = "debug console",
            [machine.CoprocessorError] = "coprocessor error latch",
            [machine.PowerManagement] = "PIIX4 power management",
            [machine.PrimaryAta.CommandBlock] = "ATA channel 1",
            [machine.PrimaryAta.ControlBlock] = "ATA channel 1, control",
            [machine.SecondaryAta.CommandBlock] = "ATA channel 2",
            [machine.SecondaryAta.ControlBlock] = "ATA channel 2, control",
            [machine.Pci.Address] = "PCI configuration address",
            [machine.Pci.Data] = "PCI configuration data",
        };
        for (int n = 0; n < machine.SerialPorts.Count; n++)
        {
            _names[machine.SerialPorts[n]] = $"COM{n + 1}, 16550";
        }
    }

    /// <summary>Who answers at a port.</summary>
    public string AtPort(ulong port) => Name(_machine.Ports.DeviceAt((ushort)port));

    /// <summary>Who answers at a physical address.</summary>
    public string AtAddress(ulong address) => Name(_machine.Mmio.DeviceAt(new GuestPhysicalAddress(address)));

    private string Name(object? device) => device is null ? "nobody" : _names.GetValueOrDefault(device) ?? (device.GetType().Name == "Latch" ? "latch" : device.GetType().Name);
}
