using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace ToyVmm.Hardware.State;

/// <summary>
/// A machine's state on its way into a buffer or out of one: little-endian values without padding, in sections that carry a name, a version
/// and their length. The same calls write and read (see <see cref="ISavedState"/>).
/// </summary>
/// <remarks>
/// A buffer that is read may come from a damaged file. Nothing throws then: the first thing that is wrong is kept in <see cref="Error"/>,
/// everything after it is left as it is, and the machine is good for nothing but <see cref="IDisposable.Dispose"/>.
/// A value is a few instructions, nothing is allocated for it: a board takes some 10 us.
/// </remarks>
public sealed class StateTransfer
{
    private byte[] _buffer;
    private int _position;
    private int _end;               // restoring: of the section
    private string _section = "the state";

    private StateTransfer(byte[] buffer, int end, bool restoring, bool inPlace)
    {
        IsInPlace = inPlace;
        _buffer = buffer;
        _end = end;
        IsRestoring = restoring;
    }

    /// <summary>True when values come out of the buffer.</summary>
    public bool IsRestoring { get; }

    /// <summary>
    /// True for a state that goes back into the very machine that it is from, which has kept its large contents itself (<see cref="ICheckpoints"/>): they
    /// are not part of it.
    /// </summary>
    public bool IsInPlace { get; }

    /// <summary>What is wrong with the state that is restored: where, and what; null while nothing is.</summary>
    public string? Error { get; private set; }

    /// <summary>The version that the section in hand was written with.</summary>
    public int Version { get; private set; }

    /// <summary>What has been saved so far; valid until the next call.</summary>
    public ReadOnlySpan<byte> Saved => _buffer.AsSpan(0, _position);

    /// <summary>Bytes of the section in hand that have not been read yet.</summary>
    public int Left => _end - _position;

    /// <summary>Makes a transfer that saves.</summary>
    /// <param name="capacity">How many bytes there is room for at first; it grows.</param>
    /// <param name="inPlace">See <see cref="IsInPlace"/>.</param>
    public static StateTransfer ForSaving(int capacity = 1 << 16, bool inPlace = false) =>
        new(GC.AllocateUninitializedArray<byte>(capacity), 0, restoring: false, inPlace);

    /// <summary>Makes a transfer that restores.</summary>
    /// <param name="state">What <see cref="Saved"/> was. Not changed.</param>
    /// <param name="inPlace">See <see cref="IsInPlace"/>; as it was saved.</param>
    public static StateTransfer ForRestoring(ArraySegment<byte> state, bool inPlace = false) =>
        new(state.Array ?? [], state.Offset + state.Count, restoring: true, inPlace) { _position = state.Offset };

    /// <summary>One named part of the state.</summary>
    /// <param name="name">Its name, up to 255 ASCII characters: it must be the same when it is restored.</param>
    /// <param name="version">The version of what <paramref name="part"/> transfers now; older ones are restored too, see <see cref="Version"/>.</param>
    /// <param name="part">The part.</param>
    public void Section(ReadOnlySpan<byte> name, byte version, ISavedState part)
    {
        ArgumentNullException.ThrowIfNull(part);
        if (IsRestoring)
        {
            RestoreSection(name, version, part);
            return;
        }

        Span<byte> head = Next(name.Length + 6);
        head[0] = (byte)name.Length;
        name.CopyTo(head[1..]);
        head[name.Length + 1] = version;
        int start = _position;
        int outerVersion = Version;
        Version = version;
        part.Transfer(this);
        Version = outerVersion;
        BinaryPrimitives.WriteInt32LittleEndian(_buffer.AsSpan(start - 4), _position - start);
    }

    /// <summary>Notes that the state cannot be restored; the first reason counts.</summary>
    /// <param name="what">What is wrong, in words.</param>
    public void Fail(string what)
    {
        Error ??= $"{_section}: {what}";
        _position = _end;
    }

    /// <summary>Checks what has been restored.</summary>
    /// <param name="holds">True when it is as it must be, which it is in every machine that runs.</param>
    /// <param name="what">The condition; filled in by the compiler.</param>
    public void Require(bool holds, [CallerArgumentExpression(nameof(holds))] string what = "")
    {
        if (IsRestoring && !holds)
        {
            Fail($"the values contradict each other or are out of their range (not true: {what})");
        }
    }

    /// <summary>A byte.</summary>
    public void Value(ref byte value)
    {
        Span<byte> at = Next(sizeof(byte));
        if (!IsRestoring)
        {
            at[0] = value;
        }
        else if (!at.IsEmpty)
        {
            value = at[0];
        }
    }

    /// <summary>A truth value: one byte, 0 or 1.</summary>
    public void Value(ref bool value)
    {
        byte raw = value ? (byte)1 : (byte)0;
        Value(ref raw);
        Require(raw <= 1, "a truth value is 0 or 1");
        value = raw == 1;
    }

    /// <summary>Two bytes.</summary>
    public void Value(ref ushort value)
    {
        Span<byte> at = Next(sizeof(ushort));
        if (!IsRestoring)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(at, value);
        }
        else if (!at.IsEmpty)
        {
            value = BinaryPrimitives.ReadUInt16LittleEndian(at);
        }
    }

    /// <summary>Four bytes.</summary>
    public void Value(ref uint value)
    {
        Span<byte> at = Next(sizeof(uint));
        if (!IsRestoring)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(at, value);
        }
        else if (!at.IsEmpty)
        {
            value = BinaryPrimitives.ReadUInt32LittleEndian(at);
        }
    }

    /// <summary>Eight bytes.</summary>
    public void Value(ref ulong value)
    {
        Span<byte> at = Next(sizeof(ulong));
        if (!IsRestoring)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(at, value);
        }
        else if (!at.IsEmpty)
        {
            value = BinaryPrimitives.ReadUInt64LittleEndian(at);
        }
    }

    /// <summary>Four bytes, signed.</summary>
    public void Value(ref int value) => Value(ref Unsafe.As<int, uint>(ref value));

    /// <summary>Eight bytes, signed.</summary>
    public void Value(ref long value) => Value(ref Unsafe.As<long, ulong>(ref value));

    /// <summary>An integer that code relies on to be in a range.</summary>
    /// <param name="value">The value.</param>
    /// <param name="least">The least that it may be.</param>
    /// <param name="most">The most that it may be.</param>
    /// <param name="what">What it is; filled in by the compiler.</param>
    public void Range(ref int value, int least, int most, [CallerArgumentExpression(nameof(value))] string what = "")
    {
        Value(ref value);
        if (IsRestoring && (value < least || value > most))
        {
            Fail($"{what} is {value}, and can be {least} to {most} only");
        }
    }

    /// <summary>As <see cref="Range(ref int, int, int, string)"/>.</summary>
    public void Range(ref long value, long least, long most, [CallerArgumentExpression(nameof(value))] string what = "")
    {
        Value(ref value);
        if (IsRestoring && (value < least || value > most))
        {
            Fail($"{what} is {value}, and can be {least} to {most} only");
        }
    }

    /// <summary>A property: gives what it is to be set to.</summary>
    /// <param name="value">What it is.</param>
    public byte Pass(byte value)
    {
        Value(ref value);
        return value;
    }

    /// <inheritdoc cref="Pass(byte)"/>
    public bool Pass(bool value)
    {
        Value(ref value);
        return value;
    }

    /// <inheritdoc cref="Pass(byte)"/>
    public uint Pass(uint value)
    {
        Value(ref value);
        return value;
    }

    /// <inheritdoc cref="Pass(byte)"/>
    public ulong Pass(ulong value)
    {
        Value(ref value);
        return value;
    }

    /// <summary>An enumeration, as a byte: gives what it is to be set to.</summary>
    /// <param name="value">Its number.</param>
    /// <param name="last">The highest number that there is.</param>
    /// <param name="what">What it is; filled in by the compiler.</param>
    public int Choice(int value, int last, [CallerArgumentExpression(nameof(value))] string what = "")
    {
        byte raw = (byte)value;
        Value(ref raw);
        if (IsRestoring && raw > last)
        {
            Fail($"{what} is {raw}, and can be 0 to {last} only");
            return 0;
        }

        return raw;
    }

    /// <summary>Bytes whose number both sides know.</summary>
    public void Bytes(Span<byte> values)
    {
        Span<byte> at = Next(values.Length);
        if (!IsRestoring)
        {
            values.CopyTo(at);
        }
        else if (at.Length == values.Length)
        {
            at.CopyTo(values);
        }
    }

    /// <summary>Truth values whose number both sides know.</summary>
    public void Values(Span<bool> values)
    {
        for (int index = 0; index < values.Length; index++)
        {
            Value(ref values[index]);
        }
    }

    /// <summary>Two-byte values whose number both sides know.</summary>
    public void Values(Span<ushort> values)
    {
        for (int index = 0; index < values.Length; index++)
        {
            Value(ref values[index]);
        }
    }

    /// <summary>Four-byte values whose number both sides know.</summary>
    public void Values(Span<uint> values)
    {
        if (BitConverter.IsLittleEndian)
        {
            Bytes(MemoryMarshal.AsBytes(values));
            return;
        }

        for (int index = 0; index < values.Length; index++)
        {
            Value(ref values[index]);
        }
    }

    /// <summary>Eight-byte values whose number both sides know.</summary>
    public void Values(Span<ulong> values)
    {
        if (BitConverter.IsLittleEndian)
        {
            Bytes(MemoryMarshal.AsBytes(values));
            return;
        }

        for (int index = 0; index < values.Length; index++)
        {
            Value(ref values[index]);
        }
    }

    /// <summary>How many values follow.</summary>
    /// <param name="count">How many there are.</param>
    /// <param name="most">The most that there can be.</param>
    /// <param name="what">What they are; filled in by the compiler.</param>
    /// <returns>How many there are to be: not more than <paramref name="most"/>, nor than the buffer has bytes left.</returns>
    public int Count(int count, int most, [CallerArgumentExpression(nameof(count))] string what = "")
    {
        Range(ref count, 0, most, what);
        if (IsRestoring && Error is null && count > Left)
        {
            Fail($"{what} says {count}, but only {Left} bytes follow");
        }

        return Error is null ? count : 0;
    }

    /// <summary>A queue of bytes.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="most">The most that it ever holds.</param>
    public void Queue(Queue<byte> queue, int most)
    {
        ArgumentNullException.ThrowIfNull(queue);
        int count = Count(queue.Count, most);
        if (!IsRestoring)
        {
            foreach (byte value in queue)
            {
                _ = Pass(value);
            }

            return;
        }

        queue.Clear();
        for (; count > 0; count--)
        {
            queue.Enqueue(Pass((byte)0));
        }
    }

    /// <summary>A text, as UTF-8.</summary>
    /// <param name="text">What it is.</param>
    /// <returns>What it is to be.</returns>
    public string Text(string text)
    {
        byte[] bytes = IsRestoring ? [] : Encoding.UTF8.GetBytes(text);
        int count = Count(bytes.Length, int.MaxValue);
        if (!IsRestoring)
        {
            Bytes(bytes);
            return text;
        }

        return Encoding.UTF8.GetString(Next(count));
    }

    private void RestoreSection(ReadOnlySpan<byte> name, byte version, ISavedState part)
    {
        string outerName = _section;
        string expected = Encoding.ASCII.GetString(name);
        int length = Pass((byte)0);
        ReadOnlySpan<byte> found = Next(length);
        byte foundVersion = Pass((byte)0);
        int size = 0;
        Value(ref size);
        if (Error is not null || !found.SequenceEqual(name))
        {
            Fail(Error is null ? $"expected the state of {expected}, found that of \"{Encoding.ASCII.GetString(found)}\"" : "");
            return;
        }

        _section = expected;
        if (size < 0 || size > Left)
        {
            Fail($"it says that it has {size} bytes, but only {Left} follow");
        }
        else if (foundVersion > version)
        {
            Fail($"version {foundVersion} was written by a newer ToyVmm; this one knows versions up to {version}");
        }
        else
        {
            int outerEnd = _end;
            int outerVersion = Version;
            int end = _end = _position + size;
            Version = foundVersion;
            part.Transfer(this);
            if (Error is null && _position != end)
            {
                Fail($"{end - _position} bytes are left over");
            }

            _end = outerEnd;
            _position = Error is null ? end : outerEnd;
            Version = outerVersion;
        }

        _section = outerName;
    }

    // The next bytes of the buffer; none where it has not so many.
    private Span<byte> Next(int bytes)
    {
        int at = _position;
        if (!IsRestoring)
        {
            if (_buffer.Length - at < bytes)
            {
                Grow(bytes);
            }
        }
        else if (_end - at < bytes)
        {
            if (Error is null)
            {
                Fail("it ends too early");
            }

            return default;
        }

        _position = at + bytes;
        return _buffer.AsSpan(at, bytes);
    }

    private void Grow(int bytes)
    {
        byte[] larger = GC.AllocateUninitializedArray<byte>((int)Math.Min(Math.Max(_buffer.Length * 2L, (long)_position + bytes), Array.MaxLength));
        Saved.CopyTo(larger);
        _buffer = larger;
    }
}
