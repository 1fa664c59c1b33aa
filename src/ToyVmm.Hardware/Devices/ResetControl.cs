using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// The chipset's reset control register (82371SB data sheet, 2.6.5): bit 1 chooses hard or soft, a rise of bit 2 resets.
/// </summary>
/// <param name="reset">The reset line.</param>
public sealed class ResetControl(Action reset) : IPortDevice, ISavedState
{
    private const uint ResetCpu = 4;
    private uint _value;

    /// <summary>Clears the register.</summary>
    public void Reset() => _value = 0;

    /// <inheritdoc/>
    public uint ReadPort(uint offset, int width) => _value;

    /// <inheritdoc/>
    public void WritePort(uint offset, int width, uint value)
    {
        bool rises = (value & ~_value & ResetCpu) != 0;
        _value = value & 0x06;
        if (rises)
        {
            reset();
        }
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state) => state.Value(ref _value);
}
