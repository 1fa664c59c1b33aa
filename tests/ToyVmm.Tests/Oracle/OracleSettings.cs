using System.Globalization;
using System.Security.Cryptography;

namespace ToyVmm.Tests.Oracle;

/// <summary>How much is judged, and from which seed: TOYVMM_ORACLE_CASES and TOYVMM_SEED in the environment.</summary>
public static class OracleSettings
{
    /// <summary>Cases of a run over all forms where nothing else is asked for.</summary>
    public const long StandardCases = 2_200_000;

    /// <summary>The least number of cases a form gets, however small the total.</summary>
    public const int LeastCasesPerForm = 1000;

    /// <summary>TOYVMM_SEED (decimal, or hexadecimal with 0x), or a new random seed.</summary>
    /// <exception cref="FormatException">The variable is set to something else.</exception>
    public static ulong Seed() => Environment.GetEnvironmentVariable("TOYVMM_SEED") is { Length: > 0 } text
        ? ParseSeed(text)
        : BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8));

    /// <summary>Cases for each form: TOYVMM_ORACLE_CASES, or the standard number, divided among the forms.</summary>
    /// <param name="standard">The total where the environment does not say.</param>
    /// <exception cref="FormatException">The variable is set, but not to a positive number.</exception>
    public static int CasesPerForm(long standard = StandardCases)
    {
        long each = (Cases(standard) + InstructionForms.Judged.Count - 1) / InstructionForms.Judged.Count;
        return (int)Math.Clamp(each, LeastCasesPerForm, int.MaxValue);
    }

    /// <summary>Cases in all: TOYVMM_ORACLE_CASES, or the standard number.</summary>
    /// <param name="standard">The total where the environment does not say.</param>
    /// <exception cref="FormatException">The variable is set, but not to a positive number.</exception>
    public static long Cases(long standard)
    {
        if (Environment.GetEnvironmentVariable("TOYVMM_ORACLE_CASES") is not { Length: > 0 } text)
        {
            return standard;
        }

        return long.TryParse(text, NumberStyles.AllowThousands, CultureInfo.InvariantCulture, out long total) && total > 0
            ? total
            : throw new FormatException($"TOYVMM_ORACLE_CASES=\"{text}\" is not a positive number of cases.");
    }

    /// <summary>Reads a seed as reports print it.</summary>
    public static ulong ParseSeed(string text)
    {
        bool isHex = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        bool isValid = isHex
            ? ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong seed)
            : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out seed);
        return isValid ? seed : throw new FormatException($"TOYVMM_SEED=\"{text}\" is neither a decimal number nor a hexadecimal one with 0x.");
    }
}
