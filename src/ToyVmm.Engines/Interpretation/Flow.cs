using System.Runtime.CompilerServices;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>
/// How handlers hand over. A handler ends in a call of the next instruction's handler, which the JIT compiles to a jump; the
/// last one of a block returns to the run loop: a pointer to the next block, or one of these small values
/// (docs/performance.md has the numbers).
/// </summary>
internal static unsafe class Flow
{
    /// <summary>The block is complete; look up the block at EIP.</summary>
    public const nint Lookup = 0;

    /// <summary>The instruction at <see cref="Interpreter.StopAt"/> did not complete: a fault, an exit, or overwritten code.</summary>
    public const nint Stop = 1;

    /// <summary>The instruction at <see cref="Interpreter.StopAt"/> completed, EIP is behind it, and the engine must leave.</summary>
    public const nint Leave = 2;

    /// <summary>The block is complete; look up the block at EIP and remember it in <see cref="Interpreter.LinkSlot"/>.</summary>
    public const nint Link = 3;

    /// <summary>The largest value that is not a pointer.</summary>
    public const nint Last = 15;

    /// <summary>Goes on with the next instruction of the block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint Next(CpuState* s, DecodedInstruction* i, Interpreter cpu) => i[1].Handler(s, i + 1, cpu);

    /// <summary>Goes on with the next instruction, or leaves the engine behind this one where a store must be performed outside.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint NextIf(bool goOn, CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        goOn ? i[1].Handler(s, i + 1, cpu) : LeaveAfter(s, i, cpu);

    /// <summary>Ends a block with a near transfer: straight to the block in the slot, or by way of EIP and the run loop.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint Branch(CpuState* s, DecodedInstruction* i, Interpreter cpu, nint* slot, uint target)
    {
        nint link = *slot;
        if (link > Last)
        {
            return link;
        }

        s->Eip = target;
        cpu.LinkSlot = slot;
        return link;
    }

    /// <summary>The instruction raised a fault or needs the monitor: it will be run again, or its fault is delivered.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static nint StopHere(DecodedInstruction* i, Interpreter cpu)
    {
        cpu.StopAt = i;
        return Stop;
    }

    /// <summary>The instruction raises an exception with error code 0 (or none, as the vector says).</summary>
    public static nint Raise(DecodedInstruction* i, Interpreter cpu, int vector)
    {
        _ = cpu.Raise(vector, 0);
        return StopHere(i, cpu);
    }

    /// <summary>The instruction has completed, and the run loop must look at EIP, mode and events anew.</summary>
    public static nint EndBlock(CpuState* s, DecodedInstruction* i)
    {
        s->Eip = i->NextEip;
        return Lookup;
    }

    /// <summary>The instruction has completed, and an exit waits.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static nint LeaveAfter(CpuState* s, DecodedInstruction* i, Interpreter cpu) => LeaveTo(s, i, cpu, i->NextEip);

    /// <summary>The instruction has completed, goes on at a target, and an exit waits.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static nint LeaveTo(CpuState* s, DecodedInstruction* i, Interpreter cpu, uint target)
    {
        s->Eip = target;
        cpu.StopAt = i;
        return Leave;
    }
}
