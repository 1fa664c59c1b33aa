namespace ToyVmm.Debugging.Traps;

/// <summary>What kind of trap it is. Where several fit, an event counts before what the instruction is, and that before what its accesses met.</summary>
public enum TrapKind
{
    /// <summary>A privileged instruction, performed for the guest: traps in ring 3 on every x86.</summary>
    PrivilegedInstruction,

    /// <summary>A sensitive instruction that no x86 traps in ring 3: the VMM must find it on its own.</summary>
    SensitiveInstruction,

    /// <summary>IN, OUT, INS or OUTS: a device answers.</summary>
    PortIo,

    /// <summary>A load or store where a device lies in physical memory.</summary>
    Mmio,

    /// <summary>VMCALL: the guest asks the monitor.</summary>
    Hypercall,

    /// <summary>A page fault that the guest's own tables demand: a true fault.</summary>
    PageFault,

    /// <summary>The TLB, and with it the shadow, lacked an entry or a right that the guest's tables give: a hidden fault, which the guest never sees.</summary>
    HiddenFault,

    /// <summary>Any other fault or abort of an instruction.</summary>
    Exception,

    /// <summary>INT n, INT3, INTO or INT1 has entered its handler.</summary>
    SoftwareInterrupt,

    /// <summary>An interrupt controller's.</summary>
    ExternalInterrupt,

    /// <summary>A non-maskable interrupt.</summary>
    Nmi,

    /// <summary>#DB behind an instruction: a single step, a data or I/O breakpoint.</summary>
    DebugTrap,

    /// <summary>HLT: the CPU sleeps.</summary>
    Halt,

    /// <summary>A store to code that the VMM had decoded.</summary>
    SelfModifyingCode,

    /// <summary>A fault that could not be delivered, nor the double fault after it: the CPU is dead until reset.</summary>
    TripleFault,
}

/// <summary>Whose fault a page fault is.</summary>
public enum FaultNature
{
    /// <summary>There was none.</summary>
    None,

    /// <summary>The guest's own tables refuse the access, and the guest is told.</summary>
    True,

    /// <summary>The guest's tables give the access, and only the VMM's copy of them did not: the guest is not told.</summary>
    Hidden,
}
