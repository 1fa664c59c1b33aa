using ToyVmm.VirtualMachines.Scheduling;
using ToyVmm.VirtualMachines.Verification;

namespace ToyVmm.Tests.Scheduling;

/// <summary>
/// A random life of a <see cref="FairQueue"/> without machines: members of random weights that run slices of random lengths, sleep, wake, and give
/// slices away. It keeps the books itself, so that what the queue promises can be checked by counting.
/// </summary>
internal sealed class FairQueueModel
{
    public const ulong Slice = 1000;

    private readonly EdgeRandom _random;
    private readonly FairQueue _queue = new(Slice);
    private readonly double _restlessness;

    public FairQueueModel(ulong seed, int members, double restlessness)
    {
        _random = new EdgeRandom(seed);
        _restlessness = restlessness;
        for (int n = 0; n < members; n++)
        {
            Members.Add(new Member(new FairQueueMember(Weight()), always: n < 2 || restlessness == 0));
            _queue.Enter(Members[n].Share);
        }
    }

    public List<Member> Members { get; } = [];

    public ulong Time { get; private set; }

    public ulong Slices { get; private set; }

    /// <summary>One slice, and what goes on around it.</summary>
    public void Step(Action<Member, ulong>? ran = null)
    {
        foreach (Member member in Members.Where(member => !member.Share.IsActive && member.WakesAt <= Time))
        {
            member.WokeAt = Time;
            _queue.Enter(member.Share);
        }

        FairQueueMember share = _queue.Take()!;
        Member chosen = Members.First(member => member.Share == share);
        bool sleeps = !chosen.Always && _random.Below(1000) < _restlessness * 1000;
        ulong work = sleeps || _random.OneIn(8) ? 1 + (_random.Bits64() % share.RequestedWork) : share.RequestedWork;
        chosen.Delay(Time + work);
        Time += work;
        Slices++;
        chosen.Work += work;
        _queue.Charge(share, work);
        ran?.Invoke(chosen, work);
        if (sleeps)
        {
            chosen.WakesAt = Time + (_random.Bits64() % (Slice * 30));
            _queue.Leave(share);
        }
    }

    private uint Weight() => _random.Below(3) switch
    {
        0 => 100,
        1 => (uint)(1 + _random.Below(20)) * 50,
        _ => (uint)(1 + _random.Below(1000)),
    };

    public sealed class Member(FairQueueMember share, bool always)
    {
        public FairQueueMember Share => share;

        /// <summary>It never sleeps.</summary>
        public bool Always => always;

        public ulong Work { get; set; }

        public ulong WakesAt { get; set; }

        /// <summary>When it woke, while it has not run since.</summary>
        public ulong? WokeAt { get; set; }

        /// <summary>How long it took from waking to the end of the first slice, each time.</summary>
        public List<ulong> Delays { get; } = [];

        public void Delay(ulong end)
        {
            if (WokeAt is { } woke)
            {
                Delays.Add(end - woke);
                WokeAt = null;
            }
        }
    }
}
