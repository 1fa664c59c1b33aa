using System.Collections.Immutable;
using System.Text;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Paging;

namespace ToyVmm.Engines;

/// <summary>
/// A processor as data: what CPUID answers, and what follows from it - which instructions are #UD, which bits of CR0, CR4 and EFLAGS exist. The
/// models are the rows of <see cref="CpuModels"/>. A model claims what the engines do and nothing else, so two features of a chip are absent in
/// all of them: VME and machine checks.
/// </summary>
public sealed record CpuModel
{
    /// <summary>CPUID's leaf for the VMM.</summary>
    public const uint HypervisorLeaf = 0x4000_0000;

    private const uint FirstExtendedLeaf = 0x8000_0000;
    private const uint LastBrandLeaf = 0x8000_0004;
    private const uint LastExtendedLeaf = 0x8000_0008;
    private const uint LinearAddressBits = 32;
    private const int BrandSize = 48;

    /// <summary>What --cpu calls it.</summary>
    public required string Name { get; init; }

    /// <summary>The processor it stands for, for people.</summary>
    public required string Description { get; init; }

    /// <summary>The instruction set that features come on top of.</summary>
    public required CpuGeneration Generation { get; init; }

    /// <summary>Family, model and stepping: what EDX holds after reset, and leaf 1 returns in EAX.</summary>
    public required uint Signature { get; init; }

    /// <summary>Leaf 1 EDX and ECX: what is there, and nothing that is not. None before CPUID.</summary>
    public CpuFeatures Features { get; init; }

    /// <summary>Leaf 0x80000001 EDX, likewise.</summary>
    public CpuExtendedFeatures ExtendedFeatures { get; init; }

    /// <summary>The last basic leaf; 0 for a processor without CPUID.</summary>
    public uint LastBasicLeaf { get; init; }

    /// <summary>True where leaves 0x80000000 to 0x80000008 exist.</summary>
    public bool HasExtendedLeaves { get; init; }

    /// <summary>The hypercalls that the monitor offers: bits of leaf 0x40000001 EBX.</summary>
    public uint HypercallFeatures { get; init; }

    /// <summary>The guest's number among those of its host: leaf 0x40000002 EAX.</summary>
    public uint GuestNumber { get; init; }

    /// <summary>The most pages of RAM that the guest may ever have: leaf 0x40000002 EBX.</summary>
    public uint MostPages { get; init; }

    /// <summary>True where CPUID exists, and with it EFLAGS.ID.</summary>
    public bool HasCpuid => LastBasicLeaf != 0;

    /// <summary>True where CR4 exists (SDM 3B 22.22).</summary>
    public bool HasCr4 => Generation >= CpuGeneration.Pentium;

    /// <summary>The bits of CR0 that can be set (SDM 3B 22.21): a 386 lacks what the 486 brought.</summary>
    public uint Cr0Bits => Generation == CpuGeneration.I386 ? Cr0.PE | Cr0.MP | Cr0.EM | Cr0.TS | Cr0.PG : Cr0.Writable;

    /// <summary>The bits of CR4 that may be set; any other raises #GP(0). Each follows from a feature (SDM 3A 2.5).</summary>
    public uint Cr4Bits => Cr4.Writable & (
        (Has(CpuFeatures.Tsc) ? Cr4.TSD : 0)
        | (Has(CpuFeatures.De) ? Cr4.DE : 0)
        | (Has(CpuFeatures.Pse) ? Cr4.PSE : 0)
        | (Has(CpuFeatures.Pae) ? Cr4.PAE : 0)
        | (Has(CpuFeatures.Pge) ? Cr4.PGE : 0)
        | (Generation >= CpuGeneration.P6 ? Cr4.PCE : 0)
        | (Has(CpuFeatures.Fxsr) ? Cr4.OSFXSR : 0)
        | (Has(CpuFeatures.Sse) ? Cr4.OSXMMEXCPT : 0));

    /// <summary>The bits of EFLAGS that exist (SDM 3B 22.2): AC came with the 486; VIF, VIP and ID with the Pentium.</summary>
    public uint EflagsBits => Eflags.Defined
        & ~(Generation < CpuGeneration.I486 ? Eflags.AC : 0)
        & ~(Generation < CpuGeneration.Pentium ? Eflags.VIF | Eflags.VIP : 0)
        & ~(HasCpuid ? 0 : Eflags.ID);

    /// <summary>True where every feature given is there.</summary>
    /// <param name="features">The features.</param>
    public bool Has(CpuFeatures features) => (Features & features) == features;

    /// <summary>True where leaf 0x80000001 EDX has all of these.</summary>
    /// <param name="features">What is asked for.</param>
    public bool Has(CpuExtendedFeatures features) => (ExtendedFeatures & features) == features;

    /// <summary>Answers CPUID.</summary>
    /// <param name="leaf">EAX.</param>
    /// <returns>EAX, EBX, ECX, EDX.</returns>
    public (uint Eax, uint Ebx, uint Ecx, uint Edx) Query(uint leaf) => leaf switch
    {
        // "GenuineIntel": software keys the P6 semantics of SYSENTER and of the MSRs to it.
        0 => (LastBasicLeaf, 0x756E_6547, 0x6C65_746E, 0x4965_6E69),

        // EBX: CLFLUSH works on 8 times 8 bytes.
        1 => (Signature, Has(CpuFeatures.Clfsh) ? 8u << 8 : 0, (uint)((ulong)Features >> 32), (uint)Features),

        // Cache and TLB descriptors: none (all-null descriptor bytes, one iteration).
        2 when LastBasicLeaf >= 2 => (1, 0, 0, 0),

        // "ToyVmmToyVmm".
        HypervisorLeaf => (HypervisorLeaf + 2, 0x5679_6F54, 0x6F54_6D6D, 0x6D6D_5679),
        HypervisorLeaf + 1 => (1, HypercallFeatures, 0, 0),
        HypervisorLeaf + 2 => (GuestNumber, MostPages, 0, 0),

        FirstExtendedLeaf when HasExtendedLeaves => (LastExtendedLeaf, 0, 0, 0),
        FirstExtendedLeaf + 1 when HasExtendedLeaves => (0, 0, 0, (uint)ExtendedFeatures),
        >= FirstExtendedLeaf + 2 and <= LastBrandLeaf when HasExtendedLeaves => Brand((int)(leaf - FirstExtendedLeaf - 2)),
        LastExtendedLeaf when HasExtendedLeaves => (PaeWalker.PhysicalAddressBits | (LinearAddressBits << 8), 0, 0, 0),
        > LastBrandLeaf and < LastExtendedLeaf when HasExtendedLeaves => (0, 0, 0, 0),

        // Beyond the last basic leaf Intel answers with the last one.
        _ when leaf < HypervisorLeaf => Query(LastBasicLeaf),
        _ => (0, 0, 0, 0),
    };

    /// <inheritdoc/>
    public override string ToString() => Name;

    // 16 of the brand string's 48 bytes, which end in zeros.
    private (uint Eax, uint Ebx, uint Ecx, uint Edx) Brand(int part)
    {
        Span<byte> text = stackalloc byte[BrandSize];
        text.Clear();
        _ = Encoding.ASCII.TryGetBytes($"ToyVmm {Name} CPU", text[..^1], out _);
        ReadOnlySpan<uint> words = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, uint>(text[(16 * part)..]);
        return (words[0], words[1], words[2], words[3]);
    }
}

/// <summary>The models, one row each. A row repeats what its predecessors have, since real processors did not only add.</summary>
public static class CpuModels
{
    private const CpuFeatures PentiumFeatures =
        CpuFeatures.Fpu | CpuFeatures.De | CpuFeatures.Pse | CpuFeatures.Tsc | CpuFeatures.Msr | CpuFeatures.Cx8 | CpuFeatures.Apic | CpuFeatures.Hypervisor;

    private const CpuFeatures P6Features =
        PentiumFeatures | CpuFeatures.Pae | CpuFeatures.Sep | CpuFeatures.Pge | CpuFeatures.Cmov | CpuFeatures.Mmx | CpuFeatures.Fxsr;

    private const CpuFeatures Sse2Features =
        P6Features | CpuFeatures.Clfsh | CpuFeatures.Sse | CpuFeatures.Sse2;

    private const CpuFeatures MaxFeatures =
        Sse2Features | CpuFeatures.Sse3 | CpuFeatures.Ssse3 | CpuFeatures.Sse41 | CpuFeatures.Sse42 | CpuFeatures.Popcnt;

    /// <summary>An Intel386 DX with a 387: no CPUID, no CR4; its CR0 has neither WP nor AM nor NE.</summary>
    public static CpuModel I386 { get; } = new()
    {
        Name = "386",
        Description = "Intel386 DX with an Intel387",
        Generation = CpuGeneration.I386,
        Signature = 0x308,
    };

    /// <summary>An early Intel486 DX: without CPUID and CR4.</summary>
    public static CpuModel I486 { get; } = new()
    {
        Name = "486",
        Description = "Intel486 DX, as it was before CPUID",
        Generation = CpuGeneration.I486,
        Signature = 0x414,
    };

    /// <summary>A Pentium (P54C), without MMX.</summary>
    public static CpuModel Pentium { get; } = new()
    {
        Name = "pentium",
        Description = "Pentium (P54C, without MMX)",
        Generation = CpuGeneration.Pentium,
        Signature = 0x52C,
        Features = PentiumFeatures,
        LastBasicLeaf = 1,
    };

    /// <summary>A Pentium II (Deschutes).</summary>
    public static CpuModel P6 { get; } = new()
    {
        Name = "p6",
        Description = "Pentium II: CMOV, SYSENTER, MMX, FXSAVE",
        Generation = CpuGeneration.P6,
        Signature = 0x652,
        Features = P6Features,
        LastBasicLeaf = 2,
    };

    /// <summary>A Pentium M (Dothan), the P6 that has SSE2.</summary>
    public static CpuModel Sse2 { get; } = new()
    {
        Name = "sse2",
        Description = "Pentium M: SSE and SSE2",
        Generation = CpuGeneration.P6,
        Signature = 0x6D8,
        Features = Sse2Features,
        ExtendedFeatures = CpuExtendedFeatures.Nx,
        LastBasicLeaf = 2,
        HasExtendedLeaves = true,
    };

    /// <summary>Everything that the engines have, as a Nehalem in 32-bit clothes.</summary>
    public static CpuModel Max { get; } = new()
    {
        Name = "max",
        Description = "everything there is: SSE3 to SSE4.2, POPCNT",
        Generation = CpuGeneration.P6,
        Signature = 0x106A5,
        Features = MaxFeatures,
        ExtendedFeatures = CpuExtendedFeatures.Nx,
        LastBasicLeaf = 2,
        HasExtendedLeaves = true,
    };

    /// <summary>All of them, the oldest first.</summary>
    public static ImmutableArray<CpuModel> All { get; } = [I386, I486, Pentium, P6, Sse2, Max];

    /// <summary>The model that is used when none is asked for.</summary>
    public static CpuModel Default => Max;

    /// <summary>The model of a name.</summary>
    /// <param name="name">As in <see cref="CpuModel.Name"/>.</param>
    /// <returns>Null where there is none.</returns>
    public static CpuModel? Find(string name) => All.FirstOrDefault(model => model.Name == name);
}
