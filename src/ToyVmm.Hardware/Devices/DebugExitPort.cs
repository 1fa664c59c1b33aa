using ToyVmm.Hardware.Buses;

namespace ToyVmm.Hardware.Devices;

/// <summary>The exit port of test kernels ("isa-debug-exit"): a write ends the run with a code. Reads give all-ones.</summary>
/// <param name="exit">Takes the low byte of what was written.</param>
public sealed class DebugExitPort(Action<byte> exit) : IPortDevice
{
    /// <inheritdoc/>
    public int MaximumWidth => 4;

    /// <inheritdoc/>
    public uint ReadPort(uint offset, int width) => uint.MaxValue;

    /// <inheritdoc/>
    public void WritePort(uint offset, int width, uint value)
    {
        if (offset == 0)
        {
            exit((byte)value);
        }
    }
}
