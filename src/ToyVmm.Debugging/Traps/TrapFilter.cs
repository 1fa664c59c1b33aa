using System.Collections.Immutable;
using System.Globalization;

namespace ToyVmm.Debugging.Traps;

/// <summary>Which traps somebody wants to see.</summary>
public sealed record TrapFilter
{
    /// <summary>All of them.</summary>
    public static TrapFilter All { get; } = new();

    /// <summary>Only these kinds; empty for all.</summary>
    public ImmutableHashSet<TrapKind> Kinds { get; init; } = [];

    /// <summary>Only traps that deliver one of these vectors; empty for all traps.</summary>
    public ImmutableHashSet<int> Vectors { get; init; } = [];

    /// <summary>True for a trap that somebody wants to see.</summary>
    /// <param name="trap">The trap.</param>
    public bool Matches(Trap trap)
    {
        ArgumentNullException.ThrowIfNull(trap);
        bool kind = Kinds.IsEmpty || Kinds.Contains(trap.Kind);
        return kind && (Vectors.IsEmpty || trap.Events.Any(item => Vectors.Contains(item.Vector)));
    }

    /// <summary>Reads a filter: kinds (<c>page-fault</c>, <c>port-io</c>) and vectors (<c>vector:0x80</c>), with commas between; "all" for all.</summary>
    /// <param name="text">The text.</param>
    /// <param name="filter">The filter.</param>
    /// <param name="error">What is wrong with the text; null where nothing is.</param>
    /// <returns>False with the error.</returns>
    public static bool TryParse(string text, out TrapFilter filter, out string? error)
    {
        ArgumentNullException.ThrowIfNull(text);
        filter = All;
        error = null;
        foreach (string part in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (part == "all")
            {
                continue;
            }

            if (part.StartsWith("vector:", StringComparison.Ordinal))
            {
                if (!TryVector(part[7..], out int vector))
                {
                    error = $"{part}: a vector is a number from 0 to 255, 0x80 or 128";
                    return false;
                }

                filter = filter with { Vectors = filter.Vectors.Add(vector) };
                continue;
            }

            TrapKind[] kinds = [.. Enum.GetValues<TrapKind>().Where(kind => NameOf(kind) == part)];
            if (kinds.Length == 0)
            {
                error = $"{part}: no such kind of trap; there are {string.Join(", ", Enum.GetValues<TrapKind>().Select(NameOf))}, and vector:N";
                return false;
            }

            filter = filter with { Kinds = filter.Kinds.Add(kinds[0]) };
        }

        return true;
    }

    /// <summary>A kind as <see cref="TryParse"/> reads it: <c>page-fault</c>.</summary>
    /// <param name="kind">The kind.</param>
    public static string NameOf(TrapKind kind) => System.Text.Json.JsonNamingPolicy.KebabCaseLower.ConvertName(kind.ToString());

    private static bool TryVector(string text, out int vector)
    {
        bool isHex = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        bool isNumber = int.TryParse(isHex ? text[2..] : text, isHex ? NumberStyles.AllowHexSpecifier : NumberStyles.None, CultureInfo.InvariantCulture, out vector);
        return isNumber && vector is >= 0 and <= 255;
    }
}
