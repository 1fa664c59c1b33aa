using System.Diagnostics;
using ToyVmm.Hardware.Time;

namespace ToyVmm.VirtualMachines;

/// <summary>
/// Where a machine's virtual clock would be if it kept host time. Host time counts while the machine runs: a pause between two runs
/// (the monitor prompt, a debugger) stops the guest's clock. A process that was suspended, and a guest that was busy and slower than
/// the host, have lag; the machine makes it up by skipping idle time instead of sleeping, timer by timer, so that the guest
/// sees every timer of its own fire at its time. So the clock neither lags for ever nor jumps.
/// </summary>
internal sealed class HostPace(VirtualClock clock)
{
    private TimeSpan _before;
    private long? _started;

    private TimeSpan Elapsed => _before + (_started is { } started ? Stopwatch.GetElapsedTime(started) : TimeSpan.Zero);

    /// <summary>The value that the clock should have now.</summary>
    public ulong Now => (ulong)(Elapsed.TotalSeconds * clock.Frequency);

    /// <summary>The machine runs.</summary>
    public void Start() => _started = Stopwatch.GetTimestamp();

    /// <summary>The machine pauses.</summary>
    public void Stop()
    {
        _before = Elapsed;
        _started = null;
    }

    /// <summary>The clock has another value now (a snapshot's), and keeps host time from here on.</summary>
    public void Resume() => _before = Duration(clock.Now);

    /// <summary>The host time until the clock may have a value; negative when it lags.</summary>
    /// <param name="ticks">The value.</param>
    public TimeSpan Until(ulong ticks) => Duration(ticks) - Elapsed;

    // A slow clock's ticks can be more than a TimeSpan holds: a thousand years are as good.
    private TimeSpan Duration(ulong ticks) => TimeSpan.FromSeconds(Math.Min((double)ticks / clock.Frequency, 3.2e10));
}
