using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

/// <summary>
/// Memory operands longer than 8 bytes: accessed in pieces, after all of it has been checked. A check fills the TLB with the pages'
/// translations, and these stay until the guest flushes them, so that the pieces cannot fault even where a store changes a page table.
/// </summary>
internal static unsafe class X87Memory
{
    /// <summary>Reads an m80 operand.</summary>
    /// <returns>False for a fault or an exit.</returns>
    public static bool TryReadTenBytes(CpuState* s, DecodedInstruction* i, Interpreter cpu, out ulong low, out ushort high)
    {
        low = 0;
        high = 0;
        if (!cpu.CheckSegment(i->Segment, Segmented.Effective(s, i), 10, SegmentRights.Read, out uint linear))
        {
            return false;
        }

        byte* source = BeginRead(s, cpu, linear, 8);
        if (source == null)
        {
            return false;
        }

        low = *(ulong*)source;
        source = BeginRead(s, cpu, linear + 8, 2);
        if (source == null)
        {
            return false;
        }

        high = *(ushort*)source;
        return true;
    }

    /// <summary>Checks that an m80 operand can be written.</summary>
    /// <returns>False for a fault.</returns>
    public static bool CanWriteTenBytes(CpuState* s, DecodedInstruction* i, Interpreter cpu) =>
        cpu.CheckSegment(i->Segment, Segmented.Effective(s, i), 10, SegmentRights.Write, out uint linear)
        && CanWrite(cpu, linear, 10, 8);

    /// <summary>Writes an m80 operand, after <see cref="CanWriteTenBytes"/>.</summary>
    /// <returns>False when the engine must leave behind the instruction.</returns>
    public static bool WriteTenBytes(CpuState* s, DecodedInstruction* i, Interpreter cpu, ulong low, ushort high)
    {
        uint linear = cpu.Segment(i->Segment)->Base + Segmented.Effective(s, i);
        byte* target = cpu.BeginWrite(linear, 8);
        *(ulong*)target = low;
        bool goOn = cpu.CommitWrite(target);
        target = cpu.BeginWrite(linear + 8, 2);
        *(ushort*)target = high;
        return cpu.CommitWrite(target) && goOn;
    }

    /// <summary>Reads an environment or a whole state.</summary>
    /// <param name="s">The state.</param>
    /// <param name="i">The instruction.</param>
    /// <param name="cpu">The interpreter.</param>
    /// <param name="bytes">Where to.</param>
    /// <param name="piece">2 or 4: the operand size, by which the access is aligned.</param>
    /// <returns>False for a fault or an exit.</returns>
    public static bool TryRead(CpuState* s, DecodedInstruction* i, Interpreter cpu, Span<byte> bytes, int piece)
    {
        if (!cpu.CheckSegment(i->Segment, Segmented.Effective(s, i), bytes.Length, SegmentRights.Read, out uint linear))
        {
            return false;
        }

        for (int done = 0; done < bytes.Length; done += piece)
        {
            byte* source = BeginRead(s, cpu, linear + (uint)done, piece);
            if (source == null)
            {
                return false;
            }

            new ReadOnlySpan<byte>(source, piece).CopyTo(bytes[done..]);
        }

        return true;
    }

    /// <summary>Writes an environment or a whole state; nothing, where any byte of it faults.</summary>
    /// <returns>False for a fault.</returns>
    public static bool TryWrite(CpuState* s, DecodedInstruction* i, Interpreter cpu, ReadOnlySpan<byte> bytes, int piece, out bool goOn)
    {
        goOn = true;
        if (!cpu.CheckSegment(i->Segment, Segmented.Effective(s, i), bytes.Length, SegmentRights.Write, out uint linear)
            || !CanWrite(cpu, linear, bytes.Length, piece))
        {
            return false;
        }

        for (int done = 0; done < bytes.Length; done += piece)
        {
            byte* target = cpu.BeginWrite(linear + (uint)done, piece);
            bytes.Slice(done, piece).CopyTo(new Span<byte>(target, piece));
            goOn &= cpu.CommitWrite(target);
        }

        return true;
    }

    private static byte* BeginRead(CpuState* s, Interpreter cpu, uint linear, int size)
    {
        byte* direct = Direct.Read(s, linear, size);
        return direct != null ? direct : cpu.BeginRead(linear, size);
    }

    // The pages, then the alignment: all pieces are aligned alike.
    private static bool CanWrite(Interpreter cpu, uint linear, int size, int piece) =>
        cpu.TryTranslate(linear, size, write: true, cpu.State->Cpl == 3, out _, out _) && cpu.BeginWrite(linear, piece) != null;
}
