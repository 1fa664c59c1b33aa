namespace ToyVmm.Engines;

/// <summary>The instruction sets that came with a processor generation and have no bit in CPUID.</summary>
public enum CpuGeneration
{
    /// <summary>The 386's, and the 387's.</summary>
    I386,

    /// <summary>BSWAP, CMPXCHG, XADD, INVD, WBINVD, INVLPG; CR0.WP, AM, NE, NW and CD; EFLAGS.AC.</summary>
    I486,

    /// <summary>CR4; EFLAGS.VIF and VIP.</summary>
    Pentium,

    /// <summary>RDPMC, the NOPs 0F 0D and 0F 18 to 0F 1F, and the P6's model-specific registers.</summary>
    P6,
}

/// <summary>CPUID leaf 1 (SDM 2A, CPUID): EDX in bits 0-31, ECX in bits 32-63.</summary>
[Flags]
public enum CpuFeatures : ulong
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>x87 on chip.</summary>
    Fpu = 1ul << 0,

    /// <summary>Debugging extensions.</summary>
    De = 1ul << 2,

    /// <summary>4 MiB pages.</summary>
    Pse = 1ul << 3,

    /// <summary>RDTSC.</summary>
    Tsc = 1ul << 4,

    /// <summary>RDMSR and WRMSR.</summary>
    Msr = 1ul << 5,

    /// <summary>Physical-address extension.</summary>
    Pae = 1ul << 6,

    /// <summary>CMPXCHG8B.</summary>
    Cx8 = 1ul << 8,

    /// <summary>A local APIC.</summary>
    Apic = 1ul << 9,

    /// <summary>SYSENTER and SYSEXIT.</summary>
    Sep = 1ul << 11,

    /// <summary>Global pages.</summary>
    Pge = 1ul << 13,

    /// <summary>CMOVcc, FCMOVcc and FCOMI.</summary>
    Cmov = 1ul << 15,

    /// <summary>CLFLUSH.</summary>
    Clfsh = 1ul << 19,

    /// <summary>MMX.</summary>
    Mmx = 1ul << 23,

    /// <summary>FXSAVE and FXRSTOR, CR4.OSFXSR.</summary>
    Fxsr = 1ul << 24,

    /// <summary>SSE.</summary>
    Sse = 1ul << 25,

    /// <summary>SSE2.</summary>
    Sse2 = 1ul << 26,

    /// <summary>SSE3. MONITOR and MWAIT have a bit of their own, which no model sets.</summary>
    Sse3 = 1ul << 32,

    /// <summary>SSSE3.</summary>
    Ssse3 = 1ul << 41,

    /// <summary>SSE4.1.</summary>
    Sse41 = 1ul << 51,

    /// <summary>SSE4.2.</summary>
    Sse42 = 1ul << 52,

    /// <summary>POPCNT.</summary>
    Popcnt = 1ul << 55,

    /// <summary>Not a processor but a VMM: leaf 0x40000000 exists.</summary>
    Hypervisor = 1ul << 63,
}

/// <summary>CPUID leaf 0x80000001 EDX.</summary>
[Flags]
public enum CpuExtendedFeatures : uint
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>IA32_EFER.NXE: pages without the right to execute.</summary>
    Nx = 1 << 20,
}
