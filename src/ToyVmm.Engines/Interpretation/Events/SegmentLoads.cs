using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>What a segment register load checks (SDM 3A 5.5-5.8) and how the register is loaded in each mode.</summary>
public sealed unsafe partial class Interpreter
{
    /// <summary>Loads DS, ES, FS, GS or SS as MOV and POP do, in any mode. The caller updates the mode.</summary>
    /// <param name="register">The register, as a byte offset in the state.</param>
    /// <param name="selector">The selector or segment value.</param>
    /// <returns>False with a fault pending and the register as it was.</returns>
    internal bool LoadSegment(byte register, ushort selector)
    {
        SegmentCache* cache = Segment(register);
        if (!IsProtected)
        {
            LoadSegmentValue(cache, selector);
            return true;
        }

        if (register == StackSegment)
        {
            return CheckStackSegment(selector, State->Cpl, Vector.GeneralProtection, out Descriptor stack)
                && LoadChecked(cache, selector, stack);
        }

        if (IsNull(selector))
        {
            cache->LoadNull(selector);
            return true;
        }

        return CheckDataSegment(selector, State->Cpl, Vector.GeneralProtection, out Descriptor data)
            && LoadChecked(cache, selector, data);
    }

    /// <summary>Checks a selector for SS (SDM 3A 5.7).</summary>
    /// <param name="selector">The selector.</param>
    /// <param name="cpl">The privilege level that will use it.</param>
    /// <param name="vector">#GP, or #TS during a task or stack switch.</param>
    /// <param name="descriptor">Its descriptor.</param>
    internal bool CheckStackSegment(ushort selector, uint cpl, int vector, out Descriptor descriptor)
    {
        descriptor = default;
        if (IsNull(selector))
        {
            return RaiseExternal(vector, "SS would be null");
        }

        if (!FetchDescriptor(selector, vector, out descriptor))
        {
            return false;
        }

        if ((selector & 3) != cpl || descriptor.Dpl != cpl)
        {
            return RaiseSelector(vector, selector, descriptor, "SS needs RPL and DPL equal to the privilege level");
        }

        if (!descriptor.IsWritable)
        {
            return RaiseSelector(vector, selector, descriptor, "SS needs a writable data segment");
        }

        return descriptor.Present || RaiseSelector(Vector.StackFault, selector, descriptor, "the stack segment is not present");
    }

    /// <summary>Checks a non-null selector for DS, ES, FS or GS (SDM 3A 5.6).</summary>
    internal bool CheckDataSegment(ushort selector, uint cpl, int vector, out Descriptor descriptor)
    {
        if (!FetchDescriptor(selector, vector, out descriptor))
        {
            return false;
        }

        if (!descriptor.IsReadable)
        {
            return RaiseSelector(vector, selector, descriptor, "a data segment register needs data or readable code");
        }

        if (!descriptor.IsConforming && (descriptor.Dpl < cpl || descriptor.Dpl < (selector & 3)))
        {
            return RaiseSelector(vector, selector, descriptor, "the segment is more privileged than CPL or RPL");
        }

        return descriptor.Present || RaiseSelector(Vector.SegmentNotPresent, selector, descriptor, "the segment is not present");
    }

    /// <summary>Sets the accessed bit and loads a register from a descriptor that has been checked.</summary>
    /// <returns>False with a page fault pending.</returns>
    internal bool LoadChecked(SegmentCache* cache, ushort selector, Descriptor descriptor)
    {
        if (!MarkAccessed(selector, ref descriptor))
        {
            return false;
        }

        cache->LoadDescriptor(selector, descriptor.Low, descriptor.High);
        return true;
    }

    /// <summary>
    /// Loads a register in real or virtual-8086 mode. In real mode only selector and base change: limit and rights stay what
    /// protected mode left (SDM 3A 9.9.2), but for CS, through which real mode may also write.
    /// </summary>
    internal void LoadSegmentValue(SegmentCache* cache, ushort value)
    {
        if (IsVirtual8086)
        {
            cache->LoadVirtual8086(value);
            return;
        }

        cache->LoadReal(value);
        if (cache == &State->Cs)
        {
            cache->Rights = SegmentRights.All;
        }
    }

    /// <summary>Loads CS from a checked descriptor and takes its privilege level.</summary>
    internal void LoadCode(ushort selector, uint cpl, in Descriptor descriptor)
    {
        State->Cs.LoadDescriptor((ushort)((selector & 0xFFFCu) | cpl), descriptor.Low, descriptor.High);
        State->Cpl = cpl;
    }

    /// <summary>After a return to an outer ring: data registers that it may not use become null (SDM 2, RET).</summary>
    /// <returns>True when there was one.</returns>
    internal bool DropInnerSegments()
    {
        CpuState* s = State;
        bool dropped = false;
        for (int n = 0; n < 6; n++)
        {
            SegmentCache* cache = &s->Es + n;
            if (n is 1 or 2 || cache->IsConforming || !cache->IsCodeOrData || cache->Dpl >= s->Cpl)
            {
                continue;
            }

            cache->LoadNull(0);
            dropped = true;
        }

        return dropped;
    }

    /// <summary>Checks that a store would succeed: page and alignment.</summary>
    internal bool CheckWrite(uint linear, int size, bool user) =>
        TryTranslate(linear, size, write: true, user, out ulong first, out ulong second)
        && PassWatch(linear, size, first, second, write: true, note: false)
        && CheckAlignment(linear, size, user);
}
