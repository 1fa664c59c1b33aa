using System.Diagnostics;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Tracing;
using Xunit;
using Xunit.Abstractions;

namespace ToyVmm.GuestTests;

/// <summary>What taking a state out and putting it in costs: it is what a clone of a machine is made of.</summary>
[Collection(nameof(RunsAlone))]
public sealed class SavedStateSpeedTests(ITestOutputHelper output)
{
    // Generous: the machine that tests run on has others on it. What is measured is printed.
    private static readonly TimeSpan s_most = TimeSpan.FromMilliseconds(2);

    [Theory]
    [InlineData("hello", 1_000)]
    [InlineData("paging-pae", 2_000)]
    public void A_state_is_saved_and_restored_in_microseconds(string name, ulong at)
    {
        GuestImage guest = GuestCatalog.Find(name);
        using VirtualMachine from = GuestRunner.Create(guest, GuestRunner.Engines[0], new TraceHash());
        using VirtualMachine to = GuestRunner.Create(guest, GuestRunner.Engines[^1], new TraceHash());
        _ = from.Run(new RunLimits { MaxInstructions = at });
        byte[] state = from.SaveState();
        TimeSpan save = Best(() => _ = from.SaveState());
        TimeSpan restore = Best(() => to.RestoreState(state));
        output.WriteLine($"{name} at {at}: {state.Length} bytes, saved in {save.TotalMicroseconds:0.0} us, restored in {restore.TotalMicroseconds:0.0} us");
        Assert.True(save < s_most && restore < s_most);
    }

    private static TimeSpan Best(Action action)
    {
        TimeSpan best = TimeSpan.MaxValue;
        for (int round = 0; round < 2_000; round++)
        {
            long started = Stopwatch.GetTimestamp();
            action();
            TimeSpan took = Stopwatch.GetElapsedTime(started);
            best = took < best ? took : best;
        }

        return best;
    }
}
