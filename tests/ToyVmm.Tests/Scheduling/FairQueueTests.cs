using FsCheck.Xunit;
using ToyVmm.Tests.Properties;
using ToyVmm.VirtualMachines.Scheduling;
using ToyVmm.VirtualMachines.Verification;
using Xunit;

namespace ToyVmm.Tests.Scheduling;

/// <summary>What the scheduler promises, by exact counts, on random weights, slices, sleepers.</summary>
public sealed class FairQueueTests
{
    private const int Slices = 1000;

    /// <summary>Members that always want to run have, after any number of slices, what their weights say, but for one slice.</summary>
    [Property(MaxTest = 60, Arbitrary = [typeof(Generators)])]
    public void Shares_are_within_a_slice_of_the_weights(ulong seed, byte number)
    {
        FairQueueModel model = new(seed, 2 + (number % 20), restlessness: 0);
        double weights = model.Members.Sum(member => (double)member.Share.Weight);
        while (model.Slices < Slices)
        {
            model.Step();
            foreach (FairQueueModel.Member member in model.Members)
            {
                double fair = model.Time * member.Share.Weight / weights;
                Assert.InRange(member.Work, fair - FairQueueModel.Slice, fair + FairQueueModel.Slice);
            }
        }
    }

    /// <summary>Over 1,000 slices that is 2 % of the total a fifth of which would be 20 slices: far inside.</summary>
    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 2, 3)]
    [InlineData(100, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)]
    [InlineData(10, 20, 30, 40)]
    public void Shares_of_1000_slices(params int[] weights)
    {
        FairQueue queue = new(1);
        List<FairQueueMember> members = [.. weights.Select(weight => new FairQueueMember((uint)weight))];
        members.ForEach(queue.Enter);
        Dictionary<FairQueueMember, int> slices = members.ToDictionary(member => member, _ => 0);
        for (int n = 0; n < Slices; n++)
        {
            FairQueueMember next = queue.Take()!;
            slices[next]++;
            queue.Charge(next, 1);
        }

        foreach (FairQueueMember member in members)
        {
            Assert.InRange(slices[member] - ((double)Slices * member.Weight / weights.Sum()), -1.0, 1.0);
        }
    }

    /// <summary>
    /// While two members want to run all the time, the work of each divided by its weight grows alike, but for two slices of each - whatever the others do:
    /// errors do not add up.
    /// </summary>
    [Property(MaxTest = 60, Arbitrary = [typeof(Generators)])]
    public void Sleepers_do_not_disturb_the_shares_of_the_others(ulong seed, byte number, byte restlessness)
    {
        FairQueueModel model = new(seed, 3 + (number % 20), restlessness / 256.0);
        (FairQueueModel.Member a, FairQueueModel.Member b) = (model.Members[0], model.Members[1]);
        double bound = 2.0 * FairQueueModel.Slice / a.Share.Weight + 2.0 * FairQueueModel.Slice / b.Share.Weight;
        (double least, double most) = (0, 0);
        for (int n = 0; n < 3 * Slices; n++)
        {
            model.Step();
            double difference = ((double)a.Work / a.Share.Weight) - ((double)b.Work / b.Share.Weight);
            (least, most) = (Math.Min(least, difference), Math.Max(most, difference));
            Assert.InRange(most - least, 0, bound);
        }
    }

    /// <summary>A sleeper never gets more than its share of the time in which it wanted to run would be: it cannot save up.</summary>
    [Property(MaxTest = 60, Arbitrary = [typeof(Generators)])]
    public void Sleeping_saves_no_credit(ulong seed, byte sleep)
    {
        EdgeRandom random = new(seed);
        FairQueue queue = new(FairQueueModel.Slice);
        FairQueueMember busy = new(100);
        FairQueueMember sleeper = new((uint)(1 + random.Below(400)));
        queue.Enter(busy);
        for (int n = 0; n < 10 + sleep; n++)
        {
            queue.Charge(queue.Take()!, FairQueueModel.Slice);
        }

        queue.Enter(sleeper);
        (ulong slept, ulong other) = (0, 0);
        for (int n = 0; n < 200; n++)
        {
            FairQueueMember next = queue.Take()!;
            ulong work = next.RequestedWork;
            _ = next == sleeper ? slept += work : other += work;
            queue.Charge(next, work);
            double fair = (double)(slept + other) * sleeper.Weight / (sleeper.Weight + 100);
            Assert.InRange(slept, Math.Max(0, fair - FairQueueModel.Slice), fair + FairQueueModel.Slice);
        }
    }

    /// <summary>Short sleeps neither help nor cost anything: who leaves ahead of its time keeps its debt, who leaves behind it what it is owed.</summary>
    [Fact]
    public void Short_sleeps_change_no_share()
    {
        FairQueue queue = new(FairQueueModel.Slice);
        FairQueueMember honest = new(100);
        FairQueueMember sly = new(100);
        queue.Enter(honest);
        queue.Enter(sly);
        (ulong first, ulong second) = (0, 0);
        for (int n = 0; n < 2000; n++)
        {
            FairQueueMember next = queue.Take()!;
            ulong work = next.RequestedWork;
            queue.Charge(next, work);
            _ = next == sly ? second += work : first += work;
            if (next == sly)
            {
                queue.Leave(sly);
                queue.Enter(sly);
            }
        }

        Assert.InRange((double)second / (first + second), 0.499, 0.501);
    }

    /// <summary>The bound on latency: (W / (8 w) + 1) slices of others, then its own first slice, of an eighth.</summary>
    [Property(MaxTest = 60, Arbitrary = [typeof(Generators)])]
    public void Who_wakes_is_served_in_bounded_time(ulong seed, byte number)
    {
        // Sleepers that use less than their share, among members that always run.
        EdgeRandom random = new(seed);
        FairQueue queue = new(FairQueueModel.Slice);
        int count = 1 + (number % 30);
        List<FairQueueMember> busy = [.. Enumerable.Range(0, count).Select(_ => new FairQueueMember((uint)(50 + random.Below(200))))];
        busy.ForEach(queue.Enter);
        FairQueueMember sleeper = new((uint)(50 + random.Below(200)));
        ulong weights = sleeper.Weight + (ulong)busy.Sum(member => member.Weight);
        ulong bound = (weights * (FairQueueModel.Slice / 8) / sleeper.Weight) + FairQueueModel.Slice + (FairQueueModel.Slice / 8);
        for (int round = 0; round < 50; round++)
        {
            for (ulong n = 0; n < 2 * weights / sleeper.Weight; n++)
            {
                queue.Charge(queue.Take()!, FairQueueModel.Slice);
            }

            queue.Enter(sleeper);
            ulong waited = 0;
            for (FairQueueMember? next = null; next != sleeper;)
            {
                next = queue.Take()!;
                waited += next.RequestedWork;
                queue.Charge(next, next.RequestedWork);
            }

            queue.Leave(sleeper);
            Assert.InRange(waited, 0ul, bound);
        }
    }

    /// <summary>Two processors: shares that are possible are met, and a weight that asks for more than a processor gets one.</summary>
    [Theory]
    [InlineData(2, new[] { 100, 100, 100, 100 }, new[] { 0.5, 0.5, 0.5, 0.5 })]
    [InlineData(2, new[] { 100, 100, 200 }, new[] { 0.5, 0.5, 1 })]
    [InlineData(2, new[] { 1000, 100, 100 }, new[] { 1, 0.5, 0.5 })]
    [InlineData(4, new[] { 1000, 500, 30, 20, 10 }, new[] { 1, 1, 1, 0.6667, 0.3333 })]
    [InlineData(4, new[] { 1, 1000 }, new[] { 1.0, 1.0 })]
    [InlineData(3, new[] { 300, 200, 200, 100, 100 }, new[] { 1, 0.6667, 0.6667, 0.3333, 0.3333 })]
    public void Shares_on_several_processors(int processors, int[] weights, double[] shares)
    {
        FairQueue queue = new(FairQueueModel.Slice, processors);
        List<FairQueueMember> members = [.. weights.Select(weight => new FairQueueMember((uint)weight))];
        members.ForEach(queue.Enter);
        double[] work = new double[weights.Length];

        // Slices of one length that end one after the other, in turn.
        Queue<FairQueueMember> running = new();
        for (int n = 0; n < processors && queue.Take() is { } first; n++)
        {
            running.Enqueue(first);
        }

        const int Rounds = 3000;
        int each = running.Count;
        for (int n = 0; n < Rounds * each; n++)
        {
            FairQueueMember done = running.Dequeue();
            work[members.IndexOf(done)]++;
            queue.Charge(done, FairQueueModel.Slice);
            running.Enqueue(queue.Take()!);
        }

        for (int n = 0; n < weights.Length; n++)
        {
            Assert.InRange(work[n] / Rounds, shares[n] - 0.02, shares[n] + 0.02);
        }
    }
}
