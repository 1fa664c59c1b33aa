using FsCheck;
using FsCheck.Fluent;

namespace ToyVmm.Tests.Properties;

/// <summary>Two 32-bit operands that are related more often than chance would have it.</summary>
public readonly record struct OperandPair32(uint A, uint B)
{
    /// <inheritdoc/>
    public override string ToString() => $"(A = 0x{A:X8}, B = 0x{B:X8})";
}

/// <summary>Two 16-bit operands that are related more often than chance would have it.</summary>
public readonly record struct OperandPair16(ushort A, ushort B)
{
    /// <inheritdoc/>
    public override string ToString() => $"(A = 0x{A:X4}, B = 0x{B:X4})";
}

/// <summary>Two 8-bit operands that are related more often than chance would have it.</summary>
public readonly record struct OperandPair8(byte A, byte B)
{
    /// <inheritdoc/>
    public override string ToString() => $"(A = 0x{A:X2}, B = 0x{B:X2})";
}

/// <summary>EFLAGS with random arithmetic flags and DF (see <see cref="EdgeRandom.ArithmeticFlags"/>).</summary>
public readonly record struct ArithmeticFlags(uint Value)
{
    /// <summary>What no property of user-mode arithmetic changes: bit 1 and IF.</summary>
    public const uint Fixed = 0x202;

    /// <inheritdoc/>
    public override string ToString() => $"EFLAGS = 0x{Value:X8}";
}

/// <summary>
/// FsCheck generators for CPU properties: <c>[Property(Arbitrary = [typeof(Generators)])]</c>. FsCheck's own integers grow with
/// the size and hardly leave the first hundred; these are full width at every size, edge-biased, and shrink towards zero.
/// They draw from <see cref="EdgeRandom"/>, so properties and the host-CPU oracle test the same distribution; the seed comes
/// from FsCheck, so a replay reproduces them.
/// </summary>
public static class Generators
{
    /// <summary>64 uniform bits from FsCheck's own source, whatever the size.</summary>
    public static Gen<ulong> Seeds { get; } =
        Gen.Choose(0, 0xFFFF).Four().Select(parts => ((ulong)parts.Item1 << 48) | ((ulong)parts.Item2 << 32) | ((uint)parts.Item3 << 16) | (uint)parts.Item4);

    /// <summary>Full-width, edge-biased 32-bit numbers.</summary>
    public static Arbitrary<uint> UInt32() => From(random => random.UInt32(), Shrink);

    /// <summary>Full-width, edge-biased 32-bit numbers as signed ones.</summary>
    public static Arbitrary<int> Int32() => From(random => (int)random.UInt32(), value => Shrink((uint)value).Select(smaller => (int)smaller));

    /// <summary>Full-width, edge-biased 16-bit numbers.</summary>
    public static Arbitrary<ushort> UInt16() => From(random => random.UInt16(), value => Shrink(value).Select(smaller => (ushort)smaller));

    /// <summary>Edge-biased bytes.</summary>
    public static Arbitrary<byte> Byte() => From(random => random.Byte(), value => Shrink(value).Select(smaller => (byte)smaller));

    /// <summary>Full-width 64-bit numbers whose halves are edge-biased and correlated.</summary>
    public static Arbitrary<ulong> UInt64() => From(
        random => ((ulong)random.UInt32() << 32) | random.UInt32(),
        value => Shrink((uint)(value >> 32)).Select(high => ((ulong)high << 32) | (uint)value)
            .Concat(Shrink((uint)value).Select(low => (value & 0xFFFF_FFFF_0000_0000) | low)));

    /// <summary>Correlated pairs of 32-bit operands.</summary>
    public static Arbitrary<OperandPair32> Pairs32() => From(
        random => random.Pair() is var (a, b) ? new OperandPair32(a, b) : default,
        pair => ShrinkPair(pair.A, pair.B).Select(smaller => new OperandPair32(smaller.A, smaller.B)));

    /// <summary>Correlated pairs of 16-bit operands.</summary>
    public static Arbitrary<OperandPair16> Pairs16() => From(
        random => random.Pair(0xFFFF) is var (a, b) ? new OperandPair16((ushort)a, (ushort)b) : default,
        pair => ShrinkPair(pair.A, pair.B).Select(smaller => new OperandPair16((ushort)smaller.A, (ushort)smaller.B)));

    /// <summary>Correlated pairs of 8-bit operands.</summary>
    public static Arbitrary<OperandPair8> Pairs8() => From(
        random => random.Pair(0xFF) is var (a, b) ? new OperandPair8((byte)a, (byte)b) : default,
        pair => ShrinkPair(pair.A, pair.B).Select(smaller => new OperandPair8((byte)smaller.A, (byte)smaller.B)));

    /// <summary>Random arithmetic flags and DF; they shrink by clearing one flag at a time.</summary>
    public static Arbitrary<ArithmeticFlags> Flags() => From(
        random => new ArithmeticFlags(random.ArithmeticFlags()),
        flags => Enumerable.Range(0, 32)
            .Select(bit => 1u << bit)
            .Where(bit => (flags.Value & ~ArithmeticFlags.Fixed & bit) != 0)
            .Select(bit => new ArithmeticFlags(flags.Value & ~bit)));

    /// <summary>Sources of randomness for generators that are not worth shrinking.</summary>
    public static Arbitrary<EdgeRandom> Sources() => Arb.From(Seeds.Select(seed => new EdgeRandom(seed)));

    /// <summary>
    /// Smaller numbers, the smallest first: zero, then the number with its upper half, its lowest set bit or its highest set
    /// bit cleared, half of it, one less. Each is numerically smaller, so that shrinking ends.
    /// </summary>
    public static IEnumerable<uint> Shrink(uint value)
    {
        if (value == 0)
        {
            return [];
        }

        uint highest = 0x8000_0000u >> System.Numerics.BitOperations.LeadingZeroCount(value);
        uint[] candidates = [0, value & 0xFF, value & 0xFFFF, value >> 16, value & ~highest, value >> 1, value & (value - 1), value - 1];
        return candidates.Where(candidate => candidate < value).Distinct();
    }

    private static IEnumerable<(uint A, uint B)> ShrinkPair(uint a, uint b) =>
        Shrink(a).Select(smaller => (smaller, b)).Concat(Shrink(b).Select(smaller => (a, smaller)));

    private static Arbitrary<T> From<T>(Func<EdgeRandom, T> draw, Func<T, IEnumerable<T>> shrink) =>
        Arb.From(Seeds.Select(seed => draw(new EdgeRandom(seed))), shrink);
}
