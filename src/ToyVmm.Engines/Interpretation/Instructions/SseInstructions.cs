using System.Runtime.Intrinsics;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation.FloatingPoint;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>Packed and scalar floating-point instructions of two operands, and the end of every instruction that meets SSE exceptions.</summary>
internal static unsafe class SseInstructions
{
    /// <summary>An operation on every lane.</summary>
    public static nint Packed<TOp, TFormat>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
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

        Vector128<byte> value = *VectorUnit.Xmm(s, i->Destination);
        SseEnvironment env = new(s->Mxcsr);
        for (int n = 0; n < 16 / TFormat.Size; n++)
        {
            TFormat.Set(&value, n, TOp.Apply<TFormat>(TFormat.Get(&value, n), TFormat.Get(&source, n), ref env));
        }

        if (!TryReport(s, env))
        {
            return Refuse(s, i, cpu);
        }

        *VectorUnit.Xmm(s, i->Destination) = value;
        return Flow.Next(s, i, cpu);
    }

    /// <summary>An operation on the lowest lane; the others stay.</summary>
    public static nint Scalar<TOp, TFormat>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, ISseOperation
        where TFormat : struct, ISseFormat
    {
        if (!VectorUnit.IsSseReady(s))
        {
            return VectorUnit.RefuseSse(s, i, cpu);
        }

        byte* source = VectorUnit.Source(s, i, cpu, TFormat.Size);
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        void* destination = VectorUnit.Xmm(s, i->Destination);
        SseEnvironment env = new(s->Mxcsr);
        ulong result = TOp.Apply<TFormat>(TFormat.Get(destination, 0), TFormat.Get(source, 0), ref env);
        if (!TryReport(s, env))
        {
            return Refuse(s, i, cpu);
        }

        TFormat.Set(destination, 0, result);
        return Flow.Next(s, i, cpu);
    }

    /// <summary>Puts the exceptions of an instruction into MXCSR.</summary>
    /// <returns>False when one is not masked: <see cref="Refuse"/>, and the destination stays.</returns>
    public static bool TryReport(CpuState* s, in SseEnvironment env)
    {
        if (env.Raised == 0)
        {
            return true;
        }

        // An unmasked exception of any lane's operands comes before all results: what those would have met is not told (SDM 1 11.5.3).
        uint raised = env.Raised;
        raised &= (env.Unmasked & FloatException.PreComputation) != 0 ? FloatException.PreComputation : FloatException.All;
        s->Mxcsr |= raised;
        return env.Unmasked == 0;
    }

    /// <summary>An unmasked exception: #XM, or #UD where the operating system does not know #XM (SDM 3A 6.15, interrupt 19).</summary>
    public static nint Refuse(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        Flow.Raise(i, cpu, (s->Cr4 & Cr4.OSXMMEXCPT) != 0 ? Vector.SimdFloatingPoint : Vector.InvalidOpcode);
}
