using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>MOV, PUSH and POP of segment registers; LDS, LES, LFS, LGS, LSS.</summary>
internal static unsafe class SegmentRegisters
{
    /// <summary>The handler of a MOV with a segment register.</summary>
    public static Handler Move(in Instruction x)
    {
        if (x.Op0Kind == OpKind.Register && x.Op0Register.IsSegmentRegister())
        {
            return x.Op0Register == Register.CS ? &HandlerTable.InvalidOpcode
                : x.Op1Kind == OpKind.Memory ? &LoadMemory : &LoadRegister;
        }

        return x.Op0Kind == OpKind.Memory ? &StoreMemory : x.Op0Register.IsGPR32() ? &StoreRegister<uint> : &StoreRegister<ushort>;
    }

    /// <summary>The handler of a PUSH of a segment register.</summary>
    public static Handler Push(in Instruction x) => x.StackPointerIncrement == -4 ? &Push<uint> : &Push<ushort>;

    /// <summary>The handler of a POP of a segment register.</summary>
    public static Handler Pop(in Instruction x) => x.StackPointerIncrement == 4 ? &Pop<uint> : &Pop<ushort>;

    /// <summary>The handler of LDS and its like.</summary>
    public static Handler LoadFarPointer(in Instruction x)
    {
        bool wide = x.Op0Register.IsGPR32();
        return x.Mnemonic switch
        {
            Mnemonic.Les => wide ? &LoadFarPointer<uint, ToEs> : &LoadFarPointer<ushort, ToEs>,
            Mnemonic.Lss => wide ? &LoadFarPointer<uint, ToSs> : &LoadFarPointer<ushort, ToSs>,
            Mnemonic.Lds => wide ? &LoadFarPointer<uint, ToDs> : &LoadFarPointer<ushort, ToDs>,
            Mnemonic.Lfs => wide ? &LoadFarPointer<uint, ToFs> : &LoadFarPointer<ushort, ToFs>,
            _ => wide ? &LoadFarPointer<uint, ToGs> : &LoadFarPointer<ushort, ToGs>,
        };
    }

    private static nint LoadRegister(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        Load(s, i, cpu, (ushort)Operand.Register<ushort>(s, i->Source));

    private static nint LoadMemory(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        byte* source = Segmented.Read(s, i, cpu, 2);
        return source == null ? Flow.StopHere(i, cpu) : Load(s, i, cpu, *(ushort*)source);
    }

    private static nint Load(CpuState* s, DecodedInstruction* i, Interpreter cpu, ushort selector)
    {
        if (!cpu.LoadSegment(i->Destination, selector))
        {
            return Flow.StopHere(i, cpu);
        }

        CastShadow(s, i->Destination, cpu);
        cpu.UpdateMode();
        return Flow.EndBlock(s, i);
    }

    // MOV SS and POP SS hold events off for one instruction, so that ESP can follow; the second of two in a row does not (SDM 3A 6.8.3).
    private static void CastShadow(CpuState* s, byte register, Interpreter cpu)
    {
        if (register == Interpreter.StackSegment && cpu.ShadowBefore != InterruptShadow.MovSs)
        {
            s->Shadow = InterruptShadow.MovSs;
            cpu.UpdateAttention();
        }
    }

    private static nint StoreRegister<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        // A 32-bit destination is zero-extended (P6 and later; SDM 2B, MOV).
        Operand.SetRegister<T>(s, i->Destination, cpu.Segment(i->Source)->Selector);
        return Flow.Next(s, i, cpu);
    }

    private static nint StoreMemory(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        byte* target = Segmented.Write(s, i, cpu, 2);
        if (target == null)
        {
            return Flow.StopHere(i, cpu);
        }

        *(ushort*)target = cpu.Segment(i->Source)->Selector;
        return Flow.NextIf(cpu.CommitWrite(target), s, i, cpu);
    }

    private static nint Push<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* target = Stack.BeginPush(s, cpu, sizeof(T));
        if (target == null)
        {
            return Flow.StopHere(i, cpu);
        }

        // With a 32-bit operand size four bytes are written, zero-extended; some processors write the low two only (SDM 2B, PUSH).
        Operand.Store<T>(target, cpu.Segment(i->Destination)->Selector);
        Stack.Move(s, -sizeof(T));
        return Flow.NextIf(cpu.CommitWrite(target), s, i, cpu);
    }

    private static nint Pop<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* source = Stack.Top(s, cpu, sizeof(T));
        if (source == null || !cpu.LoadSegment(i->Destination, *(ushort*)source))
        {
            return Flow.StopHere(i, cpu);
        }

        // The width of the stack pointer is that of the old SS: the mode is derived anew only now.
        Stack.Move(s, sizeof(T));
        CastShadow(s, i->Destination, cpu);
        cpu.UpdateMode();
        return Flow.EndBlock(s, i);
    }

    private static nint LoadFarPointer<T, TSegment>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        where TSegment : struct, ISegmentNumber
    {
        if (!FarPointer.Read<T>(s, i, cpu, out uint offset, out ushort selector)
            || !cpu.LoadSegment(Interpreter.SegmentOffset(TSegment.Number), selector))
        {
            return Flow.StopHere(i, cpu);
        }

        Operand.SetRegister<T>(s, i->Destination, offset);
        cpu.UpdateMode();
        return Flow.EndBlock(s, i);
    }

    private interface ISegmentNumber
    {
        static abstract int Number { get; }
    }

    private readonly struct ToEs : ISegmentNumber
    {
        public static int Number => 0;
    }

    private readonly struct ToSs : ISegmentNumber
    {
        public static int Number => 2;
    }

    private readonly struct ToDs : ISegmentNumber
    {
        public static int Number => 3;
    }

    private readonly struct ToFs : ISegmentNumber
    {
        public static int Number => 4;
    }

    private readonly struct ToGs : ISegmentNumber
    {
        public static int Number => 5;
    }
}

/// <summary>The m16:16 and m16:32 operand.</summary>
internal static unsafe class FarPointer
{
    /// <summary>Reads offset and selector.</summary>
    /// <returns>False for a fault or an exit.</returns>
    public static bool Read<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu, out uint offset, out ushort selector)
        where T : unmanaged
    {
        offset = 0;
        selector = 0;
        byte* source = Segmented.Read(s, i, cpu, sizeof(T));
        if (source == null)
        {
            return false;
        }

        offset = Operand.Load<T>(source);
        uint at = Segmented.Effective(s, i) + (uint)sizeof(T);
        source = cpu.BeginSegmentRead(i->Segment, (i->Flags & InstructionFlags.Address32) != 0 ? at : (ushort)at, 2);
        if (source == null)
        {
            return false;
        }

        selector = *(ushort*)source;
        return true;
    }
}
