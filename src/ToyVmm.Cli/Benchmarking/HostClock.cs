using System.Diagnostics;
using ToyVmm.Cli.Hosting;

namespace ToyVmm.Cli.Benchmarking;

/// <summary>
/// What benchmarks take time with. On 64-bit Linux it is CPU time, which other programs on a busy host disturb least: of this thread, where
/// engines run their guests, and of programs that were started and have ended. Elsewhere it is wall time.
/// </summary>
internal static unsafe class HostClock
{
    private static bool HasCpuTime => OperatingSystem.IsLinux() && Environment.Is64BitProcess;

    /// <summary>Seconds of this thread; only differences mean anything.</summary>
    public static double ThreadSeconds()
    {
        long* time = stackalloc long[2];
        return HasCpuTime && Posix.clock_gettime(Posix.CLOCK_THREAD_CPUTIME_ID, time) == 0 ? time[0] + (time[1] / 1e9) : WallSeconds();
    }

    /// <summary>Seconds of the programs that have ended; only differences mean anything, and only if no other program ends meanwhile.</summary>
    public static double ChildrenSeconds()
    {
        long* usage = stackalloc long[18];
        return HasCpuTime && Posix.getrusage(Posix.RUSAGE_CHILDREN, usage) == 0
            ? usage[0] + usage[2] + ((usage[1] + usage[3]) / 1e6)
            : WallSeconds();
    }

    private static double WallSeconds() => Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency;
}
