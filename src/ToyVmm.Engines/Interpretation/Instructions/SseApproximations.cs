using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>An approximation in single precision: the host's instruction, and what takes its place on other hosts.</summary>
internal interface ISseApproximation : ISseOperation
{
    /// <summary>The host's.</summary>
    static abstract Vector128<float> OnHost(Vector128<float> value);
}

/// <summary>
/// RCPPS RCPSS RSQRTPS RSQRTSS. The manual gives a bound, not a result, and each processor family has tables of its own; a guest gets those of the
/// host where that is an x86, and elsewhere what <see cref="SseReciprocal"/> and <see cref="SseReciprocalSquareRoot"/> say. Neither meets exceptions.
/// </summary>
internal static unsafe class SseApproximations
{
    /// <summary>All four lanes.</summary>
    public static nint Packed<TOp>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, ISseApproximation
    {
        if (!Sse.IsSupported || !cpu.UsesHostApproximations)
        {
            return SseInstructions.Packed<TOp, SseSingle>(s, i, cpu);
        }

        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        if (!VectorUnit.TrySource(s, i, cpu, out Vector128<byte> source))
        {
            return Flow.StopHere(i, cpu);
        }

        *VectorUnit.Xmm(s, i->Destination) = TOp.OnHost(source.AsSingle()).AsByte();
        return Flow.Next(s, i, cpu);
    }

    /// <summary>The lowest lane.</summary>
    public static nint Scalar<TOp>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, ISseApproximation
    {
        if (!Sse.IsSupported || !cpu.UsesHostApproximations)
        {
            return SseInstructions.Scalar<TOp, SseSingle>(s, i, cpu);
        }

        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        byte* source = VectorUnit.Source(s, i, cpu, sizeof(uint));
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        Vector128<float> result = TOp.OnHost(Vector128.CreateScalar(*(uint*)source).AsSingle());
        *(uint*)VectorUnit.Xmm(s, i->Destination) = result.AsUInt32().ToScalar();
        return Flow.Next(s, i, cpu);
    }
}
