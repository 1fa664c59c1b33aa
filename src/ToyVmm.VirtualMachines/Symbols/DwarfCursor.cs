using System.Buffers.Binary;

namespace ToyVmm.VirtualMachines.Symbols;

/// <summary>Reads a section of debug information. Behind the end everything is zero, and <see cref="Failed"/> says so: nothing throws.</summary>
/// <param name="bytes">The section.</param>
/// <param name="position">Where to begin.</param>
internal ref struct DwarfCursor(ReadOnlySpan<byte> bytes, ulong position = 0)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    /// <summary>The next byte's place; the section's end after a failure.</summary>
    public int Position { get; private set; } = position <= (ulong)bytes.Length ? (int)position : bytes.Length;

    /// <summary>True once something behind the end was read.</summary>
    public bool Failed { get; private set; } = position > (ulong)bytes.Length;

    /// <summary>True while there are bytes.</summary>
    public readonly bool HasMore => Position < _bytes.Length;

    /// <summary>An unsigned number of 1 to 8 bytes.</summary>
    public ulong Fixed(int size)
    {
        Span<byte> value = stackalloc byte[8];
        value.Clear();
        if (!Take((ulong)size, out ReadOnlySpan<byte> taken))
        {
            return 0;
        }

        taken[..Math.Min(size, 8)].CopyTo(value);
        return BinaryPrimitives.ReadUInt64LittleEndian(value);
    }

    /// <summary>A byte.</summary>
    public byte Byte() => (byte)Fixed(1);

    /// <summary>An unsigned LEB128 (DWARF 5, 7.6); bits above 64 are dropped.</summary>
    public ulong Unsigned()
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte next = Byte();
            value |= shift < 64 ? (ulong)(next & 0x7F) << shift : 0;
            if (next < 0x80)
            {
                return value;
            }
        }
    }

    /// <summary>A signed LEB128.</summary>
    public long Signed()
    {
        long value = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte next = Byte();
            value |= shift < 64 ? (long)(next & 0x7F) << shift : 0;
            if (next < 0x80)
            {
                return (next & 0x40) != 0 && shift < 57 ? value | (-1L << (shift + 7)) : value;
            }
        }
    }

    /// <summary>A string that ends with a zero, without it.</summary>
    public ReadOnlySpan<byte> String()
    {
        ReadOnlySpan<byte> rest = _bytes[Position..];
        int end = rest.IndexOf((byte)0);
        if (end < 0)
        {
            Fail();
            return default;
        }

        Position += end + 1;
        return rest[..end];
    }

    /// <summary>Passes bytes over.</summary>
    public void Skip(ulong count) => _ = Take(count, out _);

    /// <summary>Cuts off a piece of its own.</summary>
    public ReadOnlySpan<byte> Piece(ulong count) => Take(count, out ReadOnlySpan<byte> taken) ? taken : default;

    /// <summary>The length that a unit begins with, and what follows from it: 64-bit DWARF says so with all-ones (DWARF 5, 7.4).</summary>
    /// <param name="offsetSize">Bytes of an offset into another section: 4 or 8.</param>
    public ulong UnitLength(out int offsetSize)
    {
        ulong length = Fixed(4);
        offsetSize = length == 0xFFFF_FFFF ? 8 : 4;
        return offsetSize == 8 ? Fixed(8) : length;
    }

    private bool Take(ulong count, out ReadOnlySpan<byte> taken)
    {
        if (count > (ulong)(_bytes.Length - Position))
        {
            Fail();
            taken = default;
            return false;
        }

        taken = _bytes.Slice(Position, (int)count);
        Position += (int)count;
        return true;
    }

    private void Fail()
    {
        Failed = true;
        Position = _bytes.Length;
    }
}
