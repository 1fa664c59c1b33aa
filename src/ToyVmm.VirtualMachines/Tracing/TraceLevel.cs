namespace ToyVmm.VirtualMachines.Tracing;

/// <summary>How much a trace shows; each level includes those before it.</summary>
public enum TraceLevel
{
    /// <summary>Interrupts and exceptions.</summary>
    Traps,

    /// <summary>And each exit from the engine to the monitor, except for spent budgets.</summary>
    Exits,

    /// <summary>And each instruction, before it is executed.</summary>
    Instructions,
}
