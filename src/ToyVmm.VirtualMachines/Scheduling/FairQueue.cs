namespace ToyVmm.VirtualMachines.Scheduling;

/// <summary>
/// Who runs next, so that all get their shares: earliest eligible virtual deadline first (I. Stoica, H. Abdel-Wahab, "Earliest Eligible Virtual Deadline
/// First: A Flexible and Accurate Mechanism for Proportional Share Resource Allocation", 1995). Each member has a virtual time, which grows by the work that
/// it is charged, divided by its weight. The queue's own virtual time is the weighted average of its members'. Who is not ahead of it is eligible, and among those the one is next whose
/// request - its virtual time and a slice - ends first.
/// </summary>
/// <remarks>
/// What follows, and is tested: whoever is chosen while another wants to run too is then ahead of it by at most a slice of each (divided by the weights),
/// whatever all others do and whatever a slice comes to; so shares hold while guests sleep, wake and are throttled, and errors do not add up.
/// Who was away comes back at the queue's virtual time: it has no credit for time in which it did not want to run. What it was owed when it left it still is, up
/// to a slice, or short sleeps would cost a guest its share. Its debt it keeps too: who leaves ahead of
/// the queue's virtual time counts in the average until that has caught up, as if it were still there.
/// The first request of who comes back is only an eighth of a slice, and so its deadline is near: its first slice begins no later than when the
/// others have had W / (8 w) slices and one more, where w is its weight and W that of all together.
/// On several processors weights that ask for more than one whole processor are first cut to that (A. Chandra et al., "Surplus Fair Scheduling", OSDI
/// 2000, section 2.1): nobody could use the rest, and such a member's virtual time would stay behind for ever.
/// All arithmetic is on integers: the same calls give the same order everywhere. Not thread-safe.
/// </remarks>
public sealed class FairQueue
{
    /// <summary>The first request of a member that comes back is this part of a slice.</summary>
    public const ulong FirstRequestPart = 8;

    // Fractions of a unit of virtual time, so that rounding down never amounts to anything.
    private const int FractionBits = 24;

    private readonly ulong _slice;
    private readonly int _processors;
    private readonly List<FairQueueMember> _active = [];     // those that want to run, the running ones included
    private readonly List<FairQueueMember> _debtors = [];    // those that have left ahead of their time
    private UInt128 _virtualTime;
    private ulong _order;
    private bool _sharesChanged;

    /// <summary>Makes an empty queue.</summary>
    /// <param name="slice">How much work a slice is, in any unit that is the same for all.</param>
    /// <param name="processors">How many members can run at the same time.</param>
    public FairQueue(ulong slice, int processors = 1)
    {
        ArgumentOutOfRangeException.ThrowIfZero(slice);
        ArgumentOutOfRangeException.ThrowIfLessThan(processors, 1);
        _slice = slice;
        _processors = processors;
    }

    /// <summary>How many members want to run, the running ones included.</summary>
    public int Active => _active.Count;

    /// <summary>The weights of all members that want to run.</summary>
    public ulong ActiveWeight { get; private set; }

    /// <summary>A member wants to run, again or for the first time.</summary>
    public void Enter(FairQueueMember member)
    {
        ArgumentNullException.ThrowIfNull(member);
        if (member.IsActive)
        {
            return;
        }

        AdvanceVirtualTime();
        _ = _debtors.Remove(member);
        UInt128 owed = Owed(member);
        member.VirtualTime = UInt128.Max(member.VirtualTime, _virtualTime - UInt128.Min(owed, _virtualTime));
        member.IsActive = true;
        _active.Add(member);
        ActiveWeight += member.Weight;
        _sharesChanged = true;
        ComputeShares();
        Request(member, Math.Max(_slice / FirstRequestPart, 1));
    }

    /// <summary>A member does not want to run any more, or must not. It keeps what it owes.</summary>
    public void Leave(FairQueueMember member)
    {
        ArgumentNullException.ThrowIfNull(member);
        if (!member.IsActive)
        {
            return;
        }

        AdvanceVirtualTime();
        member.IsActive = false;
        member.IsRunning = false;
        _ = _active.Remove(member);
        ActiveWeight -= member.Weight;
        _sharesChanged = true;
        member.Owed = 0;
        if (member.VirtualTime > _virtualTime)
        {
            _debtors.Add(member);
        }
        else
        {
            member.Owed = UInt128.Min(_virtualTime - member.VirtualTime, InVirtualTime(_slice, member));
        }
    }

    /// <summary>Takes the member that is to run next, for <see cref="FairQueueMember.RequestedWork"/>; it counts as running until <see cref="Charge"/>.</summary>
    /// <returns>Null where all that want to run do so already.</returns>
    public FairQueueMember? Take()
    {
        AdvanceVirtualTime();
        FairQueueMember? next = null;
        FairQueueMember? first = null; // the one with the lowest virtual time, where nobody is eligible because the others run
        foreach (FairQueueMember member in _active)
        {
            if (member.IsRunning)
            {
                continue;
            }

            if (member.VirtualTime <= _virtualTime && (next is null || member.IsBefore(next)))
            {
                next = member;
            }

            if (first is null || member.VirtualTime < first.VirtualTime)
            {
                first = member;
            }
        }

        next ??= first;
        if (next is not null)
        {
            next.IsRunning = true;
        }

        return next;
    }

    /// <summary>A running member has had its slice; it wants to run on, unless it <see cref="Leave"/>s next.</summary>
    /// <param name="member">The member.</param>
    /// <param name="work">What it has used.</param>
    public void Charge(FairQueueMember member, ulong work)
    {
        ArgumentNullException.ThrowIfNull(member);
        ComputeShares();
        member.VirtualTime += InVirtualTime(work, member);
        member.IsRunning = false;
        Request(member, _slice);
    }

    private static UInt128 InVirtualTime(ulong work, FairQueueMember member) => ((UInt128)work << (FractionBits + FairQueueMember.WeightBits)) / member.Share;

    private void Request(FairQueueMember member, ulong work)
    {
        member.RequestedWork = work;
        member.Deadline = member.VirtualTime + InVirtualTime(work, member);
        member.Order = _order++;
    }

    // A member that comes behind pulls the average back, and so is less far behind than it was: as far as it was owed it has to come further behind.
    private UInt128 Owed(FairQueueMember member)
    {
        ulong others = 0;
        foreach (FairQueueMember other in _active)
        {
            others += other.Share;
        }

        foreach (FairQueueMember other in _debtors)
        {
            others += other.Share;
        }

        return others == 0 ? 0 : member.Owed * (others + member.Share) / others;
    }

    // The weighted average. While nobody wants to run it stands still.
    private void AdvanceVirtualTime()
    {
        ComputeShares();
        for (; ; )
        {
            if (_active.Count + _debtors.Count == 0)
            {
                return;
            }

            // Relative to what it was, or to the lowest: products of whole virtual times would not fit after some years.
            UInt128 floor = _virtualTime;
            foreach (FairQueueMember member in _active)
            {
                floor = UInt128.Min(floor, member.VirtualTime);
            }

            (UInt128 sum, UInt128 weights) = (0, 0);
            foreach (FairQueueMember member in _active)
            {
                sum += (member.VirtualTime - floor) * member.Share;
                weights += member.Share;
            }

            foreach (FairQueueMember member in _debtors)
            {
                sum += (member.VirtualTime - floor) * member.Share;
                weights += member.Share;
            }

            _virtualTime = floor + (sum / weights);
            if (_debtors.RemoveAll(member => member.VirtualTime <= _virtualTime) == 0)
            {
                return;
            }
        }
    }

    // Weights are only cut where there is more than one processor, and then those that exceed a processor's worth, beginning with the largest.
    private void ComputeShares()
    {
        if (!_sharesChanged)
        {
            return;
        }

        _sharesChanged = false;
        foreach (FairQueueMember member in _active)
        {
            member.Share = (ulong)member.Weight << FairQueueMember.WeightBits;
        }

        if (_processors == 1)
        {
            return;
        }

        // With no more members than processors each has one for itself.
        if (_active.Count <= _processors)
        {
            foreach (FairQueueMember member in _active)
            {
                member.Share = 1 << FairQueueMember.WeightBits;
            }

            return;
        }

        FairQueueMember[] descending = [.. _active.OrderByDescending(member => member.Weight)];
        ulong rest = ActiveWeight << FairQueueMember.WeightBits;
        int cut = 0;
        while (descending[cut].Share * (ulong)(_processors - cut) > rest)
        {
            rest -= descending[cut++].Share;
        }

        for (int n = 0; n < cut; n++)
        {
            descending[n].Share = Math.Max(rest / (ulong)(_processors - cut), 1);
        }
    }
}
