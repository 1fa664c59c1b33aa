using System.Globalization;
using ToyVmm.Cli.Guests;
using ToyVmm.VirtualMachines;
using ToyVmm.VirtualMachines.Loading;

namespace ToyVmm.Cli.Benchmarking;

/// <summary>
/// Measures the rows of the guest kernel's bench: one kernel, fully virtualized, by hypercalls, and on QEMU. As with nano the host takes the
/// time, of runs with n and 2n loops; so starting the kernel, and the program, is in both and cancels out.
/// </summary>
internal static class ParavirtualBenchmark
{
    /// <summary>What chooses it on the command line.</summary>
    public const string Name = "paravirt";

    /// <summary>The guest.</summary>
    public const string Guest = "kernel";

    /// <summary>The rows, and how many operations a loop of each does.</summary>
    public static IReadOnlyList<(string Name, uint Operations)> Rows()
    {
        using VirtualMachine vm = Create(EngineVariant.Of(EngineKind.Interpreter), "init=bench quiet");
        Check(vm.Run(), vm, "init=bench");
        return [.. vm.SerialOutput.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' '))
            .Select(words => (words[0], uint.Parse(words[1], CultureInfo.InvariantCulture)))];
    }

    /// <summary>The kernel's command line for so many loops of a row.</summary>
    public static string CommandLine(string row, uint loops, KernelMachine machine) =>
        string.Create(CultureInfo.InvariantCulture, $"init=bench,{row},{loops} quiet pv={(machine == KernelMachine.Paravirtual ? "on" : "off")}");

    /// <summary>Measures a row here.</summary>
    /// <param name="variant">What executes the guest.</param>
    /// <param name="machine">By hypercalls or not.</param>
    /// <param name="row">The row.</param>
    /// <param name="operations">How many operations a loop does.</param>
    /// <param name="repeat">How many runs of each length.</param>
    /// <param name="loops">Loops of the shorter run; null finds out how many last long enough.</param>
    /// <exception cref="UserErrorException">The guest fails: its numbers would mean nothing.</exception>
    public static ParavirtualCell Measure(EngineVariant variant, KernelMachine machine, string row, uint operations, int repeat, uint? loops)
    {
        Dictionary<uint, KernelCounts> counts = [];
        (double? seconds, uint used) = DifferenceTimer.Measure(
            count =>
            {
                string line = CommandLine(row, count, machine);
                using VirtualMachine vm = Create(variant, line);
                double started = HostClock.ThreadSeconds();
                StopReason stop = vm.Run();
                double elapsed = HostClock.ThreadSeconds() - started;
                Check(stop, vm, line);
                counts[count] = KernelCounts.Of(vm);
                return elapsed;
            },
            repeat,
            loops);
        return new ParavirtualCell(used, KernelCounts.PerOperation(counts[used], counts[used * 2], (double)used * operations), seconds * 1e9 / operations);
    }

    /// <summary>Measures a row on QEMU, whose insides are not known: no counts.</summary>
    /// <param name="qemu">QEMU.</param>
    /// <param name="row">The row.</param>
    /// <param name="operations">How many operations a loop does.</param>
    /// <param name="repeat">How many runs of each length.</param>
    /// <param name="loops">Loops of the shorter run; null finds out how many last long enough.</param>
    public static ParavirtualCell Measure(QemuProgram qemu, string row, uint operations, int repeat, uint? loops)
    {
        (double? seconds, uint used) = DifferenceTimer.Measure(count => qemu.Run(CommandLine(row, count, KernelMachine.Qemu)), repeat, loops);
        return new ParavirtualCell(used, null, seconds * 1e9 / operations);
    }

    private static VirtualMachine Create(EngineVariant variant, string commandLine) => VirtualMachine.Create(
        BuiltInGuests.ReadImage(Guest)!,
        new VirtualMachineOptions { Engine = variant.Engine, Translator = variant.Translator, Load = new LoadOptions { CommandLine = commandLine } });

    private static void Check(StopReason stop, VirtualMachine vm, string commandLine)
    {
        if (stop.ExitStatus != 0)
        {
            throw new UserErrorException(stop.ExitStatus, $"{Guest} failed, {commandLine}: {stop.Detail}; it said: {vm.SerialOutput.Trim()}");
        }
    }
}
