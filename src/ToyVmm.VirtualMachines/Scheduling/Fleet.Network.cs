using ToyVmm.VirtualMachines.Hypercalls;

namespace ToyVmm.VirtualMachines.Scheduling;

/// <content>What comes to a guest from outside: another guest's bells and pages, where the configuration connects the two, and input.</content>
public sealed partial class Fleet
{
    private readonly HashSet<(int From, int To)> _connections = [];

    /// <summary>Something has come for a guest that may sleep: input, or another guest's event. From any thread.</summary>
    /// <param name="guest">The guest.</param>
    public void Raise(FleetGuest guest)
    {
        ArgumentNullException.ThrowIfNull(guest);
        lock (_gate)
        {
            if (guest.Share.IsRunning)
            {
                guest.EventPending = true; // it may be about to sleep without having seen it
            }
            else if (guest.State is FleetGuestState.Asleep or FleetGuestState.Waiting)
            {
                Wake(guest);
                Monitor.PulseAll(_gate);
            }
        }
    }

    /// <inheritdoc/>
    public PageExchange Pages { get; } = new();

    /// <inheritdoc/>
    public bool Connects(uint from, uint to) => from < _guests.Count && to < _guests.Count && _connections.Contains(((int)from, (int)to));

    /// <inheritdoc/>
    /// <remarks>A guest that has stopped, or is about to be started again, does not hear it.</remarks>
    public void Ring(uint to, int port)
    {
        FleetGuest guest = _guests[(int)to];
        lock (_gate)
        {
            if (guest.State is not (FleetGuestState.Stopped or FleetGuestState.Restarting))
            {
                RingMachine(guest, port);
            }
        }

        Raise(guest);
    }

    // A restart happens outside the lock: the machine that was there a moment ago may be gone.
    private static void RingMachine(FleetGuest guest, int port)
    {
        try
        {
            guest.Machine?.Input.Ring(port);
        }
        catch (ObjectDisposedException)
        {
            // It is being started again at this moment, and does not hear it.
        }
    }

    private void Connect()
    {
        foreach (FleetGuest guest in _guests)
        {
            foreach (string name in guest.Options.Connect.Where(name => name != guest.Name))
            {
                FleetGuest other = _guests.Find(other => other.Name == name) ?? throw new ArgumentException($"{guest.Name} is connected with {name}, and there is no such guest");
                _ = _connections.Add((guest.Number, other.Number));
                _ = _connections.Add((other.Number, guest.Number));
            }
        }

        // The host may ask any of them for memory, where there is a bound.
        foreach (FleetGuest guest in _guests.Where(guest => _memory is not null || _connections.Any(pair => pair.From == guest.Number)))
        {
            guest.ListenToOthers();
        }
    }

    // All that is left are guests that wait for something from outside.
    private bool WaitForInput()
    {
        if (_memory is not null && _memory.Look(_guests, Raise))
        {
            return true;
        }

        bool mayCome = false;
        foreach (FleetGuest guest in _guests.Where(guest => guest.State == FleetGuestState.Waiting))
        {
            if (guest.Machine!.WakesAt != ulong.MaxValue)
            {
                Wake(guest);
                return true;
            }

            mayCome |= guest.TakesInput;
        }

        if (mayCome)
        {
            _ = Monitor.Wait(_gate, s_longestPause);
            return true;
        }

        foreach (FleetGuest guest in _guests.Where(guest => guest.State == FleetGuestState.Waiting))
        {
            guest.End(new StopReason(StopKind.HaltedForever, 0, "the CPU halted, and nobody is left who could wake it"));
        }

        return false;
    }
}
