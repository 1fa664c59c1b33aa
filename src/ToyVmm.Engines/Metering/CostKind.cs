namespace ToyVmm.Engines.Metering;

/// <summary>What host time is spent on, exits to the monitor aside: those are known by their <see cref="ExitReason"/>.</summary>
public enum CostKind
{
    /// <summary>Guest code on the host CPU; counts entries into emitted code.</summary>
    GuestCode,

    /// <summary>The interpreter runs blocks of its own accord: cold ones, and those that the translator does not take. Counts blocks.</summary>
    Interpretation,

    /// <summary>Guest code is decoded into a block, for either engine.</summary>
    Decoding,

    /// <summary>A block is translated, and verified where that is asked for. The first one includes finding out what the host CPU does differently.</summary>
    Translation,

    /// <summary>Emitted code left because no jump table entry knew the target.</summary>
    Lookup,

    /// <summary>Emitted code left by a branch that then was patched to go straight to its target.</summary>
    Link,

    /// <summary>Emitted code left for an instruction that the interpreter performs, with what follows it in its block.</summary>
    CallOut,

    /// <summary>Emitted code left for the guest's x87, MMX and SSE registers.</summary>
    FloatingPointLoad,

    /// <summary>Emitted code left because the budget does not suffice for the block.</summary>
    BudgetEnd,

    /// <summary>A host fault in emitted code after which its page was mapped into the view: the shadow lacked it. The guest sees nothing of it.</summary>
    HiddenFault,

    /// <summary>A host fault in emitted code that was the guest's own page fault, up to the first instruction of its handler.</summary>
    TrueFault,

    /// <summary>A host fault in emitted code that was neither: an access to a device, a store to a page that holds code, a division by zero.</summary>
    OtherFault,

    /// <summary>The monitor, from the start of a run to its first instruction.</summary>
    Monitor,

    /// <summary>The guest idles, or is ahead of the host's clock, and the host sleeps.</summary>
    Sleep,
}
