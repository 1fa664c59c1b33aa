using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// PCI configuration mechanism 1 (PCI 2.1, 3.7.4.1): the doubleword at offset 0 (port 0xCF8) selects bus, device, function and
/// register, offsets 4 to 7 are a window on it. Functions that do not exist read as all-ones. Only bus 0 exists.
/// </summary>
public sealed class PciConfigurationPorts : ISavedState
{
    private const uint Enable = 0x8000_0000;

    private readonly Dictionary<int, IPciFunction> _functions = [];
    private uint _address;

    /// <summary>Makes an empty bus.</summary>
    public PciConfigurationPorts()
    {
        Address = new AddressRegister(this);
        Data = new DataWindow(this);
    }

    /// <summary>CONFIG_ADDRESS, one doubleword. Narrower accesses do not reach it: they are other devices' ports.</summary>
    public IPortDevice Address { get; }

    /// <summary>CONFIG_DATA, four bytes that may be accessed by byte, word or doubleword.</summary>
    public IPortDevice Data { get; }

    /// <summary>Puts a function on bus 0.</summary>
    /// <param name="device">0 to 31.</param>
    /// <param name="function">0 to 7.</param>
    /// <param name="configuration">Its configuration space.</param>
    /// <exception cref="ArgumentException">The place is taken, or does not exist.</exception>
    public void Add(int device, int function, IPciFunction configuration)
    {
        if (device is < 0 or > 31 || function is < 0 or > 7 || !_functions.TryAdd((device << 3) | function, configuration))
        {
            throw new ArgumentException($"PCI 00:{device:x2}.{function} is taken, or does not exist");
        }
    }

    /// <summary>RST#: all functions, and the address register.</summary>
    public void Reset()
    {
        _address = 0;
        foreach (IPciFunction function in _functions.Values)
        {
            function.Reset();
        }
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        state.Value(ref _address);
        int count = _functions.Count;
        state.Range(ref count, count, count);
        foreach ((int place, IPciFunction function) in _functions)
        {
            int number = place;
            state.Range(ref number, place, place);
            if (function is ISavedState saved)
            {
                saved.Transfer(state);
            }
        }
    }

    private IPciFunction? Selected()
    {
        bool busZero = (_address & 0x00FF_0000) == 0;
        return (_address & Enable) != 0 && busZero ? _functions.GetValueOrDefault((int)(_address >> 8) & 0xFF) : null;
    }

    private static uint AllOnes(int width) => uint.MaxValue >> (32 - (8 * width));

    private sealed class AddressRegister(PciConfigurationPorts ports) : IPortDevice
    {
        public int MaximumWidth => 4;

        public uint ReadPort(uint offset, int width) => width == 4 ? ports._address : uint.MaxValue;

        public void WritePort(uint offset, int width, uint value)
        {
            if (width == 4)
            {
                ports._address = value & 0x80FF_FFFC;
            }
        }
    }

    private sealed class DataWindow(PciConfigurationPorts ports) : IPortDevice
    {
        public int MaximumWidth => 4;

        public uint ReadPort(uint offset, int width)
        {
            uint register = ports.Selected()?.ReadConfiguration((int)(ports._address & 0xFC)) ?? uint.MaxValue;
            return register >> (8 * (int)(offset & 3)) & AllOnes(width);
        }

        public void WritePort(uint offset, int width, uint value)
        {
            int shift = 8 * (int)(offset & 3);
            ports.Selected()?.WriteConfiguration((int)(ports._address & 0xFC), value << shift, AllOnes(width) << shift);
        }
    }
}
