namespace ToyVmm.Hardware.Time;

/// <summary>A single-shot alarm on a <see cref="VirtualClock"/>. Arming it again replaces the deadline.</summary>
public sealed class ClockTimer
{
    private readonly VirtualClock _clock;
    private readonly Action _fired;

    internal ClockTimer(VirtualClock clock, string name, Action fired)
    {
        _clock = clock;
        Name = name;
        _fired = fired;
    }

    /// <summary>What the timer is for, in traces.</summary>
    public string Name { get; }

    /// <summary>The clock value at which the timer fires; <see cref="ulong.MaxValue"/> when it is not armed.</summary>
    public ulong Deadline { get; private set; } = ulong.MaxValue;

    /// <summary>Sets the deadline. One that has passed already counts as the next tick, so a callback that re-arms itself always makes progress.</summary>
    /// <param name="atNow">The clock value; <see cref="ulong.MaxValue"/> disarms.</param>
    public void Arm(ulong atNow)
    {
        Deadline = atNow > _clock.Now ? atNow : _clock.Now + 1;
        _clock.DeadlinesChanged();
    }

    /// <summary>Disarms the timer.</summary>
    public void Cancel()
    {
        Deadline = ulong.MaxValue;
        _clock.DeadlinesChanged();
    }

    /// <summary>Sets the deadline, and tells nobody.</summary>
    internal void Restore(ulong deadline) => Deadline = deadline;

    internal void Fire()
    {
        Deadline = ulong.MaxValue;
        _fired();
    }
}
