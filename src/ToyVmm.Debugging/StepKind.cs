namespace ToyVmm.Debugging;

/// <summary>How far a step goes.</summary>
public enum StepKind
{
    /// <summary>One instruction completes, or one interrupt or exception is delivered: then the handler's first instruction is next.</summary>
    Instruction,

    /// <summary>One instruction of this procedure: what it calls, and what interrupts it, runs to its end.</summary>
    Over,

    /// <summary>To the end of this procedure: behind its return.</summary>
    Out,

    /// <summary>To the end of this basic block: behind the next branch, call or return, or an interrupt.</summary>
    Block,

    /// <summary>Behind the next trap: whatever the monitor has a part in.</summary>
    Trap,

    /// <summary>To the handler of the next external interrupt.</summary>
    Interrupt,

    /// <summary>Behind the next change between real, protected and virtual-8086 mode, 16-bit and 32-bit code, paging on and off.</summary>
    ModeSwitch,

    /// <summary>Behind the next load of CR3 with another value.</summary>
    AddressSpaceSwitch,
}
