using System.Buffers.Binary;
using static System.FormattableString;

namespace ToyVmm.Debugging.Terminal;

/// <summary>One item of the stack.</summary>
/// <param name="Address">Its linear address.</param>
/// <param name="Value">What it holds; null where there is no memory.</param>
/// <param name="Size">Bytes: 2 or 4.</param>
/// <param name="Name">The place in the code that it points to; null where it points to none that has a name.</param>
/// <param name="IsTop">True where the stack pointer is.</param>
public sealed record StackLine(uint Address, uint? Value, int Size, string? Name, bool IsTop)
{
    /// <inheritdoc/>
    public override string ToString()
    {
        string value = Value is { } known ? known.ToString(Size == 2 ? "x4" : "x8", System.Globalization.CultureInfo.InvariantCulture) : "(no memory)";
        return Invariant($"{(IsTop ? "=>" : "  ")} {Address:x8}  {value}{(Name is null ? "" : $"  <{Name}>")}");
    }
}

/// <summary>The stack as its items.</summary>
internal static class StackView
{
    /// <summary>Reads it.</summary>
    public static IReadOnlyList<StackLine> Lines(DebugSession session, int before, int count)
    {
        bool big = session.Cpu.Ss.Big;
        int size = big ? 4 : 2;
        uint mask = big ? uint.MaxValue : 0xFFFF;
        uint top = session.Cpu.Esp & mask;
        List<StackLine> lines = [];
        byte[] bytes = new byte[4];
        for (int n = -before; n < count; n++)
        {
            uint offset = (top + (uint)(n * size)) & mask;
            uint linear = session.Cpu.Ss.Base + offset;
            uint? value = session.Memory.ReadLinear(linear, bytes.AsSpan(0, size)) != size ? null
                : big ? BinaryPrimitives.ReadUInt32LittleEndian(bytes) : BinaryPrimitives.ReadUInt16LittleEndian(bytes);
            string? name = value is { } points && big && session.Symbols.Find(points) is { } found ? found.ToString() : null;
            lines.Add(new StackLine(linear, value, size, name, n == 0));
        }

        return lines;
    }
}
