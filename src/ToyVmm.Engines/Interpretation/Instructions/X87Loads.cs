using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation.FloatingPoint;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>FLD, FILD, FBLD and the constants: what pushes (SDM 2A).</summary>
internal static unsafe class X87Loads
{
    // The constants with 64 bits behind their significand, so that each rounding mode gets its own value (SDM 2A, FLD1 and the others).
    private const ulong TenLog2 = 0xD49A_784B_CD1B_8AFE;
    private const ulong TenLog2Rest = 0x492B_F6FF_4DAF_DB4C;
    private const ulong Log2E = 0xB8AA_3B29_5C17_F0BB;
    private const ulong Log2ERest = 0xBE87_FED0_691D_3E88;
    private const ulong Pi = 0xC90F_DAA2_2168_C234;
    private const ulong PiRest = 0xC4C6_628B_80DC_1CD1;
    private const ulong Log10Of2 = 0x9A20_9A84_FBCF_F798;
    private const ulong Log10Of2Rest = 0x8F89_59AC_0B7C_9178;
    private const ulong Ln2 = 0xB172_17F7_D1CF_79AB;
    private const ulong Ln2Rest = 0xC9E3_B398_03F2_F6AF;

    /// <summary>The handler of FLD and FILD.</summary>
    public static Handler Select(in Instruction x)
    {
        if (x.Op0Kind == OpKind.Register)
        {
            return &Register;
        }

        return x.MemorySize switch
        {
            MemorySize.Float32 => &Float<SingleFormat>,
            MemorySize.Float64 => &Float<DoubleFormat>,
            MemorySize.Float80 => &Extended,
            MemorySize.Int16 => &Integer<Integer16Format>,
            MemorySize.Int32 => &Integer<Integer32Format>,
            _ => &Integer<Integer64Format>,
        };
    }

    /// <summary>FLD1.</summary>
    public static nint LoadOne(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Constant(s, i, cpu, 0, Float80.IntegerBit, 0);

    /// <summary>FLDL2T.</summary>
    public static nint LoadLog2Of10(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Constant(s, i, cpu, 1, TenLog2, TenLog2Rest);

    /// <summary>FLDL2E.</summary>
    public static nint LoadLog2OfE(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Constant(s, i, cpu, 0, Log2E, Log2ERest);

    /// <summary>FLDPI.</summary>
    public static nint LoadPi(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Constant(s, i, cpu, 1, Pi, PiRest);

    /// <summary>FLDLG2.</summary>
    public static nint LoadLog10Of2(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Constant(s, i, cpu, -2, Log10Of2, Log10Of2Rest);

    /// <summary>FLDLN2.</summary>
    public static nint LoadLn2(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Constant(s, i, cpu, -1, Ln2, Ln2Rest);

    /// <summary>FLDZ.</summary>
    public static nint LoadZero(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Constant(s, i, cpu, 0, 0, 0);

    /// <summary>FBLD.</summary>
    public static nint Decimal(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        if (!X87Memory.TryReadTenBytes(s, i, cpu, out ulong low, out ushort high))
        {
            return Flow.StopHere(i, cpu);
        }

        FloatEnvironment env = X87Unit.Environment(s);
        Push(s, i, IntegerConversions.FromDecimal(low, high), ref env);
        return Flow.Next(s, i, cpu);
    }

    private static nint Register(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        FloatEnvironment env = X87Unit.Environment(s);
        if (X87Unit.IsEmpty(s, i->Destination))
        {
            // Underflow comes before overflow, where the stack is full but for this register.
            Float80 indefinite = env.StackUnderflow();
            if (!env.IsAborted)
            {
                X87Unit.Push(s, indefinite);
            }

            X87Unit.Report(s, i, env);
        }
        else
        {
            Push(s, i, X87Unit.Get(s, i->Destination), ref env);
        }

        return Flow.Next(s, i, cpu);
    }

    // A conversion: signalling NaNs and denormals are exceptions of FLD itself.
    private static nint Float<TFormat>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
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
        Float80 value = default;
        if (!X87Unit.IsFull(s))
        {
            value = TFormat.Load(source, ref env);
            if (value.IsSignalingNaN)
            {
                env.Raise(FloatException.Invalid);
                value = value.Quieted();
            }

            Operands80.NoteDenormal(value, ref env);
        }

        Push(s, i, value, ref env);
        return Flow.Next(s, i, cpu);
    }

    private static nint Integer<TFormat>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
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
        Push(s, i, TFormat.Load(source, ref env), ref env);
        return Flow.Next(s, i, cpu);
    }

    // No conversion, so no exception but the stack's.
    private static nint Extended(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        if (!X87Memory.TryReadTenBytes(s, i, cpu, out ulong low, out ushort high))
        {
            return Flow.StopHere(i, cpu);
        }

        FloatEnvironment env = X87Unit.Environment(s);
        Push(s, i, new Float80(high, low), ref env);
        return Flow.Next(s, i, cpu);
    }

    private static nint Constant(CpuState* s, DecodedInstruction* i, Interpreter cpu, int exponent, ulong high, ulong low)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        FloatEnvironment env = X87Unit.Environment(s);
        Float80 value = default;
        if (high != 0)
        {
            // Rounded by RC to 64 bits whatever the precision control says; the inexactness is not reported.
            _ = Rounding80.RoundSignificand(false, ref high, low, 64, env.Rounding, out _, out _);
            value = new Float80(false, Float80.Bias + exponent, high);
        }

        Push(s, i, value, ref env);
        return Flow.Next(s, i, cpu);
    }

    private static void Push(CpuState* s, DecodedInstruction* i, Float80 value, ref FloatEnvironment env)
    {
        if (X87Unit.IsFull(s))
        {
            value = env.StackOverflow();
        }

        // A denormal that is loaded with its exception unmasked is pushed all the same, since nothing is lost.
        if ((env.Unmasked & FloatException.Invalid) == 0)
        {
            X87Unit.Push(s, value);
        }

        X87Unit.Report(s, i, env);
    }
}
