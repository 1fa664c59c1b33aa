using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation.FloatingPoint;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>FPREM FPREM1 FSCALE FXTRACT (SDM 2A).</summary>
internal static unsafe class X87Remainder
{
    /// <summary>FPREM.</summary>
    public static nint Truncated(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Remainder(s, i, cpu, toNearest: false);

    /// <summary>FPREM1.</summary>
    public static nint ToNearest(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Remainder(s, i, cpu, toNearest: true);

    /// <summary>FSCALE.</summary>
    public static nint Scale(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        FloatEnvironment env = X87Unit.Environment(s);
        Float80 result = X87Unit.IsEmpty(s, 0) || X87Unit.IsEmpty(s, 1)
            ? env.StackUnderflow()
            : Remainder80.Scale(X87Unit.Get(s, 0), X87Unit.Get(s, 1), ref env);
        if (!env.IsAborted)
        {
            X87Unit.Set(s, 0, result);
        }

        X87Unit.Report(s, i, env);
        return Flow.Next(s, i, cpu);
    }

    /// <summary>FXTRACT: ST(0) becomes the exponent, and the significand is pushed.</summary>
    public static nint Extract(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        FloatEnvironment env = X87Unit.Environment(s);
        Float80 exponent;
        Float80 significand;
        if (X87Unit.IsEmpty(s, 0))
        {
            exponent = significand = env.StackUnderflow();
        }
        else if (X87Unit.IsFull(s))
        {
            exponent = significand = env.StackOverflow();
        }
        else
        {
            (exponent, significand) = Remainder80.Extract(X87Unit.Get(s, 0), ref env);
        }

        if (!env.IsAborted)
        {
            X87Unit.Set(s, 0, exponent);
            X87Unit.Push(s, significand);
        }

        X87Unit.Report(s, i, env);
        return Flow.Next(s, i, cpu);
    }

    private static nint Remainder(CpuState* s, DecodedInstruction* i, Interpreter cpu, bool toNearest)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        FloatEnvironment env = X87Unit.Environment(s);
        Remainder80.Progress? progress = null;
        Float80 result = X87Unit.IsEmpty(s, 0) || X87Unit.IsEmpty(s, 1)
            ? env.StackUnderflow()
            : Remainder80.Remainder(X87Unit.Get(s, 0), X87Unit.Get(s, 1), toNearest, ref env, out progress);
        X87Unit.Report(s, i, env);
        s->FpuStatus &= unchecked((ushort)~X87Unit.C2);
        if (!env.IsAborted)
        {
            X87Unit.Set(s, 0, result);
        }

        if (progress is { } known)
        {
            // Q2, Q1, Q0 in C0, C3, C1; without a quotient C0 and C3 stay.
            X87Unit.SetConditions(
                s,
                ((known.Quotient & 4) != 0 ? X87Unit.C0 : 0) | ((known.Quotient & 2) != 0 ? X87Unit.C3 : 0) | (known.IsComplete ? 0 : X87Unit.C2));
            s->FpuStatus |= (ushort)((known.Quotient & 1) != 0 ? X87Unit.C1 : 0);
        }

        return Flow.Next(s, i, cpu);
    }
}
