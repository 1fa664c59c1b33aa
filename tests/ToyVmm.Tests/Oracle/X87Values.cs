using System.Buffers.Binary;
using ToyVmm.Tests.Properties;

namespace ToyVmm.Tests.Oracle;

/// <summary>
/// Operands for x87 instructions, biased to where results change: every class of encoding (the unsupported ones too), the borders of all
/// formats, halfway cases of all precisions, and values correlated with those handed out before, since two independent values
/// hardly ever cancel, tie or differ in their last bit.
/// </summary>
public sealed class X87Values(EdgeRandom random)
{
    private const int Bias = 16383;

    private ushort recentExponent = Bias;
    private ulong recentSignificand = 1ul << 63;

    // Exponents at which something changes: 1.0, the integer formats, and the borders of single, double and extended.
    private static ReadOnlySpan<short> Borders => [0, 1, -1, 14, 15, 16, 30, 31, 32, 62, 63, 64, 65, 66, 127, 128, -126, -127, -149, -150, 1023, 1024, -1022, -1023, -1074, -1075];

    /// <summary>Writes the ten bytes of an extended value.</summary>
    public void WriteExtended(Span<byte> to)
    {
        (ushort signExponent, ulong significand) = Extended();
        BinaryPrimitives.WriteUInt64LittleEndian(to, significand);
        BinaryPrimitives.WriteUInt16LittleEndian(to[8..], signExponent);
        recentExponent = (ushort)(signExponent & 0x7FFF);
        recentSignificand = significand;
    }

    /// <summary>Writes the eight bytes behind a memory operand's address: a float or an integer of any size, or a decimal's digits.</summary>
    public void WriteMemory(Span<byte> to, int size, bool isInteger)
    {
        if (isInteger)
        {
            ulong value = random.OneIn(2) ? random.Bits64() >> random.Below(64) : random.UInt32();
            BinaryPrimitives.WriteUInt64LittleEndian(to, random.OneIn(2) ? value : 0 - value);
        }
        else if (size == 4)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(to, (uint)Narrow(8, 23));
        }
        else
        {
            BinaryPrimitives.WriteUInt64LittleEndian(to, Narrow(11, 52));
        }
    }

    private (ushort SignExponent, ulong Significand) Extended()
    {
        int sign = random.Below(2) << 15;
        ulong significand = Significand();
        return random.Below(16) switch
        {
            0 => ((ushort)sign, 0),
            1 => ((ushort)(sign | 0x7FFF), 1ul << 63),
            2 => ((ushort)(sign | 0x7FFF), significand | (3ul << 62)),
            3 => ((ushort)(sign | 0x7FFF), (significand & ~(1ul << 62)) | (1ul << 63)),
            4 => ((ushort)sign, significand & long.MaxValue),
            5 when random.OneIn(2) => ((ushort)sign, significand),
            6 when random.OneIn(4) => ((ushort)random.Bits64(), random.Bits64()),
            7 => ((ushort)(sign | (random.OneIn(2) ? 1 + random.Below(130) : 0x7FFE - random.Below(130))), significand),
            8 or 9 => ((ushort)(sign | Math.Clamp(Bias + random.Pick(Borders), 0, 0x7FFE)), significand),
            10 => ((ushort)(sign | (Bias - 70 + random.Below(140))), significand),
            11 => SmallInteger(sign),
            _ => ((ushort)(sign | Math.Clamp(recentExponent + random.Below(5) - 2, 0, 0x7FFE)), Near(significand)),
        };
    }

    private (ushort SignExponent, ulong Significand) SmallInteger(int sign)
    {
        ulong value = (ulong)random.Below(100) + 1;
        int shift = System.Numerics.BitOperations.LeadingZeroCount(value);
        return ((ushort)(sign | (Bias + 63 - shift - random.Below(3))), value << shift);
    }

    // Normal ones with long runs of equal bits, so that carries, ties and sticky bits come about at every precision.
    private ulong Significand()
    {
        ulong bits = random.Bits64() | (1ul << 63);
        switch (random.Below(8))
        {
            case 0:
                return 1ul << 63;
            case 1:
                return ulong.MaxValue;
            case 2:
                return bits & (ulong.MaxValue << random.Below(64));
            case 3:
                return bits | (ulong.MaxValue >> random.Below(64));
            case 4:
                // A tie, or its neighbour, for 24, 53 and other numbers of bits.
                int kept = random.OneIn(2) ? 24 : random.OneIn(2) ? 53 : 1 + random.Below(63);
                ulong half = 1ul << (63 - kept);
                return ((bits & ~((half << 1) - 1)) | half) + (ulong)(random.Below(3) - 1);
            case 5:
                return (1ul << 63) | (1ul << random.Below(63));
            default:
                return bits;
        }
    }

    private ulong Near(ulong significand) => random.Below(4) switch
    {
        0 => recentSignificand,
        1 => recentSignificand + (ulong)(random.Below(5) - 2),
        2 => recentSignificand ^ (1ul << random.Below(63)),
        _ => significand,
    };

    // A single or double: any pattern, or a special exponent.
    private ulong Narrow(int exponentBits, int fractionBits)
    {
        ulong fraction = (Significand() << 1) >> (64 - fractionBits);
        ulong special = (1ul << exponentBits) - 1;
        ulong exponent = random.Below(8) switch
        {
            0 => 0,
            1 => special,
            2 => 1,
            3 => special - 1,
            4 or 5 => (special >> 1) - 2 + (ulong)random.Below(8),
            6 => (ulong)Math.Clamp((recentExponent & 0x7FFF) - Bias + (int)(special >> 1) + random.Below(5) - 2, 0, (int)special),
            _ => random.Bits64() & special,
        };
        return (random.Bits64() >> 63 << (exponentBits + fractionBits)) | (exponent << fractionBits) | (random.OneIn(6) ? 0 : fraction);
    }
}
