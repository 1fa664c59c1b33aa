using System.Runtime.CompilerServices;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

internal readonly unsafe struct Add : IBinaryOperation
{
    public static bool Writes => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint a, uint b)
        where T : unmanaged
    {
        uint result = a + b;
        FlagSetters.Arithmetic<T>(s, result, FlagSetters.AddCarries(a, b, result));
        return result;
    }
}

internal readonly unsafe struct AddWithCarry : IBinaryOperation
{
    public static bool Writes => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint a, uint b)
        where T : unmanaged
    {
        uint result = a + b + (s->FlagsCarries >> 31);
        FlagSetters.Arithmetic<T>(s, result, FlagSetters.AddCarries(a, b, result));
        return result;
    }
}

internal readonly unsafe struct Subtract : IBinaryOperation
{
    public static bool Writes => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint a, uint b)
        where T : unmanaged
    {
        uint result = a - b;
        FlagSetters.Arithmetic<T>(s, result, FlagSetters.SubtractBorrows(a, b, result));
        return result;
    }
}

internal readonly unsafe struct Compare : IBinaryOperation
{
    public static bool Writes => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint a, uint b)
        where T : unmanaged
        => Subtract.Apply<T>(s, a, b);
}

internal readonly unsafe struct SubtractWithBorrow : IBinaryOperation
{
    public static bool Writes => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint a, uint b)
        where T : unmanaged
    {
        uint result = a - b - (s->FlagsCarries >> 31);
        FlagSetters.Arithmetic<T>(s, result, FlagSetters.SubtractBorrows(a, b, result));
        return result;
    }
}

internal readonly unsafe struct And : IBinaryOperation
{
    public static bool Writes => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint a, uint b)
        where T : unmanaged
    {
        uint result = a & b;
        FlagSetters.Logic<T>(s, result);
        return result;
    }
}

internal readonly unsafe struct Test : IBinaryOperation
{
    public static bool Writes => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint a, uint b)
        where T : unmanaged
        => And.Apply<T>(s, a, b);
}

internal readonly unsafe struct Or : IBinaryOperation
{
    public static bool Writes => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint a, uint b)
        where T : unmanaged
    {
        uint result = a | b;
        FlagSetters.Logic<T>(s, result);
        return result;
    }
}

internal readonly unsafe struct Xor : IBinaryOperation
{
    public static bool Writes => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint a, uint b)
        where T : unmanaged
    {
        uint result = a ^ b;
        FlagSetters.Logic<T>(s, result);
        return result;
    }
}

internal readonly unsafe struct Increment : IUnaryOperation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint a)
        where T : unmanaged
    {
        uint result = a + 1;
        FlagSetters.ArithmeticKeepCarry<T>(s, result, FlagSetters.AddCarries(a, 1, result));
        return result;
    }
}

internal readonly unsafe struct Decrement : IUnaryOperation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint a)
        where T : unmanaged
    {
        uint result = a - 1;
        FlagSetters.ArithmeticKeepCarry<T>(s, result, FlagSetters.SubtractBorrows(a, 1, result));
        return result;
    }
}

internal readonly unsafe struct Negate : IUnaryOperation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint a)
        where T : unmanaged
        => Subtract.Apply<T>(s, 0, a);
}

internal readonly unsafe struct Not : IUnaryOperation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint a)
        where T : unmanaged
        => ~a;
}
