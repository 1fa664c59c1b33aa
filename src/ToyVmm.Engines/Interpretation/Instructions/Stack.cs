using System.Runtime.CompilerServices;
using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>PUSH and POP of general operands, and the stack primitives that CALL, RET and their like share.</summary>
internal static unsafe class Stack
{
    /// <summary>The handler of a PUSH.</summary>
    public static Handler Push(in Instruction x, AddressForm form)
    {
        bool wide = Math.Abs(x.StackPointerIncrement) == 4;
        return x.Op0Kind switch
        {
            OpKind.Register => wide ? &PushRegister<uint> : &PushRegister<ushort>,
            OpKind.Memory => wide ? &PushMemory<uint> : &PushMemory<ushort>,
            _ => wide ? &PushImmediate<uint> : &PushImmediate<ushort>,
        };
    }

    /// <summary>The handler of a POP.</summary>
    public static Handler Pop(in Instruction x)
    {
        bool wide = x.StackPointerIncrement == 4;
        return x.Op0Kind == OpKind.Register
            ? wide ? &PopRegister<uint> : &PopRegister<ushort>
            : wide ? &PopMemory<uint> : &PopMemory<ushort>;
    }

    /// <summary>Where the next push goes: host bytes at the lowered stack pointer, to store to; then <see cref="Interpreter.CommitWrite"/> and <see cref="Move"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* BeginPush(CpuState* s, Interpreter cpu, int size)
    {
        const DecodeMode Flat = DecodeMode.FlatSs | DecodeMode.Stack32;
        if ((s->Mode & Flat) == Flat)
        {
            byte* direct = Direct.Write(s, s->Esp - (uint)size, size);
            if (direct != null)
            {
                return direct;
            }
        }

        return BeginPushSlow(s, cpu, size);
    }

    /// <summary>Host bytes at the stack pointer, to read; null for a fault or an exit.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Top(CpuState* s, Interpreter cpu, int size)
    {
        const DecodeMode Flat = DecodeMode.FlatSs | DecodeMode.Stack32;
        if ((s->Mode & Flat) == Flat)
        {
            byte* direct = Direct.Read(s, s->Esp, size);
            if (direct != null)
            {
                return direct;
            }
        }

        return TopSlow(s, cpu, size);
    }

    /// <summary>Adds to the stack pointer: ESP, or SP where SS.B is clear.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Move(CpuState* s, int change)
    {
        if ((s->Mode & DecodeMode.Stack32) != 0)
        {
            s->Esp += (uint)change;
        }
        else
        {
            *(ushort*)&s->Esp = (ushort)(s->Esp + (uint)change);
        }
    }

    /// <summary>The stack pointer as an offset: ESP, or SP where SS.B is clear.</summary>
    public static uint Offset(CpuState* s, int change)
    {
        uint offset = s->Esp + (uint)change;
        return (s->Mode & DecodeMode.Stack32) != 0 ? offset : (ushort)offset;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static byte* BeginPushSlow(CpuState* s, Interpreter cpu, int size) =>
        cpu.BeginSegmentWrite(Interpreter.StackSegment, Offset(s, -size), size);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static byte* TopSlow(CpuState* s, Interpreter cpu, int size) =>
        cpu.BeginSegmentRead(Interpreter.StackSegment, Offset(s, 0), size);

    private static nint PushRegister<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        // PUSH ESP stores the old value (286 and later).
        byte* target = BeginPush(s, cpu, sizeof(T));
        if (target == null)
        {
            return Flow.StopHere(i, cpu);
        }

        Operand.Store<T>(target, Operand.Register<T>(s, i->Destination));
        Move(s, -sizeof(T));
        return Flow.NextIf(cpu.CommitWrite(target), s, i, cpu);
    }

    private static nint PushImmediate<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* target = BeginPush(s, cpu, sizeof(T));
        if (target == null)
        {
            return Flow.StopHere(i, cpu);
        }

        Operand.Store<T>(target, i->Immediate);
        Move(s, -sizeof(T));
        return Flow.NextIf(cpu.CommitWrite(target), s, i, cpu);
    }

    private static nint PushMemory<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* source = Segmented.Read(s, i, cpu, sizeof(T));
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        uint value = Operand.Load<T>(source);
        byte* target = BeginPush(s, cpu, sizeof(T));
        if (target == null)
        {
            return Flow.StopHere(i, cpu);
        }

        Operand.Store<T>(target, value);
        Move(s, -sizeof(T));
        return Flow.NextIf(cpu.CommitWrite(target), s, i, cpu);
    }

    private static nint PopRegister<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* source = Top(s, cpu, sizeof(T));
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        // POP ESP: the popped value wins over the increment.
        uint value = Operand.Load<T>(source);
        Move(s, sizeof(T));
        Operand.SetRegister<T>(s, i->Destination, value);
        return Flow.Next(s, i, cpu);
    }

    private static nint PopMemory<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* source = Top(s, cpu, sizeof(T));
        if (source == null)
        {
            return Flow.StopHere(i, cpu);
        }

        // An address based on ESP uses its value after the increment (SDM 2B, POP); on a fault it must be as before.
        uint value = Operand.Load<T>(source);
        uint pointer = s->Esp;
        Move(s, sizeof(T));
        byte* target = Segmented.Write(s, i, cpu, sizeof(T));
        if (target == null)
        {
            s->Esp = pointer;
            return Flow.StopHere(i, cpu);
        }

        Operand.Store<T>(target, value);
        return Flow.NextIf(cpu.CommitWrite(target), s, i, cpu);
    }
}
