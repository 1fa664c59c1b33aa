using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.Interrupts;
using ToyVmm.Hardware.State;
using ToyVmm.Hardware.Time;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// The fixed power-management registers of ACPI (ACPI 4.8.3), laid out as in the 82371AB's power-management I/O space (data sheet
/// 7.2): PM1 status at offset 0, PM1 enable at 2, PM1 control at 4, the power-management timer at 8.
/// </summary>
/// <remarks>
/// The machine is always in ACPI mode: SCI_EN reads as one. Control written with SLP_EN set powers the machine off, whatever the
/// sleep type, for S5 is the only sleep state; byte writes reach the halves of a register.
/// </remarks>
public sealed class PowerManagementPiix4 : IPortDevice, ISavedState
{
    /// <summary>The crystal of the power-management timer, in Hz.</summary>
    public const ulong TimerFrequency = 3_579_545;

    /// <summary>Ports that the registers occupy.</summary>
    public const int PortCount = 12;

    private const int TimerBits = 24;               // TMR_VAL_EXT is clear in the FADT
    private const int CarryBit = TimerBits - 1;     // TMR_STS is set when this bit changes
    private const uint TimerStatus = 1u << 0;       // TMR_STS, TMR_EN
    private const uint PowerButton = 1u << 8;       // PWRBTN_STS, PWRBTN_EN
    private const uint Implemented = TimerStatus | PowerButton;
    private const uint EnableWritable = Implemented | (1u << 5) | (1u << 10);  // GBL_EN and RTC_EN are stored: nothing raises them
    private const uint SciEnable = 1u << 0;         // SCI_EN: reads as one
    private const uint ControlWritable = (1u << 1) | (7u << 10);               // BM_RLD, SLP_TYP
    private const uint SleepEnable = 1u << 13;      // SLP_EN: write-only, reads as zero

    private readonly VirtualClock _clock;
    private readonly IInterruptLine _systemControlInterrupt;
    private readonly Action _powerOff;
    private readonly ClockTimer _timer;
    private uint _status;
    private uint _enable;
    private uint _control;
    private ulong _flaggedUntil;    // TMR_STS is complete up to this tick

    /// <summary>Makes the registers in their reset state.</summary>
    /// <param name="clock">Where time comes from.</param>
    /// <param name="systemControlInterrupt">The wire of the SCI: high while a status bit is set that is enabled.</param>
    /// <param name="powerOff">The power supply.</param>
    public PowerManagementPiix4(VirtualClock clock, IInterruptLine systemControlInterrupt, Action powerOff)
    {
        ArgumentNullException.ThrowIfNull(clock);
        _clock = clock;
        _systemControlInterrupt = systemControlInterrupt;
        _powerOff = powerOff;
        _timer = clock.CreateTimer("ACPI PM timer", Synchronize);
        _flaggedUntil = Tick;
    }

    /// <inheritdoc/>
    public int MaximumWidth => 4;

    private ulong Tick => _clock.Ticks(TimerFrequency);

    /// <summary>Somebody presses the power button.</summary>
    public void PressPowerButton()
    {
        _status |= PowerButton;
        Synchronize();
    }

    /// <summary>Clears the registers; the timer counts on.</summary>
    public void Reset()
    {
        _flaggedUntil = Tick;
        _status = _enable = _control = 0;
        Synchronize();
    }

    /// <inheritdoc/>
    public uint ReadPort(uint offset, int width)
    {
        Synchronize();
        uint register = (offset & ~3u) switch
        {
            0 => _status | (_enable << 16),
            4 => _control | SciEnable,
            8 => (uint)Tick & ((1u << TimerBits) - 1),
            _ => 0,
        };
        return register >> (8 * (int)(offset & 3));
    }

    /// <inheritdoc/>
    public void WritePort(uint offset, int width, uint value)
    {
        Synchronize();
        int shift = 8 * (int)(offset & 3);
        uint mask = (uint.MaxValue >> (32 - (8 * width))) << shift;
        uint written = (value << shift) & mask;
        switch (offset & ~3u)
        {
            case 0:
                _status &= ~(written & 0xFFFF);     // a one clears
                _enable = ((_enable & ~(mask >> 16)) | (written >> 16)) & EnableWritable;
                break;
            case 4:
                _control = ((_control & ~mask) | written) & ControlWritable;
                if ((written & SleepEnable) != 0)
                {
                    _powerOff();
                }

                break;
            default:                                // the timer is read-only
                break;
        }

        Synchronize();
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        state.Value(ref _status);
        state.Value(ref _enable);
        state.Value(ref _control);
        state.Value(ref _flaggedUntil);
    }

    // Brings TMR_STS, the wire and the alarm up to the present.
    private void Synchronize()
    {
        ulong now = Tick;
        if (now >> CarryBit != _flaggedUntil >> CarryBit)
        {
            _status |= TimerStatus;
        }

        _flaggedUntil = now;
        _systemControlInterrupt.SetLevel((_status & _enable & Implemented) != 0);
        if ((_enable & ~_status & TimerStatus) != 0)
        {
            _timer.Arm(_clock.InstructionOf(((now >> CarryBit) + 1) << CarryBit, TimerFrequency));
        }
        else
        {
            _timer.Cancel();
        }
    }
}
