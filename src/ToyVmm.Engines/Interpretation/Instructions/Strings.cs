using System.Runtime.CompilerServices;
using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>How one element of a string instruction ended.</summary>
internal enum StringStep
{
    /// <summary>A fault or an exit: nothing has changed.</summary>
    Stop,

    /// <summary>Done: memory, registers and flags are those behind it.</summary>
    Done,

    /// <summary>Done, and a store waits for the monitor.</summary>
    DoneAndLeave,
}

/// <summary>A string instruction: MOVS STOS LODS SCAS CMPS INS OUTS.</summary>
internal unsafe interface IStringOperation
{
    /// <summary>True where the REP prefixes mean REPE and REPNE: the flags decide whether to go on.</summary>
    static abstract bool Compares { get; }

    /// <summary>True for INS and OUTS: an element may raise an interrupt, which is delivered before the next one.</summary>
    static virtual bool TouchesPorts => false;

    /// <summary>Performs one element exactly: every check, any memory. The count is not its business.</summary>
    static abstract StringStep Step<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged;

    /// <summary>
    /// Performs a run of elements upwards (DF = 0) as far as it is plain memory in one page of each string. A comparison ends its
    /// run behind the first element that may end the instruction.
    /// </summary>
    /// <param name="s">The state.</param>
    /// <param name="i">The instruction.</param>
    /// <param name="cpu">The interpreter.</param>
    /// <param name="count">The most elements, 1 or more.</param>
    /// <returns>The elements done; 0 where <see cref="Step"/> must do the next one.</returns>
    static abstract int Bulk<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu, int count)
        where T : unmanaged;
}

/// <summary>
/// The string instructions, with and without REP (SDM 2B, REP). Between two elements the registers are exact, so a fault, an exit or
/// an interrupt in the middle leaves them as they are and EIP at the instruction, which goes on when it is run again. It retires
/// when it completes.
/// </summary>
internal static unsafe class Strings
{
    /// <summary>The most elements before the run loop may look: an instruction boundary that does not retire.</summary>
    private const int LongestRun = 4096;

    private enum Outcome
    {
        Stop,
        Complete,
        CompleteAndLeave,
        Interrupted,
    }

    /// <summary>The handler of a string instruction.</summary>
    /// <param name="x">The instruction.</param>
    /// <param name="size">Bytes of an element.</param>
    public static Handler Select<TOp>(in Instruction x, int size)
        where TOp : struct, IStringOperation
    {
        bool repeats = x.HasRepPrefix || x.HasRepePrefix || x.HasRepnePrefix;
        return size switch
        {
            1 => repeats ? &Repeat<TOp, byte> : &Once<TOp, byte>,
            2 => repeats ? &Repeat<TOp, ushort> : &Once<TOp, ushort>,
            _ => repeats ? &Repeat<TOp, uint> : &Once<TOp, uint>,
        };
    }

    /// <summary>An index or count register at the address size.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Masked(DecodedInstruction* i, uint register) =>
        (i->Flags & InstructionFlags.Address32) != 0 ? register : (ushort)register;

    /// <summary>Adds to an index or count register at the address size.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Add(DecodedInstruction* i, uint* register, int change)
    {
        if ((i->Flags & InstructionFlags.Address32) != 0)
        {
            *register += (uint)change;
        }
        else
        {
            *(ushort*)register = (ushort)(*register + (uint)change);
        }
    }

    /// <summary>What an element adds to an index register: its size, downwards where DF is set.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Stride<T>(CpuState* s)
        where T : unmanaged
        => (s->OtherFlags & Eflags.DF) != 0 ? -sizeof(T) : sizeof(T);

    /// <summary>One element.</summary>
    public static nint Once<TOp, T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IStringOperation
        where T : unmanaged
    {
        StringStep step = TOp.Step<T>(s, i, cpu);
        return step == StringStep.Done ? End<TOp>(s, i, cpu)
            : step == StringStep.Stop ? Flow.StopHere(i, cpu)
            : Flow.LeaveAfter(s, i, cpu);
    }

    /// <summary>(E)CX elements.</summary>
    public static nint Repeat<TOp, T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IStringOperation
        where T : unmanaged
    {
        if (Masked(i, s->Ecx) == 0)
        {
            return Flow.Next(s, i, cpu);
        }

        Outcome outcome = Run<TOp, T>(s, i, cpu);
        if (outcome == Outcome.Complete)
        {
            return End<TOp>(s, i, cpu);
        }

        // Only here: what has completed, or not begun, leaves no mark for an event's RF (SDM 3B 17.3.1.1).
        if (outcome == Outcome.Interrupted)
        {
            cpu.InterruptedString = true;
        }

        return outcome == Outcome.CompleteAndLeave ? Flow.LeaveAfter(s, i, cpu) : Flow.StopHere(i, cpu);
    }

    private static nint End<TOp>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IStringOperation
        => TOp.TouchesPorts ? PortInstructions.End(s, i, cpu) : Flow.Next(s, i, cpu);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Outcome Run<TOp, T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IStringOperation
        where T : unmanaged
    {
        bool endsOnEqual = (i->Flags & InstructionFlags.RepeatNotEqual) != 0;
        bool upwards = (s->OtherFlags & Eflags.DF) == 0;
        int most = cpu.IsSingleStepping ? 1 : LongestRun;
        int left = most;
        nint handler = (nint)i->Handler;
        for (; ; )
        {
            uint count = Masked(i, s->Ecx);
            StringStep step = StringStep.Done;
            int done = upwards && left > 1 ? TOp.Bulk<T>(s, i, cpu, (int)Math.Min(count, (uint)left)) : 0;
            if (done == 0)
            {
                step = TOp.Step<T>(s, i, cpu);
                if (step == StringStep.Stop)
                {
                    return Outcome.Stop;
                }

                done = 1;
            }

            Add(i, &s->Ecx, -done);
            if (count == (uint)done || (TOp.Compares && LazyFlags.Zero(s) == endsOnEqual))
            {
                return step == StringStep.Done ? Outcome.Complete : Outcome.CompleteAndLeave;
            }

            // An element that overwrote this very instruction has replaced its handler: the rest must be decoded anew.
            left -= done;
            left = TOp.TouchesPorts && s->Attention != Attention.None ? 0 : left;
            if (left <= 0 || step == StringStep.DoneAndLeave || (nint)i->Handler != handler)
            {
                cpu.StringElementsLeft -= most - left;
                return Outcome.Interrupted;
            }
        }
    }
}

/// <summary>The plain memory ahead of an index register.</summary>
internal static unsafe class StringRun
{
    /// <summary>How many elements from an offset upwards lie in one page, within the segment and below the wrap of the index register.</summary>
    /// <param name="i">The instruction.</param>
    /// <param name="segment">The segment.</param>
    /// <param name="offset">The offset of the first element.</param>
    /// <param name="count">The most elements.</param>
    /// <param name="rights">What the segment must allow.</param>
    public static int Fitting<T>(DecodedInstruction* i, SegmentCache* segment, uint offset, int count, SegmentRights rights)
        where T : unmanaged
    {
        uint linear = segment->Base + offset;
        uint bytes = Math.Min((uint)count * (uint)sizeof(T), 0x1000 - (linear & 0xFFF));
        ulong end = (i->Flags & InstructionFlags.Address32) != 0 ? 1UL << 32 : 1UL << 16;
        bytes = (uint)Math.Min(bytes, end - offset);
        if ((segment->Rights & rights) != rights || offset < segment->Lowest || offset > segment->Highest)
        {
            return 0;
        }

        return (int)(Math.Min(bytes, (ulong)segment->Highest - offset + 1) / (uint)sizeof(T));
    }
}
