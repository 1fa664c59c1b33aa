using System.Runtime.CompilerServices;
using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>IN OUT INS OUTS. A port is read before anything changes; where the engine must leave for a write it does so behind the instruction (or the element).</summary>
internal static unsafe class PortInstructions
{
    /// <summary>The offset of the I/O map base in a 32-bit TSS (SDM 3A 7.2.1).</summary>
    private const uint MapBaseOffset = 0x66;

    /// <summary>The handler of IN.</summary>
    public static Handler In(in Instruction x) => (x.Op0Register.GetSize(), x.Op1Kind == OpKind.Register) switch
    {
        (1, true) => &In<byte, PortInDx>,
        (2, true) => &In<ushort, PortInDx>,
        (_, true) => &In<uint, PortInDx>,
        (1, false) => &In<byte, ImmediatePort>,
        (2, false) => &In<ushort, ImmediatePort>,
        (_, false) => &In<uint, ImmediatePort>,
    };

    /// <summary>The handler of OUT.</summary>
    public static Handler Out(in Instruction x) => (x.Op1Register.GetSize(), x.Op0Kind == OpKind.Register) switch
    {
        (1, true) => &Out<byte, PortInDx>,
        (2, true) => &Out<ushort, PortInDx>,
        (_, true) => &Out<uint, PortInDx>,
        (1, false) => &Out<byte, ImmediatePort>,
        (2, false) => &Out<ushort, ImmediatePort>,
        (_, false) => &Out<uint, ImmediatePort>,
    };

    /// <summary>The handler of INS and OUTS.</summary>
    /// <param name="x">The instruction.</param>
    /// <param name="size">Bytes of an element.</param>
    public static Handler String<TOp>(in Instruction x, int size)
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

    /// <summary>
    /// Checks the permission for a range of ports (SDM 1 19.5): free in real mode and where CPL is not above IOPL; otherwise, and
    /// always in virtual-8086 mode, every port's bit in the I/O permission bitmap of a 32-bit TSS must be clear.
    /// </summary>
    /// <returns>False with #GP(0), or the page fault of a look at the TSS, pending.</returns>
    public static bool MayAccess(Interpreter cpu, uint port, int size)
    {
        CpuState* s = cpu.State;
        return cpu.IsReal || (cpu.IsProtected && s->Cpl <= cpu.Iopl) || MapAllows(cpu, port, size);
    }

    // Two bytes are always read, so that a range across a byte's end is covered; both must lie within the TSS limit.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool MapAllows(Interpreter cpu, uint port, int size)
    {
        const string Cause = "I/O not permitted: CPL is above IOPL (or virtual-8086 mode), and the TSS does not allow the port";
        SegmentCache* task = &cpu.State->Tr;
        if (!task->Present || task->IsCodeOrData || task->Type is not (9 or 0xB) || task->Limit < MapBaseOffset + 1)
        {
            return cpu.Raise(Vector.GeneralProtection, 0, Cause);
        }

        if (!cpu.ReadSystem(task->Base + MapBaseOffset, 2, out ulong mapBase))
        {
            return false;
        }

        uint at = (uint)mapBase + (port >> 3);
        if (at + 1 > task->Limit)
        {
            return cpu.Raise(Vector.GeneralProtection, 0, Cause);
        }

        if (!cpu.ReadSystem(task->Base + at, 2, out ulong bits))
        {
            return false;
        }

        uint mask = ((1u << size) - 1) << (int)(port & 7);
        return ((uint)bits & mask) == 0 || cpu.Raise(Vector.GeneralProtection, 0, Cause);
    }

    private static nint In<T, TPort>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        where TPort : struct, IPort
    {
        uint port = TPort.Of(s, i);
        if (!MayAccess(cpu, port, sizeof(T)) || !cpu.ReadPort(port, sizeof(T), i->Eip, out uint value))
        {
            return Flow.StopHere(i, cpu);
        }

        Operand.Store<T>((byte*)&s->Eax, value);
        return End(s, i, cpu);
    }

    private static nint Out<T, TPort>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        where TPort : struct, IPort
    {
        uint port = TPort.Of(s, i);
        if (!MayAccess(cpu, port, sizeof(T)))
        {
            return Flow.StopHere(i, cpu);
        }

        return cpu.WritePort(port, sizeof(T), Accumulators.Low<T>(s), i, completes: true)
            ? End(s, i, cpu)
            : Flow.LeaveAfter(s, i, cpu);
    }

    /// <summary>Ends an instruction whose access was performed in place: what the device did may want to be seen before the next one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static nint End(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        s->Attention == Attention.None ? Flow.Next(s, i, cpu) : Flow.EndBlock(s, i);

    private static nint Once<TOp, T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IStringOperation
        where T : unmanaged
        => MayAccess(cpu, (ushort)s->Edx, sizeof(T)) ? Strings.Once<TOp, T>(s, i, cpu) : Flow.StopHere(i, cpu);

    // The permission is checked even where the count is 0.
    private static nint Repeat<TOp, T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IStringOperation
        where T : unmanaged
        => MayAccess(cpu, (ushort)s->Edx, sizeof(T)) ? Strings.Repeat<TOp, T>(s, i, cpu) : Flow.StopHere(i, cpu);

    private interface IPort
    {
        static abstract uint Of(CpuState* s, DecodedInstruction* i);
    }

    private readonly struct PortInDx : IPort
    {
        public static uint Of(CpuState* s, DecodedInstruction* i) => (ushort)s->Edx;
    }

    private readonly struct ImmediatePort : IPort
    {
        public static uint Of(CpuState* s, DecodedInstruction* i) => (byte)i->Immediate;
    }
}

// An answer serves one element: the run loop runs an instruction that has answers one element at a time.
internal readonly unsafe struct InputString : IStringOperation
{
    public static bool Compares => false;

    public static bool TouchesPorts => true;

    public static StringStep Step<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        // The destination first: a port must not be read for an element that cannot be stored.
        byte* target = cpu.BeginSegmentWrite(Interpreter.ExtraSegment, Strings.Masked(i, s->Edi), sizeof(T));
        if (target == null || !cpu.ReadPort((ushort)s->Edx, sizeof(T), i->Eip, out uint value))
        {
            return StringStep.Stop;
        }

        Operand.Store<T>(target, value);
        Strings.Add(i, &s->Edi, Strings.Stride<T>(s));
        return cpu.CommitWrite(target) ? StringStep.Done : StringStep.DoneAndLeave;
    }

    public static int Bulk<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu, int count)
        where T : unmanaged
        => 0;
}

internal readonly unsafe struct OutputString : IStringOperation
{
    public static bool Compares => false;

    public static bool TouchesPorts => true;

    public static StringStep Step<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* source = cpu.BeginSegmentRead(i->Segment, Strings.Masked(i, s->Esi), sizeof(T));
        if (source == null)
        {
            return StringStep.Stop;
        }

        // ESI moves first, so that whoever looks finds it exact.
        uint value = Operand.Load<T>(source);
        Strings.Add(i, &s->Esi, Strings.Stride<T>(s));
        const InstructionFlags AnyRepeat = InstructionFlags.Repeat | InstructionFlags.RepeatNotEqual;
        bool completes = (i->Flags & AnyRepeat) == 0 || Strings.Masked(i, s->Ecx) == 1;
        bool goesOn = cpu.WritePort((ushort)s->Edx, sizeof(T), value, i, completes);
        return goesOn ? StringStep.Done : StringStep.DoneAndLeave;
    }

    public static int Bulk<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu, int count)
        where T : unmanaged
        => 0;
}
