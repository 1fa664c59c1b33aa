namespace ToyVmm.Hardware.Interrupts;

/// <summary>What can be done with a wire beyond setting its level.</summary>
public static class InterruptLineExtensions
{
    /// <summary>
    /// Makes a fresh rising edge: low, then high. The wire stays high, because an 8259A forgets an edge whose line falls before
    /// the acknowledge (8259A data sheet, "Interrupt request register").
    /// </summary>
    /// <param name="line">The wire.</param>
    public static void Pulse(this IInterruptLine line)
    {
        ArgumentNullException.ThrowIfNull(line);
        line.SetLevel(false);
        line.SetLevel(true);
    }
}
