using System.Runtime.CompilerServices;
using Iced.Intel;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>Where a shift's count comes from. It is masked to five bits (286 and later; SDM 2B, SAL/SAR/SHL/SHR).</summary>
internal unsafe interface IShiftCount
{
    /// <summary>0 to 31.</summary>
    static abstract int Of(CpuState* s, DecodedInstruction* i);
}

/// <summary>The count is CL.</summary>
internal readonly unsafe struct CountInCl : IShiftCount
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Of(CpuState* s, DecodedInstruction* i) => (int)(s->Ecx & 31);
}

/// <summary>The count is the immediate (1 where the encoding implies it).</summary>
internal readonly unsafe struct ImmediateCount : IShiftCount
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Of(CpuState* s, DecodedInstruction* i) => (int)(i->Immediate & 31);
}

/// <summary>Shifts and rotates, and SHLD and SHRD. A count of 0 changes neither operand nor flags, but a memory operand must be writable all the same.</summary>
internal static unsafe class Shifts
{
    /// <summary>The handler of a shift or rotate.</summary>
    public static Handler Shift<TOp>(in Instruction x, AddressForm form)
        where TOp : struct, IShiftOperation
        => x.Op1Kind == OpKind.Register ? Shift<TOp, CountInCl>(x, form) : Shift<TOp, ImmediateCount>(x, form);

    /// <summary>The handler of SHLD.</summary>
    public static Handler DoubleLeft(in Instruction x, AddressForm form) => Double<DoubleShiftLeft>(x, form);

    /// <summary>The handler of SHRD.</summary>
    public static Handler DoubleRight(in Instruction x, AddressForm form) => Double<DoubleShiftRight>(x, form);

    private static Handler Shift<TOp, TCount>(in Instruction x, AddressForm form)
        where TOp : struct, IShiftOperation
        where TCount : struct, IShiftCount
        => Width.Of(x) switch
        {
            1 => Shift<TOp, TCount, byte>(x, form),
            2 => Shift<TOp, TCount, ushort>(x, form),
            _ => Shift<TOp, TCount, uint>(x, form),
        };

    private static Handler Shift<TOp, TCount, T>(in Instruction x, AddressForm form)
        where TOp : struct, IShiftOperation
        where TCount : struct, IShiftCount
        where T : unmanaged
        => x.Op0Kind == OpKind.Register
            ? &ShiftRegister<TOp, TCount, T>
            : form switch
            {
                AddressForm.FlatBase => &ShiftMemory<TOp, TCount, T, FlatBase>,
                AddressForm.FlatIndexed => &ShiftMemory<TOp, TCount, T, FlatIndexed>,
                _ => &ShiftMemory<TOp, TCount, T, Segmented>,
            };

    private static Handler Double<TOp>(in Instruction x, AddressForm form)
        where TOp : struct, IDoubleShift
        => (x.Op2Kind == OpKind.Register, Width.Of(x)) switch
        {
            (true, 2) => Double<TOp, CountInCl, ushort>(x, form),
            (true, _) => Double<TOp, CountInCl, uint>(x, form),
            (false, 2) => Double<TOp, ImmediateCount, ushort>(x, form),
            (false, _) => Double<TOp, ImmediateCount, uint>(x, form),
        };

    private static Handler Double<TOp, TCount, T>(in Instruction x, AddressForm form)
        where TOp : struct, IDoubleShift
        where TCount : struct, IShiftCount
        where T : unmanaged
        => x.Op0Kind == OpKind.Register
            ? &DoubleRegister<TOp, TCount, T>
            : form switch
            {
                AddressForm.FlatBase => &DoubleMemory<TOp, TCount, T, FlatBase>,
                AddressForm.FlatIndexed => &DoubleMemory<TOp, TCount, T, FlatIndexed>,
                _ => &DoubleMemory<TOp, TCount, T, Segmented>,
            };

    private static nint ShiftRegister<TOp, TCount, T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IShiftOperation
        where TCount : struct, IShiftCount
        where T : unmanaged
    {
        int count = TCount.Of(s, i);
        if (count != 0)
        {
            Operand.SetRegister<T>(s, i->Destination, TOp.Apply<T>(s, Operand.Register<T>(s, i->Destination), count));
        }

        return Flow.Next(s, i, cpu);
    }

    private static nint ShiftMemory<TOp, TCount, T, TAddress>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IShiftOperation
        where TCount : struct, IShiftCount
        where T : unmanaged
        where TAddress : struct, IAddress
    {
        byte* target = TAddress.Update(s, i, cpu, sizeof(T));
        if (target == null)
        {
            return TAddress.IsDirect ? ShiftMemory<TOp, TCount, T, Segmented>(s, i, cpu) : Flow.StopHere(i, cpu);
        }

        int count = TCount.Of(s, i);
        if (count == 0)
        {
            return Flow.Next(s, i, cpu);
        }

        Operand.Store<T>(target, TOp.Apply<T>(s, Operand.Load<T>(target), count));
        return Flow.NextIf(TAddress.Commit(cpu, target), s, i, cpu);
    }

    private static nint DoubleRegister<TOp, TCount, T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IDoubleShift
        where TCount : struct, IShiftCount
        where T : unmanaged
    {
        int count = TCount.Of(s, i);
        if (count != 0)
        {
            uint result = TOp.Apply<T>(s, Operand.Register<T>(s, i->Destination), Operand.Register<T>(s, i->Source), count);
            Operand.SetRegister<T>(s, i->Destination, result);
        }

        return Flow.Next(s, i, cpu);
    }

    private static nint DoubleMemory<TOp, TCount, T, TAddress>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where TOp : struct, IDoubleShift
        where TCount : struct, IShiftCount
        where T : unmanaged
        where TAddress : struct, IAddress
    {
        byte* target = TAddress.Update(s, i, cpu, sizeof(T));
        if (target == null)
        {
            return TAddress.IsDirect ? DoubleMemory<TOp, TCount, T, Segmented>(s, i, cpu) : Flow.StopHere(i, cpu);
        }

        int count = TCount.Of(s, i);
        if (count == 0)
        {
            return Flow.Next(s, i, cpu);
        }

        Operand.Store<T>(target, TOp.Apply<T>(s, Operand.Load<T>(target), Operand.Register<T>(s, i->Source), count));
        return Flow.NextIf(TAddress.Commit(cpu, target), s, i, cpu);
    }

    private interface IDoubleShift
    {
        static abstract uint Apply<T>(CpuState* s, uint a, uint b, int count)
            where T : unmanaged;
    }

    // With 16-bit operands a count above 16 is undefined (SDM 2B, SHLD). AMD's processors shift the operand and two copies of the
    // source; CF and OF come from the operand alone.
    private readonly struct DoubleShiftLeft : IDoubleShift
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static uint Apply<T>(CpuState* s, uint a, uint b, int count)
            where T : unmanaged
        {
            uint result = sizeof(T) == 4
                ? (uint)(((((ulong)a << 32) | b) << count) >> 32)
                : (uint)(((((ulong)a << 32) | (b << 16) | b) << count) >> 32);
            ulong shifted = (ulong)a << count;
            uint carry = (uint)(shifted >> Operand.Bits<T>()) & 1;
            ShiftFlags.Shift<T>(s, result, carry, ShiftFlags.Top<T>((uint)shifted) ^ carry);
            return result;
        }
    }

    private readonly struct DoubleShiftRight : IDoubleShift
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static uint Apply<T>(CpuState* s, uint a, uint b, int count)
            where T : unmanaged
        {
            ulong joined = sizeof(T) == 4 ? ((ulong)b << 32) | a : ((ulong)b << 32) | (b << 16) | a;
            uint result = (uint)(joined >> count);
            ShiftFlags.Shift<T>(s, result, (a >> (count - 1)) & 1, ShiftFlags.TopTwoDiffer<T>(result));
            return result;
        }
    }
}
