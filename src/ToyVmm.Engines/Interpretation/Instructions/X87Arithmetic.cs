using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation.FloatingPoint;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>An operation of destination and source.</summary>
internal interface IX87Operation
{
    /// <summary>The destination's new value.</summary>
    static abstract Float80 Apply(Float80 destination, Float80 source, ref FloatEnvironment env);
}

/// <summary>An operation on ST(0).</summary>
internal interface IX87UnaryOperation
{
    /// <summary>Its new value.</summary>
    static abstract Float80 Apply(Float80 value, ref FloatEnvironment env);
}

/// <summary>FADD FSUB FSUBR FMUL FDIV FDIVR with registers, with memory, with a pop; FSQRT FRNDINT FABS FCHS (SDM 2A).</summary>
internal static unsafe class X87Arithmetic
{
    /// <summary>The handler of a two-operand form: registers, or ST(0) and a float or integer in memory.</summary>
    public static Handler Select<TOp>(in Instruction x)
        where TOp : struct, IX87Operation
    {
        if (x.OpCount == 0 || x.Op0Kind == OpKind.Register)
        {
            return &Registers<TOp>;
        }

        return x.MemorySize switch
        {
            MemorySize.Float32 => &Memory<TOp, SingleFormat>,
            MemorySize.Float64 => &Memory<TOp, DoubleFormat>,
            MemorySize.Int16 => &Memory<TOp, Integer16Format>,
            _ => &Memory<TOp, Integer32Format>,
        };
    }

    /// <summary>ST(i) and ST(0), then a pop.</summary>
    public static nint RegistersAndPop<TOp>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IX87Operation
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        if (Compute<TOp>(s, i))
        {
            X87Unit.Pop(s);
        }

        return Flow.Next(s, i, cpu);
    }

    /// <summary>An operation on ST(0).</summary>
    public static nint Unary<TOp>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IX87UnaryOperation
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        FloatEnvironment env = X87Unit.Environment(s);
        Float80 result = X87Unit.IsEmpty(s, 0) ? env.StackUnderflow() : TOp.Apply(X87Unit.Get(s, 0), ref env);
        if (!env.IsAborted)
        {
            X87Unit.Set(s, 0, result);
        }

        X87Unit.Report(s, i, env);
        return Flow.Next(s, i, cpu);
    }

    private static nint Registers<TOp>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IX87Operation
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        _ = Compute<TOp>(s, i);
        return Flow.Next(s, i, cpu);
    }

    private static nint Memory<TOp, TFormat>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IX87Operation
        where TFormat : struct, IX87Format
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        byte* source = Segmented.Read(s, i, cpu, TFormat.Size);
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        FloatEnvironment env = X87Unit.Environment(s);
        Float80 result = X87Unit.IsEmpty(s, 0)
            ? env.StackUnderflow()
            : TOp.Apply(X87Unit.Get(s, 0), TFormat.Load(source, ref env), ref env);
        if (!env.IsAborted)
        {
            X87Unit.Set(s, 0, result);
        }

        X87Unit.Report(s, i, env);
        return Flow.Next(s, i, cpu);
    }

    // False when an unmasked exception left everything as it was.
    private static bool Compute<TOp>(CpuState* s, DecodedInstruction* i)
        where TOp : struct, IX87Operation
    {
        int destination = i->Destination;
        int source = i->Source;
        FloatEnvironment env = X87Unit.Environment(s);
        Float80 result = X87Unit.IsEmpty(s, destination) || X87Unit.IsEmpty(s, source)
            ? env.StackUnderflow()
            : TOp.Apply(X87Unit.Get(s, destination), X87Unit.Get(s, source), ref env);
        X87Unit.Report(s, i, env);
        if (env.IsAborted)
        {
            return false;
        }

        X87Unit.Set(s, destination, result);
        return true;
    }
}

internal readonly struct X87Add : IX87Operation
{
    public static Float80 Apply(Float80 destination, Float80 source, ref FloatEnvironment env) => Arithmetic80.Add(destination, source, ref env);
}

internal readonly struct X87Subtract : IX87Operation
{
    public static Float80 Apply(Float80 destination, Float80 source, ref FloatEnvironment env) => Arithmetic80.Subtract(destination, source, ref env);
}

internal readonly struct X87SubtractReversed : IX87Operation
{
    public static Float80 Apply(Float80 destination, Float80 source, ref FloatEnvironment env) => Arithmetic80.Subtract(source, destination, ref env);
}

internal readonly struct X87Multiply : IX87Operation
{
    public static Float80 Apply(Float80 destination, Float80 source, ref FloatEnvironment env) => Arithmetic80.Multiply(destination, source, ref env);
}

internal readonly struct X87Divide : IX87Operation
{
    public static Float80 Apply(Float80 destination, Float80 source, ref FloatEnvironment env) => Arithmetic80.Divide(destination, source, ref env);
}

internal readonly struct X87DivideReversed : IX87Operation
{
    public static Float80 Apply(Float80 destination, Float80 source, ref FloatEnvironment env) => Arithmetic80.Divide(source, destination, ref env);
}

internal readonly struct X87SquareRoot : IX87UnaryOperation
{
    public static Float80 Apply(Float80 value, ref FloatEnvironment env) => Arithmetic80.SquareRoot(value, ref env);
}

internal readonly struct X87RoundToInteger : IX87UnaryOperation
{
    public static Float80 Apply(Float80 value, ref FloatEnvironment env) => IntegerConversions.RoundToInteger(value, ref env);
}

internal readonly struct X87Absolute : IX87UnaryOperation
{
    public static Float80 Apply(Float80 value, ref FloatEnvironment env) => value.WithSign(false);
}

internal readonly struct X87ChangeSign : IX87UnaryOperation
{
    public static Float80 Apply(Float80 value, ref FloatEnvironment env) => value.Negated();
}
