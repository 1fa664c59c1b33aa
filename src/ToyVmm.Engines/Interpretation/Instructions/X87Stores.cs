using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation.FloatingPoint;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>FST FSTP FIST FISTP FISTTP FBSTP, FXCH, FCMOVcc: what moves ST(0) away, or others to it (SDM 2A).</summary>
internal static unsafe class X87Stores
{
    /// <summary>The handler of FST and FIST (no pop), FSTP and FISTP (pop).</summary>
    public static Handler Select(in Instruction x, bool pops)
    {
        if (x.Op0Kind == OpKind.Register)
        {
            return pops ? &RegisterAndPop : &Register;
        }

        return x.MemorySize switch
        {
            MemorySize.Float32 => pops ? &MemoryAndPop<SingleFormat> : &Memory<SingleFormat>,
            MemorySize.Float64 => pops ? &MemoryAndPop<DoubleFormat> : &Memory<DoubleFormat>,
            MemorySize.Float80 => &ExtendedAndPop,
            MemorySize.Int16 => pops ? &MemoryAndPop<Integer16Format> : &Memory<Integer16Format>,
            MemorySize.Int32 => pops ? &MemoryAndPop<Integer32Format> : &Memory<Integer32Format>,
            _ => &MemoryAndPop<Integer64Format>,
        };
    }

    /// <summary>The handler of FISTTP (SSE3).</summary>
    public static Handler SelectTruncated(in Instruction x) => x.MemorySize switch
    {
        MemorySize.Int16 => &MemoryAndPop<TruncatedFormat<Integer16Format>>,
        MemorySize.Int32 => &MemoryAndPop<TruncatedFormat<Integer32Format>>,
        _ => &MemoryAndPop<TruncatedFormat<Integer64Format>>,
    };

    /// <summary>FBSTP.</summary>
    public static nint DecimalAndPop(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        if (!X87Memory.CanWriteTenBytes(s, i, cpu))
        {
            return Flow.StopHere(i, cpu);
        }

        FloatEnvironment env = X87Unit.Environment(s);
        Float80 value = X87Unit.IsEmpty(s, 0) ? env.StackUnderflow() : X87Unit.Get(s, 0);
        (ulong digits, ushort top) = IntegerConversions.ToDecimal(value, ref env);
        X87Unit.Report(s, i, env);
        if (env.IsAborted)
        {
            return Flow.Next(s, i, cpu);
        }

        bool goOn = X87Memory.WriteTenBytes(s, i, cpu, digits, top);
        X87Unit.Pop(s);
        return Flow.NextIf(goOn, s, i, cpu);
    }

    /// <summary>FXCH.</summary>
    public static nint Exchange(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        FloatEnvironment env = X87Unit.Environment(s);
        Float80 first = X87Unit.IsEmpty(s, 0) ? env.StackUnderflow() : X87Unit.Get(s, 0);
        Float80 second = X87Unit.IsEmpty(s, i->Source) ? env.StackUnderflow() : X87Unit.Get(s, i->Source);
        if (!env.IsAborted)
        {
            X87Unit.Set(s, 0, second);
            X87Unit.Set(s, i->Source, first);
        }

        X87Unit.Report(s, i, env);
        return Flow.Next(s, i, cpu);
    }

    /// <summary>FCMOVcc.</summary>
    public static nint ConditionalMove<TCondition>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TCondition : struct, ICondition
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        if (X87Unit.IsEmpty(s, 0) || X87Unit.IsEmpty(s, i->Source))
        {
            // Whether the condition holds or not (SDM 2A, FCMOVcc).
            FloatEnvironment env = X87Unit.Environment(s);
            Float80 indefinite = env.StackUnderflow();
            if (!env.IsAborted)
            {
                X87Unit.Set(s, 0, indefinite);
            }

            X87Unit.Report(s, i, env);
        }
        else if (TCondition.Holds(s))
        {
            // C1 is undefined unless the stack underflows; AMD leaves it.
            X87Unit.Set(s, 0, X87Unit.Get(s, i->Source));
        }

        return Flow.Next(s, i, cpu);
    }

    /// <summary>FSTPNCE (D9 D8+i), undocumented: FSTP that takes an empty ST(0) without an exception, and then only pops.</summary>
    public static nint RegisterAndPopUnchecked(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        if (!X87Unit.IsEmpty(s, 0))
        {
            return RegisterAndPop(s, i, cpu);
        }

        X87Unit.Pop(s);
        s->FpuStatus &= unchecked((ushort)~X87Unit.C1);
        return Flow.Next(s, i, cpu);
    }

    private static nint Register(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        _ = StoreRegister(s, i);
        return Flow.Next(s, i, cpu);
    }

    private static nint RegisterAndPop(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        if (StoreRegister(s, i))
        {
            X87Unit.Pop(s);
        }

        return Flow.Next(s, i, cpu);
    }

    private static bool StoreRegister(CpuState* s, DecodedInstruction* i)
    {
        FloatEnvironment env = X87Unit.Environment(s);
        Float80 value = X87Unit.IsEmpty(s, 0) ? env.StackUnderflow() : X87Unit.Get(s, 0);
        X87Unit.Report(s, i, env);
        if (env.IsAborted)
        {
            return false;
        }

        X87Unit.Set(s, i->Destination, value);
        return true;
    }

    private static nint Memory<TFormat>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TFormat : struct, IX87Format
        => StoreMemory<TFormat>(s, i, cpu, pops: false);

    private static nint MemoryAndPop<TFormat>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TFormat : struct, IX87Format
        => StoreMemory<TFormat>(s, i, cpu, pops: true);

    private static nint StoreMemory<TFormat>(CpuState* s, DecodedInstruction* i, Interpreter cpu, bool pops)
        where TFormat : struct, IX87Format
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        byte* target = Segmented.Write(s, i, cpu, TFormat.Size);
        if (target == null)
        {
            return Flow.StopHere(i, cpu);
        }

        FloatEnvironment env = X87Unit.Environment(s);
        Float80 value = X87Unit.IsEmpty(s, 0) ? env.StackUnderflow() : X87Unit.Get(s, 0);
        ulong bits = TFormat.Convert(value, ref env);
        X87Unit.Report(s, i, env);

        // Memory cannot take a result with an adjusted exponent, so unmasked overflow and underflow store nothing too.
        if ((env.Unmasked & ~FloatException.Precision) != 0)
        {
            return Flow.Next(s, i, cpu);
        }

        if (TFormat.Size == 2)
        {
            *(ushort*)target = (ushort)bits;
        }
        else if (TFormat.Size == 4)
        {
            *(uint*)target = (uint)bits;
        }
        else
        {
            *(ulong*)target = bits;
        }

        bool goOn = Segmented.Commit(cpu, target);
        if (pops)
        {
            X87Unit.Pop(s);
        }

        return Flow.NextIf(goOn, s, i, cpu);
    }

    private static nint ExtendedAndPop(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        if (!X87Memory.CanWriteTenBytes(s, i, cpu))
        {
            return Flow.StopHere(i, cpu);
        }

        FloatEnvironment env = X87Unit.Environment(s);
        Float80 value = X87Unit.IsEmpty(s, 0) ? env.StackUnderflow() : X87Unit.Get(s, 0);
        X87Unit.Report(s, i, env);
        if (env.IsAborted)
        {
            return Flow.Next(s, i, cpu);
        }

        bool goOn = X87Memory.WriteTenBytes(s, i, cpu, value.Significand, value.SignExponent);
        X87Unit.Pop(s);
        return Flow.NextIf(goOn, s, i, cpu);
    }
}
