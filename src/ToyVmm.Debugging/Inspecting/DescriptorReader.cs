using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Inspecting;

/// <summary>Reads descriptor tables without a trace (SDM 3A 3.5.1).</summary>
internal static unsafe class DescriptorReader
{
    /// <summary>The entry that a selector names.</summary>
    /// <returns>Null for a null selector, one outside its table, and an entry in memory that cannot be read.</returns>
    public static Descriptor? Find(VirtualMachine machine, ushort selector)
    {
        CpuState* s = machine.Vcpu.State;
        bool local = (selector & 4) != 0;
        if ((selector & 0xFFFC) == 0 || (local && (s->Ldtr.Selector & 0xFFFC) == 0))
        {
            return null;
        }

        return Entry(machine, local ? s->Ldtr.Base : s->GdtBase, local ? s->Ldtr.Limit : s->GdtLimit, selector & 0xFFF8u);
    }

    /// <summary>The entry at an offset of a table.</summary>
    /// <returns>Null where it does not lie within the limit, or cannot be read.</returns>
    public static Descriptor? Entry(VirtualMachine machine, uint tableBase, uint limit, uint offset) =>
        (ulong)offset + 7 <= limit && new GuestReader(machine).TryRead(tableBase + offset, 8, out ulong bytes)
            ? new Descriptor((uint)bytes, (uint)(bytes >> 32))
            : null;
}
