using System.Numerics;
using System.Runtime.CompilerServices;

namespace ToyVmm.Hardware.Cpu;

/// <summary>
/// The six arithmetic flags, derived on demand from two words. <see cref="CpuState.FlagsResult"/> holds the last result,
/// sign-extended: ZF = (it is 0), SF = bit 31, PF = parity of the low byte. <see cref="CpuState.FlagsCarries"/> holds, for any
/// operand size: bit 31 the carry out of the top bit (CF), bit 30 the carry into it (OF = bit 31 xor bit 30), bit 3 the carry
/// out of bit 3 (AF); and two corrections, so that every combination can be expressed: bit 0 inverts SF, and bits 8-15 are
/// xored into the parity byte. No instruction kind is stored, so deriving needs no branch.
/// </summary>
public static unsafe class LazyFlags
{
    /// <summary>The carry's place in <see cref="CpuState.FlagsCarries"/>.</summary>
    public const uint CarryBit = 1u << 31;

    /// <summary>CF.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Carry(CpuState* s) => (int)s->FlagsCarries < 0;

    /// <summary>OF.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Overflow(CpuState* s) => (int)(s->FlagsCarries ^ (s->FlagsCarries << 1)) < 0;

    /// <summary>ZF.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Zero(CpuState* s) => s->FlagsResult == 0;

    /// <summary>SF.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Sign(CpuState* s) => (int)(s->FlagsResult ^ (s->FlagsCarries << 31)) < 0;

    /// <summary>PF.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Parity(CpuState* s) => (BitOperations.PopCount((s->FlagsResult ^ (s->FlagsCarries >> 8)) & 0xFF) & 1) == 0;

    /// <summary>AF.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Adjust(CpuState* s) => (s->FlagsCarries & 8) != 0;

    /// <summary>SF != OF: the signed "less".</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Less(CpuState* s) =>
        (int)(s->FlagsResult ^ (s->FlagsCarries << 31) ^ s->FlagsCarries ^ (s->FlagsCarries << 1)) < 0;

    /// <summary>All six, at their places in EFLAGS.</summary>
    public static uint Get(CpuState* s)
    {
        uint flags = s->FlagsCarries >> 31;
        flags |= (s->FlagsCarries & 8) << 1;
        flags |= Parity(s) ? Eflags.PF : 0;
        flags |= Zero(s) ? Eflags.ZF : 0;
        flags |= Sign(s) ? Eflags.SF : 0;
        flags |= Overflow(s) ? Eflags.OF : 0;
        return flags;
    }

    /// <summary>Sets all six from their places in EFLAGS.</summary>
    public static void Set(CpuState* s, uint eflags)
    {
        // A result that gives ZF; then SF and PF are corrected where it gives the wrong ones (0: SF 0, PF 1; 1: SF 0, PF 0).
        uint zero = (eflags >> 6) & 1;
        uint result = zero ^ 1;
        uint carry = eflags & 1;
        uint overflow = (eflags >> 11) & 1;
        uint wantParity = (eflags >> 2) & 1;
        uint hasParity = zero;
        s->FlagsResult = result;
        s->FlagsCarries = (carry << 31) | ((carry ^ overflow) << 30) | ((eflags & Eflags.AF) >> 1)
            | ((eflags >> 7) & 1) | ((wantParity ^ hasParity) << 8);
    }

    /// <summary>The whole EFLAGS image.</summary>
    public static uint GetEflags(CpuState* s) => Get(s) | s->OtherFlags;
}
