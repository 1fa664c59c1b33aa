using System.Globalization;
using System.Security.Cryptography;
using ToyVmm.Tests.Oracle;

namespace ToyVmm.Tests.Fuzz;

/// <summary>How many guests are tried and from which seed: TOYVMM_FUZZ_CASES (per cent of the standard numbers) and TOYVMM_SEED.</summary>
/// <remarks>Case n of a run has the seed "first + n", so a reported case seed replays alone as TOYVMM_SEED with TOYVMM_FUZZ_CASES=0.</remarks>
public static class FuzzSettings
{
    /// <summary>The seed of the first case: TOYVMM_SEED, or a new one.</summary>
    public static ulong FirstSeed() => Environment.GetEnvironmentVariable("TOYVMM_SEED") is { Length: > 0 } text
        ? OracleSettings.ParseSeed(text)
        : BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8));

    /// <summary>The number of cases: the standard one, scaled by TOYVMM_FUZZ_CASES per cent, and at least one.</summary>
    /// <param name="standard">Cases of a CI run.</param>
    /// <exception cref="FormatException">The variable is set to something other than a number.</exception>
    public static int Cases(int standard)
    {
        if (Environment.GetEnvironmentVariable("TOYVMM_FUZZ_CASES") is not { Length: > 0 } text)
        {
            return standard;
        }

        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double percent) && percent >= 0
            ? Math.Max(1, (int)Math.Min(int.MaxValue, standard * percent / 100))
            : throw new FormatException($"TOYVMM_FUZZ_CASES=\"{text}\" is not a number of per cent.");
    }
}
