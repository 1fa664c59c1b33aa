using System.Runtime.CompilerServices;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>How instructions leave their flags behind (see <see cref="LazyFlags"/> for the representation).</summary>
internal static unsafe class FlagSetters
{
    private const uint TopCarries = 0xC000_0000;
    private const uint AdjustCarry = 8;

    /// <summary>The carry out of every bit position of a + b (+ carry in), from the operands and the result.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint AddCarries(uint a, uint b, uint result) => (a & b) | ((a | b) & ~result);

    /// <summary>The borrow out of every bit position of a - b (- borrow in).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint SubtractBorrows(uint a, uint b, uint result) => (~a & b) | ((~a | b) & result);

    /// <summary>All six flags from a result and its carries.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Arithmetic<T>(CpuState* s, uint result, uint carries)
        where T : unmanaged
    {
        s->FlagsResult = Operand.SignExtend<T>(result);
        s->FlagsCarries = sizeof(T) == 4
            ? carries & (TopCarries | AdjustCarry)
            : ((carries << (32 - (sizeof(T) * 8))) & TopCarries) | (carries & AdjustCarry);
    }

    /// <summary>INC and DEC: all but CF.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ArithmeticKeepCarry<T>(CpuState* s, uint result, uint carries)
        where T : unmanaged
    {
        uint carry = s->FlagsCarries & LazyFlags.CarryBit;
        uint top = sizeof(T) == 4 ? carries : carries << (32 - (sizeof(T) * 8));

        // OF is the xor of the two top bits: with the old CF in bit 31, bit 30 takes OF xor CF.
        uint overflow = ((top >> 1) ^ top) & (1u << 30);
        s->FlagsResult = Operand.SignExtend<T>(result);
        s->FlagsCarries = carry | (overflow ^ (carry >> 1)) | (carries & AdjustCarry);
    }

    /// <summary>AND, OR, XOR, TEST: CF and OF are 0; AF, which is undefined, is 0 as on AMD.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Logic<T>(CpuState* s, uint result)
        where T : unmanaged
    {
        s->FlagsResult = Operand.SignExtend<T>(result);
        s->FlagsCarries = 0;
    }

    /// <summary>ZF, SF and PF from a result; CF, OF and AF as given.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Explicit<T>(CpuState* s, uint result, bool carry, bool overflow, bool adjust)
        where T : unmanaged
    {
        s->FlagsResult = Operand.SignExtend<T>(result);
        s->FlagsCarries = (carry ? LazyFlags.CarryBit : 0) | (carry != overflow ? 1u << 30 : 0) | (adjust ? AdjustCarry : 0);
    }

    /// <summary>CF and OF as given; the others stay.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void CarryAndOverflow(CpuState* s, bool carry, bool overflow) =>
        s->FlagsCarries = (s->FlagsCarries & ~TopCarries) | (carry ? LazyFlags.CarryBit : 0) | (carry != overflow ? 1u << 30 : 0);

    /// <summary>CF as given; the others stay.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Carry(CpuState* s, bool carry) => CarryAndOverflow(s, carry, LazyFlags.Overflow(s));
}
