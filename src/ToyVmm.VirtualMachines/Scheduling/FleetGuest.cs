using System.Diagnostics;

namespace ToyVmm.VirtualMachines.Scheduling;

/// <summary>A guest of a <see cref="Fleet"/>: its machine, what it has used, and what it may do next.</summary>
/// <remarks>Everything here is the fleet's to change. While the fleet runs only <see cref="Status"/> may be read from another thread.</remarks>
public sealed class FleetGuest
{
    private readonly Fleet _fleet;
    private readonly GuestUsage _used = new();
    private ulong _slices;
    private ulong _longestWait;
    private ulong _timesThrottled;
    private bool _listens;
    private ulong _bornAt;              // the fleet's clock when the machine was made: its own began at 0 then
    private volatile GuestStatus _status;

    internal FleetGuest(Fleet fleet, int number, FleetGuestOptions options)
    {
        _fleet = fleet;
        Number = number;
        Options = options;
        Share = new FairQueueMember(options.Weight);
        Bites = new SliceBites(fleet.Options);
        Caps = new CapMeter(options.Caps);
        _status = new GuestStatus(FleetGuestState.Ready, 0, 0, 0, TimeSpan.Zero, 0, 0, 0, 0, 0, 0, 0);
    }

    /// <summary>Its place in the fleet, from 0.</summary>
    public int Number { get; }

    /// <summary>What it was made from.</summary>
    public FleetGuestOptions Options { get; }

    /// <summary>What it is called.</summary>
    public string Name => Options.Name;

    /// <summary>Its machine: the present one of its lives; null before the first.</summary>
    public VirtualMachine? Machine { get; private set; }

    /// <summary>Why it stopped for good, or for the last time before a restart; null while it never has.</summary>
    public StopReason? Stop { get; private set; }

    /// <summary>True where it has stopped as it should: with the exit status that was expected.</summary>
    public bool Succeeded => Stop is { } stop && Options.SuccessStatuses.Contains(stop.ExitStatus);

    /// <summary>With <see cref="StopKind.InternalError"/>: what was thrown.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>How often it was started again.</summary>
    public uint Restarts { get; private set; }

    /// <summary>How it stood after its last slice. From any thread.</summary>
    public GuestStatus Status => _status;

    internal FleetGuestState State { get; private set; }

    /// <summary>The value of the fleet's clock at which it is ready again; the largest where only an event makes it so.</summary>
    internal ulong ReadyAt { get; private set; }

    internal FairQueueMember Share { get; }

    /// <summary>How many slices had begun when it became ready.</summary>
    internal ulong ReadySinceSlice { get; set; }

    /// <summary>The same as a time of the host's clock (Stopwatch).</summary>
    internal long ReadySince { get; set; } = Stopwatch.GetTimestamp();

    internal bool HasSlept { get; set; }

    internal bool EventPending { get; set; }

    private SliceBites Bites { get; }

    private CapMeter Caps { get; }

    /// <summary>True while it does not want to run, or must not, and will again.</summary>
    internal bool IsPaused => State is FleetGuestState.Asleep or FleetGuestState.Waiting or FleetGuestState.Throttled or FleetGuestState.Restarting;

    /// <summary>True where input for it may come from outside the fleet.</summary>
    internal bool TakesInput => !_listens && Machine!.Input.IsOpen;

    /// <summary>Other guests may send it events: without a timer it then waits, and has not halted for ever.</summary>
    internal void ListenToOthers()
    {
        _listens = true;
        Machine!.Input.Open();
    }

    /// <summary>Asks its machine to stop; from any thread.</summary>
    internal void RequestStop()
    {
        try
        {
            Machine?.RequestStop();
        }
        catch (ObjectDisposedException)
        {
            // It is being started again at this moment; the fleet will not give it another slice.
        }
    }

    /// <summary>Makes the first machine.</summary>
    internal void Start(ulong now)
    {
        Machine = Options.Create(Seat(Options.Limits.Resources));
        _bornAt = now;
    }

    /// <summary>Runs a slice. Touches nothing but this guest: other guests may run at the same time.</summary>
    /// <param name="now">The fleet's clock.</param>
    /// <param name="timeLeft">Host time that the fleet has left.</param>
    /// <returns>What to charge.</returns>
    internal SliceResult RunSlice(ulong now, TimeSpan timeLeft)
    {
        State = FleetGuestState.Running;
        SliceResult result = default;
        try
        {
            if (Stop is not null && !TryRestart(now))
            {
                return result;
            }

            result = Bite(now, timeLeft);
        }
        catch (OutOfMemoryException e)
        {
            // It asked the host for more than there is. What it had begun is lost, so it cannot go on; the others can.
            End(new StopReason(StopKind.HostFailure, 0, $"the host has no more memory for the guest: {e.Message}"));
        }
        catch (Exception e)
        {
            // A bug of ours; but the other guests have nothing to do with it.
            Failure = e;
            End(new StopReason(StopKind.InternalError, 0, $"ToyVmm failed: {e.Message}"));
        }

        return result;
    }

    /// <summary>It has had a slice.</summary>
    internal void Account(in SliceResult slice, ulong waited)
    {
        _used.Work += slice.Charge;
        _slices++;
        _longestWait = Math.Max(_longestWait, waited);
        Publish();
    }

    /// <summary>Its time has come: it wants to run again.</summary>
    internal void Wake()
    {
        State = FleetGuestState.Ready;
        Publish();
    }

    /// <summary>Ends it for good, from outside.</summary>
    internal void End(StopReason stop)
    {
        Stop = stop;
        State = FleetGuestState.Stopped;
        ReadyAt = ulong.MaxValue;
        Publish();
    }

    /// <summary>Shows the present state to other threads.</summary>
    internal void Publish() => _status = new GuestStatus(
        State,
        _used.Instructions,
        _used.Exits,
        _used.Work,
        _used.HostTime,
        _slices,
        Restarts,
        _used.DiskBytes + (Machine?.DiskBytesWritten ?? 0),
        _used.SerialBytes + (Machine?.SerialBytesSent ?? 0),
        Machine?.Machine.Memory.ResidentBytes ?? 0,
        _longestWait,
        _timesThrottled);

    // Slices consist of bites: after each the guest is charged, so that one whose instructions are expensive does not run long beyond its slice.
    private SliceResult Bite(ulong now, TimeSpan timeLeft)
    {
        VirtualMachine vm = Machine!;
        SliceResult total = default;
        Bites.Begin(vm);
        for (; ; )
        {
            Caps.Begin(now - _bornAt);
            if (LimitReached() is { } reached)
            {
                End(reached);
                return total;
            }

            if (Caps.IsUsedUp)
            {
                _timesThrottled++;
                Pause(FleetGuestState.Throttled, _bornAt + Caps.NextPeriod);
                return total;
            }

            (ulong instructions, ulong exits) = (vm.InstructionsRetired, vm.ExitsHandled);
            long started = Stopwatch.GetTimestamp();
            StopReason stop = vm.Run(NextLimits(vm, now, timeLeft, total.Charge));
            TimeSpan elapsed = Stopwatch.GetElapsedTime(started);
            (instructions, exits) = (vm.InstructionsRetired - instructions, vm.ExitsHandled - exits);
            ulong charge = Bites.End(vm, instructions, elapsed);
            total = total.Plus(charge, instructions, exits, stop.Kind == StopKind.Yielded);
            timeLeft -= elapsed;
            _used.Add(instructions, exits, elapsed);
            Caps.Use(instructions, exits);
            if (Finish(stop, now) || total.Charge >= Share.RequestedWork || timeLeft <= TimeSpan.Zero)
            {
                State = State == FleetGuestState.Running ? FleetGuestState.Ready : State;
                return total;
            }
        }
    }

    private RunLimits NextLimits(VirtualMachine vm, ulong now, TimeSpan timeLeft, ulong charged)
    {
        TimeSpan time = Options.Limits.HostTime == TimeSpan.MaxValue ? TimeSpan.MaxValue : Options.Limits.HostTime - _used.HostTime;
        time = time < timeLeft ? time : timeLeft;
        ulong left = Share.RequestedWork - charged;
        return new RunLimits
        {
            MaxInstructions = Math.Min(Bites.Instructions(left), Math.Min(Caps.InstructionsLeft, Options.Limits.Instructions - _used.Instructions)),
            MaxExits = Math.Min(Bites.MostExits, Math.Min(Caps.ExitsLeft, Options.Limits.Exits - _used.Exits)),
            Timeout = time == TimeSpan.MaxValue ? Timeout.InfiniteTimeSpan : time > TimeSpan.Zero ? time : TimeSpan.Zero,
            IdleUntil = FleetTime.ToGuest(now - _bornAt, _fleet.Options.Frequency, vm.Machine.Clock.Frequency),
            EndsAtYield = true,
            EndsAtLongWork = true,
        };
    }

    private StopReason? LimitReached() =>
        _used.Instructions >= Options.Limits.Instructions ? new StopReason(StopKind.InstructionLimit, 0, $"the limit of {Options.Limits.Instructions} instructions is reached")
        : _used.Exits >= Options.Limits.Exits ? new StopReason(StopKind.ExitLimit, 0, $"the limit of {Options.Limits.Exits} exits is reached")
        : _used.HostTime >= Options.Limits.HostTime ? new StopReason(StopKind.TimeLimit, 0, $"the limit of {Options.Limits.HostTime.TotalSeconds:0.###} s of host time is reached")
        : null;

    // True where the slice is over.
    private bool Finish(StopReason stop, ulong now)
    {
        switch (stop.Kind)
        {
            case StopKind.InstructionLimit or StopKind.ExitLimit or StopKind.TimeLimit or StopKind.Preempted:
                if (LimitReached() is { } reached)
                {
                    End(reached);
                }

                return Stop is not null;
            case StopKind.Yielded:
                return true;
            case StopKind.Asleep:
                ulong wakes = Machine!.WakesAt;
                ulong at = wakes == ulong.MaxValue ? wakes : FleetTime.Add(_bornAt, FleetTime.FromGuest(wakes, _fleet.Options.Frequency, Machine.Machine.Clock.Frequency));
                Pause(at == ulong.MaxValue ? FleetGuestState.Waiting : FleetGuestState.Asleep, at);
                return true;
            default:
                End(stop);
                if (WantsRestart(stop))
                {
                    Pause(FleetGuestState.Restarting, FleetTime.Add(now, Options.Restart.PauseAfter(Restarts)));
                }

                return true;
        }
    }

    private bool WantsRestart(StopReason stop) => Restarts < Options.Restart.Most
        && stop.Kind is StopKind.PowerOff or StopKind.DebugExit or StopKind.HypercallExit or StopKind.HaltedForever or StopKind.TripleFault or StopKind.Reset
        && Options.Restart.Mode switch
        {
            RestartMode.Always => true,
            RestartMode.OnFailure => !Succeeded,
            _ => false,
        };

    private bool TryRestart(ulong now)
    {
        VirtualMachine old = Machine!;
        _used.DiskBytes += old.DiskBytesWritten;
        _used.SerialBytes += old.SerialBytesSent;
        ResourceLimits all = Options.Limits.Resources;
        Machine = null;
        _fleet.Pages.Forget((uint)Number);
        old.Dispose();
        try
        {
            Machine = Options.Create(Seat(new ResourceLimits
            {
                DiskWriteBytes = all.DiskWriteBytes == ulong.MaxValue ? ulong.MaxValue : all.DiskWriteBytes - _used.DiskBytes,
                SerialBytes = all.SerialBytes == ulong.MaxValue ? ulong.MaxValue : all.SerialBytes - _used.SerialBytes,
            }));
        }
        catch (Exception e) when (e is DriveException or InvalidImageException or IOException or OutOfMemoryException)
        {
            End(new StopReason(StopKind.HostFailure, 0, $"the guest could not be started again: {e.Message}"));
            return false;
        }

        if (_listens)
        {
            ListenToOthers();
        }

        Restarts++;
        Stop = null;
        _bornAt = now;
        Bites.Reset();
        Caps.Reset();
        return true;
    }

    private FleetSeat Seat(ResourceLimits left) => new((uint)Number, left, _fleet);

    private void Pause(FleetGuestState state, ulong until)
    {
        State = state;
        ReadyAt = until;
    }
}
