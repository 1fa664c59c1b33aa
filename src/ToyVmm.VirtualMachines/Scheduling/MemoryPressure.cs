using ToyVmm.Hardware.Memory;

namespace ToyVmm.VirtualMachines.Scheduling;

/// <summary>
/// What a fleet does when its guests together hold more host memory than it has for them (<see cref="FleetOptions.HostMemory"/>). Whoever holds more than its share -
/// by weight - is asked to give the rest back, through its balloon, once pages that need not be its own are merged. That is a request: where it changes nothing the guest that is furthest above its share ends,
/// with <see cref="StopKind.MemoryLimit"/>, and the others go on. When there is room again guests are asked for less.
/// </summary>
/// <param name="budget">Bytes.</param>
internal sealed class MemoryPressure(ulong budget)
{
    private const int SlicesBetweenLooks = 16;
    private const int Patience = 32;    // looks, while the guests are asked
    private const ulong Emergency = 2;  // half above the budget there is no time to ask
    private const ulong Comfort = 2;    // below half of it there is room again

    private readonly Dictionary<FleetGuest, (ulong Resident, uint Target)> _known = [];
    private readonly HashSet<FleetGuest> _released = [];
    private int _untilLook;
    private int _looksAbove;

    /// <summary>Between two slices, under the fleet's lock.</summary>
    /// <param name="guests">All of them.</param>
    /// <param name="raise">Wakes a guest that sleeps.</param>
    public void AfterSlice(IReadOnlyList<FleetGuest> guests, Action<FleetGuest> raise)
    {
        if (--_untilLook <= 0)
        {
            _ = Look(guests, raise);
        }
    }

    /// <summary>As well when all guests wait: there is no slice to look after.</summary>
    /// <returns>True where that has changed something for one of them.</returns>
    public bool Look(IReadOnlyList<FleetGuest> guests, Action<FleetGuest> raise)
    {
        _untilLook = SlicesBetweenLooks;
        ulong total = Measure(guests);
        ulong weights = guests.Aggregate(0ul, (sum, guest) => sum + (guest.State == FleetGuestState.Stopped ? 0u : guest.Options.Weight));

        if (weights == 0)
        {
            return false;
        }

        _looksAbove = total > budget ? _looksAbove + 1 : 0;
        if (_looksAbove == 1 && guests.All(guest => !guest.Share.IsRunning))
        {
            // What is equal costs once, and nobody notices.
            foreach (FleetGuest guest in guests.Where(IsReachable))
            {
                Merge(guest.Machine!);
            }

            total = Measure(guests);
        }

        if (total > budget)
        {
            foreach (FleetGuest guest in guests)
            {
                total -= ReleaseStopped(guest);
            }
        }

        bool changes = false;
        if (total > budget || total < budget / Comfort)
        {
            foreach (FleetGuest guest in guests.Where(IsReachable))
            {
                changes |= Ask(guest, total > budget ? Excess(guest, weights) : 0, raise);
            }
        }

        // Who has just been asked has the time to answer, but not all of the host's memory.
        bool isUrgent = total > budget + (budget / Emergency) && _looksAbove > 1;
        return (_looksAbove > Patience || isUrgent) && EndTheGreediest(guests, weights, raise) || changes;
    }

    // Where the host cannot (it has no more mappings, or files), it costs what it cost before; guests can still be asked.
    private static void Merge(VirtualMachine machine)
    {
        try
        {
            _ = machine.MergePages();
        }
        catch (OutOfMemoryException)
        {
            machine.Vcpu.NotifyStateChanged(); // some pages may lie elsewhere by now
        }
    }

    private static bool IsReachable(FleetGuest guest) => guest is { Machine: not null, Share.IsRunning: false } && guest.State is not (FleetGuestState.Stopped or FleetGuestState.Restarting);

    private ulong Measure(IReadOnlyList<FleetGuest> guests) => guests.Aggregate(0ul, (sum, guest) => sum + Measure(guest));

    // Of a guest that runs on another thread what it was last time.
    private ulong Measure(FleetGuest guest)
    {
        if (guest.State == FleetGuestState.Stopped)
        {
            // What it holds it holds until somebody else needs it; but whoever was ended for its memory keeps none.
            if (guest.Stop?.Kind == StopKind.MemoryLimit)
            {
                _ = ReleaseStopped(guest);
            }

            _ = _known.Remove(guest);
            return guest.Machine?.Machine.Memory.ResidentBytes ?? 0;
        }

        (ulong resident, uint target) = _known.GetValueOrDefault(guest);
        resident = IsReachable(guest) ? guest.Machine!.Machine.Memory.ResidentBytes : resident;
        _known[guest] = (resident, target);
        return resident;
    }

    // Bytes that come back from a guest that never runs again.
    private ulong ReleaseStopped(FleetGuest guest)
    {
        if (guest is not { State: FleetGuestState.Stopped, Share.IsRunning: false, Machine.Machine.Memory: { } memory } || !_released.Add(guest))
        {
            return 0;
        }

        ulong before = memory.ResidentBytes;
        memory.ReleaseAll();
        guest.Publish();
        return before - Math.Min(before, memory.ResidentBytes);
    }

    private ulong Excess(FleetGuest guest, ulong weights)
    {
        ulong share = (ulong)((UInt128)budget * guest.Options.Weight / weights);
        ulong resident = _known[guest].Resident;
        return resident > share ? resident - share : 0;
    }

    private bool Ask(FleetGuest guest, ulong excess, Action<FleetGuest> raise)
    {
        (ulong resident, uint target) = _known[guest];
        GuestMemory memory = guest.Machine!.Machine.Memory;
        uint wanted = excess > 0 ? memory.BalloonPages + (uint)(excess / GuestPhysicalAddress.PageSize) : _looksAbove > 0 ? target : target / 2;
        if (wanted == target)
        {
            return false;
        }

        _known[guest] = (resident, wanted);
        guest.Machine.Input.SetBalloonTarget(wanted);
        raise(guest);
        return true;
    }

    private bool EndTheGreediest(IReadOnlyList<FleetGuest> guests, ulong weights, Action<FleetGuest> raise)
    {
        FleetGuest? greediest = guests.Where(IsReachable).MaxBy(guest => Excess(guest, weights));
        if (greediest is null || Excess(greediest, weights) is not (> 0 and ulong excess))
        {
            return false;
        }

        greediest.Machine!.EndWith(new StopReason(StopKind.MemoryLimit, 0, $"the fleet has {budget >> 20} MiB of host memory, and the guest holds {excess >> 10} KiB more than its share and does not give them back"));
        raise(greediest);
        _looksAbove = 0;
        return true;
    }
}
