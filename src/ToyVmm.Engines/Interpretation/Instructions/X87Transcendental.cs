using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation.FloatingPoint;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>
/// F2XM1 FYL2X FYL2XP1 FSIN FCOS FSINCOS FPTAN FPATAN (SDM 2A). Precision control does not apply to them. On x86 hosts they run on the host's
/// unit (<see cref="X87HostInstructions"/>); what stands here is for all others.
/// </summary>
internal static unsafe class X87Transcendental
{
    /// <summary>F2XM1: ST(0) is replaced.</summary>
    public static nint Exponential(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        X87Unit.IsReady(s) && X87HostInstructions.TryExecute(s, i, cpu, TranscendentalOpcode.ExponentialMinusOne)
            ? Flow.Next(s, i, cpu)
            : X87Arithmetic.Unary<X87ExponentialMinusOne>(s, i, cpu);

    /// <summary>FSIN and FCOS: ST(0) is replaced, unless it is out of range (C2).</summary>
    public static nint Angle<TOp>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IX87Transcendental, IX87UnaryOperation
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        if (X87HostInstructions.TryExecute(s, i, cpu, TOp.Opcode))
        {
            return Flow.Next(s, i, cpu);
        }

        return IsOutOfRange(s) ? LeaveOutOfRange(s, i, cpu) : Finish<TOp>(s, i, cpu);
    }

    /// <summary>FSINCOS: ST(0) becomes the sine, and the cosine is pushed.</summary>
    public static nint SineAndCosine(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        return X87HostInstructions.TryExecute(s, i, cpu, TranscendentalOpcode.SineAndCosine) ? Flow.Next(s, i, cpu) : Pair(s, i, cpu, tangent: false);
    }

    /// <summary>FPTAN: ST(0) becomes the tangent, and 1 is pushed.</summary>
    public static nint Tangent(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        return X87HostInstructions.TryExecute(s, i, cpu, TranscendentalOpcode.Tangent) ? Flow.Next(s, i, cpu) : Pair(s, i, cpu, tangent: true);
    }

    /// <summary>FYL2X, FYL2XP1, FPATAN: ST(1) becomes the result of ST(1) and ST(0), and ST(0) is popped.</summary>
    public static nint Binary<TOp>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IX87Transcendental, IX87Operation
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        if (X87HostInstructions.TryExecute(s, i, cpu, TOp.Opcode))
        {
            return Flow.Next(s, i, cpu);
        }

        FloatEnvironment env = X87Unit.Environment(s);
        Float80 result = X87Unit.IsEmpty(s, 0) || X87Unit.IsEmpty(s, 1)
            ? env.StackUnderflow()
            : TOp.Apply(X87Unit.Get(s, 1), X87Unit.Get(s, 0), ref env);
        X87Unit.Report(s, i, env);
        if (!env.IsAborted)
        {
            X87Unit.Set(s, 1, result);
            X87Unit.Pop(s);
        }

        return Flow.Next(s, i, cpu);
    }

    private static nint Pair(CpuState* s, DecodedInstruction* i, Interpreter cpu, bool tangent)
    {
        FloatEnvironment env = X87Unit.Environment(s);
        Float80 first;
        Float80 second;
        if (X87Unit.IsEmpty(s, 0))
        {
            first = second = env.StackUnderflow();
        }
        else if (X87Unit.IsFull(s))
        {
            first = second = env.StackOverflow();
        }
        else if (IsOutOfRange(s))
        {
            return LeaveOutOfRange(s, i, cpu);
        }
        else
        {
            Float80 value = X87Unit.Get(s, 0);
            first = tangent ? Trigonometry80.Tangent(value, ref env) : Trigonometry80.Sine(value, ref env);

            // A NaN is pushed twice. C1 tells of the last rounding.
            second = first.IsNaN ? first : tangent ? Float80.One : Trigonometry80.Cosine(value, ref env);
        }

        s->FpuStatus &= unchecked((ushort)~X87Unit.C2);
        X87Unit.Report(s, i, env);
        if (!env.IsAborted)
        {
            X87Unit.Set(s, 0, first);
            X87Unit.Push(s, second);
        }

        return Flow.Next(s, i, cpu);
    }

    private static nint Finish<TOp>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IX87UnaryOperation
    {
        s->FpuStatus &= unchecked((ushort)~X87Unit.C2);
        return X87Arithmetic.Unary<TOp>(s, i, cpu);
    }

    private static bool IsOutOfRange(CpuState* s) => !X87Unit.IsEmpty(s, 0) && Trigonometry80.IsOutOfRange(X87Unit.Get(s, 0));

    private static nint LeaveOutOfRange(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        s->FpuStatus = (ushort)((s->FpuStatus & ~X87Unit.C1) | X87Unit.C2);
        return Flow.Next(s, i, cpu);
    }
}

/// <summary>An operation that the host may perform.</summary>
internal interface IX87Transcendental
{
    /// <summary>Its instruction.</summary>
    static abstract TranscendentalOpcode Opcode { get; }
}

internal readonly struct X87Sine : IX87Transcendental, IX87UnaryOperation
{
    public static TranscendentalOpcode Opcode => TranscendentalOpcode.Sine;

    public static Float80 Apply(Float80 value, ref FloatEnvironment env) => Trigonometry80.Sine(value, ref env);
}

internal readonly struct X87Cosine : IX87Transcendental, IX87UnaryOperation
{
    public static TranscendentalOpcode Opcode => TranscendentalOpcode.Cosine;

    public static Float80 Apply(Float80 value, ref FloatEnvironment env) => Trigonometry80.Cosine(value, ref env);
}

internal readonly struct X87ExponentialMinusOne : IX87UnaryOperation
{
    public static Float80 Apply(Float80 value, ref FloatEnvironment env) => Logarithm80.ExponentialMinusOne(value, ref env);
}

internal readonly struct X87ArcTangent : IX87Transcendental, IX87Operation
{
    public static TranscendentalOpcode Opcode => TranscendentalOpcode.ArcTangent;

    public static Float80 Apply(Float80 destination, Float80 source, ref FloatEnvironment env) => Trigonometry80.ArcTangent(destination, source, ref env);
}

internal readonly struct X87YLog2X : IX87Transcendental, IX87Operation
{
    public static TranscendentalOpcode Opcode => TranscendentalOpcode.YLog2X;

    public static Float80 Apply(Float80 destination, Float80 source, ref FloatEnvironment env) => Logarithm80.YLog2X(destination, source, ref env);
}

internal readonly struct X87YLog2XPlusOne : IX87Transcendental, IX87Operation
{
    public static TranscendentalOpcode Opcode => TranscendentalOpcode.YLog2XPlusOne;

    public static Float80 Apply(Float80 destination, Float80 source, ref FloatEnvironment env) => Logarithm80.YLog2XPlusOne(destination, source, ref env);
}
