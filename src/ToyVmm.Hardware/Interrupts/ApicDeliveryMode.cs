namespace ToyVmm.Hardware.Interrupts;

/// <summary>What an APIC message asks of the processor: bits 10-8 of ICR, LVT and redirection entries (SDM 3A 11.6.1).</summary>
public enum ApicDeliveryMode
{
    /// <summary>The interrupt of the vector.</summary>
    Fixed = 0,

    /// <summary>The same, for the processor of lowest priority among those addressed.</summary>
    LowestPriority = 1,

    /// <summary>A system-management interrupt.</summary>
    SystemManagement = 2,

    /// <summary>A non-maskable interrupt.</summary>
    Nmi = 4,

    /// <summary>INIT.</summary>
    Initialize = 5,

    /// <summary>STARTUP, in the ICR only.</summary>
    Startup = 6,

    /// <summary>An interrupt whose vector the 8259A gives.</summary>
    External = 7,
}
