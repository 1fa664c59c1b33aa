using System.Runtime.Intrinsics;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>ADDSUBPS ADDSUBPD HADDPS HADDPD HSUBPS HSUBPD (SSE3, SDM 1 12.3) and DPPS DPPD (SSE4.1, SDM 2A).</summary>
internal static unsafe class SseHorizontal
{
    /// <summary>ADDSUB: even lanes subtract, odd ones add.</summary>
    public static nint AddSubtract<TFormat>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TFormat : struct, ISseFormat
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        if (!VectorUnit.TrySource(s, i, cpu, out Vector128<byte> source))
        {
            return Flow.StopHere(i, cpu);
        }

        Vector128<byte> value = *VectorUnit.Xmm(s, i->Destination);
        SseEnvironment env = new(s->Mxcsr);
        for (int n = 0; n < 16 / TFormat.Size; n++)
        {
            ulong a = TFormat.Get(&value, n);
            ulong b = TFormat.Get(&source, n);
            TFormat.Set(&value, n, (n & 1) == 0 ? SseSubtract.Apply<TFormat>(a, b, ref env) : SseAdd.Apply<TFormat>(a, b, ref env));
        }

        return Finish(s, i, cpu, value, env);
    }

    /// <summary>HADD, HSUB: an operation on neighbours, the destination's results below the source's.</summary>
    public static nint Neighbours<TOp, TFormat>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, ISseOperation
        where TFormat : struct, ISseFormat
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        if (!VectorUnit.TrySource(s, i, cpu, out Vector128<byte> source))
        {
            return Flow.StopHere(i, cpu);
        }

        int half = 8 / TFormat.Size;
        Vector128<byte> destination = *VectorUnit.Xmm(s, i->Destination);
        Vector128<byte> value = default;
        SseEnvironment env = new(s->Mxcsr);
        for (int n = 0; n < half; n++)
        {
            TFormat.Set(&value, n, TOp.Apply<TFormat>(TFormat.Get(&destination, 2 * n), TFormat.Get(&destination, (2 * n) + 1), ref env));
            TFormat.Set(&value, half + n, TOp.Apply<TFormat>(TFormat.Get(&source, 2 * n), TFormat.Get(&source, (2 * n) + 1), ref env));
        }

        return Finish(s, i, cpu, value, env);
    }

    /// <summary>
    /// DPPS, DPPD: the products of the lanes that bits 4-7 choose (the others count as +0) are rounded, then added in pairs, then the pairs'
    /// sums; bits 0-3 choose the lanes that get the sum. Each step meets exceptions of its own, and an unmasked one ends the instruction.
    /// </summary>
    public static nint DotProduct<TFormat>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TFormat : struct, ISseFormat
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        if (!VectorUnit.TrySource(s, i, cpu, out Vector128<byte> source))
        {
            return Flow.StopHere(i, cpu);
        }

        int lanes = 16 / TFormat.Size;
        uint control = i->Immediate;
        Vector128<byte> value = *VectorUnit.Xmm(s, i->Destination);
        SseEnvironment env = new(s->Mxcsr);
        for (int n = 0; n < lanes; n++)
        {
            bool chosen = (control & (0x10u << n)) != 0;
            TFormat.Set(&value, n, chosen ? SseMultiply.Apply<TFormat>(TFormat.Get(&value, n), TFormat.Get(&source, n), ref env) : 0);
        }

        // What a step that went well has raised stays, whatever the next one meets.
        uint earlier = 0;
        for (int left = lanes / 2; left > 0 && env.Unmasked == 0; left /= 2)
        {
            earlier |= env.Raised;
            env = new SseEnvironment(s->Mxcsr);
            for (int n = 0; n < left; n++)
            {
                TFormat.Set(&value, n, SseAdd.Apply<TFormat>(TFormat.Get(&value, 2 * n), TFormat.Get(&value, (2 * n) + 1), ref env));
            }
        }

        ulong sum = TFormat.Get(&value, 0);
        for (int n = 0; n < lanes; n++)
        {
            TFormat.Set(&value, n, (control & (1u << n)) != 0 ? sum : 0);
        }

        s->Mxcsr |= earlier;
        return Finish(s, i, cpu, value, env);
    }

    private static nint Finish(CpuState* s, DecodedInstruction* i, Interpreter cpu, Vector128<byte> value, in SseEnvironment env)
    {
        if (!SseInstructions.TryReport(s, env))
        {
            return SseInstructions.Refuse(s, i, cpu);
        }

        *VectorUnit.Xmm(s, i->Destination) = value;
        return Flow.Next(s, i, cpu);
    }
}
