namespace ToyVmm.Cli.Benchmarking;

/// <summary>
/// Times one unit of work as T(2n) - T(n), divided by n: starting, loading and warming up are in both and cancel out. Each of the two is
/// the shortest of several runs, taken in turn, because what the host does beside them can only make them slower.
/// </summary>
internal static class DifferenceTimer
{
    // Work in a run with n units, in seconds; the unit count is found by growing it until a run has that much.
    private const double LeastWork = 0.2;
    private const uint MostUnits = 1_000_000_000;
    private const int MostAttempts = 4;

    /// <summary>Measures.</summary>
    /// <param name="run">Does so many units of work; returns the seconds that it took, or null when it failed.</param>
    /// <param name="repeat">How many runs of each length.</param>
    /// <param name="units">How many units a (short) run has, or null to find out how many last long enough.</param>
    /// <returns>Seconds for a unit, and how many units the short run had; no seconds where a run failed or nothing could be told.</returns>
    public static (double? Seconds, uint Units) Measure(Func<uint, double?> run, int repeat, uint? units)
    {
        if (units is { } given)
        {
            return (PerUnit(run, repeat, given), given);
        }

        if (Calibrate(run) is not { } found)
        {
            return (null, 0);
        }

        double? seconds = PerUnit(run, repeat, found);
        for (int attempt = 1; attempt < MostAttempts && found < MostUnits && !(seconds * found >= LeastWork / 2); attempt++)
        {
            found = (uint)Math.Min(found * 4.0, MostUnits);     // the host was busy when the first runs were timed
            seconds = PerUnit(run, repeat, found);
        }

        return (seconds, found);
    }

    private static uint? Calibrate(Func<uint, double?> run)
    {
        if (run(1) is not { } start)
        {
            return null;
        }

        for (double units = 16; ;)
        {
            if (run((uint)units) is not { } seconds)
            {
                return null;
            }

            double work = Math.Max(seconds - start, 0);
            if (work >= LeastWork || units >= MostUnits)
            {
                return (uint)Math.Max(units * Math.Min(LeastWork / Math.Max(work, 1e-9), 1), 1);
            }

            units = Math.Min(units * (work > LeastWork / 8 ? 1.1 * LeastWork / work : 10), MostUnits);
        }
    }

    private static double? PerUnit(Func<uint, double?> run, int repeat, uint units)
    {
        double once = double.MaxValue;
        double twice = double.MaxValue;
        for (int i = 0; i < repeat; i++)
        {
            if (run(units) is not { } first || run(units * 2) is not { } second)
            {
                return null;
            }

            once = Math.Min(once, first);
            twice = Math.Min(twice, second);
        }

        return twice > once ? (twice - once) / units : null;
    }
}
