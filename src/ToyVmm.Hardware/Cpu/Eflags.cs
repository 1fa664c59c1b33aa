namespace ToyVmm.Hardware.Cpu;

/// <summary>The bits of EFLAGS (SDM 1 3.4.3).</summary>
public static class Eflags
{
    /// <summary>Carry.</summary>
    public const uint CF = 1 << 0;

    /// <summary>Bit 1, always one.</summary>
    public const uint Fixed = 1 << 1;

    /// <summary>Parity of the low byte.</summary>
    public const uint PF = 1 << 2;

    /// <summary>Auxiliary carry, out of bit 3.</summary>
    public const uint AF = 1 << 4;

    /// <summary>Zero.</summary>
    public const uint ZF = 1 << 6;

    /// <summary>Sign.</summary>
    public const uint SF = 1 << 7;

    /// <summary>Trap flag: single step.</summary>
    public const uint TF = 1 << 8;

    /// <summary>Interrupt enable.</summary>
    public const uint IF = 1 << 9;

    /// <summary>Direction of string instructions.</summary>
    public const uint DF = 1 << 10;

    /// <summary>Overflow.</summary>
    public const uint OF = 1 << 11;

    /// <summary>I/O privilege level, bits 12-13.</summary>
    public const uint IoplMask = 3 << 12;

    /// <summary>Nested task.</summary>
    public const uint NT = 1 << 14;

    /// <summary>Resume: no instruction breakpoint on the next instruction.</summary>
    public const uint RF = 1 << 16;

    /// <summary>Virtual-8086 mode.</summary>
    public const uint VM = 1 << 17;

    /// <summary>Alignment check.</summary>
    public const uint AC = 1 << 18;

    /// <summary>Virtual interrupt flag (stored; VME is off).</summary>
    public const uint VIF = 1 << 19;

    /// <summary>Virtual interrupt pending (stored; VME is off).</summary>
    public const uint VIP = 1 << 20;

    /// <summary>A program that can toggle it has CPUID.</summary>
    public const uint ID = 1 << 21;

    /// <summary>The six arithmetic flags, kept lazily in <see cref="CpuState"/>.</summary>
    public const uint Arithmetic = CF | PF | AF | ZF | SF | OF;

    /// <summary>The bits that exist on a P6; all others read as their fixed value.</summary>
    public const uint Defined = Arithmetic | TF | IF | DF | IoplMask | NT | RF | VM | AC | VIF | VIP | ID;
}
