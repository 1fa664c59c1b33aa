using System.Diagnostics;

namespace ToyVmm.VirtualMachines.Scheduling;

/// <summary>
/// The fleet's clock, and the processors that move it on: each counts the work that it has done. The clock is where the one stands that is furthest behind of
/// those that work; with one processor it is simply the sum of all work, and of the time in which nobody wanted to run.
/// </summary>
/// <param name="count">How many.</param>
internal sealed class FleetProcessors(int count)
{
    private readonly ulong[] _times = new ulong[count];
    private readonly bool[] _busy = new bool[count];
    private long _paceStarted;
    private ulong _paceFrom;

    /// <summary>The fleet's clock.</summary>
    public ulong Now { get; private set; }

    /// <summary>True while one of them works.</summary>
    public bool AnyBusy => _busy.Contains(true);

    /// <summary>A processor begins a slice.</summary>
    /// <returns>The fleet's clock.</returns>
    public ulong Begin(int processor)
    {
        _times[processor] = Math.Max(_times[processor], Now);
        _busy[processor] = true;
        return Now;
    }

    /// <summary>A processor has finished a slice.</summary>
    public void End(int processor, ulong work)
    {
        _times[processor] = FleetTime.Add(_times[processor], work);
        ulong behind = _times[processor];
        _busy[processor] = false;
        for (int n = 0; n < count; n++)
        {
            behind = _busy[n] ? Math.Min(behind, _times[n]) : behind;
        }

        Now = Math.Max(Now, behind);
    }

    /// <summary>Nobody wants to run before then.</summary>
    public void JumpTo(ulong time) => Now = Math.Max(Now, time);

    /// <summary>From now on the host's clock is the fleet's.</summary>
    public void StartPace() => (_paceStarted, _paceFrom) = (Stopwatch.GetTimestamp(), Now);

    /// <summary>How long the host's clock needs to get there; negative where it has passed.</summary>
    public TimeSpan HostTimeUntil(ulong time, ulong frequency) =>
        TimeSpan.FromSeconds((double)(time - _paceFrom) / frequency) - Stopwatch.GetElapsedTime(_paceStarted);
}
