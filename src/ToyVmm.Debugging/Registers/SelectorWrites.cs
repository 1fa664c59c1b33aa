using ToyVmm.Debugging.Inspecting;
using ToyVmm.Engines.Interpretation;
using ToyVmm.Hardware.Cpu;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Registers;

/// <summary>Loads segment registers as MOV does (SDM 3A 5.5-5.7), but without a fault and without touching the table.</summary>
internal static unsafe class SelectorWrites
{
    private const int CodeSegment = 1;
    private const int StackSegment = 2;

    /// <summary>Writes a selector.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="number">ES CS SS DS FS GS.</param>
    /// <param name="selector">The selector, or the segment value.</param>
    /// <returns>Null, or why it cannot be loaded.</returns>
    public static string? Write(VirtualMachine machine, int number, ushort selector)
    {
        CpuState* s = machine.Vcpu.State;
        SegmentCache* cache = &s->Es + number;
        if (cache->Selector == selector)
        {
            return null;
        }

        if ((s->OtherFlags & Eflags.VM) != 0)
        {
            cache->LoadVirtual8086(selector);
            return null;
        }

        if ((s->Cr0 & Cr0.PE) == 0)
        {
            cache->LoadReal(selector);
            if (number == CodeSegment)
            {
                cache->Rights = SegmentRights.All;
            }

            return null;
        }

        if ((selector & 0xFFFC) == 0)
        {
            if (number is CodeSegment or StackSegment)
            {
                return "a null selector: only ds, es, fs and gs may hold one";
            }

            cache->LoadNull(selector);
            return null;
        }

        if (DescriptorReader.Find(machine, selector) is not { } descriptor)
        {
            return $"selector {selector:x4}: there is no such entry in the {((selector & 4) != 0 ? "LDT" : "GDT")}";
        }

        if (WhyNot(number, selector, descriptor, s->Cpl) is { } problem)
        {
            return $"selector {selector:x4}: {problem}";
        }

        // The access field is loaded as if the accessed bit were set, as the CPU sets it first.
        cache->LoadDescriptor(selector, descriptor.Low, descriptor.High | Descriptor.Accessed);
        return null;
    }

    private static string? WhyNot(int number, ushort selector, in Descriptor descriptor, uint cpl)
    {
        uint rpl = selector & 3u;
        return number switch
        {
            CodeSegment => !descriptor.IsCode ? "no code segment"
                : rpl != cpl || (descriptor.IsConforming ? descriptor.Dpl > cpl : descriptor.Dpl != cpl) ? $"its privilege is not {cpl}, which cannot be changed this way"
                : NotPresent(descriptor),
            StackSegment => rpl != cpl || descriptor.Dpl != cpl ? $"SS needs RPL and DPL equal to CPL, {cpl}"
                : !descriptor.IsWritable ? "SS needs a writable data segment"
                : NotPresent(descriptor),
            _ => !descriptor.IsReadable ? "neither data nor readable code"
                : !descriptor.IsConforming && (descriptor.Dpl < cpl || descriptor.Dpl < rpl) ? "the segment is more privileged than CPL or RPL"
                : NotPresent(descriptor),
        };
    }

    private static string? NotPresent(in Descriptor descriptor) => descriptor.Present ? null : "the segment is not present";
}
