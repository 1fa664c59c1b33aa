namespace ToyVmm.Hardware.Interrupts;

/// <summary>A wire that a chip drives: an interrupt request, a gate, a reset pin. The driver does not know what is at the other end.</summary>
public interface IInterruptLine
{
    /// <summary>Drives the wire. Driving the level it has already changes nothing.</summary>
    /// <param name="high">True for the asserted level.</param>
    void SetLevel(bool high);
}
