using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation.FloatingPoint;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>FCOM FUCOM FICOM FTST FXAM, and FCOMI FUCOMI, which answer in EFLAGS (SDM 2A; SDM 1 8.3.6).</summary>
internal static unsafe class X87Comparison
{
    /// <summary>The handler of FCOM and FCOMP, FICOM and FICOMP.</summary>
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
            MemorySize.Int16 => pops ? &MemoryAndPop<Integer16Format> : &Memory<Integer16Format>,
            _ => pops ? &MemoryAndPop<Integer32Format> : &Memory<Integer32Format>,
        };
    }

    /// <summary>FUCOM.</summary>
    public static nint Unordered(CpuState* s, DecodedInstruction* i, Interpreter cpu) => CompareRegisters(s, i, cpu, quiet: true, pops: 0);

    /// <summary>FUCOMP.</summary>
    public static nint UnorderedAndPop(CpuState* s, DecodedInstruction* i, Interpreter cpu) => CompareRegisters(s, i, cpu, quiet: true, pops: 1);

    /// <summary>FCOMPP: with ST(1), and two pops.</summary>
    public static nint PopTwice(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Compare(s, i, cpu, 1, quiet: false, pops: 2);

    /// <summary>FUCOMPP.</summary>
    public static nint UnorderedAndPopTwice(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Compare(s, i, cpu, 1, quiet: true, pops: 2);

    /// <summary>FCOMI.</summary>
    public static nint Flags(CpuState* s, DecodedInstruction* i, Interpreter cpu) => CompareToFlags(s, i, cpu, quiet: false, pops: false);

    /// <summary>FCOMIP.</summary>
    public static nint FlagsAndPop(CpuState* s, DecodedInstruction* i, Interpreter cpu) => CompareToFlags(s, i, cpu, quiet: false, pops: true);

    /// <summary>FUCOMI.</summary>
    public static nint UnorderedFlags(CpuState* s, DecodedInstruction* i, Interpreter cpu) => CompareToFlags(s, i, cpu, quiet: true, pops: false);

    /// <summary>FUCOMIP.</summary>
    public static nint UnorderedFlagsAndPop(CpuState* s, DecodedInstruction* i, Interpreter cpu) => CompareToFlags(s, i, cpu, quiet: true, pops: true);

    /// <summary>FTST: with +0.</summary>
    public static nint Test(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        FloatEnvironment env = X87Unit.Environment(s);
        Conclude(s, i, CompareWith(s, Float80.Zero, ref env), 0, ref env);
        return Flow.Next(s, i, cpu);
    }

    /// <summary>FXAM: the class in C3, C2 and C0, the sign in C1, of an empty register too.</summary>
    public static nint Examine(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        Float80 value = X87Unit.Get(s, 0);
        X87Unit.SetConditions(s, X87Unit.IsEmpty(s, 0) ? X87Unit.C3 | X87Unit.C0 : ClassOf(value));
        s->FpuStatus = (ushort)((s->FpuStatus & ~X87Unit.C1) | (value.Sign ? X87Unit.C1 : 0));
        return Flow.Next(s, i, cpu);
    }

    // SDM 2A table 3-42.
    private static uint ClassOf(Float80 value)
    {
        if (value.IsUnsupported)
        {
            return 0;
        }

        if (value.IsNaN)
        {
            return X87Unit.C0;
        }

        if (value.IsInfinity)
        {
            return X87Unit.C2 | X87Unit.C0;
        }

        return value.IsZero ? X87Unit.C3 : value.IsDenormal ? X87Unit.C3 | X87Unit.C2 : X87Unit.C2;
    }

    private static nint Register(CpuState* s, DecodedInstruction* i, Interpreter cpu) => CompareRegisters(s, i, cpu, quiet: false, pops: 0);

    private static nint RegisterAndPop(CpuState* s, DecodedInstruction* i, Interpreter cpu) => CompareRegisters(s, i, cpu, quiet: false, pops: 1);

    private static nint CompareRegisters(CpuState* s, DecodedInstruction* i, Interpreter cpu, bool quiet, int pops) =>
        Compare(s, i, cpu, i->Source, quiet, pops);

    private static nint Compare(CpuState* s, DecodedInstruction* i, Interpreter cpu, int other, bool quiet, int pops)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        FloatEnvironment env = X87Unit.Environment(s);
        Conclude(s, i, CompareWith(s, other, quiet, ref env), pops, ref env);
        return Flow.Next(s, i, cpu);
    }

    private static nint Memory<TFormat>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TFormat : struct, IX87Format
        => CompareMemory<TFormat>(s, i, cpu, 0);

    private static nint MemoryAndPop<TFormat>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TFormat : struct, IX87Format
        => CompareMemory<TFormat>(s, i, cpu, 1);

    private static nint CompareMemory<TFormat>(CpuState* s, DecodedInstruction* i, Interpreter cpu, int pops)
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
        Conclude(s, i, CompareWith(s, TFormat.Load(source, ref env), ref env), pops, ref env);
        return Flow.Next(s, i, cpu);
    }

    private static nint CompareToFlags(CpuState* s, DecodedInstruction* i, Interpreter cpu, bool quiet, bool pops)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        FloatEnvironment env = X87Unit.Environment(s);
        Relation relation = CompareWith(s, i->Source, quiet, ref env);
        if (env.Raised != 0)
        {
            // C1 is undefined unless the stack underflows; AMD leaves it.
            uint kept = env.StackFault ? 0 : s->FpuStatus & X87Unit.C1;
            X87Unit.Report(s, i, env);
            s->FpuStatus |= (ushort)kept;
        }

        // The answer is there even if an exception is unmasked; the operand stays then.
        LazyFlags.Set(s, relation switch
        {
            Relation.Greater => 0,
            Relation.Less => Eflags.CF,
            Relation.Equal => Eflags.ZF,
            _ => Eflags.ZF | Eflags.PF | Eflags.CF,
        });
        if (pops && !env.IsAborted)
        {
            X87Unit.Pop(s);
        }

        return Flow.Next(s, i, cpu);
    }

    private static Relation CompareWith(CpuState* s, int other, bool quiet, ref FloatEnvironment env)
    {
        if (X87Unit.IsEmpty(s, 0) || X87Unit.IsEmpty(s, other))
        {
            _ = env.StackUnderflow();
            return Relation.Unordered;
        }

        return Comparison80.Compare(X87Unit.Get(s, 0), X87Unit.Get(s, other), quiet, ref env);
    }

    private static Relation CompareWith(CpuState* s, Float80 other, ref FloatEnvironment env)
    {
        if (X87Unit.IsEmpty(s, 0))
        {
            _ = env.StackUnderflow();
            return Relation.Unordered;
        }

        return Comparison80.Compare(X87Unit.Get(s, 0), other, quiet: false, ref env);
    }

    private static void Conclude(CpuState* s, DecodedInstruction* i, Relation relation, int pops, ref FloatEnvironment env)
    {
        X87Unit.Report(s, i, env);

        // The answer is there even if an exception is unmasked; the operands stay then.
        X87Unit.SetConditions(s, relation switch
        {
            Relation.Greater => 0,
            Relation.Less => X87Unit.C0,
            Relation.Equal => X87Unit.C3,
            _ => X87Unit.C3 | X87Unit.C2 | X87Unit.C0,
        });
        for (; pops > 0 && !env.IsAborted; pops--)
        {
            X87Unit.Pop(s);
        }
    }
}
