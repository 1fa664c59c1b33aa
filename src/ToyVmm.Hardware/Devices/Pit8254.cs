using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.Interrupts;
using ToyVmm.Hardware.State;
using ToyVmm.Hardware.Time;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// The 8254 interval timer: three counters clocked at 1.193182 MHz, all six modes, binary and BCD, latch and read-back commands.
/// Counter 0's OUT is a wire; the clock is only asked to wake the chip at that wire's next change.
/// </summary>
public sealed class Pit8254 : IPortDevice, ISavedState
{
    /// <summary>CLK pulses a second: a third of the colour subcarrier crystal's 14.31818 MHz, divided by four.</summary>
    public const ulong Frequency = 1_193_182;

    private const uint ControlRegister = 3;
    private const int ReadBack = 3;             // SC = 11
    private const byte ReadBackNoCount = 0x20;  // /COUNT
    private const byte ReadBackNoStatus = 0x10; // /STATUS

    private readonly VirtualClock _clock;
    private readonly IInterruptLine _output0;
    private readonly ClockTimer _timer;
    private readonly Pit8254Counter[] _counters = [new(), new(), new()];
    private long _outputSampled;
    private bool _output0High;

    /// <summary>Makes a timer in its power-on state, with all gates high.</summary>
    /// <param name="clock">Where time comes from.</param>
    /// <param name="output0">The wire of counter 0's OUT.</param>
    public Pit8254(VirtualClock clock, IInterruptLine output0)
    {
        ArgumentNullException.ThrowIfNull(clock);
        _clock = clock;
        _output0 = output0;
        _timer = clock.CreateTimer("8254 counter 0", DriveOutput0);
        DriveOutput0();
    }

    private long Pulse => (long)Math.Min(_clock.Ticks(Frequency), long.MaxValue / 2);

    /// <summary>Power-on: every counter in mode 0 without a count.</summary>
    public void Reset()
    {
        foreach (Pit8254Counter counter in _counters)
        {
            counter.Reset();
        }

        DriveOutput0();
    }

    /// <summary>Drives the GATE of a counter.</summary>
    /// <param name="counter">0, 1 or 2.</param>
    /// <param name="high">The level.</param>
    public void SetGate(int counter, bool high)
    {
        _counters[counter].SetGate(high, Pulse);
        DriveOutput0();
    }

    /// <summary>The level of the OUT of a counter, now.</summary>
    /// <param name="counter">0, 1 or 2.</param>
    public bool Output(int counter) => _counters[counter].Output(Pulse);

    /// <summary>What a counter does, for people and debuggers: nothing is latched, and no read in progress is disturbed.</summary>
    /// <param name="counter">0, 1 or 2.</param>
    public PitCounterState State(int counter) => _counters[counter].State(Pulse);

    /// <inheritdoc/>
    /// <remarks>The control register cannot be read; the bus floats.</remarks>
    public uint ReadPort(uint offset, int width) =>
        (offset & 3) == ControlRegister ? 0xFFu : _counters[offset & 3].Read(Pulse);

    /// <inheritdoc/>
    public void WritePort(uint offset, int width, uint value)
    {
        if ((offset & 3) == ControlRegister)
        {
            WriteControl((byte)value);
        }
        else
        {
            _counters[offset & 3].Write((byte)value, Pulse);
        }

        DriveOutput0();
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        foreach (Pit8254Counter counter in _counters)
        {
            counter.Transfer(state, Pulse);
        }

        state.Range(ref _outputSampled, 0, Pulse);
        state.Value(ref _output0High);
    }

    private void WriteControl(byte word)
    {
        int select = word >> 6;
        if (select == ReadBack)
        {
            for (int counter = 0; counter < 3; counter++)
            {
                if ((word & (2 << counter)) != 0)
                {
                    Latch(_counters[counter], word);
                }
            }
        }
        else if ((word & 0x30) == 0)
        {
            _counters[select].LatchCount(Pulse);
        }
        else
        {
            _counters[select].WriteControl(word, Pulse);
        }
    }

    private void Latch(Pit8254Counter counter, byte word)
    {
        if ((word & ReadBackNoCount) == 0)
        {
            counter.LatchCount(Pulse);
        }

        if ((word & ReadBackNoStatus) == 0)
        {
            counter.LatchStatus(Pulse);
        }
    }

    private void DriveOutput0()
    {
        long now = Pulse;
        bool high = _counters[0].Output(now);

        // A slow virtual clock can step over a whole low pulse; the edge must not be lost with it.
        if (high && _output0High && _counters[0].RoseBetween(_outputSampled, now))
        {
            _output0.Pulse();
        }

        _output0.SetLevel(high);
        _output0High = high;
        _outputSampled = now;
        long next = _counters[0].NextChange(now);
        if (next == long.MaxValue)
        {
            _timer.Cancel();
        }
        else
        {
            _timer.Arm(_clock.InstructionOf((ulong)next, Frequency));
        }
    }
}

/// <summary>A counter of an 8254.</summary>
/// <param name="Mode">0 to 5.</param>
/// <param name="Count">The counting element, as a read would give it.</param>
/// <param name="Reload">The count that was written; 0 before the first one.</param>
/// <param name="Gate">The level of GATE.</param>
/// <param name="Output">The level of OUT.</param>
public readonly record struct PitCounterState(int Mode, int Count, int Reload, bool Gate, bool Output);
