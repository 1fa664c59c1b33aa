using ToyVmm.Hardware.State;

namespace ToyVmm.Hardware.Time;

/// <summary>
/// The one clock of a machine. It counts retired guest instructions, plus the idle time that was skipped; every other clock - PIT,
/// RTC, time-stamp counter, retrace - is a ratio of it, computed from <see cref="Now"/> in exact integers. So no two of them can
/// ever drift from each other, and a run is the same from one time to the next.
/// </summary>
/// <remarks>
/// The run loop calls <see cref="AdvanceTo"/> before it lets a device see an access, and no later than <see cref="NextDeadline"/>.
/// During a timer's callback <see cref="Now"/> is that timer's deadline (or the time already reached, when that is later), and
/// only after the last callback does it become the argument of <see cref="AdvanceTo"/>.
/// </remarks>
public sealed class VirtualClock : ISavedState
{
    // 2^62 ticks are 146 years at the default rate. Further on, sums of times would overflow.
    private const ulong LatestRestored = 1ul << 62;

    private readonly List<ClockTimer> _timers = [];
    private bool _advancing;

    /// <summary>Makes a clock at zero.</summary>
    /// <param name="instructionsPerSecond">How many ticks (instructions) make a second of guest time.</param>
    /// <exception cref="ArgumentOutOfRangeException">The rate is zero.</exception>
    public VirtualClock(ulong instructionsPerSecond)
    {
        ArgumentOutOfRangeException.ThrowIfZero(instructionsPerSecond);
        Frequency = instructionsPerSecond;
    }

    /// <summary>Ticks a second of guest time.</summary>
    public ulong Frequency { get; }

    /// <summary>Ticks since the machine was made: retired instructions and skipped idle time.</summary>
    public ulong Now { get; private set; }

    /// <summary>The earliest deadline of all timers; <see cref="ulong.MaxValue"/> when none is armed.</summary>
    public ulong NextDeadline { get; private set; } = ulong.MaxValue;

    /// <summary>How many periods of a clock of <paramref name="hz"/> have ended: floor(Now x hz / Frequency), exact; saturates at <see cref="ulong.MaxValue"/>.</summary>
    public ulong Ticks(ulong hz)
    {
        if (hz == Frequency)
        {
            return Now;
        }

        UInt128 ticks = (UInt128)Now * hz / Frequency;
        return ticks > ulong.MaxValue ? ulong.MaxValue : (ulong)ticks;
    }

    /// <summary>The first <see cref="Now"/> at which <see cref="Ticks"/> gives at least <paramref name="tick"/>; saturates at <see cref="ulong.MaxValue"/>.</summary>
    /// <param name="tick">A count of periods.</param>
    /// <param name="hz">The clock they belong to; not zero.</param>
    public ulong InstructionOf(ulong tick, ulong hz)
    {
        ArgumentOutOfRangeException.ThrowIfZero(hz);
        UInt128 instruction = (((UInt128)tick * Frequency) + hz - 1) / hz;
        return instruction > ulong.MaxValue ? ulong.MaxValue : (ulong)instruction;
    }

    /// <summary>Makes a timer, not armed. Timers with the same deadline fire in the order of their creation.</summary>
    /// <param name="name">What it is for.</param>
    /// <param name="fired">Called at the deadline; may arm any timer again.</param>
    public ClockTimer CreateTimer(string name, Action fired)
    {
        ClockTimer timer = new(this, name, fired);
        _timers.Add(timer);
        return timer;
    }

    /// <summary>Moves time forward and fires every timer that is due, in the order of the deadlines.</summary>
    /// <param name="now">The new time; equal to <see cref="Now"/> is allowed.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="now"/> lies in the past.</exception>
    /// <exception cref="InvalidOperationException">Called from a timer's callback.</exception>
    public void AdvanceTo(ulong now)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(now, Now);
        if (NextDeadline > now)
        {
            Now = now;
            return;
        }

        if (_advancing)
        {
            throw new InvalidOperationException("a timer's callback must not advance the clock");
        }

        _advancing = true;
        try
        {
            while (NextDeadline <= now && EarliestTimer() is { } due)
            {
                Now = Math.Max(Now, due.Deadline);
                due.Fire();
                DeadlinesChanged();
            }

            Now = now;
        }
        finally
        {
            _advancing = false;
        }
    }

    /// <inheritdoc/>
    /// <remarks>The timers are those of the same board, in the order of their creation: which is the order in which equal deadlines fire.</remarks>
    void ISavedState.Transfer(StateTransfer state)
    {
        ulong frequency = Frequency;
        state.Value(ref frequency);
        state.Require(frequency == Frequency, "the clock has the same rate");
        Now = state.Pass(Now);
        state.Require(Now <= LatestRestored);
        int count = _timers.Count;
        state.Range(ref count, _timers.Count, _timers.Count, "the number of timers (and so of chips)");
        foreach (ClockTimer timer in _timers)
        {
            ulong deadline = state.Pass(timer.Deadline);
            state.Require(deadline > Now, "a timer's deadline has not passed");
            timer.Restore(deadline);
        }

        DeadlinesChanged();
    }

    internal void DeadlinesChanged() => NextDeadline = EarliestTimer()?.Deadline ?? ulong.MaxValue;

    // A board has a handful of timers: a scan is faster than a heap, and keeps creation order among equals.
    private ClockTimer? EarliestTimer()
    {
        ClockTimer? earliest = null;
        foreach (ClockTimer timer in _timers)
        {
            if (timer.Deadline < (earliest?.Deadline ?? ulong.MaxValue))
            {
                earliest = timer;
            }
        }

        return earliest;
    }
}
