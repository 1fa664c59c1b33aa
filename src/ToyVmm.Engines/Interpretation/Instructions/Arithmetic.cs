using System.Runtime.CompilerServices;
using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>An operation of two operands: ADD OR ADC SBB AND SUB XOR CMP TEST.</summary>
internal unsafe interface IBinaryOperation
{
    /// <summary>False for CMP and TEST, which leave their destination alone.</summary>
    static abstract bool Writes { get; }

    /// <summary>Computes the result and sets the flags. Cannot fault.</summary>
    static abstract uint Apply<T>(CpuState* s, uint a, uint b)
        where T : unmanaged;
}

/// <summary>An operation of one operand: INC DEC NEG NOT.</summary>
internal unsafe interface IUnaryOperation
{
    /// <summary>Computes the result and sets the flags. Cannot fault.</summary>
    static abstract uint Apply<T>(CpuState* s, uint a)
        where T : unmanaged;
}

/// <summary>The forms of arithmetic and logic instructions, each compiled for its operation, width and operand place (SDM 2, ADD and its brothers).</summary>
internal static unsafe class Arithmetic
{
    /// <summary>The handler of a two-operand form.</summary>
    public static Handler Binary<TOp>(in Instruction x, AddressForm form)
        where TOp : struct, IBinaryOperation
        => Width.Of(x) switch
        {
            1 => Binary<TOp, byte>(x, form),
            2 => Binary<TOp, ushort>(x, form),
            _ => Binary<TOp, uint>(x, form),
        };

    /// <summary>The handler of a one-operand form.</summary>
    public static Handler Unary<TOp>(in Instruction x, AddressForm form)
        where TOp : struct, IUnaryOperation
        => Width.Of(x) switch
        {
            1 => Unary<TOp, byte>(x, form),
            2 => Unary<TOp, ushort>(x, form),
            _ => Unary<TOp, uint>(x, form),
        };

    private static Handler Binary<TOp, T>(in Instruction x, AddressForm form)
        where TOp : struct, IBinaryOperation
        where T : unmanaged
    {
        bool registerSource = x.Op1Kind == OpKind.Register;
        if (x.Op0Kind == OpKind.Register)
        {
            return x.Op1Kind == OpKind.Memory
                ? form switch
                {
                    AddressForm.FlatBase => &RegisterMemory<TOp, T, FlatBase>,
                    AddressForm.FlatIndexed => &RegisterMemory<TOp, T, FlatIndexed>,
                    _ => &RegisterMemory<TOp, T, Segmented>,
                }
                : registerSource ? &RegisterRegister<TOp, T> : &RegisterImmediate<TOp, T>;
        }

        return registerSource
            ? form switch
            {
                AddressForm.FlatBase => &MemoryRegister<TOp, T, FlatBase>,
                AddressForm.FlatIndexed => &MemoryRegister<TOp, T, FlatIndexed>,
                _ => &MemoryRegister<TOp, T, Segmented>,
            }
            : form switch
            {
                AddressForm.FlatBase => &MemoryImmediate<TOp, T, FlatBase>,
                AddressForm.FlatIndexed => &MemoryImmediate<TOp, T, FlatIndexed>,
                _ => &MemoryImmediate<TOp, T, Segmented>,
            };
    }

    private static Handler Unary<TOp, T>(in Instruction x, AddressForm form)
        where TOp : struct, IUnaryOperation
        where T : unmanaged
        => x.Op0Kind == OpKind.Register
            ? &UnaryRegister<TOp, T>
            : form switch
            {
                AddressForm.FlatBase => &UnaryMemory<TOp, T, FlatBase>,
                AddressForm.FlatIndexed => &UnaryMemory<TOp, T, FlatIndexed>,
                _ => &UnaryMemory<TOp, T, Segmented>,
            };

    private static nint RegisterRegister<TOp, T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IBinaryOperation
        where T : unmanaged
    {
        uint result = TOp.Apply<T>(s, Operand.Register<T>(s, i->Destination), Operand.Register<T>(s, i->Source));
        if (TOp.Writes)
        {
            Operand.SetRegister<T>(s, i->Destination, result);
        }

        return Flow.Next(s, i, cpu);
    }

    private static nint RegisterImmediate<TOp, T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IBinaryOperation
        where T : unmanaged
    {
        uint result = TOp.Apply<T>(s, Operand.Register<T>(s, i->Destination), i->Immediate & Operand.Mask<T>());
        if (TOp.Writes)
        {
            Operand.SetRegister<T>(s, i->Destination, result);
        }

        return Flow.Next(s, i, cpu);
    }

    private static nint RegisterMemory<TOp, T, TAddress>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IBinaryOperation
        where T : unmanaged
        where TAddress : struct, IAddress
    {
        byte* source = TAddress.Read(s, i, cpu, sizeof(T));
        if (source == null)
        {
            return TAddress.IsDirect ? RegisterMemory<TOp, T, Segmented>(s, i, cpu) : Flow.StopHere(i, cpu);
        }

        uint result = TOp.Apply<T>(s, Operand.Register<T>(s, i->Destination), Operand.Load<T>(source));
        if (TOp.Writes)
        {
            Operand.SetRegister<T>(s, i->Destination, result);
        }

        return Flow.Next(s, i, cpu);
    }

    private static nint MemoryRegister<TOp, T, TAddress>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IBinaryOperation
        where T : unmanaged
        where TAddress : struct, IAddress
    {
        byte* target = TOp.Writes ? TAddress.Update(s, i, cpu, sizeof(T)) : TAddress.Read(s, i, cpu, sizeof(T));
        if (target == null)
        {
            return TAddress.IsDirect ? MemoryRegister<TOp, T, Segmented>(s, i, cpu) : Flow.StopHere(i, cpu);
        }

        uint result = TOp.Apply<T>(s, Operand.Load<T>(target), Operand.Register<T>(s, i->Source));
        if (!TOp.Writes)
        {
            return Flow.Next(s, i, cpu);
        }

        Operand.Store<T>(target, result);
        return Flow.NextIf(TAddress.Commit(cpu, target), s, i, cpu);
    }

    private static nint MemoryImmediate<TOp, T, TAddress>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IBinaryOperation
        where T : unmanaged
        where TAddress : struct, IAddress
    {
        byte* target = TOp.Writes ? TAddress.Update(s, i, cpu, sizeof(T)) : TAddress.Read(s, i, cpu, sizeof(T));
        if (target == null)
        {
            return TAddress.IsDirect ? MemoryImmediate<TOp, T, Segmented>(s, i, cpu) : Flow.StopHere(i, cpu);
        }

        uint result = TOp.Apply<T>(s, Operand.Load<T>(target), i->Immediate & Operand.Mask<T>());
        if (!TOp.Writes)
        {
            return Flow.Next(s, i, cpu);
        }

        Operand.Store<T>(target, result);
        return Flow.NextIf(TAddress.Commit(cpu, target), s, i, cpu);
    }

    private static nint UnaryRegister<TOp, T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IUnaryOperation
        where T : unmanaged
    {
        Operand.SetRegister<T>(s, i->Destination, TOp.Apply<T>(s, Operand.Register<T>(s, i->Destination)));
        return Flow.Next(s, i, cpu);
    }

    private static nint UnaryMemory<TOp, T, TAddress>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IUnaryOperation
        where T : unmanaged
        where TAddress : struct, IAddress
    {
        byte* target = TAddress.Update(s, i, cpu, sizeof(T));
        if (target == null)
        {
            return TAddress.IsDirect ? UnaryMemory<TOp, T, Segmented>(s, i, cpu) : Flow.StopHere(i, cpu);
        }

        Operand.Store<T>(target, TOp.Apply<T>(s, Operand.Load<T>(target)));
        return Flow.NextIf(TAddress.Commit(cpu, target), s, i, cpu);
    }
}

/// <summary>The operand size of a form.</summary>
internal static class Width
{
    /// <summary>Bytes of the first operand: 1, 2 or 4.</summary>
    public static int Of(in Instruction x) =>
        x.Op0Kind == OpKind.Register ? x.Op0Register.GetSize() : x.MemorySize.GetSize();

    /// <summary>Bytes of the second operand.</summary>
    public static int OfSource(in Instruction x) =>
        x.Op1Kind == OpKind.Register ? x.Op1Register.GetSize() : x.MemorySize.GetSize();
}
