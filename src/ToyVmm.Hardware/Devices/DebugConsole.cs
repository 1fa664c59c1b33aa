using ToyVmm.Hardware.Buses;

namespace ToyVmm.Hardware.Devices;

/// <summary>The one-byte debug console that emulators offer at port 0xE9: each byte written is text; a read gives 0xE9, which tells a guest that it is there.</summary>
/// <param name="written">Takes each byte.</param>
public sealed class DebugConsole(Action<byte> written) : IPortDevice
{
    /// <summary>What a read returns.</summary>
    public const byte Presence = 0xE9;

    /// <inheritdoc/>
    public uint ReadPort(uint offset, int width) => Presence;

    /// <inheritdoc/>
    public void WritePort(uint offset, int width, uint value) => written((byte)value);
}
