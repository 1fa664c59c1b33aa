using System.Globalization;
using ToyVmm.Cli.Guests;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;

namespace ToyVmm.Cli.Benchmarking;

/// <summary>
/// Measures the rows of the guest nano: what single operations cost. The guest's clock is virtual, so the host takes the time, of runs
/// with n and 2n loops. The guest checks its own work and fails when it is wrong.
/// </summary>
internal static class NanoBenchmark
{
    /// <summary>The guest's name, which is also what chooses it on the command line.</summary>
    public const string Guest = "nano";

    /// <summary>The names of the rows, in the guest's order.</summary>
    public static string[] Rows() => Run(EngineVariant.Of(EngineKind.Interpreter), "row=list", out _).Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>How many operations one loop of a row does.</summary>
    public static uint OperationsOf(string row)
    {
        string[] words = Run(EngineVariant.Of(EngineKind.Interpreter), CommandLine(row, 1), out _).Split(' ', '\n');
        return uint.Parse(words[Array.IndexOf(words, "operations") + 1], CultureInfo.InvariantCulture);
    }

    /// <summary>The guest's command line for so many loops of a row.</summary>
    public static string CommandLine(string row, uint loops) => string.Create(CultureInfo.InvariantCulture, $"row={row} loops={loops}");

    /// <summary>Measures a row on an engine.</summary>
    /// <param name="variant">What executes the guest.</param>
    /// <param name="row">The row.</param>
    /// <param name="operations">How many operations a loop does.</param>
    /// <param name="repeat">How many runs of each length.</param>
    /// <param name="loops">Loops of the shorter run; null finds out how many last long enough.</param>
    /// <exception cref="UserErrorException">The guest fails: its numbers would mean nothing.</exception>
    public static NanoResult Measure(EngineVariant variant, string row, uint operations, int repeat, uint? loops)
    {
        (double? seconds, uint used) = DifferenceTimer.Measure(
            count =>
            {
                _ = Run(variant, CommandLine(row, count), out double elapsed);
                return elapsed;
            },
            repeat,
            loops);
        return new NanoResult { Row = row, Engine = variant.Name, Loops = used, Operations = operations, Nanoseconds = seconds * 1e9 / operations };
    }

    private static string Run(EngineVariant variant, string commandLine, out double seconds)
    {
        using VirtualMachine vm = VirtualMachine.Create(
            BuiltInGuests.ReadImage(Guest)!,
            new VirtualMachineOptions { Engine = variant.Engine, Translator = variant.Translator, Load = new LoadOptions { CommandLine = commandLine } });
        double started = HostClock.ThreadSeconds();
        StopReason stop = vm.Run();
        seconds = HostClock.ThreadSeconds() - started;
        return stop.ExitStatus == 0 ? vm.SerialOutput
            : throw new UserErrorException(stop.ExitStatus, $"{Guest} failed on the {variant.Name}, {commandLine}: {stop.Detail}; it said: {vm.SerialOutput.Trim()}");
    }
}
