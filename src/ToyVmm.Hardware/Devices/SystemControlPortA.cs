using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// System control port A of the PS/2 and later: bit 0 resets the CPU when it rises, bit 1 is the "fast" A20 gate. The other bits are stored.
/// </summary>
/// <param name="a20">The gate, shared with the keyboard controller: whoever wrote last decides, and both read the same.</param>
/// <param name="reset">The reset line.</param>
public sealed class SystemControlPortA(A20Gate a20, Action reset) : IPortDevice, ISavedState
{
    private const uint FastReset = 1;
    private const uint FastA20 = 2;
    private uint _value;

    /// <summary>Clears the stored bits.</summary>
    public void Reset() => _value = 0;

    /// <inheritdoc/>
    public uint ReadPort(uint offset, int width) => (_value & ~FastA20) | (a20.Enabled ? FastA20 : 0);

    /// <inheritdoc/>
    public void WritePort(uint offset, int width, uint value)
    {
        bool resets = (value & ~_value & FastReset) != 0;
        _value = value & 0xFF;
        a20.Set((value & FastA20) != 0);
        if (resets)
        {
            reset();
        }
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state) => state.Value(ref _value);
}
