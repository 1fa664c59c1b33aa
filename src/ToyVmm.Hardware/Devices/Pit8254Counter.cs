using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Devices;

/// <summary>
/// One of the three counters of an 8254, computed on demand: nothing happens a tick at a time. Written after the Intel 8254 data
/// sheet ("Mode Definitions", "Read Operations"). Time is counted in CLK pulses; the caller passes the present pulse to each
/// operation, and it never goes back.
/// </summary>
/// <remarks>
/// A count that is written, or a trigger, takes effect at the next CLK pulse; until then it is <em>pending</em>. Between two such
/// moments the counting element and OUT are closed formulas of the pulses that have gone by.
/// </remarks>
internal sealed class Pit8254Counter
{
    private const long Never = long.MaxValue;

    private int _control = 0x30;        // the control word's low six bits: RW, mode, BCD
    private bool _bcd;
    private bool _gate = true;
    private bool _programmed;           // a count has been written since the control word
    private bool _nullCount = true;     // the count written has not reached the counting element
    private byte _firstByte;            // LSB of a two-byte count on its way in
    private bool _writeSecond;
    private bool _readSecond;
    private int _latch = -1;
    private int _statusLatch = -1;
    private int _reload;                // the count register, 1 to Modulus

    private bool _counting;
    private bool _everLoaded;
    private long _anchor;               // CLK pulse at which the formulas start
    private long _startRemaining;       // the counting element at _anchor
    private long _zeroAt = Never;       // modes 0, 1, 4, 5: the pulse that reaches zero
    private int _period = 1;            // modes 2, 3: the count in force
    private bool _lowHalf;              // mode 3: the half-cycle at _anchor
    private long _pendingAt = Never;
    private bool _pendingLowHalf;

    private int Mode { get; set; }

    private int Access => (_control >> 4) & 3;

    private int Modulus => _bcd ? 10_000 : 0x1_0000;

    /// <summary>Power-on: mode 0 without a count. The gate keeps its level.</summary>
    public void Reset()
    {
        _control = 0x30;
        _bcd = _programmed = _writeSecond = _readSecond = _counting = _everLoaded = _lowHalf = false;
        _nullCount = true;
        _latch = _statusLatch = -1;
        _reload = 0;
        _startRemaining = 0;
        _zeroAt = _pendingAt = Never;
        Mode = 0;
    }

    /// <summary>A control word for this counter: the mode starts afresh and waits for its count.</summary>
    public void WriteControl(byte word, long now)
    {
        Settle(now);
        long element = Element(now);
        _control = word & 0x3F;
        _bcd = (word & 1) != 0;
        Mode = ((word >> 1) & 7) is var mode && mode >= 6 ? mode - 4 : mode;
        _startRemaining = element;
        _counting = _programmed = _writeSecond = _readSecond = _lowHalf = false;
        _nullCount = true;
        _latch = _statusLatch = -1;
        _zeroAt = _pendingAt = Never;
    }

    /// <summary>The Counter Latch command: the count is held until it has been read.</summary>
    public void LatchCount(long now)
    {
        if (_latch < 0)
        {
            _latch = Count(now);
        }
    }

    /// <summary>The status half of the Read-Back command: OUT, null count, and the control word.</summary>
    public void LatchStatus(long now)
    {
        if (_statusLatch < 0)
        {
            Settle(now);
            _statusLatch = (Output(now) ? 0x80 : 0) | (_nullCount ? 0x40 : 0) | _control;
        }
    }

    /// <summary>A read of the counter's port: latched status first, then the latched or the running count.</summary>
    public byte Read(long now)
    {
        if (_statusLatch >= 0)
        {
            byte status = (byte)_statusLatch;
            _statusLatch = -1;
            return status;
        }

        int count = _latch >= 0 ? _latch : Count(now);
        if (Access == 3)
        {
            bool second = _readSecond;
            _readSecond = !second;
            if (!second)
            {
                return (byte)count;
            }
        }

        _latch = -1;
        return (byte)(Access == 1 ? count : count >> 8);
    }

    /// <summary>A write to the counter's port: one byte of the count.</summary>
    public void Write(byte value, long now)
    {
        Settle(now);
        switch (Access)
        {
            case 1:
                WriteCount(value, now);
                break;
            case 2:
                WriteCount(value << 8, now);
                break;
            default:
                if (_writeSecond)
                {
                    _writeSecond = false;
                    WriteCount((value << 8) | _firstByte, now);
                }
                else
                {
                    _firstByte = value;
                    _writeSecond = true;
                    StopModeZero(now);
                }

                break;
        }
    }

    /// <summary>Drives GATE ("Gate Pin Operations Summary").</summary>
    public void SetGate(bool high, long now)
    {
        if (high == _gate)
        {
            return;
        }

        Settle(now);
        switch (Mode)
        {
            case 0 or 4:
                if (!high)
                {
                    Freeze(now);
                }
                else if (_everLoaded && _programmed && !WaitsForSecondByte)
                {
                    Resume(now);
                }

                break;
            case 1 or 5:
                if (high && _programmed)
                {
                    _pendingAt = now + 1;
                }

                break;
            default:
                if (!high)
                {
                    StopPeriods(now);
                }
                else if (_programmed)
                {
                    _pendingAt = now + 1;
                    _pendingLowHalf = false;
                }

                break;
        }

        _gate = high;
    }

    /// <summary>The level of OUT at a CLK pulse that is not in the past.</summary>
    public bool Output(long now)
    {
        Settle(now);
        return Mode switch
        {
            0 => now >= _zeroAt,
            1 => !_everLoaded || !_counting || now >= _zeroAt,
            2 => !_counting || !_gate || Element(now) != 1,
            3 => !_counting || !_gate || !InLowHalf(now),
            _ => now != _zeroAt,
        };
    }

    /// <summary>The next pulse after <paramref name="now"/> at which OUT may change by itself; <see cref="long.MaxValue"/> when it will not.</summary>
    public long NextChange(long now)
    {
        Settle(now);
        if (_pendingAt != Never)
        {
            return Math.Min(_pendingAt, NextChangeOfRunningCount(now));
        }

        return NextChangeOfRunningCount(now);
    }

    /// <summary>Whether OUT rose at some pulse in (<paramref name="from"/>, <paramref name="to"/>] while it is high at both ends.</summary>
    public bool RoseBetween(long from, long to)
    {
        if (Mode is not (2 or 3) || !_counting || !_gate || _period < 2)
        {
            return false;
        }

        from = Math.Max(from, _anchor);

        return (to - _anchor + CycleOffset) / _period > (from - _anchor + CycleOffset) / _period;
    }

    /// <summary>What the counter does.</summary>
    public PitCounterState State(long now) => new(Mode, Count(now), _reload, _gate, Output(now));

    public void Transfer(StateTransfer state, long now)
    {
        const long MostBehind = 1L << 62;   // a counter that wraps goes on below zero
        state.Range(ref _control, 0, 0x3F);
        state.Value(ref _bcd);
        state.Value(ref _gate);
        state.Value(ref _programmed);
        state.Value(ref _nullCount);
        state.Value(ref _firstByte);
        state.Value(ref _writeSecond);
        state.Value(ref _readSecond);
        state.Range(ref _latch, -1, 0xFFFF);
        state.Range(ref _statusLatch, -1, 0xFF);
        state.Range(ref _reload, 0, 0x1_0000);
        state.Value(ref _counting);
        state.Value(ref _everLoaded);
        state.Range(ref _anchor, 0, now);
        state.Range(ref _startRemaining, -MostBehind, 0x1_0000);
        state.Range(ref _zeroAt, 0, Never);
        state.Range(ref _period, 1, 0x1_0000);
        state.Value(ref _lowHalf);
        state.Range(ref _pendingAt, 0, Never);
        state.Value(ref _pendingLowHalf);
        Mode = state.Choice(Mode, 5);

        // What is loaded next becomes a period.
        state.Require(_reload > 0 || (!_programmed && _pendingAt == Never));
    }

    // Mode 3 that was anchored in its low half is that many pulses into its cycle.
    private long CycleOffset => Mode == 3 && _lowHalf ? HighPulses : 0;

    private long HighPulses => (_period + 1) / 2;

    // In mode 0 the first byte of a two-byte count stops the counter, and a gate must not start it again.
    private bool WaitsForSecondByte => Mode == 0 && _writeSecond;

    private void WriteCount(int raw, long now)
    {
        raw &= 0xFFFF;
        int count = _bcd ? FromBcd(raw) : raw;
        _reload = count == 0 ? Modulus : count;
        bool first = !_programmed;
        _programmed = true;
        _nullCount = true;
        switch (Mode)
        {
            case 0:
                StopModeZero(now);
                _pendingAt = now + 1;
                break;
            case 4:
                _pendingAt = now + 1;
                break;
            case 1 or 5: // loaded by the next trigger
                break;
            default:
                if (first || !_everLoaded || !_counting)
                {
                    _pendingAt = now + 1;
                    _pendingLowHalf = false;
                }
                else if (_pendingAt != now + 1)
                {
                    SchedulePeriodEnd(now);
                }

                break;
        }
    }

    private void StopModeZero(long now)
    {
        if (Mode == 0)
        {
            Freeze(now);
            _zeroAt = _pendingAt = Never; // OUT goes low at once
        }
    }

    // A new count waits for the end of the cycle (mode 2) or of the half-cycle (mode 3).
    private void SchedulePeriodEnd(long now)
    {
        if (Mode == 2)
        {
            _pendingAt = _anchor + ((((now - _anchor) / _period) + 1) * _period);
            return;
        }

        long inCycle = (now - _anchor + CycleOffset) % _period;
        bool low = inCycle >= HighPulses;
        _pendingAt = now + (low ? _period - inCycle : HighPulses - inCycle);
        _pendingLowHalf = !low;
    }

    // Lets a load that has become due take effect.
    private void Settle(long now)
    {
        if (now < _pendingAt)
        {
            return;
        }

        long at = _pendingAt;
        _pendingAt = Never;
        _nullCount = false;
        _everLoaded = true;
        _anchor = at;
        _startRemaining = Mode == 3 ? _reload & ~1 : _reload; // mode 3 loads odd counts less one
        _period = _reload;
        _lowHalf = _pendingLowHalf;
        _pendingLowHalf = false;
        bool triggered = Mode is 1 or 5;
        _counting = triggered || _gate;
        _zeroAt = Mode is not (2 or 3) && _counting ? at + _reload : Never;
    }

    // GATE low ends the cycle, so a count that waits for the cycle's end now waits for the trigger instead.
    private void StopPeriods(long now)
    {
        if (_counting)
        {
            Freeze(now);
            _pendingAt = Never;
        }

        _lowHalf = false;
    }

    private void Freeze(long now)
    {
        if (_counting)
        {
            _startRemaining = Element(now);
            _counting = false;
            if (_zeroAt > now)
            {
                _zeroAt = Never;
            }
        }
    }

    private void Resume(long now)
    {
        if (!_counting)
        {
            _counting = true;
            _anchor = now;
            if (_zeroAt == Never && _startRemaining > 0)
            {
                _zeroAt = now + _startRemaining;
            }
        }
    }

    // The counting element as a number; below zero after it has wrapped (modes 0, 1, 4, 5).
    private long Element(long now)
    {
        if (!_counting)
        {
            return _startRemaining;
        }

        long elapsed = now - _anchor;
        switch (Mode)
        {
            case 2:
                return _period - (elapsed % _period);
            case 3:
                long inCycle = (elapsed + CycleOffset) % _period;
                long inHalf = inCycle >= HighPulses ? inCycle - HighPulses : inCycle;
                return (_period & ~1L) - (2 * inHalf);
            default:
                return _startRemaining - elapsed;
        }
    }

    private bool InLowHalf(long now) => (now - _anchor + CycleOffset) % _period >= HighPulses;

    private int Count(long now)
    {
        Settle(now);
        long element = Element(now) % Modulus;
        int count = (int)(element < 0 ? element + Modulus : element);
        return _bcd ? ToBcd(count) : count;
    }

    private long NextChangeOfRunningCount(long now)
    {
        switch (Mode)
        {
            case 0 or 1:
                return _zeroAt > now ? _zeroAt : Never;
            case 4 or 5:
                return _zeroAt > now ? _zeroAt : _zeroAt == now ? now + 1 : Never;
            default:
                if (!_counting || !_gate || _period < 2)
                {
                    return Never;
                }

                // Mode 2 falls one pulse before the cycle's end, mode 3 after its high half; both rise at the end.
                long inCycle = (now - _anchor + CycleOffset) % _period;
                long fall = Mode == 2 ? _period - 1 : HighPulses;
                return now + (inCycle < fall ? fall - inCycle : _period - inCycle);
        }
    }

    // Digits above 9 are not BCD; they count as what they weigh, so that no value is special.
    private static int FromBcd(int raw) =>
        (((((((raw >> 12) & 15) * 10) + ((raw >> 8) & 15)) * 10) + ((raw >> 4) & 15)) * 10) + (raw & 15);

    private static int ToBcd(int count) =>
        (count / 1000 << 12) | (count / 100 % 10 << 8) | (count / 10 % 10 << 4) | (count % 10);
}
