using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>Byte-wide registers that only hold what is written, such as the DMA page registers of the AT.</summary>
/// <param name="count">How many there are.</param>
public sealed class RegisterFile(int count) : IPortDevice, ISavedState
{
    private readonly byte[] _registers = new byte[count];

    /// <summary>All registers to zero.</summary>
    public void Reset() => Array.Clear(_registers);

    /// <inheritdoc/>
    public uint ReadPort(uint offset, int width) => offset < _registers.Length ? _registers[offset] : 0xFFu;

    /// <inheritdoc/>
    public void WritePort(uint offset, int width, uint value)
    {
        if (offset < _registers.Length)
        {
            _registers[offset] = (byte)value;
        }
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state) => state.Bytes(_registers);
}
