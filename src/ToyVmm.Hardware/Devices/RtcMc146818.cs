using ToyVmm.Hardware.Buses;
using ToyVmm.Hardware.Interrupts;
using ToyVmm.Hardware.State;
using ToyVmm.Hardware.Time;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// The MC146818 real-time clock with 128 bytes of battery-backed memory. Offset 0 is the index register, offset 1 the data. Time
/// is computed from the virtual clock on demand; the clock wakes the chip only for an interrupt that is enabled and not yet flagged.
/// </summary>
/// <remarks>
/// The 32768 Hz chain ends a second at each multiple of 32768 from its origin; that is the end of the update cycle, when the new
/// time shows and UF is set. The daylight-saving bit is stored only, as in the chipsets that succeeded the chip.
/// </remarks>
public sealed class RtcMc146818 : IPortDevice, ISavedState
{
    /// <summary>The crystal, in Hz.</summary>
    public const ulong Frequency = 32_768;

    /// <summary>Bytes of CMOS memory, the clock's registers included.</summary>
    public const int Size = 128;

    private const int RegisterA = 0x0A;
    private const int RegisterB = 0x0B;
    private const int RegisterC = 0x0C;
    private const int RegisterD = 0x0D;
    private const byte UpdateInProgress = 0x80;         // A: UIP
    private const byte Set = 0x80;                      // B
    private const byte PeriodicEnable = 0x40;           // B: PIE; C: PF
    private const byte AlarmEnable = 0x20;              // B: AIE; C: AF
    private const byte UpdateEnable = 0x10;             // B: UIE; C: UF
    private const byte SquareWaveEnable = 0x08;         // B
    private const byte Binary = 0x04;                   // B: DM
    private const byte Hours24 = 0x02;                  // B
    private const byte InterruptRequest = 0x80;         // C: IRQF
    private const byte ValidRam = 0x80;                 // D: VRT
    private const byte NmiMask = 0x80;                  // index register bit 7
    private const byte DoNotCare = 0xC0;                // alarm bytes from here up match always
    private const long UpdateWarning = 73;              // UIP is high for 244 us + 1984 us (8 + 65 periods) before the time changes
    private const long TicksPerSecond = (long)Frequency;

    private readonly VirtualClock _clock;
    private readonly IInterruptLine _interrupt;
    private readonly NmiGate _nmi;
    private readonly ClockTimer _timer;
    private readonly byte[] _memory = new byte[Size];
    private int _index;
    private long _baseSecond;           // the time of day when _baseTick was an end of a second
    private long _baseTick;             // chain position of that moment
    private int _dayOfWeekOffset;
    private long _flaggedUntil;         // the flags of register C are complete up to this tick

    /// <summary>Makes the clock and sets it.</summary>
    /// <param name="clock">Where time comes from.</param>
    /// <param name="interrupt">The wire of the inverted IRQ pin: high while register C has IRQF.</param>
    /// <param name="nmi">What index bit 7 masks.</param>
    /// <param name="start">The time of day that the clock shows now.</param>
    public RtcMc146818(VirtualClock clock, IInterruptLine interrupt, NmiGate nmi, DateTimeOffset start)
    {
        ArgumentNullException.ThrowIfNull(clock);
        _clock = clock;
        _interrupt = interrupt;
        _nmi = nmi;
        _timer = clock.CreateTimer("MC146818", Synchronize);
        _memory[RegisterA] = 0x26;      // 32768 Hz, 1024 Hz periodic: what every AT BIOS sets
        _memory[RegisterB] = Hours24;
        _memory[RegisterD] = ValidRam;
        _baseTick = _flaggedUntil = Tick;
        _baseSecond = RtcCalendar.SecondOf(start.DateTime);
    }

    private long Tick => (long)Math.Min(_clock.Ticks(Frequency), long.MaxValue / 2);

    private bool IsBinary => (_memory[RegisterB] & Binary) != 0;

    private bool Is24Hours => (_memory[RegisterB] & Hours24) != 0;

    // DV = 11x holds the chain in reset; the other codes are other crystals, which this board does not have.
    private bool ChainRuns => (_memory[RegisterA] & 0x60) != 0x60;

    private bool TimeRuns => ChainRuns && (_memory[RegisterB] & Set) == 0;

    /// <summary>Sets a byte of CMOS memory as the factory or the setup program would (equipment, memory size); not for the clock's registers.</summary>
    /// <param name="index">0x0E to 0x7F, but not the century 0x32.</param>
    /// <param name="value">The byte.</param>
    public void SetMemory(int index, byte value)
    {
        if (index is <= RegisterD or >= Size or RtcCalendar.Century)
        {
            throw new ArgumentOutOfRangeException(nameof(index), index, "CMOS memory is 0x0E to 0x7F without the century byte 0x32");
        }

        _memory[index] = value;
    }

    /// <summary>A byte of CMOS memory, without a port access.</summary>
    /// <param name="index">0x00 to 0x7F; the clock's registers as they were last stored.</param>
    public byte Memory(int index) => _memory[index];

    /// <summary>Stores the sum of bytes 0x10-0x2D in 0x2E (high) and 0x2F (low), where an AT BIOS checks it.</summary>
    public void StoreChecksum()
    {
        int sum = 0;
        for (int index = 0x10; index <= 0x2D; index++)
        {
            sum += _memory[index];
        }

        _memory[0x2E] = (byte)(sum >> 8);
        _memory[0x2F] = (byte)sum;
    }

    /// <summary>The RESET pin: interrupts off and flags clear; time, alarm and memory live on the battery.</summary>
    public void Reset()
    {
        Synchronize();
        _memory[RegisterB] &= unchecked((byte)~(PeriodicEnable | AlarmEnable | UpdateEnable | SquareWaveEnable));
        _memory[RegisterC] = 0;
        _index = 0;
        _nmi.Masked = false;
        Synchronize();
    }

    /// <inheritdoc/>
    public uint ReadPort(uint offset, int width) => (offset & 1) == 0 ? 0xFFu : ReadRegister(_index);

    /// <inheritdoc/>
    public void WritePort(uint offset, int width, uint value)
    {
        if ((offset & 1) == 0)
        {
            _index = (int)(value & (Size - 1));
            _nmi.Masked = (value & NmiMask) != 0;
        }
        else
        {
            WriteRegister(_index, (byte)value);
        }
    }

    /// <inheritdoc/>
    void ISavedState.Transfer(StateTransfer state)
    {
        state.Bytes(_memory);
        state.Range(ref _index, 0, Size - 1);
        state.Range(ref _baseSecond, 0, RtcCalendar.SecondOf(DateTime.MaxValue));
        state.Range(ref _baseTick, -TicksPerSecond, Tick);
        state.Range(ref _dayOfWeekOffset, 0, 6);
        state.Range(ref _flaggedUntil, 0, Tick);
    }

    private static bool IsTime(int register) => RtcCalendar.Registers.Contains((byte)register);

    /// <summary>The register or byte of memory that port 71 leads to.</summary>
    public int Index => _index;

    /// <summary>A register or a byte of memory, for a look: the flags of register C are those that the guest has been told of, and stay.</summary>
    /// <param name="register">0 to 127.</param>
    public byte Peek(int register) =>
        register == RegisterA ? StatusA
        : IsTime(register) && TimeRuns ? Encode(register, SecondAt(Tick))
        : _memory[register];

    private byte ReadRegister(int register)
    {
        Synchronize();
        switch (register)
        {
            case RegisterA:
                return StatusA;
            case RegisterC:
                byte flags = _memory[RegisterC];
                _memory[RegisterC] = 0;
                Synchronize();
                return flags;
            default:
                return IsTime(register) && TimeRuns ? Encode(register, SecondAt(Tick)) : _memory[register];
        }
    }

    private void WriteRegister(int register, byte value)
    {
        Synchronize();
        switch (register)
        {
            case RegisterA:
                WriteRegisterA((byte)(value & ~UpdateInProgress));
                break;
            case RegisterB:
                WriteRegisterB(value);
                break;
            case RegisterC or RegisterD: // read-only
                break;
            default:
                bool setsRunningTime = IsTime(register) && TimeRuns;
                if (setsRunningTime)
                {
                    StoreTime();
                }

                _memory[register] = value;
                if (setsRunningTime)
                {
                    LoadTime();
                }

                break;
        }

        Synchronize();
    }

    private void WriteRegisterA(byte value)
    {
        bool ran = ChainRuns;
        bool timeRan = TimeRuns;
        if (timeRan)
        {
            StoreTime();
        }

        _memory[RegisterA] = value;
        if (!ran && ChainRuns)
        {
            // "When the divider reset is removed, the first update cycle begins one-half second later."
            _baseTick = Tick - (TicksPerSecond / 2);
        }

        if (TimeRuns)
        {
            LoadTime();
        }
    }

    private void WriteRegisterB(byte value)
    {
        bool timeRan = TimeRuns;
        if (timeRan)
        {
            StoreTime();
        }

        if ((value & Set) != 0)
        {
            value &= unchecked((byte)~UpdateEnable); // SET clears UIE
        }

        // While the clock runs, its registers follow the new format; a clock that is stopped keeps the bytes as written.
        bool runsOn = timeRan && (value & Set) == 0;
        _memory[RegisterB] = value;
        if (runsOn)
        {
            foreach (byte register in RtcCalendar.Registers)
            {
                _memory[register] = Encode(register, SecondAt(Tick));
            }
        }

        if (TimeRuns)
        {
            LoadTime();
        }
    }

    private byte Encode(int register, long second) => RtcCalendar.Encode(register, second, _dayOfWeekOffset, IsBinary, Is24Hours);

    private long SecondAt(long tick) => _baseSecond + ((tick - _baseTick) / TicksPerSecond);

    private byte StatusA => (byte)(_memory[RegisterA] | (IsUpdating() ? UpdateInProgress : 0));

    private bool IsUpdating() => TimeRuns && TicksPerSecond - ((Tick - _baseTick) % TicksPerSecond) <= UpdateWarning;

    private void StoreTime()
    {
        foreach (byte register in RtcCalendar.Registers)
        {
            _memory[register] = Encode(register, SecondAt(Tick));
        }
    }

    // The time starts from the registers, at the chain's present phase.
    private void LoadTime()
    {
        (_baseSecond, _dayOfWeekOffset) = RtcCalendar.Decode(_memory, IsBinary, Is24Hours);
        _baseTick += (Tick - _baseTick) / TicksPerSecond * TicksPerSecond;
    }

    // Brings the flags of register C, the wire and the timer up to the present.
    private void Synchronize()
    {
        long now = Tick;
        if (NextPeriodic(_flaggedUntil) <= now)
        {
            _memory[RegisterC] |= PeriodicEnable;
        }

        if (NextUpdate(_flaggedUntil) <= now)
        {
            _memory[RegisterC] |= UpdateEnable;
            if ((_memory[RegisterC] & AlarmEnable) == 0 && NextAlarm(_flaggedUntil) <= now)
            {
                _memory[RegisterC] |= AlarmEnable;
            }
        }

        _flaggedUntil = now;
        int enabled = _memory[RegisterB] & (PeriodicEnable | AlarmEnable | UpdateEnable);
        int flags = _memory[RegisterC] & (PeriodicEnable | AlarmEnable | UpdateEnable);
        bool requests = (enabled & flags) != 0;
        _memory[RegisterC] = (byte)(flags | (requests ? InterruptRequest : 0));
        _interrupt.SetLevel(requests);
        ArmTimer(enabled & ~flags, now);
    }

    private void ArmTimer(int awaited, long now)
    {
        long next = long.MaxValue;
        if ((awaited & PeriodicEnable) != 0)
        {
            next = Math.Min(next, NextPeriodic(now));
        }

        if ((awaited & UpdateEnable) != 0)
        {
            next = Math.Min(next, NextUpdate(now));
        }

        if ((awaited & AlarmEnable) != 0)
        {
            next = Math.Min(next, NextAlarm(now));
        }

        if (next == long.MaxValue)
        {
            _timer.Cancel();
        }
        else
        {
            _timer.Arm(_clock.InstructionOf((ulong)next, Frequency));
        }
    }

    // Data sheet table 5: rate 1 and 2 repeat 256 and 128 Hz, rate n from 3 is 32768 / 2^(n-1) Hz.
    private long NextPeriodic(long after)
    {
        int rate = _memory[RegisterA] & 15;
        if (rate == 0 || !ChainRuns)
        {
            return long.MaxValue;
        }

        long period = 1L << (rate <= 2 ? rate + 6 : rate - 1);
        return NextMultiple(after, period);
    }

    private long NextUpdate(long after) => TimeRuns ? NextMultiple(after, TicksPerSecond) : long.MaxValue;

    private long NextMultiple(long after, long period) => after + period - ((after - _baseTick) % period);

    // The first end of a second whose time matches the alarm bytes; the search skips hours and minutes that cannot match.
    private long NextAlarm(long after)
    {
        if (!TimeRuns || !SecondsCanMatch())
        {
            return long.MaxValue;
        }

        long first = SecondAt(after) + 1;
        long second = first;
        while (second < first + 86_400)
        {
            int ofDay = (int)(second % 86_400);
            if (!Matches(0x05, RtcCalendar.EncodeHour(ofDay / 3600, IsBinary, Is24Hours)))
            {
                second += 3600 - (ofDay % 3600);
            }
            else if (!Matches(0x03, RtcCalendar.Number(ofDay / 60 % 60, IsBinary)))
            {
                second += 60 - (ofDay % 60);
            }
            else if (!Matches(0x01, RtcCalendar.Number(ofDay % 60, IsBinary)))
            {
                second++;
            }
            else
            {
                return _baseTick + ((second - _baseSecond) * TicksPerSecond);
            }
        }

        return long.MaxValue;
    }

    // A guest may write a byte that no second ever shows; without this check the search would try the whole day for it.
    private bool SecondsCanMatch()
    {
        for (int second = 0; second < 60; second++)
        {
            if (Matches(0x01, RtcCalendar.Number(second, IsBinary)))
            {
                return true;
            }
        }

        return false;
    }

    private bool Matches(int alarmRegister, byte shown) => _memory[alarmRegister] >= DoNotCare || _memory[alarmRegister] == shown;
}
