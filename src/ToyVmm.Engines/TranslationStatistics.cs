namespace ToyVmm.Engines;

/// <summary>What the translator did so far. Counts are exact and the same from run to run; the time is not.</summary>
public sealed class TranslationStatistics
{
    /// <summary>Instructions that the host CPU executed in emitted code.</summary>
    public ulong HostInstructions { get; internal set; }

    /// <summary>Blocks translated, again ones included.</summary>
    public ulong BlocksTranslated { get; internal set; }

    /// <summary>Of them, those that the verifier was asked about (<see cref="TranslatorOptions.Verify"/>) and accepted.</summary>
    public ulong BlocksVerified { get; internal set; }

    /// <summary>Guest instructions in them.</summary>
    public ulong InstructionsTranslated { get; internal set; }

    /// <summary>Host time that translating them took, the verifier not counted.</summary>
    public TimeSpan TranslationTime { get; internal set; }

    /// <summary>Times that the code cache was full, and everything was dropped.</summary>
    public ulong CacheFlushes { get; internal set; }

    /// <summary>Times that emitted code was entered.</summary>
    public ulong Entries { get; internal set; }

    /// <summary>Exits to look up a block.</summary>
    public ulong Lookups { get; internal set; }

    /// <summary>Exits whose branch then was patched to go straight to its target.</summary>
    public ulong Links { get; internal set; }

    /// <summary>Exits for an instruction that the interpreter performs.</summary>
    public ulong CallOuts { get; internal set; }

    /// <summary>Exits because a block uses x87, MMX or SSE registers and the host did not hold the guest's.</summary>
    public ulong FloatingPointLoads { get; internal set; }

    /// <summary>Ends of the budget.</summary>
    public ulong BudgetEnds { get; internal set; }

    /// <summary>Host faults in emitted code, budget ends not counted.</summary>
    public ulong HostFaults { get; internal set; }

    /// <summary>Of them, those after which the page was mapped into the view: the shadow lacked it (hidden faults).</summary>
    public ulong HiddenFaults { get; internal set; }

    /// <summary>Of them, those that were the guest's own page faults.</summary>
    public ulong TrueFaults { get; internal set; }

    /// <summary>Blocks translated again because an instruction faulted too often, or has long not needed a page.</summary>
    public ulong Adaptations { get; internal set; }

    /// <summary>Pages mapped into views, those around the one that faulted included.</summary>
    public ulong PagesMapped { get; internal set; }

    /// <summary>Loads of CR3 that entered an address space whose entries were compared with its tables rather than forgotten.</summary>
    public ulong Revalidations { get; internal set; }

    /// <summary>Views that were emptied to make room: for another address space, or because the host's mappings were used up.</summary>
    public ulong ViewEvictions { get; internal set; }

    /// <summary>Hot blocks that stay with the interpreter because they are 16-bit code, or their stack is.</summary>
    public ulong NarrowBlocks { get; internal set; }

    /// <summary>Hot blocks that stay with the interpreter because CS, DS, ES or SS has less than 4 GiB, or lacks a right.</summary>
    public ulong SegmentedBlocks { get; internal set; }

    /// <summary>Blocks translated for segments of which one has a base: it is added wherever the segment is used.</summary>
    public ulong BasedBlocks { get; internal set; }

    /// <summary>Blocks translated of which nothing runs on the host: their first instruction is the interpreter's.</summary>
    public ulong SensitiveBlocks { get; internal set; }
}
