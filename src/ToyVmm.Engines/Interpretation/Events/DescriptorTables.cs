using ToyVmm.Engines.Probing;
using ToyVmm.Hardware.Cpu;

namespace ToyVmm.Engines.Interpretation;

/// <summary>Reading GDT and LDT, and raising what is wrong with an entry.</summary>
public sealed unsafe partial class Interpreter
{
    // 1 while an event from outside the program is being delivered: the EXT bit of error codes (SDM 3A 6.13).
    private uint _external;

    /// <summary>How a look-up in a descriptor table ended.</summary>
    internal enum TableLookup
    {
        /// <summary>The entry was read.</summary>
        Found,

        /// <summary>The selector lies outside its table (or there is no LDT).</summary>
        Outside,

        /// <summary>A page fault is pending.</summary>
        Fault,
    }

    /// <summary>The table entry that the pending fault is about; null where there is none. For the autopsy.</summary>
    internal Descriptor? FaultDescriptor { get; private set; }

    /// <summary>True for the selectors 0-3.</summary>
    internal static bool IsNull(ushort selector) => (selector & 0xFFFC) == 0;

    /// <summary>Raises a fault whose error code is a selector, with EXT where an outside event is being delivered.</summary>
    internal bool RaiseSelector(int vector, ushort selector, string cause) =>
        Raise(vector, (selector & 0xFFFCu) | _external, cause);

    /// <summary>As <see cref="RaiseSelector(int, ushort, string)"/>, about a table entry.</summary>
    internal bool RaiseSelector(int vector, ushort selector, in Descriptor descriptor, string cause)
    {
        _ = Raise(vector, (selector & 0xFFFCu) | _external, cause);
        FaultDescriptor = descriptor;
        return false;
    }

    /// <summary>Raises a fault with error code 0, or 1 where an outside event is being delivered.</summary>
    internal bool RaiseExternal(int vector, string cause) => Raise(vector, _external, cause);

    /// <summary>Reads the descriptor that a selector names.</summary>
    /// <param name="selector">Not null.</param>
    /// <param name="descriptor">The entry.</param>
    internal TableLookup LookUpDescriptor(ushort selector, out Descriptor descriptor)
    {
        descriptor = default;
        if (!LocateDescriptor(selector, out uint address))
        {
            return TableLookup.Outside;
        }

        if (!ReadSystem(address, 8, out ulong bytes))
        {
            return TableLookup.Fault;
        }

        descriptor = new Descriptor((uint)bytes, (uint)(bytes >> 32));
        Tell(new MicroStep(MicroStepKind.DescriptorRead, address, bytes, 8, selector));
        return TableLookup.Found;
    }

    /// <summary>Reads the descriptor that a selector names; outside its table it is a fault.</summary>
    /// <param name="selector">Not null.</param>
    /// <param name="vector">#GP, or #TS during a task or stack switch.</param>
    /// <param name="descriptor">The entry.</param>
    internal bool FetchDescriptor(ushort selector, int vector, out Descriptor descriptor)
    {
        uint offset = selector & 0xFFF8u;
        if ((selector & _longSelectors) == 0 && offset + 7 <= State->GdtLimit)
        {
            uint* entry = (uint*)DirectSystemRead(State->GdtBase + offset, 8);
            if (entry != null)
            {
                descriptor = new Descriptor(entry[0], entry[1]);
                return true;
            }
        }

        return LookUpDescriptor(selector, out descriptor) switch
        {
            TableLookup.Found => true,
            TableLookup.Outside => RaiseSelector(vector, selector, "selector outside the limit of its descriptor table"),
            _ => false,
        };
    }

    /// <summary>Sets the accessed bit in the table, where it is clear.</summary>
    /// <returns>False with a page fault pending.</returns>
    internal bool MarkAccessed(ushort selector, ref Descriptor descriptor)
    {
        if ((descriptor.High & Descriptor.Accessed) != 0)
        {
            return true;
        }

        descriptor = descriptor with { High = descriptor.High | Descriptor.Accessed };
        if (!LocateDescriptor(selector, out uint address) || !WriteSystem(address + 5, 1, (byte)(descriptor.High >> 8)))
        {
            return false;
        }

        Tell(new MicroStep(MicroStepKind.DescriptorMarked, address + 5, (byte)(descriptor.High >> 8), 1, selector));
        return true;
    }

    /// <summary>Sets or clears the busy bit of a TSS descriptor in the GDT.</summary>
    /// <returns>False with a page fault pending.</returns>
    internal bool MarkBusy(ushort selector, bool busy)
    {
        uint address = State->GdtBase + (selector & 0xFFF8u) + 5;
        if (!ReadSystem(address, 1, out ulong type))
        {
            return false;
        }

        const uint BusyInByte = Descriptor.Busy >> 8;
        ulong marked = busy ? type | BusyInByte : type & ~(ulong)BusyInByte;
        if (!WriteSystem(address, 1, marked))
        {
            return false;
        }

        Tell(new MicroStep(MicroStepKind.DescriptorMarked, address, (byte)marked, 1, selector));
        return true;
    }

    private bool LocateDescriptor(ushort selector, out uint address)
    {
        CpuState* s = State;
        uint offset = selector & 0xFFF8u;
        if ((selector & 4) == 0)
        {
            address = s->GdtBase + offset;
            return offset + 7 <= s->GdtLimit;
        }

        address = s->Ldtr.Base + offset;
        return s->Ldtr.Present && offset + 7 <= s->Ldtr.Limit;
    }
}
