using System.Runtime.CompilerServices;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>
/// How a handler reaches its memory operand; handlers are generic over it, so the JIT compiles each way straight. The direct
/// ways know only the TLB's projection and give null on a miss, whereupon the handler starts over as its
/// <see cref="Segmented"/> self; that one does everything, and gives null only for a fault or an exit.
/// </summary>
internal unsafe interface IAddress
{
    /// <summary>True where null means "start over as <see cref="Segmented"/>".</summary>
    static abstract bool IsDirect { get; }

    /// <summary>Host bytes of the operand, to read.</summary>
    static abstract byte* Read(CpuState* s, DecodedInstruction* i, Interpreter cpu, int size);

    /// <summary>Where to store the operand; <see cref="Commit"/> follows.</summary>
    static abstract byte* Write(CpuState* s, DecodedInstruction* i, Interpreter cpu, int size);

    /// <summary>The operand to read and store; <see cref="Commit"/> follows.</summary>
    static abstract byte* Update(CpuState* s, DecodedInstruction* i, Interpreter cpu, int size);

    /// <summary>Ends a store. False when the engine must leave behind the instruction.</summary>
    static abstract bool Commit(Interpreter cpu, byte* target);
}

/// <summary>[base + displacement] in a flat segment.</summary>
internal readonly unsafe struct FlatBase : IAddress
{
    public static bool IsDirect => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Read(CpuState* s, DecodedInstruction* i, Interpreter cpu, int size) => Direct.Read(s, Effective(s, i), size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Write(CpuState* s, DecodedInstruction* i, Interpreter cpu, int size) => Direct.Write(s, Effective(s, i), size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Update(CpuState* s, DecodedInstruction* i, Interpreter cpu, int size) => Direct.Write(s, Effective(s, i), size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Commit(Interpreter cpu, byte* target) => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Effective(CpuState* s, DecodedInstruction* i) => *(uint*)((byte*)s + i->Base) + i->Displacement;
}

/// <summary>[base + index * scale + displacement] in a flat segment.</summary>
internal readonly unsafe struct FlatIndexed : IAddress
{
    public static bool IsDirect => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Read(CpuState* s, DecodedInstruction* i, Interpreter cpu, int size) => Direct.Read(s, Effective(s, i), size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Write(CpuState* s, DecodedInstruction* i, Interpreter cpu, int size) => Direct.Write(s, Effective(s, i), size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Update(CpuState* s, DecodedInstruction* i, Interpreter cpu, int size) => Direct.Write(s, Effective(s, i), size);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Commit(Interpreter cpu, byte* target) => true;

    /// <summary>The offset, modulo 2^32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Effective(CpuState* s, DecodedInstruction* i) =>
        *(uint*)((byte*)s + i->Base) + (*(uint*)((byte*)s + i->Index) << i->Scale) + i->Displacement;
}

/// <summary>Any operand: any segment with its limit and rights, 16- and 32-bit addresses, page edges, devices.</summary>
internal readonly unsafe struct Segmented : IAddress
{
    public static bool IsDirect => false;

    public static byte* Read(CpuState* s, DecodedInstruction* i, Interpreter cpu, int size) =>
        cpu.BeginSegmentRead(i->Segment, Effective(s, i), size);

    public static byte* Write(CpuState* s, DecodedInstruction* i, Interpreter cpu, int size) =>
        cpu.BeginSegmentWrite(i->Segment, Effective(s, i), size);

    public static byte* Update(CpuState* s, DecodedInstruction* i, Interpreter cpu, int size) =>
        cpu.CheckSegment(i->Segment, Effective(s, i), size, SegmentRights.Read | SegmentRights.Write, out uint linear)
            ? cpu.BeginUpdate(linear, size)
            : null;

    public static bool Commit(Interpreter cpu, byte* target) => cpu.CommitWrite(target);

    /// <summary>The offset in the segment, modulo the address size.</summary>
    public static uint Effective(CpuState* s, DecodedInstruction* i)
    {
        uint offset = FlatIndexed.Effective(s, i);
        return (i->Flags & InstructionFlags.Address32) != 0 ? offset : (ushort)offset;
    }
}

/// <summary>The probes of the TLB's projection. An access that crosses a page edge matches no tag.</summary>
internal static unsafe class Direct
{
    /// <summary>Host bytes at a linear address that may be read in place; null on a miss.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Read(CpuState* s, uint linear, int size)
    {
        TlbEntry* entry = s->Tlb + ((linear >> 12) & (TlbEntry.Count - 1));
        return entry->ReadTag == ((linear + (uint)(size - 1)) & 0xFFFF_F000) ? (byte*)entry->Addend + linear : null;
    }

    /// <summary>Host bytes at a linear address that may be stored to in place; null on a miss.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static byte* Write(CpuState* s, uint linear, int size)
    {
        TlbEntry* entry = s->Tlb + ((linear >> 12) & (TlbEntry.Count - 1));
        return entry->WriteTag == ((linear + (uint)(size - 1)) & 0xFFFF_F000) ? (byte*)entry->Addend + linear : null;
    }
}
