namespace ToyVmm.VirtualMachines.FirmwareTables;

/// <summary>How interrupts are wired on the board, as the DSDT, the MADT and the MP table must tell alike.</summary>
internal static class BoardWiring
{
    /// <summary>The identifier of the local APIC.</summary>
    public const byte LocalApicId = 0;

    /// <summary>The identifier of the I/O APIC: those of a P6's APIC bus are all different.</summary>
    public const byte IoApicId = 1;

    /// <summary>The pin of the I/O APIC at which the timer, ISA IRQ0, arrives.</summary>
    public const byte TimerPin = 2;

    /// <summary>The interrupt of ACPI's power management.</summary>
    public const byte SystemControlInterrupt = 9;

    /// <summary>Device numbers on a PCI bus.</summary>
    public const int PciSlots = 32;

    /// <summary>Flags of a level-triggered, active-high interrupt, in the MADT (ACPI 5.2.12.5) and in the MP table (MP 1.4 4.3.4).</summary>
    public const ushort LevelActiveHigh = 0x000D;

    /// <summary>The ISA interrupts that PCI devices use; level-triggered.</summary>
    public static bool IsPciInterrupt(int irq) => irq is 10 or 11;

    /// <summary>Where PCI INTA#-INTD# (pin 0-3) of a slot arrive: a slot's pins alternate, and so does the first pin from slot to slot.</summary>
    public static byte PciInterrupt(int slot, int pin) => (byte)(10 + ((slot + pin) & 1));
}
