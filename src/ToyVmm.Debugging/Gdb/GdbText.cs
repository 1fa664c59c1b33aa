using System.Buffers;
using System.Globalization;
using System.Text;

namespace ToyVmm.Debugging.Gdb;

/// <summary>How bytes and numbers are written in packets (gdb manual, E.1).</summary>
public static class GdbText
{
    private const byte Escape = (byte)'}';
    private const byte EscapeMask = 0x20;

    /// <summary>The value of a hexadecimal digit; -1 for another character.</summary>
    public static int Digit(byte value) => value switch
    {
        >= (byte)'0' and <= (byte)'9' => value - '0',
        >= (byte)'a' and <= (byte)'f' => value - 'a' + 10,
        >= (byte)'A' and <= (byte)'F' => value - 'A' + 10,
        _ => -1,
    };

    /// <summary>Takes the escapes out of a packet's data: '}' stands before a byte that was changed in bit 5.</summary>
    public static byte[] Unescape(IReadOnlyList<byte> raw)
    {
        ArgumentNullException.ThrowIfNull(raw);
        List<byte> data = new(raw.Count);
        for (int n = 0; n < raw.Count; n++)
        {
            // One at the very end stands before nothing, and is nothing.
            if (raw[n] != Escape)
            {
                data.Add(raw[n]);
            }
            else if (++n < raw.Count)
            {
                data.Add((byte)(raw[n] ^ EscapeMask));
            }
        }

        return [.. data];
    }

    /// <summary>A complete packet: <c>$data#checksum</c>, with what would be taken for its marks escaped.</summary>
    public static byte[] Frame(ReadOnlySpan<byte> data)
    {
        List<byte> frame = new(data.Length + 4) { (byte)'$' };
        byte sum = 0;
        foreach (byte value in data)
        {
            if (value is (byte)'$' or (byte)'#' or (byte)'*' or Escape)
            {
                Add(Escape);
                Add((byte)(value ^ EscapeMask));
            }
            else
            {
                Add(value);
            }
        }

        frame.Add((byte)'#');
        frame.AddRange(Encoding.ASCII.GetBytes(sum.ToString("x2", CultureInfo.InvariantCulture)));
        return [.. frame];

        void Add(byte value)
        {
            frame.Add(value);
            sum += value;
        }
    }

    /// <summary>Two digits for each byte.</summary>
    public static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);

    /// <summary>Two digits for each byte of a text.</summary>
    public static string Hex(string text) => Hex(Encoding.UTF8.GetBytes(text));

    /// <summary>Reads two digits for each byte.</summary>
    /// <returns>False where there is an odd number, or another character.</returns>
    public static bool TryParseBytes(ReadOnlySpan<char> text, out byte[] bytes)
    {
        bytes = new byte[text.Length / 2];
        return Convert.FromHexString(text, bytes, out _, out int written) == OperationStatus.Done && written == bytes.Length;
    }

    /// <summary>Reads a hexadecimal number of up to 64 bits, without sign or prefix.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out ulong value) =>
        ulong.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);

    /// <summary>Reads a hexadecimal number of up to 32 bits: a linear address. One whose upper half is the sign of its lower is taken too: gdb extends addresses for some machines.</summary>
    public static bool TryParseAddress(ReadOnlySpan<char> text, out uint value)
    {
        bool isNumber = TryParse(text, out ulong wide);
        value = (uint)wide;
        return isNumber && (wide >> 32 == 0 || wide == (ulong)(int)value);
    }
}
