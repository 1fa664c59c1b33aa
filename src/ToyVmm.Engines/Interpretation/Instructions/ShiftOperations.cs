using System.Numerics;
using System.Runtime.CompilerServices;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>A shift or rotate of one operand: ROL ROR RCL RCR SHL SHR SAR.</summary>
/// <remarks>
/// The undefined flags are those of AMD's processors: after a shift AF is 1, and OF follows the rule for a count of 1 at every
/// count; a rotate leaves SF, ZF, AF and PF alone, as the manual says.
/// </remarks>
internal unsafe interface IShiftOperation
{
    /// <summary>Computes the result and sets the flags. Cannot fault.</summary>
    /// <param name="s">The state.</param>
    /// <param name="a">The operand, zero-extended.</param>
    /// <param name="count">1 to 31: masked already, and not 0, which would leave everything alone.</param>
    static abstract uint Apply<T>(CpuState* s, uint a, int count)
        where T : unmanaged;
}

internal readonly unsafe struct ShiftLeft : IShiftOperation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint a, int count)
        where T : unmanaged
    {
        ulong wide = (ulong)a << count;
        uint result = (uint)wide;
        uint carry = (uint)(wide >> Operand.Bits<T>()) & 1;
        ShiftFlags.Shift<T>(s, result, carry, ShiftFlags.Top<T>(result) ^ carry);
        return result;
    }
}

internal readonly unsafe struct ShiftRight : IShiftOperation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint a, int count)
        where T : unmanaged
    {
        uint result = a >> count;
        ShiftFlags.Shift<T>(s, result, (a >> (count - 1)) & 1, ShiftFlags.TopTwoDiffer<T>(result));
        return result;
    }
}

internal readonly unsafe struct ShiftArithmeticRight : IShiftOperation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint a, int count)
        where T : unmanaged
    {
        int extended = (int)Operand.SignExtend<T>(a);
        uint result = (uint)(extended >> count);
        ShiftFlags.Shift<T>(s, result, (uint)(extended >> (count - 1)) & 1, 0);
        return result;
    }
}

internal readonly unsafe struct RotateLeft : IShiftOperation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint a, int count)
        where T : unmanaged
    {
        int turn = count & (Operand.Bits<T>() - 1);
        uint result = sizeof(T) == 4 ? BitOperations.RotateLeft(a, turn) : (a << turn) | (a >> (Operand.Bits<T>() - turn));
        uint carry = result & 1;
        ShiftFlags.Rotate(s, carry, ShiftFlags.Top<T>(result) ^ carry);
        return result;
    }
}

internal readonly unsafe struct RotateRight : IShiftOperation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint a, int count)
        where T : unmanaged
    {
        int turn = count & (Operand.Bits<T>() - 1);
        uint result = sizeof(T) == 4 ? BitOperations.RotateRight(a, turn) : (a >> turn) | (a << (Operand.Bits<T>() - turn));
        ShiftFlags.Rotate(s, ShiftFlags.Top<T>(result), ShiftFlags.TopTwoDiffer<T>(result));
        return result;
    }
}

// RCL and RCR turn CF and the operand together: width + 1 bits. A count that is a multiple of it (9, 17, ...) turns nothing, but sets OF.
internal readonly unsafe struct RotateCarryLeft : IShiftOperation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint a, int count)
        where T : unmanaged
    {
        int turn = count % (Operand.Bits<T>() + 1);
        ulong ring = ((ulong)(s->FlagsCarries >> 31) << Operand.Bits<T>()) | a;
        ring = (ring << turn) | (ring >> (Operand.Bits<T>() + 1 - turn));
        uint carry = (uint)(ring >> Operand.Bits<T>()) & 1;
        ShiftFlags.Rotate(s, carry, ShiftFlags.Top<T>((uint)ring) ^ carry);
        return (uint)ring;
    }
}

internal readonly unsafe struct RotateCarryRight : IShiftOperation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Apply<T>(CpuState* s, uint a, int count)
        where T : unmanaged
    {
        int turn = count % (Operand.Bits<T>() + 1);
        ulong ring = ((ulong)(s->FlagsCarries >> 31) << Operand.Bits<T>()) | a;
        ring = (ring >> turn) | (ring << (Operand.Bits<T>() + 1 - turn));
        ShiftFlags.Rotate(s, (uint)(ring >> Operand.Bits<T>()) & 1, ShiftFlags.TopTwoDiffer<T>((uint)ring));
        return (uint)ring;
    }
}

/// <summary>The flags of shifts and rotates, without a branch: carry and overflow are 0 or 1.</summary>
internal static unsafe class ShiftFlags
{
    /// <summary>The top bit of a result.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Top<T>(uint result)
        where T : unmanaged
        => (result >> (Operand.Bits<T>() - 1)) & 1;

    /// <summary>1 where the two top bits of a result differ.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint TopTwoDiffer<T>(uint result)
        where T : unmanaged
        => ((result >> (Operand.Bits<T>() - 1)) ^ (result >> (Operand.Bits<T>() - 2))) & 1;

    /// <summary>All six; AF is 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Shift<T>(CpuState* s, uint result, uint carry, uint overflow)
        where T : unmanaged
    {
        s->FlagsResult = Operand.SignExtend<T>(result);
        s->FlagsCarries = (carry << 31) | ((carry ^ overflow) << 30) | 8;
    }

    /// <summary>CF and OF only.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Rotate(CpuState* s, uint carry, uint overflow) =>
        s->FlagsCarries = (s->FlagsCarries & 0x3FFF_FFFF) | (carry << 31) | ((carry ^ overflow) << 30);
}
