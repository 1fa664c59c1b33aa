namespace ToyVmm.Engines.Classification;

/// <summary>One state of a pair, up to what <see cref="TrialWorld"/> derives from the seed: what the program itself holds is the same for all states of a seed.</summary>
/// <param name="Mode">The mode.</param>
/// <param name="Seed">What the program's registers and memory are made from.</param>
/// <param name="Changed">What differs from the first state of the pair; none for that one.</param>
/// <param name="Guards">What stands in the way of user code.</param>
internal readonly record struct TrialSetup(ExecutionMode Mode, ulong Seed, SystemAspects Changed, Guards Guards)
{
    /// <summary>True for 32-bit code.</summary>
    public bool Is32 => Mode is ExecutionMode.Ring0 or ExecutionMode.Ring3;

    /// <summary>The privilege level.</summary>
    public uint Cpl => Mode switch
    {
        ExecutionMode.Ring0 => Flip(SystemAspects.PrivilegeLevel) ? 3u : 0,
        ExecutionMode.Ring3 => Flip(SystemAspects.PrivilegeLevel) ? 0u : 3,
        ExecutionMode.Virtual8086 => 3,
        _ => 0,
    };

    /// <summary>Linear address of the world. A multiple of 16, so that real mode can be there, below 1 MiB.</summary>
    public uint Base => Flip(SystemAspects.Relocation) ? 0x5_0000u : 0x2_0000;

    /// <summary>Where in the descriptor table the entries in use begin.</summary>
    public int FirstSlot => Flip(SystemAspects.Selectors) ? TrialWorld.SecondSet : 0;

    /// <summary>True where an aspect has its second value.</summary>
    public bool Flip(SystemAspects aspect) => (Changed & aspect) != 0;
}

/// <summary>The switches by which a system decides whether user code may execute some instructions (SDM 3A 2.3, 2.5, 5.5). Closed where not named.</summary>
[Flags]
public enum Guards
{
    /// <summary>Everything is closed, as a monitor would have it: IOPL 0, CR4.TSD set, CR4.PCE clear, no I/O permission bitmap.</summary>
    None = 0,

    /// <summary>EFLAGS.IOPL is 3.</summary>
    Iopl = 1,

    /// <summary>CR4.TSD is clear.</summary>
    TimeStampDisable = 2,

    /// <summary>CR4.PCE is set.</summary>
    PerformanceCounters = 4,

    /// <summary>All of them.</summary>
    All = Iopl | TimeStampDisable | PerformanceCounters,
}
