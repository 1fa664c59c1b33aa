using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// The programming face of an 8237A DMA controller: addresses, counts, the byte flip-flop, mode, mask and status, after the Intel
/// data sheet. No device of this board asks for DMA, so nothing is ever transferred; firmware sets the chip up and reads it back.
/// </summary>
/// <param name="addressShift">1 where the board wires the chip to even ports only, as the AT does with the second controller.</param>
public sealed class Dma8237(int addressShift = 0) : IPortDevice, ISavedState
{
    private readonly ushort[] _base = new ushort[8];    // address and count of each channel, as written
    private readonly byte[] _modes = new byte[4];
    private bool _highByte;                             // the first/last flip-flop
    private byte _requests;
    private byte _mask = 0x0F;

    /// <summary>The mode register of a channel (write-only to the guest).</summary>
    /// <param name="channel">0 to 3.</param>
    public byte Mode(int channel) => _modes[channel];

    /// <summary>The RESET pin, and the Master Clear command: all channels masked, flip-flop cleared.</summary>
    public void Reset()
    {
        _highByte = false;
        _requests = 0;
        _mask = 0x0F;
    }

    /// <inheritdoc/>
    public uint ReadPort(uint offset, int width)
    {
        offset >>= addressShift;
        switch (offset & 15)
        {
            case < 8:
                bool high = _highByte;
                _highByte = !high;
                return (byte)(_base[offset & 7] >> (high ? 8 : 0));
            case 8:
                return (uint)_requests << 4; // status: requests above, terminal counts (none) below
            case 15:
                return (uint)(_mask | 0xF0);
            default: // 13 is the temporary register of memory-to-memory transfers: zero
                return 0;
        }
    }

    /// <inheritdoc/>
    public void WritePort(uint offset, int width, uint value)
    {
        byte data = (byte)value;
        byte channelBit = (byte)(1 << (data & 3));
        offset >>= addressShift;
        switch (offset & 15)
        {
            case < 8:
                ref ushort register = ref _base[offset & 7];
                register = _highByte ? (ushort)((register & 0x00FF) | (data << 8)) : (ushort)((register & 0xFF00) | data);
                _highByte = !_highByte;
                break;
            case 9:
                _requests = (byte)((data & 4) != 0 ? _requests | channelBit : _requests & ~channelBit);
                break;
            case 10:
                _mask = (byte)((data & 4) != 0 ? _mask | channelBit : _mask & ~channelBit);
                break;
            case 11:
                _modes[data & 3] = data;
                break;
            case 12:
                _highByte = false;
                break;
            case 13:
                Reset();
                break;
            case 14:
                _mask = 0;
                break;
            case 15:
                _mask = (byte)(data & 0x0F);
                break;
            default: // 8, the command register, steers transfers only
                break;
        }
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        state.Values(_base);
        state.Bytes(_modes);
        state.Value(ref _highByte);
        state.Value(ref _requests);
        state.Value(ref _mask);
    }
}
