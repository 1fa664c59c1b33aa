using System.Globalization;

namespace ToyVmm.Cli.Commands;

/// <summary>Numbers as people write them on a command line. A number that makes no sense is a usage error that shows a good one.</summary>
internal static class Quantity
{
    /// <summary>A size in bytes: "64M", "512K", "1G" (binary multiples), "0x4000000".</summary>
    public static ulong Bytes(string option, string text) => Scaled(text, 1024)
        ?? throw UserErrorException.Usage($"{option} {text}: not a size; write for example 64M, 512K or 1G");

    /// <summary>A count: "1000000", "1_000_000", "10M" (decimal multiples).</summary>
    public static ulong Count(string option, string text) => Scaled(text, 1000)
        ?? throw UserErrorException.Usage($"{option} {text}: not a count; write for example 5000, 1_000_000 or 10M");

    /// <summary>A 32-bit guest address: "0x7C00", "7C00h" or decimal.</summary>
    public static uint Address(string option, string text)
    {
        string digits = text.Replace("_", "", StringComparison.Ordinal);
        bool good = digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? uint.TryParse(digits.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint address)
            : digits.EndsWith('h') || digits.EndsWith('H')
            ? uint.TryParse(digits.AsSpan(0, digits.Length - 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out address)
            : uint.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out address);
        return good ? address : throw UserErrorException.Usage($"{option} {text}: not a 32-bit address; write for example 0x7C00 or 31744");
    }

    /// <summary>A length of time in seconds: "10", "0.5".</summary>
    public static TimeSpan Seconds(string option, string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds) && seconds is >= 0 and <= 1e9
            ? TimeSpan.FromSeconds(seconds)
            : throw UserErrorException.Usage($"{option} {text}: not a number of seconds; write for example 10 or 0.5");

    /// <summary>A number with K, M or G behind it; null where it is none.</summary>
    /// <param name="text">The text.</param>
    /// <param name="step">1024 for sizes, 1000 for counts.</param>
    public static ulong? Scaled(string text, ulong step)
    {
        string digits = text.Replace("_", "", StringComparison.Ordinal);
        if (digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
        {
            return ulong.TryParse(digits.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong hex) ? hex : null;
        }

        ulong scale = digits.Length == 0 ? 1 : char.ToUpperInvariant(digits[^1]) switch
        {
            'K' => step,
            'M' => step * step,
            'G' => step * step * step,
            _ => 1,
        };
        ReadOnlySpan<char> number = scale == 1 ? digits : digits.AsSpan(0, digits.Length - 1);
        return ulong.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out ulong value) && value <= ulong.MaxValue / scale
            ? value * scale
            : null;
    }
}
