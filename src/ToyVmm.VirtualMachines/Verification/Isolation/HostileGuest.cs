using ToyVmm.Hardware.Cpu;

namespace ToyVmm.VirtualMachines.Verification.Isolation;

/// <summary>The modes in which random guests start.</summary>
public enum HostileKind
{
    /// <summary>Uniformly random bytes in real mode.</summary>
    RealBytes,

    /// <summary>Structured noise in real mode.</summary>
    Real,

    /// <summary>Structured noise in flat protected mode, ring 0 or 3, with tables that work.</summary>
    Flat,

    /// <summary>Structured noise over descriptor tables, TSSs and page tables that are damaged at random.</summary>
    Tables,

    /// <summary>Structured noise in virtual-8086 mode.</summary>
    Virtual8086,

    /// <summary>As <see cref="Flat"/>, but segments have bases, and selectors lead from one base to another.</summary>
    Based,
}

/// <summary>A random guest: what is in memory, what is in the registers, and when interrupts come. All of it follows from the seed.</summary>
public sealed class HostileGuest
{
    /// <summary>Makes the guest of a seed.</summary>
    /// <param name="kind">The mode in which it starts.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="attack">What its code does; null for structured noise.</param>
    public HostileGuest(HostileKind kind, ulong seed, IsolationKind? attack = null)
    {
        Kind = kind;
        Seed = seed;
        HostileGuestBuilder builder = new(this, kind, seed, attack);
        builder.Build();
    }

    /// <summary>The mode in which it starts.</summary>
    public HostileKind Kind { get; }

    /// <summary>The seed.</summary>
    public ulong Seed { get; }

    /// <summary>The contents of RAM.</summary>
    public byte[] Memory { get; } = new byte[HostileLayout.MemorySize];

    /// <summary>The registers; the derived fields are left zero.</summary>
    public CpuState State;

    /// <summary>Instruction counts, ascending, at which an external interrupt (0-255) or an NMI (-1) is raised.</summary>
    public List<(ulong At, int Vector)> Interrupts { get; } = [];

    /// <summary>Instructions to run.</summary>
    public ulong Budget { get; set; }

    /// <summary>How to run it again.</summary>
    public override string ToString() => $"{Kind} guest, TOYVMM_SEED=0x{Seed:X} TOYVMM_FUZZ_CASES=0";
}

/// <summary>Where things lie in the 256 KiB of a random guest.</summary>
public static class HostileLayout
{
    /// <summary>Bytes of RAM.</summary>
    public const uint MemorySize = 0x4_0000;

    /// <summary>A page of ROM inside RAM's range.</summary>
    public const uint Rom = 0x3_F000;

    /// <summary>Code that resumes behind an exception; in real mode at segment 0.</summary>
    public const uint Handlers = 0x0600;

    /// <summary>The GDT: 64 descriptors.</summary>
    public const uint Gdt = 0x1000;

    /// <summary>The IDT.</summary>
    public const uint Idt = 0x2000;

    /// <summary>The task-state segments.</summary>
    public const uint Tasks = 0x3000;

    /// <summary>The LDT.</summary>
    public const uint Ldt = 0x3800;

    /// <summary>The page directory; two page tables follow.</summary>
    public const uint PageDirectory = 0x4000;

    /// <summary>The first instruction lies somewhere in this page or the next.</summary>
    public const uint Code = 0x7000;

    /// <summary>Where code ends.</summary>
    public const uint CodeEnd = 0x9000;

    /// <summary>The top of the stacks.</summary>
    public const uint Stack = 0xD000;

    /// <summary>Data.</summary>
    public const uint Data = 0xE000;
}
