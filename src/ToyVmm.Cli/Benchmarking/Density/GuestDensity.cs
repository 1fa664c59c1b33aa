using System.Diagnostics;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Cli.Benchmarking.Density;

/// <summary>What one more guest in this process costs: a new machine, and a clone of one that has booted.</summary>
/// <param name="image">The guest.</param>
/// <param name="options">How it runs.</param>
/// <param name="repeat">How often each is timed.</param>
/// <param name="warmUp">For how long each is done before it is timed: the first ones compile what they use.</param>
/// <param name="progress">Told what is being measured.</param>
internal sealed class GuestDensity(byte[] image, VirtualMachineOptions options, int repeat, TimeSpan warmUp, Action<string> progress)
{
    private static readonly RunLimits s_oneInstruction = new() { MaxInstructions = 1 };

    // A new machine is measured in smaller numbers.
    private const int MostMachines = 64;

    /// <summary>Measures: the rows in the order of the table.</summary>
    /// <param name="clones">How many idle clones there are at once.</param>
    public IEnumerable<DensityRow> Measure(int clones)
    {
        yield return WithMemory(Time("a new machine, to the end of its guest", Create, RunToTheEnd), Math.Min(clones, MostMachines), Create, RunToTheEnd);
        using VirtualMachine warm = Create();
        _ = warm.Run(new RunLimits { MaxInstructions = HalfWay() });
        using MachineTemplate template = warm.Freeze();
        yield return WithMemory(Time("a clone, to its first instruction", () => template.Clone(), RunOne), clones, () => template.Clone(), RunOne);
        yield return Time("a clone, to the end of its guest", () => template.Clone(), RunToTheEnd);
    }

    // Warm: the guest is in the middle of what it does.
    private ulong HalfWay()
    {
        using VirtualMachine vm = Create();
        RunToTheEnd(vm);
        return vm.InstructionsRetired / 2;
    }

    private VirtualMachine Create() => VirtualMachine.Create(image, options);

    private static void RunToTheEnd(VirtualMachine vm)
    {
        StopReason stop = vm.Run();
        if (stop.ExitStatus != 0)
        {
            throw new UserErrorException(stop.ExitStatus, $"bench density: the guest failed: {stop.Detail}");
        }
    }

    private static void RunOne(VirtualMachine vm) => _ = vm.Run(s_oneInstruction);

    // Taking a machine down again is not timed.
    private DensityRow Time(string name, Func<VirtualMachine> make, Action<VirtualMachine> run)
    {
        progress(name);
        List<double> times = [];
        long begun = Stopwatch.GetTimestamp();
        while (times.Count < repeat)
        {
            bool counts = Stopwatch.GetElapsedTime(begun) > warmUp;
            long started = Stopwatch.GetTimestamp();
            using VirtualMachine vm = make();
            run(vm);
            double microseconds = Stopwatch.GetElapsedTime(started).TotalMicroseconds;
            if (counts)
            {
                times.Add(microseconds);
            }
        }

        return DensityRow.Of(name, times);
    }

    private DensityRow WithMemory(DensityRow row, int count, Func<VirtualMachine> make, Action<VirtualMachine> run)
    {
        progress($"{row.Name}: memory of {count}");
        List<VirtualMachine> all = new(count);
        try
        {
            long before = ResidentMemory.Settled();
            for (int n = 0; n < count; n++)
            {
                all.Add(make());
                run(all[n]);
            }

            return row with { Instances = count, ResidentBytes = (ResidentMemory.Settled() - before) / count };
        }
        finally
        {
            all.ForEach(vm => vm.Dispose());
        }
    }
}
