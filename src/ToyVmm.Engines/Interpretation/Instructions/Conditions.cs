using System.Runtime.CompilerServices;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>A condition of Jcc, SETcc and CMOVcc (SDM 1 appendix B).</summary>
internal unsafe interface ICondition
{
    /// <summary>True when the flags meet it.</summary>
    static abstract bool Holds(CpuState* s);
}

/// <summary>The opposite of a condition.</summary>
internal readonly unsafe struct IfNot<TCondition> : ICondition
    where TCondition : struct, ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(CpuState* s) => !TCondition.Holds(s);
}

internal readonly unsafe struct IfOverflow : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(CpuState* s) => LazyFlags.Overflow(s);
}

internal readonly unsafe struct IfBelow : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(CpuState* s) => LazyFlags.Carry(s);
}

internal readonly unsafe struct IfEqual : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(CpuState* s) => LazyFlags.Zero(s);
}

internal readonly unsafe struct IfBelowOrEqual : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(CpuState* s) => LazyFlags.Carry(s) || LazyFlags.Zero(s);
}

internal readonly unsafe struct IfSign : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(CpuState* s) => LazyFlags.Sign(s);
}

internal readonly unsafe struct IfParity : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(CpuState* s) => LazyFlags.Parity(s);
}

internal readonly unsafe struct IfLess : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(CpuState* s) => LazyFlags.Less(s);
}

internal readonly unsafe struct IfLessOrEqual : ICondition
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Holds(CpuState* s) => LazyFlags.Zero(s) || LazyFlags.Less(s);
}
