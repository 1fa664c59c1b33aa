using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Paging;

namespace ToyVmm.Debugging.Autopsies;

/// <summary>Why the stack that a handler gets on its way to a more privileged ring is of no use: TR, the TSS, SS0:ESP0, its pages (SDM 3A 6.12.1).</summary>
/// <param name="view">The guest.</param>
internal sealed unsafe class TaskStackDiagnosis(GuestView view)
{
    private const string Manual = "SDM 3A 6.12.1, 7.2.1";

    /// <summary>Adds what is wrong.</summary>
    /// <param name="found">Takes it.</param>
    /// <param name="ring">The ring of the handler.</param>
    /// <param name="frame">Bytes that the CPU pushes.</param>
    public void Examine(List<AutopsyFinding> found, int ring, uint frame)
    {
        CpuState* s = view.State;
        if ((s->Tr.Selector & 0xFFFC) == 0)
        {
            found.Add(new AutopsyFinding(
                $"The CPU runs in ring {s->Cpl} and has no TSS: the task register was never loaded (TR is 0000), so there is no stack to enter ring {ring} with.",
                "Put a 32-bit TSS with SS0 and ESP0 into the GDT, and load its selector with LTR before the first IRET to ring 3.", Manual));
            return;
        }

        bool wide = (s->Tr.Access & 8) != 0;
        uint at = (uint)(wide ? 4 + (8 * ring) : 2 + (4 * ring));
        if (at + (wide ? 5u : 3) > s->Tr.Limit)
        {
            found.Add(new AutopsyFinding($"The TSS (TR {s->Tr.Selector:x4}) has limit {s->Tr.Limit:x}: too short for SS{ring} and ESP{ring}.", "A 32-bit TSS has 104 bytes: limit 67h.", Manual));
            return;
        }

        uint field = s->Tr.Base + at;
        if (view.Machine.Vcpu.Mmu.Peek(field) is null && view.Walk(field) is { } missing)
        {
            found.Add(new AutopsyFinding($"The TSS at linear {view.Name(s->Tr.Base)} cannot be read: {GuestView.Describe(missing, field)}.", "Map the TSS in every address space.", Manual));
            return;
        }

        uint first = view.Read32(field) ?? 0;
        (uint pointer, ushort selector) = wide ? (first, (ushort)(view.Read32(field + 4) ?? 0)) : (first & 0xFFFF, (ushort)(first >> 16));
        string stack = $"SS{ring}:ESP{ring} in the TSS at {view.Name(s->Tr.Base)} is {selector:x4}:{pointer:x8}";
        if ((selector & 0xFFFC) == 0)
        {
            found.Add(new AutopsyFinding($"{stack}: SS{ring} is the null selector.", $"Set SS{ring} to the kernel's data segment (often 0010) and ESP{ring} to the top of the task's kernel stack.", Manual));
        }
        else if ((selector & 0xFFF8u) + 7 > s->GdtLimit && (selector & 4) == 0)
        {
            found.Add(new AutopsyFinding($"{stack}: SS{ring} lies outside the GDT (limit {s->GdtLimit:x4}).", $"Set SS{ring} to the kernel's data segment.", Manual));
        }
        else if (pointer == 0)
        {
            found.Add(new AutopsyFinding($"{stack}: ESP{ring} is 0, so the frame would be pushed at the top of the address space.", $"Store the top of the task's kernel stack in ESP{ring} (offset {at} of the TSS) before ring 3 runs, and at every task switch.", Manual));
        }
        else if (view.Walk(pointer - frame) is { } walk && (walk.Result != PageWalkResult.Mapped || ((walk.Rights & TlbRights.Writable) == 0 && (s->Cr0 & Cr0.WP) != 0)))
        {
            found.Add(new AutopsyFinding($"{stack}, and it cannot be written there: {GuestView.Describe(walk, pointer - frame)}.", "Map the kernel stacks, writable, in every address space.", Manual));
        }
    }
}
