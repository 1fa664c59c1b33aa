using System.Runtime.CompilerServices;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>Values of 1, 2 and 4 bytes: handlers are generic over byte, ushort and uint, and compute in 32 bits.</summary>
internal static unsafe class Operand
{
    /// <summary>Loads a value, zero-extended.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Load<T>(byte* from)
        where T : unmanaged
        => sizeof(T) == 4 ? *(uint*)from : sizeof(T) == 2 ? *(ushort*)from : *from;

    /// <summary>Stores the low bytes of a value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<T>(byte* to, uint value)
        where T : unmanaged
    {
        if (sizeof(T) == 4)
        {
            *(uint*)to = value;
        }
        else if (sizeof(T) == 2)
        {
            *(ushort*)to = (ushort)value;
        }
        else
        {
            *to = (byte)value;
        }
    }

    /// <summary>Loads a register operand.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Register<T>(CpuState* s, byte offset)
        where T : unmanaged
        => Load<T>((byte*)s + offset);

    /// <summary>Stores a register operand; the rest of the register stays.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SetRegister<T>(CpuState* s, byte offset, uint value)
        where T : unmanaged
        => Store<T>((byte*)s + offset, value);

    /// <summary>Sign-extends the low bytes to 32 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint SignExtend<T>(uint value)
        where T : unmanaged
        => sizeof(T) == 4 ? value : sizeof(T) == 2 ? (uint)(short)value : (uint)(sbyte)value;

    /// <summary>Bits of the type.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Bits<T>()
        where T : unmanaged
        => sizeof(T) * 8;

    /// <summary>All-ones of the type.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Mask<T>()
        where T : unmanaged
        => sizeof(T) == 4 ? uint.MaxValue : (1u << (sizeof(T) * 8)) - 1;
}
