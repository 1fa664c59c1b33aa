using System.Buffers.Binary;
using ToyVmm.Tests.Properties;

namespace ToyVmm.Tests.Oracle;

/// <summary>Operands for vectors: floats of both formats at their edges and near each other, and integers at theirs.</summary>
public sealed class SseValues(EdgeRandom random)
{
    private readonly ulong[] recent = [0, 0];

    /// <summary>What the lanes of a value are.</summary>
    public enum Lanes
    {
        Integers,
        Singles,
        Doubles,

        /// <summary>Bytes of a small alphabet, so that strings meet.</summary>
        Text,
    }

    /// <summary>Fills 16 bytes.</summary>
    public void Write(Span<byte> to, Lanes lanes)
    {
        switch (lanes)
        {
            case Lanes.Singles:
                for (int n = 0; n < 4; n++)
                {
                    BinaryPrimitives.WriteUInt32LittleEndian(to[(4 * n)..], (uint)Float(8, 23));
                }

                break;
            case Lanes.Doubles:
                for (int n = 0; n < 2; n++)
                {
                    BinaryPrimitives.WriteUInt64LittleEndian(to[(8 * n)..], Float(11, 52));
                }

                break;
            case Lanes.Text:
                ReadOnlySpan<byte> alphabet = random.OneIn(2) ? [0, 1, 1, 2, 2] : [0, 1, 0x61, 0x61, 0x62, 0x7F, 0x80, 0xFF];
                for (int n = 0; n < 16; n++)
                {
                    to[n] = random.Pick(alphabet);
                }

                break;
            default:
                WriteIntegers(to);
                break;
        }
    }

    // A float of so many exponent and fraction bits.
    private ulong Float(int exponentBits, int fractionBits)
    {
        int special = (1 << exponentBits) - 1;
        int bias = special >> 1;
        ulong sign = (random.Bits64() & 1) << (exponentBits + fractionBits);
        ulong mask = (1ul << (exponentBits + fractionBits + 1)) - 1;
        int which = exponentBits == 8 ? 0 : 1;
        ulong value = random.Below(16) switch
        {
            0 => recent[which],
            1 => recent[which] ^ (1ul << (exponentBits + fractionBits)),
            2 => (recent[which] + 1) & mask,
            3 => (recent[which] - 1) & mask,

            // An ulp, half an ulp and less beside the last one: where sums round.
            4 => Make(sign, Exponent(recent[which], exponentBits, fractionBits) - fractionBits - 2 + random.Below(4), Fraction(fractionBits)),
            5 => Make(sign, bias + (random.Below(2) == 0 ? 31 : 30) - random.Below(3), Fraction(fractionBits)),
            6 => Make(sign, bias - 2 + random.Below(8), Fraction(fractionBits)),
            7 => Make(sign, random.Below(4), Fraction(fractionBits)),
            8 => Make(sign, special - random.Below(4), Fraction(fractionBits)),

            // Where products and quotients leave the format, and where doubles leave the single format.
            9 => Make(sign, (bias / 2) - (fractionBits / 2) + random.Below(fractionBits), Fraction(fractionBits)),
            10 => Make(sign, bias + (bias / 2) + random.Below(5) - 2, Fraction(fractionBits)),
            11 => Make(sign, bias + (random.OneIn(2) ? 126 : -128) + random.Below(4), Fraction(fractionBits)),
            12 => Make(sign, bias - 152 + random.Below(26), Fraction(fractionBits)),
            _ => Make(sign, random.Below(special), Fraction(fractionBits)),
        };
        recent[which] = value;
        return value;

        ulong Make(ulong sign, int exponent, ulong fraction) => sign | ((ulong)Math.Clamp(exponent, 0, special) << fractionBits) | fraction;
    }

    private static int Exponent(ulong value, int exponentBits, int fractionBits) => (int)(value >> fractionBits) & ((1 << exponentBits) - 1);

    private ulong Fraction(int bits)
    {
        ulong mask = (1ul << bits) - 1;
        int at = random.Below(bits);
        return random.Below(10) switch
        {
            0 or 1 => 0,
            2 => mask,
            3 => 1,
            4 => 1ul << at,
            5 => mask >> at,
            6 => mask & ~(mask >> at),
            7 => random.Bits64() & mask & ~(mask >> at),
            _ => random.Bits64() & mask,
        };
    }

    private void WriteIntegers(Span<byte> to)
    {
        switch (random.Below(4))
        {
            case 0:
                for (int n = 0; n < 16; n++)
                {
                    to[n] = random.Byte();
                }

                break;
            case 1:
                for (int n = 0; n < 16; n += 2)
                {
                    BinaryPrimitives.WriteUInt16LittleEndian(to[n..], random.UInt16());
                }

                break;
            case 2:
                for (int n = 0; n < 16; n += 4)
                {
                    BinaryPrimitives.WriteUInt32LittleEndian(to[n..], random.UInt32());
                }

                break;
            default:
                // A shift's count, or a small number.
                BinaryPrimitives.WriteUInt64LittleEndian(to, (ulong)random.Below(70));
                BinaryPrimitives.WriteUInt64LittleEndian(to[8..], random.Bits64());
                break;
        }
    }
}
