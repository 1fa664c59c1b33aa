namespace ToyVmm.Hardware.Cpu;

/// <summary>The bits of CR0 (SDM 3A 2.5).</summary>
public static class Cr0
{
    /// <summary>Protection enable.</summary>
    public const uint PE = 1u << 0;

    /// <summary>Monitor coprocessor: WAIT obeys TS.</summary>
    public const uint MP = 1u << 1;

    /// <summary>Emulation: floating-point instructions raise #NM.</summary>
    public const uint EM = 1u << 2;

    /// <summary>Task switched.</summary>
    public const uint TS = 1u << 3;

    /// <summary>Extension type; reads as one.</summary>
    public const uint ET = 1u << 4;

    /// <summary>Numeric error reporting through #MF.</summary>
    public const uint NE = 1u << 5;

    /// <summary>Write protect: the supervisor honours read-only pages.</summary>
    public const uint WP = 1u << 16;

    /// <summary>Alignment mask: with EFLAGS.AC and CPL 3, #AC.</summary>
    public const uint AM = 1u << 18;

    /// <summary>Not write-through (stored only).</summary>
    public const uint NW = 1u << 29;

    /// <summary>Cache disable (stored only).</summary>
    public const uint CD = 1u << 30;

    /// <summary>Paging.</summary>
    public const uint PG = 1u << 31;

    /// <summary>The bits whose change, where it leaves PAE paging on, loads the PDPTEs (SDM 3A 4.4.1; CR4's are <see cref="Cr4.Paging"/>).</summary>
    public const uint LoadsPointers = CD | NW | PG;

    /// <summary>The bits that can be written; the others read as zero (ET: as one).</summary>
    public const uint Writable = PE | MP | EM | TS | NE | WP | AM | NW | CD | PG;
}

/// <summary>The bits of CR4 (SDM 3A 2.5) that this machine has.</summary>
public static class Cr4
{
    /// <summary>Time-stamp disable: RDTSC is privileged.</summary>
    public const uint TSD = 1u << 2;

    /// <summary>Debugging extensions: I/O breakpoints; DR4 and DR5 raise #UD.</summary>
    public const uint DE = 1u << 3;

    /// <summary>Page-size extension: 4 MiB pages.</summary>
    public const uint PSE = 1u << 4;

    /// <summary>Physical-address extension: three levels of 64-bit entries, 2 MiB pages.</summary>
    public const uint PAE = 1u << 5;

    /// <summary>Global pages.</summary>
    public const uint PGE = 1u << 7;

    /// <summary>Performance counters may be read by any ring.</summary>
    public const uint PCE = 1u << 8;

    /// <summary>The operating system saves the SSE state: SSE instructions are not #UD.</summary>
    public const uint OSFXSR = 1u << 9;

    /// <summary>The operating system handles #XM: an unmasked SSE exception is not #UD.</summary>
    public const uint OSXMMEXCPT = 1u << 10;

    /// <summary>The bits that may be set; any other raises #GP(0).</summary>
    public const uint Writable = TSD | DE | PSE | PAE | PGE | PCE | OSFXSR | OSXMMEXCPT;

    /// <summary>The bits whose change flushes the TLB, global entries included (SDM 3A 4.10.4.1).</summary>
    public const uint Paging = PSE | PAE | PGE;
}

/// <summary>The bits of IA32_EFER (MSR C0000080, SDM 3A 2.2.1) that this machine has.</summary>
public static class Efer
{
    /// <summary>No-execute enable: bit 63 of a PAE entry forbids instruction fetches; while it is clear that bit is reserved.</summary>
    public const uint NXE = 1u << 11;

    /// <summary>The bits that may be set. The others belong to long mode: on a CPU without it they are reserved, and WRMSR raises #GP(0).</summary>
    public const uint Writable = NXE;
}
