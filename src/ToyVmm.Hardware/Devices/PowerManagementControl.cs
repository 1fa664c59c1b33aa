using ToyVmm.Hardware.Buses;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// The ACPI PM1 control register (ACPI 4.8.3.2.1), 16 bits: SCI_EN, SLP_TYP and SLP_EN. A word written with SLP_EN set powers the
/// machine off, whatever the sleep type; byte writes reach the halves of the register.
/// </summary>
/// <param name="powerOff">The power supply.</param>
public sealed class PowerManagementControl(Action powerOff) : IPortDevice
{
    private const uint SleepEnable = 1u << 13;  // SLP_EN: write-only, reads as zero
    private uint _value;

    /// <inheritdoc/>
    public int MaximumWidth => 2;

    /// <summary>Clears the register.</summary>
    public void Reset() => _value = 0;

    /// <inheritdoc/>
    public uint ReadPort(uint offset, int width) => _value >> (8 * (int)(offset & 1));

    /// <inheritdoc/>
    public void WritePort(uint offset, int width, uint value)
    {
        int shift = 8 * (int)(offset & 1);
        uint mask = (width == 1 ? 0xFFu : 0xFFFFu) << shift;
        uint written = (_value & ~mask) | ((value << shift) & mask);
        _value = written & 0xFFFF & ~SleepEnable;
        if ((written & SleepEnable) != 0)
        {
            powerOff();
        }
    }
}
