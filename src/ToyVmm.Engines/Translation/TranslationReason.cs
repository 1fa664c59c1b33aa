namespace ToyVmm.Engines.Translation;

/// <summary>Why emitted code is not what the guest wrote. The emitter says so where it emits; several can hold at once.</summary>
[Flags]
internal enum TranslationReason
{
    /// <summary>As the guest wrote it.</summary>
    None = 0,

    /// <summary>Not the guest's: the count.</summary>
    Counts = 1 << 0,

    /// <summary>Not the guest's: the end of the budget.</summary>
    BudgetEnd = 1 << 1,

    /// <summary>Not the guest's: x87 and SSE registers.</summary>
    RegisterFile = 1 << 2,

    /// <summary>Its memory operand has a GS prefix and a 32-bit address.</summary>
    InView = 1 << 3,

    /// <summary>It names ESP.</summary>
    StackPointer = 1 << 4,

    /// <summary>Its encoding means something else in 64-bit code, or nothing.</summary>
    Encoding = 1 << 5,

    /// <summary>A REP prefix that means nothing there.</summary>
    IdlePrefix = 1 << 6,

    /// <summary>A NOP's operand.</summary>
    IdleOperand = 1 << 7,

    /// <summary>A 16-bit address.</summary>
    NarrowAddress = 1 << 8,

    /// <summary>AH, CH, DH or BH together with a REX prefix.</summary>
    HighByte = 1 << 9,

    /// <summary>A segment with a base.</summary>
    SegmentBase = 1 << 10,

    /// <summary>PUSH, POP, CALL, RET, LEAVE: the host's stack is not the guest's.</summary>
    Stack = 1 << 11,

    /// <summary>A branch within the page.</summary>
    Linked = 1 << 12,

    /// <summary>A branch that is looked up each time.</summary>
    JumpTable = 1 << 13,

    /// <summary>What a branch leads to until it is linked.</summary>
    WayOut = 1 << 14,

    /// <summary>JECXZ and LOOP.</summary>
    ShortBranch = 1 << 15,

    /// <summary>RDTSC.</summary>
    TimeStamp = 1 << 16,

    /// <summary>PUSHF, POPF, CLI, STI.</summary>
    Flags = 1 << 17,

    /// <summary>Control and segment registers.</summary>
    State = 1 << 18,

    /// <summary>FLDCW.</summary>
    ControlWord = 1 << 19,

    /// <summary>A string instruction through the view.</summary>
    StringInView = 1 << 20,

    /// <summary>A way out to the interpreter, which some cases take.</summary>
    InterpretersCase = 1 << 21,
}
