using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.Interrupts;
using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// How an AT reports x87 errors while CR0.NE is clear (SDM 1 D.2): FERR# of the CPU drives IRQ 13, and a write to port F0 takes
/// the request back and asserts IGNNE#, so that the handler can run x87 instructions.
/// </summary>
/// <param name="request">IRQ 13.</param>
/// <param name="ignoreError">Called when IGNNE# is asserted.</param>
public sealed class CoprocessorErrorLatch(IInterruptLine request, Action ignoreError) : IPortDevice, ISavedState
{
    private bool _asserted;

    /// <summary>FERR# as the CPU drives it.</summary>
    public void SetError(bool asserted)
    {
        if (asserted != _asserted)
        {
            _asserted = asserted;
            request.SetLevel(asserted);
        }
    }

    /// <inheritdoc/>
    public uint ReadPort(uint offset, int width) => 0xFF;

    /// <inheritdoc/>
    public void WritePort(uint offset, int width, uint value)
    {
        if (_asserted)
        {
            SetError(false);
            ignoreError();
        }
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state) => state.Value(ref _asserted);
}
