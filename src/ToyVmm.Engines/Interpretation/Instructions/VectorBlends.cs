using System.Runtime.Intrinsics;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>PBLENDW: words of the source where the immediate has ones.</summary>
internal readonly struct BlendWords : IVectorShuffle
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s, uint control)
    {
        Vector128<ushort> bits = Vector128.Create((ushort)1, 2, 4, 8, 16, 32, 64, 128);
        return Vector128.ConditionalSelect(Vector128.Equals(Vector128.Create((ushort)control) & bits, bits), s.AsUInt16(), d.AsUInt16()).AsByte();
    }
}

/// <summary>BLENDPS.</summary>
internal readonly struct BlendSingles : IVectorShuffle
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s, uint control)
    {
        Vector128<uint> bits = Vector128.Create(1u, 2, 4, 8);
        return Vector128.ConditionalSelect(Vector128.Equals(Vector128.Create(control) & bits, bits), s.AsUInt32(), d.AsUInt32()).AsByte();
    }
}

/// <summary>BLENDPD.</summary>
internal readonly struct BlendDoubles : IVectorShuffle
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s, uint control)
    {
        Vector128<ulong> bits = Vector128.Create(1ul, 2);
        return Vector128.ConditionalSelect(Vector128.Equals(Vector128.Create((ulong)control) & bits, bits), s.AsUInt64(), d.AsUInt64()).AsByte();
    }
}

/// <summary>MPSADBW: eight sums of four differences each; bits 0-1 choose the source's four bytes, bit 2 where the destination's begin (SDM 2B, MPSADBW).</summary>
internal readonly struct MultipleSumsOfDifferences : IVectorShuffle
{
    public static Vector128<byte> Apply(Vector128<byte> d, Vector128<byte> s, uint control)
    {
        Vector128<ushort> sums = default;
        int from = (int)(control & 4);
        int with = 4 * (int)(control & 3);
        for (int n = 0; n < 8; n++)
        {
            int sum = 0;
            for (int k = 0; k < 4; k++)
            {
                sum += Math.Abs(d[from + n + k] - s[with + k]);
            }

            sums = sums.WithElement(n, (ushort)sum);
        }

        return sums.AsByte();
    }
}

/// <summary>PBLENDVB BLENDVPS BLENDVPD: lanes of the source where the sign bit of XMM0's lane is set; and PTEST (SSE4.1).</summary>
internal static unsafe class VectorBlends
{
    /// <summary>PBLENDVB.</summary>
    public static nint Bytes(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        Blend(s, i, cpu, (VectorUnit.Xmm(s, 0)->AsSByte() >> 7).AsByte());

    /// <summary>BLENDVPS.</summary>
    public static nint Singles(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        Blend(s, i, cpu, (VectorUnit.Xmm(s, 0)->AsInt32() >> 31).AsByte());

    /// <summary>BLENDVPD.</summary>
    public static nint Doubles(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        Blend(s, i, cpu, (VectorUnit.Xmm(s, 0)->AsInt64() >> 63).AsByte());

    /// <summary>PTEST: ZF where the operands have no one in common, CF where the source has none that the destination lacks; the others are cleared.</summary>
    public static nint Test(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        if (!VectorUnit.TrySource(s, i, cpu, out Vector128<byte> source))
        {
            return Flow.StopHere(i, cpu);
        }

        Vector128<byte> destination = *VectorUnit.Xmm(s, i->Destination);
        bool disjoint = (source & destination) == Vector128<byte>.Zero;
        bool contained = Vector128.AndNot(source, destination) == Vector128<byte>.Zero;
        LazyFlags.Set(s, (disjoint ? Eflags.ZF : 0) | (contained ? Eflags.CF : 0));
        return Flow.Next(s, i, cpu);
    }

    private static nint Blend(CpuState* s, DecodedInstruction* i, Interpreter cpu, Vector128<byte> mask)
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        if (!VectorUnit.TrySource(s, i, cpu, out Vector128<byte> source))
        {
            return Flow.StopHere(i, cpu);
        }

        Vector128<byte>* destination = VectorUnit.Xmm(s, i->Destination);
        *destination = Vector128.ConditionalSelect(mask, source, *destination);
        return Flow.Next(s, i, cpu);
    }
}
