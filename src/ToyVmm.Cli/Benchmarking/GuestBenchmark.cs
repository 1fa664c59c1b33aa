using System.Globalization;
using ToyVmm.Cli.Guests;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;

namespace ToyVmm.Cli.Benchmarking;

/// <summary>
/// Measures one compute guest. Each run is a new machine; the best one counts, because what the host does beside it can only make
/// it slower. The first run also compiles the engine, so with one run the number is that of a cold start.
/// </summary>
internal static class GuestBenchmark
{
    /// <summary>Measures a guest.</summary>
    /// <param name="variant">What executes it.</param>
    /// <param name="name">The built-in guest.</param>
    /// <param name="repeat">How many runs.</param>
    /// <param name="scale">How much work, or null for the guest's own measure.</param>
    /// <param name="progress">Told before each run, with its number.</param>
    /// <exception cref="UserErrorException">The guest fails: its numbers would mean nothing.</exception>
    public static BenchResult Measure(EngineVariant variant, string name, int repeat, ulong? scale, Action<int> progress)
    {
        byte[] image = BuiltInGuests.ReadImage(name)!;
        ulong instructions = 0;
        double best = double.MaxValue;
        for (int run = 1; run <= repeat; run++)
        {
            progress(run);
            using VirtualMachine vm = VirtualMachine.Create(
                image,
                new VirtualMachineOptions
                {
                    Engine = variant.Engine,
                    Translator = variant.Translator,
                    Load = new LoadOptions { CommandLine = scale?.ToString(CultureInfo.InvariantCulture) },
                });
            double started = HostClock.ThreadSeconds();
            StopReason stop = vm.Run();
            double seconds = HostClock.ThreadSeconds() - started;
            if (stop.ExitStatus != 0)
            {
                throw new UserErrorException(stop.ExitStatus, $"{name} failed: {stop.Detail} (try `toyvmm run {name}`)");
            }

            instructions = vm.InstructionsRetired;
            best = Math.Min(best, seconds);
        }

        return new BenchResult { Name = name, Engine = variant.Name, Instructions = instructions, Seconds = best, MillionsPerSecond = instructions / best / 1e6 };
    }
}
