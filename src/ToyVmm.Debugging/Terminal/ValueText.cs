using System.Globalization;
using System.Text;
using ToyVmm.Debugging.Expressions;

namespace ToyVmm.Debugging.Terminal;

/// <summary>Values as text.</summary>
internal static class ValueText
{
    private const int LongestString = 200;

    /// <summary>The formats, for messages.</summary>
    public const string Formats = "x d u o b c a s";

    /// <summary>Formats a value.</summary>
    /// <param name="session">Where strings and symbols are found.</param>
    /// <param name="value">The value.</param>
    /// <param name="format">x hexadecimal, d signed, u unsigned, o octal, b binary, c character, a address with its symbol, s the string in memory there; a blank for hexadecimal and decimal.</param>
    public static string Of(DebugSession session, in ExpressionValue value, char format)
    {
        if (!value.IsAvailable)
        {
            return value.ToString();
        }

        int bits = 8 * Bytes(value.Type);
        ulong number = bits == 64 ? value.Bits : value.Bits & ((1ul << bits) - 1);
        return format switch
        {
            'x' => "0x" + number.ToString("x", CultureInfo.InvariantCulture),
            'd' => ((long)(number << (64 - bits)) >> (64 - bits)).ToString(CultureInfo.InvariantCulture),
            'u' => number.ToString(CultureInfo.InvariantCulture),
            'o' => "0" + Convert.ToString((long)number, 8),
            'b' => "0b" + number.ToString("b", CultureInfo.InvariantCulture),
            'c' => number is >= ' ' and < 0x7F ? $"'{(char)number}'" : $"'\\x{number & 0xFF:x2}'",
            'a' => $"0x{value.Address:x8}{(session.Symbols.Find(value.Address) is { } symbol ? $" <{symbol}>" : "")}",
            's' => String(session, value.Address),
            _ => value.ToString(),
        };
    }

    private static int Bytes(ExpressionType type) => 1 << ((int)type & 3);

    private static string String(DebugSession session, uint address)
    {
        byte[] bytes = new byte[LongestString];
        int count = session.Memory.ReadLinear(address, bytes);
        if (count == 0)
        {
            return string.Create(CultureInfo.InvariantCulture, $"unavailable: the memory at {address:x8} cannot be read");
        }

        int end = Array.IndexOf(bytes, (byte)0, 0, count);
        StringBuilder text = new("\"");
        foreach (byte value in bytes.AsSpan(0, end < 0 ? count : end))
        {
            _ = value switch
            {
                (byte)'\n' => text.Append("\\n"),
                (byte)'\r' => text.Append("\\r"),
                (byte)'\t' => text.Append("\\t"),
                (byte)'"' or (byte)'\\' => text.Append('\\').Append((char)value),
                >= 0x20 and < 0x7F => text.Append((char)value),
                _ => text.Append(CultureInfo.InvariantCulture, $"\\x{value:x2}"),
            };
        }

        return text.Append(end < 0 ? "\"..." : "\"").ToString();
    }
}
