using System.Runtime.CompilerServices;
using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>PUSHA POPA ENTER LEAVE: several accesses in one instruction, all of them checked before the first one changes anything.</summary>
internal static unsafe class StackFrames
{
    private const int Registers = 8;
    private const int EspNumber = 4;
    private const DecodeMode Flat = DecodeMode.FlatSs | DecodeMode.Stack32;

    /// <summary>The handler of PUSHA and PUSHAD.</summary>
    public static Handler PushAll(in Instruction x) => x.Code == Code.Pushaw ? &PushAll<ushort> : &PushAll<uint>;

    /// <summary>The handler of POPA and POPAD.</summary>
    public static Handler PopAll(in Instruction x) => x.Code == Code.Popaw ? &PopAll<ushort> : &PopAll<uint>;

    /// <summary>The handler of ENTER.</summary>
    public static Handler Enter(in Instruction x) => x.Code == Code.Enterw_imm16_imm8 ? &Enter<ushort> : &Enter<uint>;

    /// <summary>The handler of LEAVE.</summary>
    public static Handler Leave(in Instruction x) => x.Code == Code.Leavew ? &Leave<ushort> : &Leave<uint>;

    // EAX ECX EDX EBX, the old ESP, EBP ESI EDI: EDI at the lowest address.
    private static nint PushAll<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* target = (s->Mode & Flat) == Flat ? Direct.Write(s, s->Esp - (uint)(Registers * sizeof(T)), Registers * sizeof(T)) : null;
        if (target == null)
        {
            return PushAllSlow<T>(s, i, cpu);
        }

        uint* register = &s->Eax;
        for (int n = 0; n < Registers; n++)
        {
            Operand.Store<T>(target + ((Registers - 1 - n) * sizeof(T)), register[n]);
        }

        Stack.Move(s, -Registers * sizeof(T));
        return Flow.Next(s, i, cpu);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static nint PushAllSlow<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        for (int n = 1; n <= Registers; n++)
        {
            if (cpu.BeginSegmentWrite(Interpreter.StackSegment, Stack.Offset(s, -n * sizeof(T)), sizeof(T)) == null)
            {
                return Flow.StopHere(i, cpu);
            }
        }

        uint* register = &s->Eax;
        bool goOn = true;
        for (int n = 0; n < Registers; n++)
        {
            byte* target = cpu.BeginSegmentWrite(Interpreter.StackSegment, Stack.Offset(s, -(n + 1) * sizeof(T)), sizeof(T));
            Operand.Store<T>(target, register[n]);
            goOn &= cpu.CommitWrite(target);
        }

        Stack.Move(s, -Registers * sizeof(T));
        return Flow.NextIf(goOn, s, i, cpu);
    }

    private static nint PopAll<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* source = (s->Mode & Flat) == Flat ? Direct.Read(s, s->Esp, Registers * sizeof(T)) : null;
        if (source == null)
        {
            return PopAllSlow<T>(s, cpu) ? Flow.Next(s, i, cpu) : Flow.StopHere(i, cpu);
        }

        TakeAll<T>(s, source);
        return Flow.Next(s, i, cpu);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool PopAllSlow<T>(CpuState* s, Interpreter cpu)
        where T : unmanaged
    {
        byte* values = stackalloc byte[Registers * sizeof(T)];
        for (int n = 0; n < Registers; n++)
        {
            byte* source = cpu.BeginSegmentRead(Interpreter.StackSegment, Stack.Offset(s, n * sizeof(T)), sizeof(T));
            if (source == null)
            {
                return false;
            }

            Operand.Store<T>(values + (n * sizeof(T)), Operand.Load<T>(source));
        }

        TakeAll<T>(s, values);
        return true;
    }

    // The stored ESP is skipped.
    private static void TakeAll<T>(CpuState* s, byte* values)
        where T : unmanaged
    {
        uint* register = &s->Eax;
        for (int n = 0; n < Registers; n++)
        {
            if (n != EspNumber)
            {
                Operand.Store<T>((byte*)(register + n), Operand.Load<T>(values + ((Registers - 1 - n) * sizeof(T))));
            }
        }

        Stack.Move(s, Registers * sizeof(T));
    }

    private static nint Enter<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        // The level is modulo 32 (SDM 2A, ENTER).
        int level = i->Immediate2 & 31;
        if (!CanEnter<T>(s, cpu, level, (ushort)i->Immediate))
        {
            return Flow.StopHere(i, cpu);
        }

        // What devices have answered to the check is there for the second pass.
        cpu.Vcpu.Io.Rewind();
        return Flow.NextIf(BuildFrame<T>(s, cpu, level, (ushort)i->Immediate), s, i, cpu);
    }

    // Every access, in order, without its effect; and the word below the new frame, which must be writable too.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool CanEnter<T>(CpuState* s, Interpreter cpu, int level, int locals)
        where T : unmanaged
    {
        int depth = sizeof(T);
        if (!CanPush<T>(s, cpu, depth))
        {
            return false;
        }

        for (int n = 1; n < level; n++)
        {
            depth += sizeof(T);
            if (ReadDisplay<T>(s, cpu, s->Ebp, n) == null || !CanPush<T>(s, cpu, depth))
            {
                return false;
            }
        }

        if (level > 0)
        {
            depth += sizeof(T);
            if (!CanPush<T>(s, cpu, depth))
            {
                return false;
            }
        }

        // Only checked, not accessed: no data breakpoint sees it.
        return cpu.CheckSegment(Interpreter.StackSegment, Stack.Offset(s, -depth - locals), sizeof(T), SegmentRights.Write, out uint linear)
            && cpu.TryTranslate(linear, sizeof(T), write: true, s->Cpl == 3, out _, out _);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool BuildFrame<T>(CpuState* s, Interpreter cpu, int level, int locals)
        where T : unmanaged
    {
        uint outer = s->Ebp;
        bool goOn = Push<T>(s, cpu, outer);
        uint frame = s->Esp;
        for (int n = 1; n < level; n++)
        {
            goOn &= Push<T>(s, cpu, Operand.Load<T>(ReadDisplay<T>(s, cpu, outer, n)));
        }

        if (level > 0)
        {
            goOn &= Push<T>(s, cpu, frame);
        }

        Operand.Store<T>((byte*)&s->Ebp, frame);
        Stack.Move(s, -locals);
        return goOn;
    }

    private static bool CanPush<T>(CpuState* s, Interpreter cpu, int depth)
        where T : unmanaged
        => cpu.BeginSegmentWrite(Interpreter.StackSegment, Stack.Offset(s, -depth), sizeof(T)) != null;

    private static bool Push<T>(CpuState* s, Interpreter cpu, uint value)
        where T : unmanaged
    {
        byte* target = cpu.BeginSegmentWrite(Interpreter.StackSegment, Stack.Offset(s, -sizeof(T)), sizeof(T));
        Operand.Store<T>(target, value);
        Stack.Move(s, -sizeof(T));
        return cpu.CommitWrite(target);
    }

    // The enclosing frames' pointers lie below (E)BP.
    private static byte* ReadDisplay<T>(CpuState* s, Interpreter cpu, uint pointer, int n)
        where T : unmanaged
    {
        uint offset = pointer - (uint)(n * sizeof(T));
        return cpu.BeginSegmentRead(Interpreter.StackSegment, (s->Mode & DecodeMode.Stack32) != 0 ? offset : (ushort)offset, sizeof(T));
    }

    private static nint Leave<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* source = (s->Mode & Flat) == Flat ? Direct.Read(s, s->Ebp, sizeof(T)) : null;
        if (source == null)
        {
            source = ReadDisplay<T>(s, cpu, s->Ebp, 0);
            if (source == null)
            {
                return Flow.StopHere(i, cpu);
            }
        }

        uint value = Operand.Load<T>(source);
        if ((s->Mode & DecodeMode.Stack32) != 0)
        {
            s->Esp = s->Ebp;
        }
        else
        {
            *(ushort*)&s->Esp = (ushort)s->Ebp;
        }

        Stack.Move(s, sizeof(T));
        Operand.Store<T>((byte*)&s->Ebp, value);
        return Flow.Next(s, i, cpu);
    }
}
