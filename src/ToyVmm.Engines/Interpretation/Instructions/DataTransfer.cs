using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>MOV between general registers, memory and immediates; MOVZX, MOVSX, LEA, NOP.</summary>
internal static unsafe class DataTransfer
{
    /// <summary>The handler of a MOV.</summary>
    public static Handler Move(in Instruction x, AddressForm form) => Width.Of(x) switch
    {
        1 => Move<byte>(x, form),
        2 => Move<ushort>(x, form),
        _ => Move<uint>(x, form),
    };

    /// <summary>The handler of a MOVZX.</summary>
    public static Handler MoveZeroExtended(in Instruction x, AddressForm form) => (Width.Of(x), Width.OfSource(x)) switch
    {
        (2, 1) => Extend<ushort, byte, Zero>(x, form),
        (2, _) => Extend<ushort, ushort, Zero>(x, form),
        (_, 1) => Extend<uint, byte, Zero>(x, form),
        _ => Extend<uint, ushort, Zero>(x, form),
    };

    /// <summary>The handler of a MOVSX.</summary>
    public static Handler MoveSignExtended(in Instruction x, AddressForm form) => (Width.Of(x), Width.OfSource(x)) switch
    {
        (2, 1) => Extend<ushort, byte, Sign>(x, form),
        (2, _) => Extend<ushort, ushort, Sign>(x, form),
        (_, 1) => Extend<uint, byte, Sign>(x, form),
        _ => Extend<uint, ushort, Sign>(x, form),
    };

    /// <summary>The handler of a LEA.</summary>
    public static Handler LoadEffectiveAddress(in Instruction x) =>
        Width.Of(x) == 2 ? &LoadEffectiveAddress<ushort> : &LoadEffectiveAddress<uint>;

    /// <summary>NOP, PAUSE, and the hint NOPs, whose operand is not accessed.</summary>
    public static nint NoOperation(CpuState* s, DecodedInstruction* i, Interpreter cpu) => Flow.Next(s, i, cpu);

    private static Handler Move<T>(in Instruction x, AddressForm form)
        where T : unmanaged
    {
        if (x.Op0Kind == OpKind.Register)
        {
            return x.Op1Kind switch
            {
                OpKind.Register => &RegisterRegister<T>,
                OpKind.Memory => form switch
                {
                    AddressForm.FlatBase => &RegisterMemory<T, FlatBase>,
                    AddressForm.FlatIndexed => &RegisterMemory<T, FlatIndexed>,
                    _ => &RegisterMemory<T, Segmented>,
                },
                _ => &RegisterImmediate<T>,
            };
        }

        return x.Op1Kind == OpKind.Register
            ? form switch
            {
                AddressForm.FlatBase => &MemoryRegister<T, FlatBase>,
                AddressForm.FlatIndexed => &MemoryRegister<T, FlatIndexed>,
                _ => &MemoryRegister<T, Segmented>,
            }
            : form switch
            {
                AddressForm.FlatBase => &MemoryImmediate<T, FlatBase>,
                AddressForm.FlatIndexed => &MemoryImmediate<T, FlatIndexed>,
                _ => &MemoryImmediate<T, Segmented>,
            };
    }

    private static Handler Extend<T, TSource, TExtension>(in Instruction x, AddressForm form)
        where T : unmanaged
        where TSource : unmanaged
        where TExtension : struct, IExtension
        => x.Op1Kind == OpKind.Register
            ? &ExtendRegister<T, TSource, TExtension>
            : form switch
            {
                AddressForm.FlatBase => &ExtendMemory<T, TSource, TExtension, FlatBase>,
                AddressForm.FlatIndexed => &ExtendMemory<T, TSource, TExtension, FlatIndexed>,
                _ => &ExtendMemory<T, TSource, TExtension, Segmented>,
            };

    private static nint RegisterRegister<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        Operand.SetRegister<T>(s, i->Destination, Operand.Register<T>(s, i->Source));
        return Flow.Next(s, i, cpu);
    }

    private static nint RegisterImmediate<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        Operand.SetRegister<T>(s, i->Destination, i->Immediate);
        return Flow.Next(s, i, cpu);
    }

    private static nint RegisterMemory<T, TAddress>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        where TAddress : struct, IAddress
    {
        byte* source = TAddress.Read(s, i, cpu, sizeof(T));
        if (source == null)
        {
            return TAddress.IsDirect ? RegisterMemory<T, Segmented>(s, i, cpu) : Flow.StopHere(i, cpu);
        }

        Operand.SetRegister<T>(s, i->Destination, Operand.Load<T>(source));
        return Flow.Next(s, i, cpu);
    }

    private static nint MemoryRegister<T, TAddress>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        where TAddress : struct, IAddress
    {
        byte* target = TAddress.Write(s, i, cpu, sizeof(T));
        if (target == null)
        {
            return TAddress.IsDirect ? MemoryRegister<T, Segmented>(s, i, cpu) : Flow.StopHere(i, cpu);
        }

        Operand.Store<T>(target, Operand.Register<T>(s, i->Source));
        return Flow.NextIf(TAddress.Commit(cpu, target), s, i, cpu);
    }

    private static nint MemoryImmediate<T, TAddress>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        where TAddress : struct, IAddress
    {
        byte* target = TAddress.Write(s, i, cpu, sizeof(T));
        if (target == null)
        {
            return TAddress.IsDirect ? MemoryImmediate<T, Segmented>(s, i, cpu) : Flow.StopHere(i, cpu);
        }

        Operand.Store<T>(target, i->Immediate);
        return Flow.NextIf(TAddress.Commit(cpu, target), s, i, cpu);
    }

    private static nint ExtendRegister<T, TSource, TExtension>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        where TSource : unmanaged
        where TExtension : struct, IExtension
    {
        Operand.SetRegister<T>(s, i->Destination, TExtension.Extend<TSource>(Operand.Register<TSource>(s, i->Source)));
        return Flow.Next(s, i, cpu);
    }

    private static nint ExtendMemory<T, TSource, TExtension, TAddress>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
        where TSource : unmanaged
        where TExtension : struct, IExtension
        where TAddress : struct, IAddress
    {
        byte* source = TAddress.Read(s, i, cpu, sizeof(TSource));
        if (source == null)
        {
            return TAddress.IsDirect ? ExtendMemory<T, TSource, TExtension, Segmented>(s, i, cpu) : Flow.StopHere(i, cpu);
        }

        Operand.SetRegister<T>(s, i->Destination, TExtension.Extend<TSource>(Operand.Load<TSource>(source)));
        return Flow.Next(s, i, cpu);
    }

    private static nint LoadEffectiveAddress<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        Operand.SetRegister<T>(s, i->Destination, Segmented.Effective(s, i));
        return Flow.Next(s, i, cpu);
    }

    private interface IExtension
    {
        static abstract uint Extend<T>(uint value)
            where T : unmanaged;
    }

    private readonly struct Zero : IExtension
    {
        public static uint Extend<T>(uint value)
            where T : unmanaged
            => value;
    }

    private readonly struct Sign : IExtension
    {
        public static uint Extend<T>(uint value)
            where T : unmanaged
            => Operand.SignExtend<T>(value);
    }
}
