using System.Runtime.CompilerServices;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>
/// The segments that operating systems of today use: flat, 4 GiB, 32-bit, present, accessed, in the GDT. Events, IRET, SYSENTER and SYSEXIT
/// know them at a glance and load them without deriving what is the same each time; all others take the long way, which checks everything.
/// </summary>
public sealed unsafe partial class Interpreter
{
    // A descriptor with base 0 and limit FFFFF (SDM 3A 3.4.5): the low word, and the high word without DPL, AVL and L.
    private const uint FlatLow = 0x0000_FFFF;
    private const uint FlatMask = 0xFFCF_9FFF;
    private const uint FlatCode = 0x00CF_9B00;
    private const uint FlatData = 0x00CF_9300;

    private const DecodeMode FlatStack = DecodeMode.FlatSs | DecodeMode.Stack32;
    private const DecodeMode FlatCodeAndStack = FlatStack | DecodeMode.FlatCs | DecodeMode.Code32;

    /// <summary>True where the current stack is flat and 32-bit, and no access needs a check of its own.</summary>
    internal bool HasPlainStack
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => (State->Mode & FlatStack) == FlatStack && State->Tlb != NeverTlb;
    }

    /// <summary>True for the GDT entry of a flat, readable, non-conforming code segment with this DPL that needs no change to be loaded.</summary>
    /// <param name="selector">The selector.</param>
    /// <param name="dpl">The DPL.</param>
    /// <param name="access">What <see cref="SegmentCache.Access"/> becomes.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool IsFlatCode(ushort selector, uint dpl, out ushort access) => IsFlat(selector, dpl, FlatCode, out access);

    /// <summary>As <see cref="IsFlatCode"/>, for a writable data segment.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool IsFlatData(ushort selector, uint dpl, out ushort access) => IsFlat(selector, dpl, FlatData, out access);

    /// <summary>Loads CS and SS with flat segments and takes the privilege level; the mode follows.</summary>
    /// <param name="code">The selector for CS, its RPL the privilege level.</param>
    /// <param name="codeAccess">Its access bits.</param>
    /// <param name="stack">The selector for SS.</param>
    /// <param name="stackAccess">Its access bits.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void LoadFlat(ushort code, ushort codeAccess, ushort stack, ushort stackAccess)
    {
        LoadFlat(&State->Ss, stack, stackAccess, SegmentRights.Read | SegmentRights.Write);
        LoadFlatCode(code, codeAccess);
    }

    /// <summary>Loads CS with a flat segment, SS being flat already, and takes its privilege level; the mode follows.</summary>
    /// <param name="selector">The selector, its RPL the privilege level.</param>
    /// <param name="access">Its access bits.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void LoadFlatCode(ushort selector, ushort access)
    {
        CpuState* s = State;
        LoadFlat(&s->Cs, selector, access, SegmentRights.Read | SegmentRights.Execute);
        s->Cpl = selector & 3u;
        bool checks = s->Tlb == NeverTlb || (s->Cpl == 3 && (s->OtherFlags & Eflags.AC) != 0);
        if (checks)
        {
            UpdateMode();
            return;
        }

        // What UpdateMode would find: the data segments, FS and GS are as they were.
        const DecodeMode Data = DecodeMode.FlatEs | DecodeMode.FlatDs | DecodeMode.BasedEs | DecodeMode.BasedDs;
        s->Mode = (s->Mode & Data) | FlatCodeAndStack | (s->Cpl == 3 ? DecodeMode.User : 0);
        s->Tlb = s->Cpl == 3 ? UserTlb : SupervisorTlb;
    }

    /// <summary>Derives what needs attention after a change of EFLAGS that can have set TF or RF, or with something pending.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal void UpdateAttentionAfterFlags()
    {
        if (State->Attention != Attention.None || (State->OtherFlags & (Eflags.TF | Eflags.RF)) != 0)
        {
            UpdateAttention();
        }
    }

    /// <summary>Host bytes that the CPU itself may read with supervisor rights; null on a miss.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private byte* DirectSystemRead(uint linear, int size)
    {
        TlbEntry* line = SupervisorTlb + ((linear >> 12) & (TlbEntry.Count - 1));
        return line->ReadTag == ((linear + (uint)size - 1) & PageMask) ? (byte*)line->Addend + linear : null;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool IsFlat(ushort selector, uint dpl, uint kind, out ushort access)
    {
        CpuState* s = State;
        access = 0;
        uint offset = selector & 0xFFF8u;
        if (offset == 0 || (selector & 4) != 0 || offset + 7 > s->GdtLimit)
        {
            return false;
        }

        byte* entry = DirectSystemRead(s->GdtBase + offset, 8);
        if (entry == null)
        {
            return false;
        }

        uint high = ((uint*)entry)[1];
        access = (ushort)((high >> 8) & 0xF0FF);
        return *(uint*)entry == FlatLow && (high & _flatMask) == kind && ((high >> 13) & 3) == dpl;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void LoadFlat(SegmentCache* cache, ushort selector, ushort access, SegmentRights rights)
    {
        cache->Selector = selector;
        cache->Access = access;
        cache->Base = 0;
        cache->Limit = uint.MaxValue;
        cache->Lowest = 0;
        cache->Highest = uint.MaxValue;
        cache->Rights = rights;
    }
}
