using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation.FloatingPoint;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>WAIT, and what handles the control word, the status word and the stack pointer (SDM 1 8.3.11).</summary>
internal static unsafe class X87Control
{
    // The bits of the control word that exist; bit 6 reads as one.
    private const uint ControlBits = 0x1F3F;
    private const uint ControlFixed = 0x40;

    /// <summary>WAIT: #NM if CR0.MP and CR0.TS are both set, otherwise what a waiting instruction does with a pending exception.</summary>
    public static nint Wait(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if ((s->Cr0 & (Cr0.MP | Cr0.TS)) == (Cr0.MP | Cr0.TS))
        {
            return Flow.Raise(i, cpu, Vector.DeviceNotAvailable);
        }

        return X87Unit.IsErrorPending(s) ? X87Unit.ReportPending(s, i, cpu) : Flow.Next(s, i, cpu);
    }

    /// <summary>FNINIT.</summary>
    public static nint Initialize(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsAvailable(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        X87Unit.Initialize(s);
        return Flow.Next(s, i, cpu);
    }

    /// <summary>FNCLEX: the exception flags, SF, ES and B. The condition codes stay.</summary>
    public static nint ClearExceptions(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsAvailable(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        s->FpuStatus &= 0x7F00;
        X87Unit.UpdateErrorSummary(s);
        return Flow.Next(s, i, cpu);
    }

    /// <summary>FNENI, FNDISI and FNSETPM, which meant something to the 8087 and the 287.</summary>
    public static nint Obsolete(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        X87Unit.IsAvailable(s) ? Flow.Next(s, i, cpu) : X87Unit.Refuse(s, i, cpu);

    /// <summary>FNOP.</summary>
    public static nint NoOperation(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        X87Unit.IsReady(s) ? Flow.Next(s, i, cpu) : X87Unit.Refuse(s, i, cpu);

    /// <summary>FLDCW.</summary>
    public static nint LoadControl(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        byte* source = Segmented.Read(s, i, cpu, sizeof(ushort));
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        SetControl(s, *(ushort*)source);
        return Flow.Next(s, i, cpu);
    }

    /// <summary>Loads the control word; what it unmasks becomes pending, what it masks no longer is.</summary>
    public static void SetControl(CpuState* s, uint value)
    {
        s->FpuControl = (ushort)((value & ControlBits) | ControlFixed);
        X87Unit.UpdateErrorSummary(s);
    }

    /// <summary>FNSTCW.</summary>
    public static nint StoreControl(CpuState* s, DecodedInstruction* i, Interpreter cpu) => StoreWord(s, i, cpu, s->FpuControl);

    /// <summary>The handler of FNSTSW.</summary>
    public static Handler StoreStatus(in Instruction x) => x.Op0Kind == OpKind.Register ? &StoreStatusRegister : &StoreStatusMemory;

    /// <summary>FINCSTP.</summary>
    public static nint IncrementTop(CpuState* s, DecodedInstruction* i, Interpreter cpu) => MoveTop(s, i, cpu, 1);

    /// <summary>FDECSTP.</summary>
    public static nint DecrementTop(CpuState* s, DecodedInstruction* i, Interpreter cpu) => MoveTop(s, i, cpu, -1);

    /// <summary>FFREE.</summary>
    public static nint Free(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        X87Unit.Free(s, i->Destination);
        s->FpuStatus &= unchecked((ushort)~X87Unit.C1);
        return Flow.Next(s, i, cpu);
    }

    /// <summary>FFREEP, undocumented: FFREE, then TOP is incremented.</summary>
    public static nint FreeAndPop(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        X87Unit.Free(s, i->Destination);
        X87Unit.Pop(s);
        s->FpuStatus &= unchecked((ushort)~X87Unit.C1);
        return Flow.Next(s, i, cpu);
    }

    private static nint MoveTop(CpuState* s, DecodedInstruction* i, Interpreter cpu, int by)
    {
        if (!X87Unit.IsReady(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        X87Unit.Rotate(s, by);
        s->FpuStatus &= unchecked((ushort)~X87Unit.C1);
        return Flow.Next(s, i, cpu);
    }

    private static nint StoreStatusRegister(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if (!X87Unit.IsAvailable(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        *(ushort*)&s->Eax = s->FpuStatus;
        return Flow.Next(s, i, cpu);
    }

    private static nint StoreStatusMemory(CpuState* s, DecodedInstruction* i, Interpreter cpu) => StoreWord(s, i, cpu, s->FpuStatus);

    private static nint StoreWord(CpuState* s, DecodedInstruction* i, Interpreter cpu, ushort value)
    {
        if (!X87Unit.IsAvailable(s))
        {
            return X87Unit.Refuse(s, i, cpu);
        }

        byte* target = Segmented.Write(s, i, cpu, sizeof(ushort));
        if (target == null)
        {
            return Flow.StopHere(i, cpu);
        }

        *(ushort*)target = value;
        return Flow.NextIf(Segmented.Commit(cpu, target), s, i, cpu);
    }
}
