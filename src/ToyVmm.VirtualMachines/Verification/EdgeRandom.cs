using System.Runtime.CompilerServices;

namespace ToyVmm.VirtualMachines.Verification;

/// <summary>
/// Reproducible random values for tests of a CPU: full width, biased to the edges where carries, signs and page borders change, and
/// correlated with each other, since two independent 32-bit operands are almost never equal, opposite or adjacent (with uniform
/// 16-bit operands, ADD sets ZF in 7 of 100,000 cases). The same seed gives the same values on every machine and runtime.
/// </summary>
/// <remarks>
/// The generator is SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014): one
/// addition and three multiply-xorshift steps a number, and any seed is a good seed. <see cref="System.Random"/> is not used,
/// because its sequence for a seed is not promised to stay the same between versions of .NET.
/// </remarks>
public sealed class EdgeRandom
{
    private const uint PageSize = 4096;

    private ulong state;

    // The last few numbers handed out: what a new number is correlated with.
    private uint recent0;
    private uint recent1;

    /// <summary>A source that starts at a seed; every 64-bit number is a good one.</summary>
    public EdgeRandom(ulong seed) => state = seed;

    /// <summary>The values at which 32-bit arithmetic, or the arithmetic of its lower parts, changes its flags.</summary>
    public static ReadOnlySpan<uint> Edges =>
    [
        0, 1, 2, 3, 7, 8, 9, 0xA, 0xF, 0x10, 0x11, 0x1F, 0x20, 0x21, 0x3F, 0x40, 0x7E, 0x7F, 0x80, 0x81, 0x99, 0x9A, 0xFE, 0xFF, 0x100, 0x101,
        0xFFF, 0x1000, 0x1001, 0x7FFE, 0x7FFF, 0x8000, 0x8001, 0xFFFE, 0xFFFF, 0x1_0000, 0x1_0001, 0xFF_FFFF, 0x100_0000,
        0x3FFF_FFFF, 0x4000_0000, 0x7FFF_FFFE, 0x7FFF_FFFF, 0x8000_0000, 0x8000_0001, 0xFFFF_7FFF, 0xFFFF_8000, 0xFFFF_FF7F, 0xFFFF_FF80, 0xFFFF_FFFE, 0xFFFF_FFFF,
    ];

    /// <summary>64 uniformly distributed bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ulong Bits64()
    {
        state += 0x9E37_79B9_7F4A_7C15;
        ulong z = state;
        z = (z ^ (z >> 30)) * 0xBF58_476D_1CE4_E5B9;
        z = (z ^ (z >> 27)) * 0x94D0_49BB_1331_11EB;
        return z ^ (z >> 31);
    }

    /// <summary>32 uniformly distributed bits.</summary>
    public uint Bits32() => (uint)(Bits64() >> 32);

    /// <summary>A uniformly distributed number below a bound (Lemire's multiplication; the bias, below 2^-32 x bound, does not matter here).</summary>
    public int Below(int bound) => (int)(((Bits64() >> 32) * (uint)bound) >> 32);

    /// <summary>True once in <paramref name="times"/> calls on average.</summary>
    public bool OneIn(int times) => Below(times) == 0;

    /// <summary>One element of a table.</summary>
    public T Pick<T>(ReadOnlySpan<T> values) => values[Below(values.Length)];

    /// <summary>A full-width number, biased to edges and to numbers handed out shortly before.</summary>
    public uint UInt32()
    {
        ulong bits = Bits64();
        uint random = (uint)(bits >> 32);
        uint kind = (uint)bits & 31;
        int shift = (int)(bits >> 8) & 31;
        uint value = kind switch
        {
            < 9 => random,
            < 15 => Edges[(int)((bits >> 16 & 0xFFFF) * (uint)Edges.Length >> 16)],
            < 17 => (1u << shift) - 1 + (random % 3),                       // a power of two, -1, 0 or +1
            < 18 => uint.MaxValue >> shift,                                 // ones below
            < 19 => uint.MaxValue << shift,                                 // ones above
            < 20 => random >> shift,                                        // every magnitude
            < 21 => (uint)((int)random >> shift),                           // every magnitude, both signs
            < 22 => (random & ~(PageSize - 1)) - 4 + ((uint)shift & 7),     // about a page border
            < 23 => random & 0x0F0F_0F0F,                                   // unpacked decimal
            < 24 => (random & 0x0707_0707) + ((random >> 4) & 0x3030_3030), // packed decimal, mostly
            < 26 => recent0,
            < 27 => recent1,
            < 28 => (uint)-(int)recent0,
            < 29 => ~recent0,
            < 30 => recent0 + 1,
            < 31 => recent0 - 1,
            _ => recent0 ^ (1u << shift),
        };
        recent1 = recent0;
        recent0 = value;
        return value;
    }

    /// <summary>A 16-bit number: an edge of that width, or the low half of <see cref="UInt32"/>, whose edges cover this width too.</summary>
    public ushort UInt16() => (ushort)UInt32();

    /// <summary>An 8-bit number.</summary>
    public byte Byte() => (byte)UInt32();

    /// <summary>Two numbers with a relation between them more often than not: equal, opposite, complementary, adjacent.</summary>
    /// <param name="mask">All ones in the width of the operands; both numbers stay within it.</param>
    public (uint A, uint B) Pair(uint mask = uint.MaxValue)
    {
        uint a = UInt32() & mask;
        uint b = Below(12) switch
        {
            0 => a,
            1 => 0 - a,
            2 => a + 1,
            3 => a - 1,
            4 => ~a,
            5 => 0 - a - 1,
            6 => 1 - a,
            7 => a ^ ((mask >> 1) + 1),
            _ => UInt32(),
        };
        return (a, b & mask);
    }

    /// <summary>
    /// EFLAGS with random CF PF AF ZF SF OF, and DF sometimes; bit 1 is set as always, IF is set as user mode sees it, the
    /// other system bits are clear (SDM 1 3.4.3).
    /// </summary>
    public uint ArithmeticFlags()
    {
        uint bits = Bits32();
        uint flags = (bits & 15) switch
        {
            0 => 0,
            1 => 0x8D5,
            2 => 0x001,
            3 => 0x8D4,
            _ => (bits >> 8) & 0x8D5,
        };
        return flags | 0x202 | ((bits & 0x70) == 0 ? 0x400u : 0);
    }
}
