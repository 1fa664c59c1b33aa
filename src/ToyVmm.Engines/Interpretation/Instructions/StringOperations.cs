using System.Runtime.CompilerServices;
using ToyVmm.Engines.Decoding;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation.Instructions;

// The source is [segment:(E)SI], the segment DS or an override; the destination is always [ES:(E)DI].

internal readonly unsafe struct MoveString : IStringOperation
{
    public static bool Compares => false;

    public static StringStep Step<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* source = cpu.BeginSegmentRead(i->Segment, Strings.Masked(i, s->Esi), sizeof(T));
        if (source == null)
        {
            return StringStep.Stop;
        }

        // Loaded first: the source may be staged where the destination will be.
        uint value = Operand.Load<T>(source);
        byte* target = cpu.BeginSegmentWrite(Interpreter.ExtraSegment, Strings.Masked(i, s->Edi), sizeof(T));
        if (target == null)
        {
            return StringStep.Stop;
        }

        Operand.Store<T>(target, value);
        int stride = Strings.Stride<T>(s);
        Strings.Add(i, &s->Esi, stride);
        Strings.Add(i, &s->Edi, stride);
        return cpu.CommitWrite(target) ? StringStep.Done : StringStep.DoneAndLeave;
    }

    public static int Bulk<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu, int count)
        where T : unmanaged
    {
        uint from = Strings.Masked(i, s->Esi);
        uint to = Strings.Masked(i, s->Edi);
        SegmentCache* segment = cpu.Segment(i->Segment);
        count = StringRun.Fitting<T>(i, segment, from, count, SegmentRights.Read);
        count = count == 0 ? 0 : StringRun.Fitting<T>(i, &s->Es, to, count, SegmentRights.Write);
        if (count == 0)
        {
            return 0;
        }

        int bytes = count * sizeof(T);
        byte* source = Direct.Read(s, segment->Base + from, bytes);
        byte* target = Direct.Write(s, s->Es.Base + to, bytes);
        if (source == null || target == null)
        {
            return 0;
        }

        if ((nuint)(target - source) - 1 < (nuint)bytes - 1)
        {
            // The destination runs into what is still to be read: element by element the beginning repeats itself.
            for (int at = 0; at < bytes; at += sizeof(T))
            {
                Operand.Store<T>(target + at, Operand.Load<T>(source + at));
            }
        }
        else
        {
            Buffer.MemoryCopy(source, target, bytes, bytes);
        }

        Strings.Add(i, &s->Esi, bytes);
        Strings.Add(i, &s->Edi, bytes);
        return count;
    }
}

internal readonly unsafe struct StoreString : IStringOperation
{
    public static bool Compares => false;

    public static StringStep Step<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* target = cpu.BeginSegmentWrite(Interpreter.ExtraSegment, Strings.Masked(i, s->Edi), sizeof(T));
        if (target == null)
        {
            return StringStep.Stop;
        }

        Operand.Store<T>(target, s->Eax);
        Strings.Add(i, &s->Edi, Strings.Stride<T>(s));
        return cpu.CommitWrite(target) ? StringStep.Done : StringStep.DoneAndLeave;
    }

    public static int Bulk<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu, int count)
        where T : unmanaged
    {
        uint to = Strings.Masked(i, s->Edi);
        count = StringRun.Fitting<T>(i, &s->Es, to, count, SegmentRights.Write);
        byte* target = count == 0 ? null : Direct.Write(s, s->Es.Base + to, count * sizeof(T));
        if (target == null)
        {
            return 0;
        }

        if (sizeof(T) == 1)
        {
            new Span<byte>(target, count).Fill((byte)s->Eax);
        }
        else if (sizeof(T) == 2)
        {
            new Span<ushort>(target, count).Fill((ushort)s->Eax);
        }
        else
        {
            new Span<uint>(target, count).Fill(s->Eax);
        }

        Strings.Add(i, &s->Edi, count * sizeof(T));
        return count;
    }
}

internal readonly unsafe struct LoadString : IStringOperation
{
    public static bool Compares => false;

    public static StringStep Step<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* source = cpu.BeginSegmentRead(i->Segment, Strings.Masked(i, s->Esi), sizeof(T));
        if (source == null)
        {
            return StringStep.Stop;
        }

        Operand.Store<T>((byte*)&s->Eax, Operand.Load<T>(source));
        Strings.Add(i, &s->Esi, Strings.Stride<T>(s));
        return StringStep.Done;
    }

    // Only the last element counts.
    public static int Bulk<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu, int count)
        where T : unmanaged
    {
        uint from = Strings.Masked(i, s->Esi);
        SegmentCache* segment = cpu.Segment(i->Segment);
        count = StringRun.Fitting<T>(i, segment, from, count, SegmentRights.Read);
        int bytes = count * sizeof(T);
        byte* source = count == 0 ? null : Direct.Read(s, segment->Base + from, bytes);
        if (source == null)
        {
            return 0;
        }

        Operand.Store<T>((byte*)&s->Eax, Operand.Load<T>(source + bytes - sizeof(T)));
        Strings.Add(i, &s->Esi, bytes);
        return count;
    }
}

internal readonly unsafe struct ScanString : IStringOperation
{
    public static bool Compares => true;

    public static StringStep Step<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* source = cpu.BeginSegmentRead(Interpreter.ExtraSegment, Strings.Masked(i, s->Edi), sizeof(T));
        if (source == null)
        {
            return StringStep.Stop;
        }

        _ = Compare.Apply<T>(s, Accumulators.Low<T>(s), Operand.Load<T>(source));
        Strings.Add(i, &s->Edi, Strings.Stride<T>(s));
        return StringStep.Done;
    }

    public static int Bulk<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu, int count)
        where T : unmanaged
    {
        uint from = Strings.Masked(i, s->Edi);
        count = StringRun.Fitting<T>(i, &s->Es, from, count, SegmentRights.Read);
        byte* source = count == 0 ? null : Direct.Read(s, s->Es.Base + from, count * sizeof(T));
        if (source == null)
        {
            return 0;
        }

        bool untilEqual = (i->Flags & InstructionFlags.RepeatNotEqual) != 0;
        int found = sizeof(T) switch
        {
            1 => Find(new ReadOnlySpan<byte>(source, count), (byte)s->Eax, untilEqual),
            2 => Find(new ReadOnlySpan<ushort>(source, count), (ushort)s->Eax, untilEqual),
            _ => Find(new ReadOnlySpan<uint>(source, count), s->Eax, untilEqual),
        };
        int done = found < 0 ? count : found + 1;
        _ = Compare.Apply<T>(s, Accumulators.Low<T>(s), Operand.Load<T>(source + ((done - 1) * sizeof(T))));
        Strings.Add(i, &s->Edi, done * sizeof(T));
        return done;
    }

    private static int Find<TElement>(ReadOnlySpan<TElement> elements, TElement value, bool equal)
        where TElement : unmanaged, IEquatable<TElement>
        => equal ? elements.IndexOf(value) : elements.IndexOfAnyExcept(value);
}

internal readonly unsafe struct CompareString : IStringOperation
{
    public static bool Compares => true;

    // The first operand is the source string, the second the destination (SDM 2A, CMPS).
    public static StringStep Step<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu)
        where T : unmanaged
    {
        byte* source = cpu.BeginSegmentRead(i->Segment, Strings.Masked(i, s->Esi), sizeof(T));
        if (source == null)
        {
            return StringStep.Stop;
        }

        uint first = Operand.Load<T>(source);
        byte* other = cpu.BeginSegmentRead(Interpreter.ExtraSegment, Strings.Masked(i, s->Edi), sizeof(T));
        if (other == null)
        {
            return StringStep.Stop;
        }

        _ = Compare.Apply<T>(s, first, Operand.Load<T>(other));
        int stride = Strings.Stride<T>(s);
        Strings.Add(i, &s->Esi, stride);
        Strings.Add(i, &s->Edi, stride);
        return StringStep.Done;
    }

    public static int Bulk<T>(CpuState* s, DecodedInstruction* i, Interpreter cpu, int count)
        where T : unmanaged
    {
        uint from = Strings.Masked(i, s->Esi);
        uint to = Strings.Masked(i, s->Edi);
        SegmentCache* segment = cpu.Segment(i->Segment);
        count = StringRun.Fitting<T>(i, segment, from, count, SegmentRights.Read);
        count = count == 0 ? 0 : StringRun.Fitting<T>(i, &s->Es, to, count, SegmentRights.Read);
        if (count == 0)
        {
            return 0;
        }

        byte* first = Direct.Read(s, segment->Base + from, count * sizeof(T));
        byte* second = Direct.Read(s, s->Es.Base + to, count * sizeof(T));
        if (first == null || second == null)
        {
            return 0;
        }

        bool untilEqual = (i->Flags & InstructionFlags.RepeatNotEqual) != 0;
        int done = Math.Min(untilEqual ? Unequal<T>(first, second, count) : Equal<T>(first, second, count), count - 1) + 1;
        int last = (done - 1) * sizeof(T);
        _ = Compare.Apply<T>(s, Operand.Load<T>(first + last), Operand.Load<T>(second + last));
        Strings.Add(i, &s->Esi, done * sizeof(T));
        Strings.Add(i, &s->Edi, done * sizeof(T));
        return done;
    }

    private static int Equal<T>(byte* a, byte* b, int count)
        where T : unmanaged
        => new ReadOnlySpan<byte>(a, count * sizeof(T)).CommonPrefixLength(new ReadOnlySpan<byte>(b, count * sizeof(T))) / sizeof(T);

    private static int Unequal<T>(byte* a, byte* b, int count)
        where T : unmanaged
    {
        int n = 0;
        while (n < count && Operand.Load<T>(a + (n * sizeof(T))) != Operand.Load<T>(b + (n * sizeof(T))))
        {
            n++;
        }

        return n;
    }
}
