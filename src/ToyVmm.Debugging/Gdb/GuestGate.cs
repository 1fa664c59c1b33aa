using System.Diagnostics;

namespace ToyVmm.Debugging.Gdb;

/// <summary>
/// Lets the guest run on one thread, and be asked to stop by another, so that no request is lost and none is left over: one that comes before the guest has
/// begun keeps it from beginning, and one that comes too late stops nothing later on.
/// </summary>
/// <param name="session">The session.</param>
public sealed class GuestGate(DebugSession session)
{
    private readonly Lock _lock = new();
    private bool _isRunning;
    private bool _isWanted;

    /// <summary>True from a request until <see cref="Forget"/>.</summary>
    public bool IsStopWanted
    {
        get
        {
            lock (_lock)
            {
                return _isWanted;
            }
        }
    }

    /// <summary>Host time for which the guest has run.</summary>
    public TimeSpan Elapsed { get; private set; }

    /// <summary>Asks the guest to stop; from any thread.</summary>
    public void RequestStop()
    {
        lock (_lock)
        {
            _isWanted = true;
            if (_isRunning)
            {
                session.RequestPause();
            }
        }
    }

    /// <summary>The request has been answered.</summary>
    public void Forget()
    {
        lock (_lock)
        {
            _isWanted = false;
        }
    }

    /// <summary>Lets the guest go on.</summary>
    /// <param name="go">Runs the session until it stops. Called again where an older request stopped it.</param>
    /// <returns>Why it stands still.</returns>
    public DebugStop Run(Func<DebugStop> go)
    {
        ArgumentNullException.ThrowIfNull(go);
        for (; ; )
        {
            lock (_lock)
            {
                if (_isWanted)
                {
                    return new DebugStop(StopCause.Paused, session.Point) { Text = "paused" };
                }

                _isRunning = true;
            }

            long started = Stopwatch.GetTimestamp();
            DebugStop stop;
            try
            {
                stop = go();
            }
            finally
            {
                Elapsed += Stopwatch.GetElapsedTime(started);
                lock (_lock)
                {
                    _isRunning = false;
                }
            }

            if (stop.Cause != StopCause.Paused || IsStopWanted)
            {
                return stop;
            }
        }
    }
}
