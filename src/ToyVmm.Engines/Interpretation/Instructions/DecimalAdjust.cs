using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>
/// AAA AAS AAM AAD DAA DAS (SDM 2A). The manual leaves some flags undefined. AMD's processors give those of the addition or
/// subtraction that does the work: of AX for AAA and AAS, of AL for DAA, DAS and AAD; after AAM they are 0.
/// </summary>
internal static unsafe class DecimalAdjust
{
    private const uint AsciiCorrection = 0x106;

    /// <summary>AAA.</summary>
    public static nint AdjustAfterAddition(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        bool adjust = NeedsAdjusting(s);
        uint correction = adjust ? AsciiCorrection : 0;
        uint before = (ushort)s->Eax;
        uint sum = (ushort)(before + correction);
        bool overflow = ((before ^ sum) & (correction ^ sum) & 0x8000) != 0;
        FlagSetters.Explicit<ushort>(s, sum, adjust, overflow, adjust);
        *(ushort*)&s->Eax = (ushort)(sum & 0xFF0F);
        return Flow.Next(s, i, cpu);
    }

    /// <summary>AAS.</summary>
    public static nint AdjustAfterSubtraction(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        bool adjust = NeedsAdjusting(s);
        uint correction = adjust ? AsciiCorrection : 0;
        uint before = (ushort)s->Eax;
        uint difference = (ushort)(before - correction);
        bool overflow = ((before ^ difference) & (before ^ correction) & 0x8000) != 0;
        FlagSetters.Explicit<ushort>(s, difference, adjust, overflow, adjust);
        *(ushort*)&s->Eax = (ushort)(difference & 0xFF0F);
        return Flow.Next(s, i, cpu);
    }

    /// <summary>DAA.</summary>
    public static nint DecimalAdjustAfterAddition(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        bool adjust = NeedsAdjusting(s);
        uint before = (byte)s->Eax;
        bool carry = before > 0x99 || LazyFlags.Carry(s);
        uint correction = (adjust ? 6u : 0) + (carry ? 0x60u : 0);
        uint sum = (byte)(before + correction);
        bool overflow = ((before ^ sum) & (correction ^ sum) & 0x80) != 0;
        FlagSetters.Explicit<byte>(s, sum, carry, overflow, adjust);
        *(byte*)&s->Eax = (byte)sum;
        return Flow.Next(s, i, cpu);
    }

    /// <summary>DAS.</summary>
    public static nint DecimalAdjustAfterSubtraction(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        bool adjust = NeedsAdjusting(s);
        uint before = (byte)s->Eax;
        bool large = before > 0x99 || LazyFlags.Carry(s);
        uint correction = (adjust ? 6u : 0) + (large ? 0x60u : 0);
        uint difference = (byte)(before - correction);

        // A borrow of the low digit's correction alone sets CF too.
        bool carry = large || (adjust && before < 6);
        bool overflow = ((before ^ difference) & (before ^ correction) & 0x80) != 0;
        FlagSetters.Explicit<byte>(s, difference, carry, overflow, adjust);
        *(byte*)&s->Eax = (byte)difference;
        return Flow.Next(s, i, cpu);
    }

    /// <summary>AAM: any base, and #DE for base 0.</summary>
    public static nint AdjustAfterMultiplication(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        uint radix = (byte)i->Immediate;
        if (radix == 0)
        {
            return Flow.Raise(i, cpu, Vector.DivideError);
        }

        uint value = (byte)s->Eax;
        uint high = value / radix;
        uint low = value - (high * radix);
        FlagSetters.Explicit<byte>(s, low, carry: false, overflow: false, adjust: false);
        *(ushort*)&s->Eax = (ushort)((high << 8) | low);
        return Flow.Next(s, i, cpu);
    }

    /// <summary>AAD: any base.</summary>
    public static nint AdjustBeforeDivision(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        uint low = (byte)s->Eax;
        uint high = (byte)((s->Eax >> 8) * i->Immediate);
        uint sum = (byte)(low + high);
        FlagSetters.Arithmetic<byte>(s, sum, FlagSetters.AddCarries(low, high, sum));
        *(ushort*)&s->Eax = (ushort)sum;
        return Flow.Next(s, i, cpu);
    }

    private static bool NeedsAdjusting(CpuState* s) => (s->Eax & 0xF) > 9 || LazyFlags.Adjust(s);
}
