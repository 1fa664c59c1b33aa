using System.Numerics;
using System.Runtime.Intrinsics;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>PCMPESTRI PCMPESTRM PCMPISTRI PCMPISTRM: the string comparisons of SSE4.2 (SDM 1 12.10, SDM 2B 4.1). Memory operands need not be aligned.</summary>
internal static unsafe class VectorStrings
{
    private const uint Words = 1 << 0;
    private const uint Signed = 1 << 1;
    private const uint Negative = 1 << 4;
    private const uint Masked = 1 << 5;
    private const uint LastOrWide = 1 << 6;

    /// <summary>PCMPISTRI: both lengths end at a zero element.</summary>
    public static nint ImplicitIndex(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Run(s, i, cpu, isExplicit: false, wantsMask: false);

    /// <summary>PCMPISTRM.</summary>
    public static nint ImplicitMask(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Run(s, i, cpu, isExplicit: false, wantsMask: true);

    /// <summary>PCMPESTRI: the lengths are EAX and EDX.</summary>
    public static nint ExplicitIndex(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Run(s, i, cpu, isExplicit: true, wantsMask: false);

    /// <summary>PCMPESTRM.</summary>
    public static nint ExplicitMask(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Run(s, i, cpu, isExplicit: true, wantsMask: true);

    private static nint Run(CpuState* s, DecodedInstruction* i, Interpreter cpu, bool isExplicit, bool wantsMask)
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        byte* source = VectorUnit.Source(s, i, cpu, 16);
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        uint control = i->Immediate;
        int count = (control & Words) != 0 ? 8 : 16;
        Span<int> first = stackalloc int[count];
        Span<int> second = stackalloc int[count];
        Widen((byte*)VectorUnit.Xmm(s, i->Destination), control, first);
        Widen(source, control, second);
        int firstLength = isExplicit ? Length(s->Eax, count) : Length(first);
        int secondLength = isExplicit ? Length(s->Edx, count) : Length(second);
        uint result = Polarize(Aggregate(first, firstLength, second, secondLength, control), secondLength, control, count);
        if (wantsMask)
        {
            *VectorUnit.Xmm(s, 0) = (control & LastOrWide) != 0 ? Expand(result, control) : Vector128.CreateScalar(result).AsByte();
        }
        else
        {
            s->Ecx = result == 0 ? (uint)count : (uint)((control & LastOrWide) != 0 ? BitOperations.Log2(result) : BitOperations.TrailingZeroCount(result));
        }

        LazyFlags.Set(s, (result != 0 ? Eflags.CF : 0) | (secondLength < count ? Eflags.ZF : 0)
            | (firstLength < count ? Eflags.SF : 0) | ((result & 1) != 0 ? Eflags.OF : 0));
        return Flow.Next(s, i, cpu);
    }

    // The elements as integers in their order: signed or not.
    private static void Widen(byte* from, uint control, Span<int> to)
    {
        for (int n = 0; n < to.Length; n++)
        {
            to[n] = (control & (Words | Signed)) switch
            {
                0 => from[n],
                Words => ((ushort*)from)[n],
                Signed => (sbyte)from[n],
                _ => ((short*)from)[n],
            };
        }
    }

    // The absolute value of a register, saturated.
    private static int Length(uint register, int count) => (int)Math.Min(Math.Abs((long)(int)register), count);

    private static int Length(ReadOnlySpan<int> elements)
    {
        int zero = elements.IndexOf(0);
        return zero < 0 ? elements.Length : zero;
    }

    // IntRes1: bit j tells of the second operand's element j. What an invalid element (one behind the end) compares as depends on the
    // aggregation (SDM 2B table 4-7).
    private static uint Aggregate(ReadOnlySpan<int> first, int firstLength, ReadOnlySpan<int> second, int secondLength, uint control)
    {
        uint result = 0;
        for (int j = 0; j < second.Length; j++)
        {
            bool holds = ((control >> 2) & 3) switch
            {
                0 => j < secondLength && first[..firstLength].Contains(second[j]),
                1 => j < secondLength && IsInRange(first[..firstLength], second[j]),
                2 => j < firstLength && j < secondLength ? first[j] == second[j] : j >= firstLength && j >= secondLength,
                _ => IsFoundAt(first[..firstLength], second, secondLength, j),
            };
            result |= holds ? 1u << j : 0;
        }

        return result;
    }

    // Equal any of the pairs' ranges, borders included; a pair without its upper border is none.
    private static bool IsInRange(ReadOnlySpan<int> borders, int value)
    {
        for (int n = 0; n + 1 < borders.Length; n += 2)
        {
            if (value >= borders[n] && value <= borders[n + 1])
            {
                return true;
            }
        }

        return false;
    }

    // What lies behind the vector's last element counts as found: the search goes on in the next vector.
    private static bool IsFoundAt(ReadOnlySpan<int> wanted, ReadOnlySpan<int> text, int textLength, int at)
    {
        for (int n = 0; n < wanted.Length && at + n < text.Length; n++)
        {
            if (at + n >= textLength || wanted[n] != text[at + n])
            {
                return false;
            }
        }

        return true;
    }

    // IntRes2.
    private static uint Polarize(uint result, int secondLength, uint control, int count) => (control & (Negative | Masked)) switch
    {
        Negative => result ^ (uint)((1 << count) - 1),
        Negative | Masked => result ^ (uint)((1 << secondLength) - 1),
        _ => result,
    };

    private static Vector128<byte> Expand(uint result, uint control)
    {
        if ((control & Words) != 0)
        {
            Vector128<ushort> places = Vector128.Create((ushort)1, 2, 4, 8, 16, 32, 64, 128);
            return Vector128.Equals(Vector128.Create((ushort)result) & places, places).AsByte();
        }

        Vector128<byte> bits = Vector128.Create((byte)1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128);
        Vector128<byte> halves = Vector128.Create(Vector64.Create((byte)result), Vector64.Create((byte)(result >> 8)));
        return Vector128.Equals(halves & bits, bits);
    }
}
