using ToyVmm.Hardware.Paging;

namespace ToyVmm.Engines;

/// <summary>What CPUID answers: data, so that other models are other tables.</summary>
public sealed class CpuModel
{
    /// <summary>The last basic leaf.</summary>
    private const uint LastBasicLeaf = 2;

    /// <summary>The first extended leaf, and the last.</summary>
    private const uint ExtendedLeaf = 0x8000_0000;
    private const uint LastExtendedLeaf = ExtendedLeaf + 8;

    /// <summary>Leaf 80000001 EDX: an execute-disable bit in PAE entries.</summary>
    private const uint NoExecute = 1 << 20;

    /// <summary>CPUID's leaf for the VMM.</summary>
    public const uint HypervisorLeaf = 0x4000_0000;

    /// <summary>A P6 with MMX, SSE and SSE2.</summary>
    public static CpuModel Default { get; } = new();

    /// <summary>Family 6, model 13, stepping 8 (a Pentium M: the P6 that has SSE2): what EDX holds after reset and CPUID leaf 1 returns in EAX.</summary>
    public uint Signature => 0x6D8;

    /// <summary>Leaf 1 EDX: what is there, and nothing that is not.</summary>
    public CpuFeatures Features => CpuFeatures.Fpu | CpuFeatures.De | CpuFeatures.Pse | CpuFeatures.Tsc | CpuFeatures.Msr
        | CpuFeatures.Pae | CpuFeatures.Cx8 | CpuFeatures.Apic | CpuFeatures.Sep | CpuFeatures.Pge | CpuFeatures.Cmov | CpuFeatures.Clfsh | CpuFeatures.Mmx
        | CpuFeatures.Fxsr | CpuFeatures.Sse | CpuFeatures.Sse2;

    /// <summary>The hypercalls that the monitor offers: bits of leaf 0x40000001 EBX.</summary>
    public uint HypercallFeatures { get; init; }

    /// <summary>Answers CPUID.</summary>
    /// <param name="leaf">EAX.</param>
    /// <returns>EAX, EBX, ECX, EDX.</returns>
    public (uint Eax, uint Ebx, uint Ecx, uint Edx) Query(uint leaf) => leaf switch
    {
        // "GenuineIntel": software keys the P6 semantics of SYSENTER and of the MSRs to it.
        0 => (LastBasicLeaf, 0x756E_6547, 0x6C65_746E, 0x4965_6E69),

        // EBX: CLFLUSH works on 8 times 8 bytes.
        1 => (Signature, 8u << 8, 1u << 31, (uint)Features),

        // Cache and TLB descriptors: none (all-null descriptor bytes, one iteration).
        2 => (1, 0, 0, 0),

        // "ToyVmmToyVmm".
        HypervisorLeaf => (HypervisorLeaf + 1, 0x5679_6F54, 0x6F54_6D6D, 0x6D6D_5679),
        HypervisorLeaf + 1 => (1, HypercallFeatures, 0, 0),

        // The extended leaves: NX, and the widths of physical and linear addresses. There is no brand string.
        ExtendedLeaf => (LastExtendedLeaf, 0, 0, 0),
        ExtendedLeaf + 1 => (0, 0, 0, NoExecute),
        LastExtendedLeaf => (PaeWalker.PhysicalAddressBits | (32 << 8), 0, 0, 0),

        // Beyond the last basic leaf Intel answers with the last one.
        _ when leaf < HypervisorLeaf => Query(LastBasicLeaf),
        _ => (0, 0, 0, 0),
    };
}

/// <summary>CPUID leaf 1 EDX (SDM 2A, CPUID).</summary>
[Flags]
public enum CpuFeatures : uint
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>x87 on chip.</summary>
    Fpu = 1 << 0,

    /// <summary>Debugging extensions.</summary>
    De = 1 << 2,

    /// <summary>4 MiB pages.</summary>
    Pse = 1 << 3,

    /// <summary>RDTSC.</summary>
    Tsc = 1 << 4,

    /// <summary>RDMSR and WRMSR.</summary>
    Msr = 1 << 5,

    /// <summary>PAE paging, 2 MiB pages.</summary>
    Pae = 1 << 6,

    /// <summary>CMPXCHG8B.</summary>
    Cx8 = 1 << 8,

    /// <summary>A local APIC.</summary>
    Apic = 1 << 9,

    /// <summary>SYSENTER and SYSEXIT.</summary>
    Sep = 1 << 11,

    /// <summary>Global pages.</summary>
    Pge = 1 << 13,

    /// <summary>CMOVcc.</summary>
    Cmov = 1 << 15,

    /// <summary>CLFLUSH.</summary>
    Clfsh = 1 << 19,

    /// <summary>MMX.</summary>
    Mmx = 1 << 23,

    /// <summary>FXSAVE and FXRSTOR, CR4.OSFXSR.</summary>
    Fxsr = 1 << 24,

    /// <summary>SSE.</summary>
    Sse = 1 << 25,

    /// <summary>SSE2.</summary>
    Sse2 = 1 << 26,
}
