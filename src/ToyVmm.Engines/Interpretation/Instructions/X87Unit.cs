using System.Runtime.CompilerServices;
using ToyVmm.Engines.Decoding;
using ToyVmm.Engines.Interpretation.FloatingPoint;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>
/// The x87 register stack and status word (SDM 1 8.1), and what stands before and behind every x87 instruction: the checks that may refuse
/// it, and the report of its exceptions. FIP, FDP and FOP change only with an unmasked exception (as AMD's processors hand them out), so
/// that they do not depend on which engine executes the instructions in between.
/// </summary>
internal static unsafe class X87Unit
{
    /// <summary>SF, stack fault.</summary>
    public const uint StackFault = 0x40;

    /// <summary>ES, an unmasked exception is pending.</summary>
    public const uint ErrorSummary = 0x80;

    /// <summary>Condition code C0.</summary>
    public const uint C0 = 0x100;

    /// <summary>Condition code C1.</summary>
    public const uint C1 = 0x200;

    /// <summary>Condition code C2.</summary>
    public const uint C2 = 0x400;

    /// <summary>Condition code C3.</summary>
    public const uint C3 = 0x4000;

    /// <summary>B, which follows ES since the 387.</summary>
    public const uint Busy = 0x8000;

    private const int TopShift = 11;
    private const uint Top = 7u << TopShift;

    /// <summary>The environment of an instruction.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static FloatEnvironment Environment(CpuState* s) => new(s->FpuControl);

    /// <summary>True where a non-waiting instruction may run.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsAvailable(CpuState* s) => (s->Cr0 & (Cr0.EM | Cr0.TS)) == 0;

    /// <summary>True where a waiting instruction may run; otherwise <see cref="Refuse"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsReady(CpuState* s) => IsAvailable(s) && !IsErrorPending(s);

    /// <summary>True when an unmasked exception is pending that is not to be ignored.</summary>
    public static bool IsErrorPending(CpuState* s) =>
        (s->FpuStatus & ErrorSummary) != 0 && ((s->Cr0 & Cr0.NE) != 0 || s->FpuIgnoreError == 0);

    /// <summary>Ends an instruction that may not run: #NM, or what a pending exception leads to.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static nint Refuse(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        IsAvailable(s) ? ReportPending(s, i, cpu) : Flow.Raise(i, cpu, Vector.DeviceNotAvailable);

    /// <summary>
    /// A waiting instruction with an exception pending (SDM 1 8.7): #MF with CR0.NE; without, as on an AT, FERR# is asserted and the CPU stops in
    /// front of the instruction until an interrupt arrives - IRQ 13, if the board does its part.
    /// </summary>
    public static nint ReportPending(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        if ((s->Cr0 & Cr0.NE) != 0)
        {
            return Flow.Raise(i, cpu, Vector.FloatingPoint);
        }

        s->FpuError = 1;
        return SystemInstructions.Sleep(s, i, cpu, i->Eip);
    }

    /// <summary>The physical number of ST(n).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Physical(CpuState* s, int n) => ((s->FpuStatus >> TopShift) + n) & 7;

    /// <summary>True when ST(n) is empty.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsEmpty(CpuState* s, int n) => ((s->FpuTags >> Physical(s, n)) & 1) == 0;

    /// <summary>ST(n).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float80 Get(CpuState* s, int n) => GetPhysical(s, Physical(s, n));

    /// <summary>The register with a physical number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float80 GetPhysical(CpuState* s, int n) => new((ushort)s->FpuRegisters[(2 * n) + 1], s->FpuRegisters[2 * n]);

    /// <summary>Writes ST(n), which is not empty afterwards.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Set(CpuState* s, int n, Float80 value)
    {
        int physical = Physical(s, n);
        SetPhysical(s, physical, value);
        s->FpuTags |= (ushort)(1 << physical);
    }

    /// <summary>Writes the register with a physical number; its tag stays.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetPhysical(CpuState* s, int n, Float80 value)
    {
        s->FpuRegisters[2 * n] = value.Significand;
        s->FpuRegisters[(2 * n) + 1] = value.SignExponent;
    }

    /// <summary>Marks ST(n) as empty.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Free(CpuState* s, int n) => s->FpuTags &= (ushort)~(1 << Physical(s, n));

    /// <summary>Adds to TOP.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Rotate(CpuState* s, int by) =>
        s->FpuStatus = (ushort)((s->FpuStatus & ~Top) | ((s->FpuStatus + ((uint)by << TopShift)) & Top));

    /// <summary>Pops.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pop(CpuState* s)
    {
        Free(s, 0);
        Rotate(s, 1);
    }

    /// <summary>Pushes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Push(CpuState* s, Float80 value)
    {
        Rotate(s, -1);
        Set(s, 0, value);
    }

    /// <summary>True when a push would overflow.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsFull(CpuState* s) => !IsEmpty(s, 7);

    /// <summary>Sets condition codes other than C1.</summary>
    public static void SetConditions(CpuState* s, uint conditions) =>
        s->FpuStatus = (ushort)((s->FpuStatus & ~(C0 | C2 | C3)) | conditions);

    /// <summary>Puts an operation's exceptions and C1 into the status word; an unmasked one becomes pending.</summary>
    public static void Report(CpuState* s, DecodedInstruction* i, in FloatEnvironment env)
    {
        uint status = (s->FpuStatus & ~C1) | env.Raised | (env.RoundedUp ? C1 : 0) | (env.StackFault ? StackFault : 0);
        if (env.Unmasked != 0)
        {
            status |= ErrorSummary | Busy;
            NotePointers(s, i);
        }

        s->FpuStatus = (ushort)status;
    }

    /// <summary>Exceptions whose flags are in the status word already: an unmasked one becomes pending.</summary>
    public static void ReportRaised(CpuState* s, DecodedInstruction* i, uint raised)
    {
        if ((raised & ~s->FpuControl) != 0)
        {
            s->FpuStatus |= (ushort)(ErrorSummary | Busy);
            NotePointers(s, i);
        }
    }

    /// <summary>ES and B follow from flags and masks: after either was loaded or cleared.</summary>
    public static void UpdateErrorSummary(CpuState* s)
    {
        if ((s->FpuStatus & ~s->FpuControl & FloatException.All) != 0)
        {
            s->FpuStatus |= (ushort)(ErrorSummary | Busy);
            return;
        }

        s->FpuStatus &= unchecked((ushort)~(ErrorSummary | Busy));

        // FERR# falls, and the board's latch for IGNNE# with it.
        s->FpuError = 0;
        s->FpuIgnoreError = 0;
    }

    /// <summary>FNINIT (SDM 2A): everything but the registers' contents.</summary>
    public static void Initialize(CpuState* s)
    {
        s->FpuControl = 0x37F;
        s->FpuStatus = 0;
        s->FpuTags = 0;
        s->FpuOpcode = 0;
        s->FpuInstructionOffset = 0;
        s->FpuInstructionSelector = 0;
        s->FpuDataOffset = 0;
        s->FpuDataSelector = 0;
        UpdateErrorSummary(s);
    }

    private static void NotePointers(CpuState* s, DecodedInstruction* i)
    {
        bool memory = (i->Flags & InstructionFlags.Memory) != 0;
        s->FpuOpcode = (ushort)i->Immediate;
        s->FpuInstructionOffset = i->Eip;
        s->FpuInstructionSelector = s->Cs.Selector;
        s->FpuDataOffset = memory ? Segmented.Effective(s, i) : 0;
        s->FpuDataSelector = memory ? ((SegmentCache*)((byte*)s + i->Segment))->Selector : (ushort)0;
    }
}
