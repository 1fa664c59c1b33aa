using System.Runtime.CompilerServices;
using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>XCHG, XADD, CMPXCHG, CMPXCHG8B (SDM 2). One virtual CPU: every instruction is atomic, with LOCK or without.</summary>
internal static unsafe class Exchange
{
    /// <summary>The handler of XCHG, XADD and CMPXCHG.</summary>
    public static Handler Select<TOp>(in Instruction x, AddressForm form)
        where TOp : struct, IExchangeOperation
        => Width.Of(x) switch
        {
            1 => Select<TOp, byte>(x, form),
            2 => Select<TOp, ushort>(x, form),
            _ => Select<TOp, uint>(x, form),
        };

    private static Handler Select<TOp, T>(in Instruction x, AddressForm form)
        where TOp : struct, IExchangeOperation
        where T : unmanaged
        => x.Op0Kind == OpKind.Register
            ? &Registers<TOp, T>
            : form switch
            {
                AddressForm.FlatBase => &Memory<TOp, T, FlatBase>,
                AddressForm.FlatIndexed => &Memory<TOp, T, FlatIndexed>,
                _ => &Memory<TOp, T, Segmented>,
            };

    /// <summary>CMPXCHG8B: 64 bits against EDX:EAX. Only ZF changes; the destination is written in either case.</summary>
    public static nint CompareExchange8(CpuState* s, DecodedInstruction* i, Interpreter cpu)
    {
        byte* target = Segmented.Update(s, i, cpu, 8);
        if (target == null)
        {
            return Flow.StopHere(i, cpu);
        }

        ulong old = *(ulong*)target;
        ulong expected = ((ulong)s->Edx << 32) | s->Eax;
        bool equal = old == expected;
        if (equal)
        {
            *(ulong*)target = ((ulong)s->Ecx << 32) | s->Ebx;
        }
        else
        {
            s->Eax = (uint)old;
            s->Edx = (uint)(old >> 32);
        }

        LazyFlags.Set(s, (LazyFlags.Get(s) & ~Eflags.ZF) | (equal ? Eflags.ZF : 0));
        return Flow.NextIf(Segmented.Commit(cpu, target), s, i, cpu);
    }

    private static nint Registers<TOp, T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IExchangeOperation
        where T : unmanaged
    {
        uint old = Operand.Register<T>(s, i->Destination);
        uint value = TOp.Apply<T>(s, old, Operand.Register<T>(s, i->Source));

        // The source first: where both are one register, the destination wins (SDM 2B, XADD).
        TOp.TakeOld<T>(s, i, old);
        Operand.SetRegister<T>(s, i->Destination, value);
        return Flow.Next(s, i, cpu);
    }

    private static nint Memory<TOp, T, TAddress>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IExchangeOperation
        where T : unmanaged
        where TAddress : struct, IAddress
    {
        byte* target = TAddress.Update(s, i, cpu, sizeof(T));
        if (target == null)
        {
            return TAddress.IsDirect ? Memory<TOp, T, Segmented>(s, i, cpu) : Flow.StopHere(i, cpu);
        }

        uint old = Operand.Load<T>(target);
        Operand.Store<T>(target, TOp.Apply<T>(s, old, Operand.Register<T>(s, i->Source)));
        TOp.TakeOld<T>(s, i, old);
        return Flow.NextIf(TAddress.Commit(cpu, target), s, i, cpu);
    }
}

/// <summary>An operation that stores to its destination and hands the old value to a register.</summary>
internal unsafe interface IExchangeOperation
{
    /// <summary>Computes the destination's new value and sets the flags. Cannot fault.</summary>
    static abstract uint Apply<T>(CpuState* s, uint destination, uint source)
        where T : unmanaged;

    /// <summary>Puts the destination's old value where it goes.</summary>
    static abstract void TakeOld<T>(CpuState* s, DecodedInstruction* i, uint old)
        where T : unmanaged;
}

internal readonly unsafe struct Swap : IExchangeOperation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint destination, uint source)
        where T : unmanaged
        => source;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void TakeOld<T>(CpuState* s, DecodedInstruction* i, uint old)
        where T : unmanaged
        => Operand.SetRegister<T>(s, i->Source, old);
}

internal readonly unsafe struct ExchangeAdd : IExchangeOperation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint destination, uint source)
        where T : unmanaged
        => Add.Apply<T>(s, destination, source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void TakeOld<T>(CpuState* s, DecodedInstruction* i, uint old)
        where T : unmanaged
        => Operand.SetRegister<T>(s, i->Source, old);
}

// CMPXCHG compares with the accumulator, which takes the destination if they differ; where they are equal it holds that value already.
internal readonly unsafe struct CompareExchange : IExchangeOperation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint destination, uint source)
        where T : unmanaged
    {
        uint accumulator = Accumulators.Low<T>(s);
        _ = Subtract.Apply<T>(s, accumulator, destination);
        return accumulator == destination ? source : destination;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void TakeOld<T>(CpuState* s, DecodedInstruction* i, uint old)
        where T : unmanaged
        => Operand.Store<T>((byte*)&s->Eax, old);
}
