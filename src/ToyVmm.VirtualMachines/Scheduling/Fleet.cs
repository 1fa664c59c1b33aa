using System.Diagnostics;
using System.Numerics;
using ToyVmm.VirtualMachines.Hypercalls;

namespace ToyVmm.VirtualMachines.Scheduling;

/// <summary>
/// Many guests on one host: whoever's turn it is runs a slice, is charged for it, and makes room for the next (<see cref="FairQueue"/>).
/// </summary>
/// <remarks>
/// There is one clock for the fleet. It counts the work that is done, and while nobody wants to run it jumps to the first guest that will wake. A
/// guest's own clock begins at 0 when its machine is made, and never gets ahead of the fleet's: it goes on while the guest runs, and while it sleeps -
/// until its next timer, or to the present, whichever comes first. A guest that was kept waiting has lag, and skips idle time until it has made that up. So
/// a guest sees of the others only that it makes slower progress; everything that it executes is the same as if it were alone.
/// Not thread-safe, except for <see cref="RequestStop"/>, <see cref="Raise"/> and <see cref="FleetGuest.Status"/>.
/// </remarks>
public sealed partial class Fleet : IGuestNetwork, IDisposable
{
    // However long nothing happens, input is looked for and limits are this often.
    private static readonly TimeSpan s_longestPause = TimeSpan.FromMilliseconds(100);

    private readonly List<FleetGuest> _guests = [];
    private readonly Dictionary<FairQueueMember, FleetGuest> _byShare = [];
    private readonly FairQueue _queue;
    private readonly MemoryPressure? _memory;
    private readonly FleetProcessors _processors;
    private readonly object _gate = new();
    private ulong _nextWake = ulong.MaxValue;
    private volatile bool _stopRequested;
    private long _started;
    private TimeSpan _timeout;
    private ulong _lastSlice;

    /// <summary>Makes the guests' machines; nothing runs yet.</summary>
    /// <param name="guests">The guests.</param>
    /// <param name="options">How they share the host; null for the defaults.</param>
    /// <exception cref="ArgumentException">Two guests have one name, or a number is out of its range.</exception>
    /// <exception cref="InvalidImageException">See <see cref="VirtualMachine.Create"/>; all machines that were made are gone again.</exception>
    /// <exception cref="DriveException">See <see cref="VirtualMachine.Create"/>.</exception>
    public Fleet(IEnumerable<FleetGuestOptions> guests, FleetOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(guests);
        Options = options ?? new FleetOptions();
        _memory = Options.HostMemory is { } most ? new MemoryPressure(most) : null;
        ArgumentOutOfRangeException.ThrowIfZero(Options.Slice);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Options.Slice, FleetOptions.LongestSlice);
        ArgumentOutOfRangeException.ThrowIfZero(Options.Frequency);
        _queue = new FairQueue(Options.Slice, Options.Threads);
        _processors = new FleetProcessors(Options.Threads);
        try
        {
            foreach (FleetGuestOptions guest in guests)
            {
                Add(guest);
            }

            Connect();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>How the guests share the host.</summary>
    public FleetOptions Options { get; }

    /// <summary>The guests, in the order in which they were given.</summary>
    public IReadOnlyList<FleetGuest> Guests => _guests;

    /// <summary>The fleet's clock.</summary>
    public ulong Now => _processors.Now;

    /// <summary>Slices that have begun.</summary>
    public ulong Slices { get; private set; }

    /// <summary>A fingerprint of the order of all slices and of what each came to: two runs with the same had the same interleaving. With several threads no two have.</summary>
    public ulong ScheduleHash { get; private set; } = 0x546F_7956_6D6D_0002;

    /// <summary>Runs the guests until all have stopped, or a limit is reached; may be called again after a limit.</summary>
    /// <param name="limits">When to stop; null for never.</param>
    /// <returns>Why it ended. No guest bytes make this throw.</returns>
    public FleetStop Run(FleetLimits? limits = null)
    {
        limits ??= new FleetLimits();
        _started = Stopwatch.GetTimestamp();
        _timeout = limits.Timeout;
        _lastSlice = FleetTime.Add(Slices, limits.MaxSlices);
        _processors.StartPace();
        Thread[] threads = [.. Enumerable.Range(1, Options.Threads - 1).Select(n => new Thread(() => Work(n)) { IsBackground = true, Name = $"fleet {n}" })];
        foreach (Thread thread in threads)
        {
            thread.Start();
        }

        Work(0);
        foreach (Thread thread in threads)
        {
            thread.Join();
        }

        return _guests.All(guest => guest.State == FleetGuestState.Stopped) ? FleetStop.AllStopped
            : _stopRequested ? FleetStop.Stopped
            : Elapsed >= _timeout ? FleetStop.TimeLimit
            : FleetStop.SliceLimit;
    }

    /// <summary>Asks a running fleet to stop soon; from any thread.</summary>
    public void RequestStop()
    {
        _stopRequested = true;
        lock (_gate)
        {
            foreach (FleetGuest guest in _guests.Where(guest => guest.Share.IsRunning))
            {
                guest.RequestStop();
            }

            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Ends all guests that have not stopped, with one verdict. Not while the fleet runs.</summary>
    public void EndAll(StopReason verdict)
    {
        foreach (FleetGuest guest in _guests.Where(guest => guest.State != FleetGuestState.Stopped))
        {
            _queue.Leave(guest.Share);
            guest.End(verdict);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        for (int number = 0; number < _guests.Count; number++)
        {
            Pages.Forget((uint)number);
            _guests[number].Machine?.Dispose();
        }
    }

    private TimeSpan Elapsed => Stopwatch.GetElapsedTime(_started);

    private bool IsOver => _stopRequested || Slices >= _lastSlice || Elapsed >= _timeout;

    private void Add(FleetGuestOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfZero(options.Caps.Period);
        if (_guests.Any(other => other.Name == options.Name))
        {
            throw new ArgumentException($"two guests are called {options.Name}");
        }

        FleetGuest guest = new(this, _guests.Count, options);
        guest.Start(Now);
        _guests.Add(guest);
        _byShare.Add(guest.Share, guest);
        _queue.Enter(guest.Share);
    }

    // What each processor does: the next guest's slice, until there is none.
    private void Work(int processor)
    {
        lock (_gate)
        {
            while (Next(processor) is { } guest)
            {
                ulong now = _processors.Begin(processor);
                ulong waited = Slices - guest.ReadySinceSlice;
                ulong number = Slices++;
                (TimeSpan waitedTime, bool woken) = (Stopwatch.GetElapsedTime(guest.ReadySince), guest.HasSlept);
                guest.HasSlept = false;
                TimeSpan left = _timeout == TimeSpan.MaxValue ? TimeSpan.MaxValue : _timeout - Elapsed;
                SliceResult slice;
                Monitor.Exit(_gate);
                try
                {
                    slice = guest.RunSlice(now, left);
                }
                finally
                {
                    Monitor.Enter(_gate);
                }

                _processors.End(processor, slice.Charge);
                Settle(guest, slice, waited);
                _memory?.AfterSlice(_guests, Raise);
                Observe(new FleetSlice(number, guest, now, slice.Charge, slice.Instructions, slice.Exits, waited, guest.State) { WaitedTime = waitedTime, Woken = woken });
            }

            Monitor.PulseAll(_gate);
        }
    }

    private FleetGuest? Next(int processor)
    {
        for (; ; )
        {
            if (IsOver)
            {
                return null;
            }

            WakeDue();
            if (_queue.Take() is { } member)
            {
                return _byShare[member];
            }

            if (_processors.AnyBusy)
            {
                _ = Monitor.Wait(_gate); // what the others do decides what comes next
                continue;
            }

            if (_nextWake == ulong.MaxValue)
            {
                if (!WaitForInput())
                {
                    return null;
                }
            }
            else if (Options.Pace && _processors.HostTimeUntil(_nextWake, Options.Frequency) is { } pause && pause > TimeSpan.Zero)
            {
                _ = Monitor.Wait(_gate, pause < s_longestPause ? pause : s_longestPause);
            }
            else
            {
                _processors.JumpTo(_nextWake);
            }
        }
    }

    // What a slice leaves behind: the charge, and a guest that wants to run on or does not.
    private void Settle(FleetGuest guest, in SliceResult slice, ulong waited)
    {
        // What it gives away it has had its turn for; otherwise it would be next again, because it used so little.
        _queue.Charge(guest.Share, slice.Yielded ? Math.Max(slice.Charge, guest.Share.RequestedWork) : slice.Charge);
        guest.ReadySinceSlice = Slices;
        guest.ReadySince = Stopwatch.GetTimestamp();
        bool sleeps = guest.State is FleetGuestState.Asleep or FleetGuestState.Waiting;
        if (guest.State != FleetGuestState.Ready)
        {
            _queue.Leave(guest.Share);
            if (sleeps && guest.EventPending)
            {
                Wake(guest);
            }
            else
            {
                _nextWake = Math.Min(_nextWake, guest.ReadyAt);
            }
        }

        guest.EventPending = false;
        guest.Account(slice, waited);
        Monitor.PulseAll(_gate);
    }

    private void Wake(FleetGuest guest)
    {
        guest.HasSlept = guest.State is FleetGuestState.Asleep or FleetGuestState.Waiting;
        guest.Wake();
        guest.ReadySinceSlice = Slices;
        guest.ReadySince = Stopwatch.GetTimestamp();
        _queue.Enter(guest.Share);
    }

    // In the order of their times, so that who wakes first is first among equals.
    private void WakeDue()
    {
        if (_nextWake > Now)
        {
            return;
        }

        foreach (FleetGuest guest in _guests.Where(guest => guest.IsPaused && guest.ReadyAt <= Now).OrderBy(guest => guest.ReadyAt))
        {
            Wake(guest);
        }

        _nextWake = ulong.MaxValue;
        foreach (FleetGuest guest in _guests)
        {
            _nextWake = guest.IsPaused ? Math.Min(_nextWake, guest.ReadyAt) : _nextWake;
        }
    }

    private void Observe(in FleetSlice slice)
    {
        Mix((ulong)slice.Guest.Number);
        Mix(slice.StartedAt);
        Mix(slice.Work);
        Mix(slice.Instructions);
        Mix((ulong)slice.State);
        Options.SliceObserver?.Invoke(slice);
    }

    // As TraceHash mixes.
    private void Mix(ulong word) => ScheduleHash = BitOperations.RotateLeft((ScheduleHash ^ word) * 0x9E37_79B9_7F4A_7C15, 29);
}
