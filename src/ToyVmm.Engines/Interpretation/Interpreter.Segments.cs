using System.Runtime.CompilerServices;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>Accesses through a segment: limit and rights (SDM 3A 5.3-5.5), then paging.</summary>
public sealed unsafe partial class Interpreter
{
    /// <summary>The byte offset of SS in the state: violations through it are #SS, not #GP.</summary>
    internal static byte StackSegment { get; } = SegmentOffset(2);

    /// <summary>The byte offset of ES in the state: the destination of string instructions.</summary>
    internal static byte ExtraSegment { get; } = SegmentOffset(0);

    /// <summary>The byte offset of a segment register's cache in the state.</summary>
    /// <param name="number">The encoding: ES CS SS DS FS GS, then LDTR and TR.</param>
    internal static byte SegmentOffset(int number)
    {
        CpuState state = default;
        return (byte)((byte*)(&state.Es + number) - (byte*)&state);
    }

    /// <summary>The cache at a byte offset in the state.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal SegmentCache* Segment(byte offset) => (SegmentCache*)((byte*)State + offset);

    /// <summary>Checks an access against its segment and gives the linear address.</summary>
    /// <param name="segment">The segment register, as a byte offset in the state.</param>
    /// <param name="offset">The offset in the segment.</param>
    /// <param name="size">Bytes.</param>
    /// <param name="rights">What the access does.</param>
    /// <param name="linear">The linear address.</param>
    /// <returns>False with #GP(0) or #SS(0) pending.</returns>
    internal bool CheckSegment(byte segment, uint offset, int size, SegmentRights rights, out uint linear)
    {
        SegmentCache* cache = Segment(segment);
        linear = cache->Base + offset;
        if ((cache->Rights & rights) == rights && cache->Holds(offset, size))
        {
            return true;
        }

        return Raise(segment == StackSegment ? Vector.StackFault : Vector.GeneralProtection, 0, "access outside the segment's limit or rights");
    }

    /// <summary>Host bytes of an operand in a segment, to read; null for a fault or an exit.</summary>
    internal byte* BeginSegmentRead(byte segment, uint offset, int size)
    {
        if (!CheckSegment(segment, offset, size, SegmentRights.Read, out uint linear))
        {
            return null;
        }

        byte* direct = Direct.Read(State, linear, size);
        return direct != null ? direct : BeginRead(linear, size);
    }

    /// <summary>Where to store an operand in a segment (then <see cref="CommitWrite"/>); null for a fault.</summary>
    internal byte* BeginSegmentWrite(byte segment, uint offset, int size)
    {
        if (!CheckSegment(segment, offset, size, SegmentRights.Write, out uint linear))
        {
            return null;
        }

        byte* direct = Direct.Write(State, linear, size);
        return direct != null ? direct : BeginWrite(linear, size);
    }
}
