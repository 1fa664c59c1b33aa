using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Interrupts;

/// <summary>
/// The non-maskable interrupt on its way to the CPU: sources raise it, CMOS index port bit 7 masks it, the CPU takes it once. A
/// request that arrives while the mask is set waits for the mask to fall, as the AT's NMI latch does.
/// </summary>
public sealed class NmiGate : ISavedState
{
    private bool _raised;

    /// <summary>True while port 0x70 bit 7 holds NMIs back.</summary>
    public bool Masked { get; set; }

    /// <summary>True when an NMI waits and nothing holds it back.</summary>
    public bool Pending => _raised && !Masked;

    /// <summary>A source (memory parity, I/O check, a watchdog, the user) asks for an NMI.</summary>
    public void Raise() => _raised = true;

    /// <summary>The CPU takes the NMI.</summary>
    /// <returns>False when none was pending.</returns>
    public bool Take()
    {
        bool taken = Pending;
        if (taken)
        {
            _raised = false;
        }

        return taken;
    }

    /// <summary>Power-on: nothing waits, nothing masks.</summary>
    public void Reset()
    {
        _raised = false;
        Masked = false;
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        state.Value(ref _raised);
        Masked = state.Pass(Masked);
    }
}
