using System.Globalization;
using System.Text;

namespace ToyVmm.Debugging.Gdb;

/// <summary>The data of a reply.</summary>
/// <param name="Bytes">The bytes, without frame and escapes.</param>
public readonly record struct GdbReply(ReadOnlyMemory<byte> Bytes)
{
    /// <summary>What the server does not know is answered with an empty packet.</summary>
    public static GdbReply Unsupported { get; } = Of("");

    /// <summary>It is done.</summary>
    public static GdbReply Ok { get; } = Of("OK");

    /// <summary>The packet makes no sense (EINVAL).</summary>
    public static GdbReply Invalid { get; } = Error(22);

    /// <summary>There is no memory that can be looked at (EFAULT).</summary>
    public static GdbReply NoMemory { get; } = Error(14);

    /// <summary>A text of Latin-1 characters.</summary>
    public static GdbReply Of(string text) => new(Encoding.Latin1.GetBytes(text));

    /// <summary>An error with a number, which gdb shows as it is.</summary>
    public static GdbReply Error(int number) => Of(string.Create(CultureInfo.InvariantCulture, $"E{number:x2}"));

    /// <summary>An error with a text, which gdb shows.</summary>
    public static GdbReply Error(string text) => Of("E." + string.Concat(text.Select(c => c is >= ' ' and <= '~' ? c : '?')));

    /// <summary>The data as Latin-1 text.</summary>
    public override string ToString() => Encoding.Latin1.GetString(Bytes.Span);
}
