namespace ToyVmm.Engines.Classification;

/// <summary>The modes of a 32-bit processor in which an instruction can mean something else.</summary>
public enum ExecutionMode
{
    /// <summary>Real mode, 16-bit code.</summary>
    Real,

    /// <summary>Protected mode, ring 0, 32-bit code: Popek and Goldberg's supervisor state.</summary>
    Ring0,

    /// <summary>Protected mode, ring 3, 32-bit code: their user state.</summary>
    Ring3,

    /// <summary>Virtual-8086 mode, 16-bit code: what a monitor has for real-mode code.</summary>
    Virtual8086,
}

/// <summary>What two states of a pair may differ in: the relocation bounds, the mode, and the rest of the system state that a monitor must virtualize.</summary>
[Flags]
public enum SystemAspects
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Where everything lies in linear memory: the bases of all segments and tables, and what is there, move by the same distance.</summary>
    Relocation = 1 << 0,

    /// <summary>Which entries of the descriptor tables the segment registers, LDTR and TR name; the entries are equal.</summary>
    Selectors = 1 << 1,

    /// <summary>The current privilege level, 0 or 3, with what shows it: the selectors in CS and SS.</summary>
    PrivilegeLevel = 1 << 2,

    /// <summary>EFLAGS.IF.</summary>
    InterruptFlag = 1 << 3,

    /// <summary>EFLAGS.IOPL.</summary>
    IoPrivilege = 1 << 4,

    /// <summary>CR0.TS.</summary>
    TaskSwitched = 1 << 5,

    /// <summary>CR0.MP, CR0.EM and CR0.NE.</summary>
    Coprocessor = 1 << 6,

    /// <summary>CR0.WP and CR0.AM.</summary>
    Protection = 1 << 7,

    /// <summary>CR2.</summary>
    FaultAddress = 1 << 8,

    /// <summary>CR3.</summary>
    PageDirectory = 1 << 9,

    /// <summary>CR4: TSD, DE, PSE, PGE, PCE, OSFXSR, OSXMMEXCPT.</summary>
    Cr4 = 1 << 10,

    /// <summary>The time-stamp counter.</summary>
    TimeStamp = 1 << 11,

    /// <summary>The MSRs of SYSENTER.</summary>
    Sysenter = 1 << 12,

    /// <summary>DR0 to DR3 and DR6.</summary>
    Debug = 1 << 13,

    /// <summary>IA32_EFER.</summary>
    Efer = 1 << 14,

    /// <summary>IA32_APIC_BASE.</summary>
    ApicBase = 1 << 15,

    /// <summary>FCS and FDS: the segments that the last x87 instruction used.</summary>
    CoprocessorPointers = 1 << 16,

    /// <summary>The limits of GDTR and IDTR.</summary>
    TableLimits = 1 << 17,
}

/// <summary>The kinds of sensitivity (Popek and Goldberg 1974, section 3).</summary>
[Flags]
public enum Sensitivity
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Control-sensitive: it completes, and has changed the mode, the relocation bounds or another system resource.</summary>
    Control = 1,

    /// <summary>Behaviour-sensitive, location: what it computes depends on where the program lies.</summary>
    Location = 2,

    /// <summary>Behaviour-sensitive, mode: what it computes depends on the privilege level.</summary>
    Mode = 4,

    /// <summary>Behaviour-sensitive, system state: what it computes depends on the rest of the processor's status word, which one register held in their model: interrupt flag, control registers, clock.</summary>
    State = 8,
}
