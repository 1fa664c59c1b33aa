using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.Interrupts;
using ToyVmm.Hardware.State;
using ToyVmm.Hardware.Time;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// System control port B of the AT (port 0x61): bit 0 gates timer counter 2, bit 1 lets its output to the speaker, bits 2 and 3
/// disable the parity and I/O checks; bit 4 toggles with each memory refresh, bit 5 is the counter's output; bits 6 and 7 report
/// I/O check and parity errors, which this memory does not have.
/// </summary>
/// <param name="clock">Where the refresh toggle comes from.</param>
/// <param name="gate2">The GATE of counter 2.</param>
/// <param name="output2">The OUT of counter 2.</param>
public sealed class SystemControlPortB(VirtualClock clock, IInterruptLine gate2, Func<bool> output2) : IPortDevice, ISavedState
{
    private const uint TimerGate = 0x01;
    private const uint Writable = 0x0F;
    private const uint RefreshToggle = 0x10;
    private const uint TimerOutput = 0x20;
    private const ulong TimerFrequency = 1_193_182;
    private const uint RefreshPulses = 18;      // counter 1 divides the timer clock by 18: a refresh each 15.085 us

    private uint _value;

    /// <summary>True when the speaker is connected to the timer (bits 0 and 1).</summary>
    public bool SpeakerEnabled => (_value & 3) == 3;

    /// <summary>Power-on: gate low, speaker off.</summary>
    public void Reset() => WritePort(0, 1, 0);

    /// <inheritdoc/>
    public uint ReadPort(uint offset, int width) =>
        _value
        | ((clock.Ticks(TimerFrequency) / RefreshPulses % 2) != 0 ? RefreshToggle : 0)
        | (output2() ? TimerOutput : 0);

    /// <inheritdoc/>
    public void WritePort(uint offset, int width, uint value)
    {
        _value = value & Writable;
        gate2.SetLevel((value & TimerGate) != 0);
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state) => state.Value(ref _value);
}
