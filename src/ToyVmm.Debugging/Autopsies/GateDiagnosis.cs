using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Paging;

namespace ToyVmm.Debugging.Autopsies;

/// <summary>
/// Why an exception or interrupt could not be delivered: goes the CPU's way (SDM 3A 6.12) from the IDT register through the gate, the code segment
/// and the stack to the handler's first instruction, and says where it ends.
/// </summary>
/// <param name="view">The guest, dead: nothing of the failed delivery has changed its state.</param>
internal sealed unsafe class GateDiagnosis(GuestView view)
{
    /// <summary>How the finding about a handler's stack begins.</summary>
    public const string NoStackLeft = "The stack is gone";

    private const uint ResetLimit = 0xFFFF;
    private const uint GateBytes = 8;

    private CpuState* State => view.State;

    /// <summary>What stood in the way of a vector; empty where nothing does.</summary>
    public IEnumerable<AutopsyFinding> Examine(int vector)
    {
        CpuState* s = State;
        return (s->Cr0 & Cr0.PE) == 0 ? Real(vector) : Protected(vector);
    }

    private List<AutopsyFinding> Real(int vector)
    {
        uint last = ((uint)vector * 4) + 3;
        return last <= State->IdtLimit ? [] :
        [
            new AutopsyFinding(
                $"In real mode the vector table is at {State->IdtBase:x8} with limit {State->IdtLimit:x4}, and vector {vector:X2}h lies beyond it.",
                "Load the IDT register with base 0 and limit 03FF before you go back to real mode.", "SDM 3A 20.1.4"),
        ];
    }

    private List<AutopsyFinding> Protected(int vector)
    {
        List<AutopsyFinding> found = [];
        CpuState* s = State;
        uint entry = s->IdtBase + ((uint)vector * GateBytes);
        if (s->IdtBase == 0 && s->IdtLimit is ResetLimit or 0x3FF)
        {
            found.Add(new AutopsyFinding(
                $"No IDT was loaded: the IDT register has the value of {(s->IdtLimit == ResetLimit ? "reset" : "real mode")} (base 0, limit {s->IdtLimit:x4}), and whatever lies at address 0 was taken for gates.",
                "Fill a table of 256 gates of 8 bytes and load it with LIDT (limit 2047) before anything can fault, and before STI.", "SDM 3A 6.10"));
            return found;
        }

        if (((uint)vector * GateBytes) + GateBytes - 1 > s->IdtLimit)
        {
            found.Add(Limit(vector));
            return found;
        }

        if (Unmapped(entry) is { } why)
        {
            found.Add(new AutopsyFinding(
                $"Gate {Number(vector)} cannot be read: the IDT lies at linear {view.Name(s->IdtBase)}, and {why}.",
                "The IDT, the GDT, the TSS and the handlers must be mapped (for the supervisor) in every address space, from the moment that CR0.PG is set.", "SDM 3A 6.10"));
            return found;
        }

        uint low = view.Read32(entry) ?? 0;
        uint high = view.Read32(entry + 4) ?? 0;
        Gate(found, vector, entry, low, high);
        return found;
    }

    private AutopsyFinding Limit(int vector)
    {
        uint limit = State->IdtLimit;
        uint needed = ((uint)vector * GateBytes) + GateBytes - 1;
        string wrong = limit == 0
            ? $"The IDT is empty: its limit is 0, so there is no gate {Number(vector)} (nor any other)."
            : $"The IDT ends before gate {Number(vector)}: its limit is {limit:x4}, which is {(limit + 1) / GateBytes} gates; this one needs {needed:x4}.";
        string mend = limit is 0xFF or 0x100 or 0x1F or 0x20 or 0x2F or 0x30
            ? "The limit is the table's size in bytes, less 1 - not the number of gates: 256 gates are a limit of 07FF."
            : "Fill a table of 256 gates of 8 bytes and load it with LIDT: the limit is its size in bytes, less 1 (07FF).";
        return new AutopsyFinding(wrong, mend, "SDM 3A 6.10");
    }

    private void Gate(List<AutopsyFinding> found, int vector, uint entry, uint low, uint high)
    {
        string gate = $"Gate {Number(vector)} at linear {view.Name(entry)}";
        if (low == 0 && high == 0)
        {
            found.Add(new AutopsyFinding($"{gate} is empty (eight zero bytes): no handler was installed for it.", $"Install a handler for vector {Number(vector)}; a table with gates for all 32 exceptions is worth its bytes.", "SDM 3A 6.11"));
            return;
        }

        uint type = (high >> 8) & 0x1F;
        if (type is not (5 or 6 or 7 or 0xE or 0xF))
        {
            found.Add(new AutopsyFinding(
                $"{gate} ({low:x8} {high:x8}) is no gate: its type field is {type:X2}h.",
                "Byte 5 of a 32-bit interrupt gate is 8E (present, DPL 0, type E); EE for one that ring 3 may call with INT. Are the 64-bit format, or the halves of the offset mixed up?", "SDM 3A 6.11, figure 6-2"));
            return;
        }

        if ((high & 0x8000) == 0)
        {
            found.Add(new AutopsyFinding($"{gate} ({low:x8} {high:x8}) is not present: bit 15 of its second word (P) is 0.", "Byte 5 of a 32-bit interrupt gate is 8E: 80 is the present bit.", "SDM 3A 6.11, figure 6-2"));
            return;
        }

        ushort selector = (ushort)(low >> 16);
        if (type == 5)
        {
            found.Add(new AutopsyFinding($"{gate} is a task gate to selector {selector:x4}, and the switch to that task failed.", "The selector must name an available 32-bit TSS in the GDT, with valid segments, CR3 and stack in it.", "SDM 3A 7.3"));
            return;
        }

        uint offset = type is 6 or 7 ? low & 0xFFFF : (low & 0xFFFF) | (high & 0xFFFF_0000);
        CodeSegment(found, gate, selector, offset, type is 6 or 7 ? 2u : 4, vector);
    }

    private void CodeSegment(List<AutopsyFinding> found, string gate, ushort selector, uint offset, uint word, int vector)
    {
        const string Selectors = "SDM 3A 6.12.1";
        CpuState* s = State;
        if ((selector & 0xFFFC) == 0)
        {
            found.Add(new AutopsyFinding($"{gate} names the null selector as its code segment.", $"Put the selector of your code segment into bytes 2-3 of the gate; the running one is {s->Cs.Selector & 0xFFFC:x4}.", Selectors));
            return;
        }

        (string table, uint tableBase, uint limit) = (selector & 4) != 0 ? ("LDT", s->Ldtr.Base, s->Ldtr.Limit) : ("GDT", s->GdtBase, s->GdtLimit);
        uint index = selector & 0xFFF8u;
        if (index + 7 > limit)
        {
            found.Add(new AutopsyFinding(
                $"{gate} names selector {selector:x4}, which lies outside the {table} (base {tableBase:x8}, limit {limit:x4}).",
                $"The selector is the descriptor's offset in the {table}; the code segment that runs now is {s->Cs.Selector & 0xFFFC:x4}.", Selectors));
            return;
        }

        if (Unmapped(tableBase + index) is { } why)
        {
            found.Add(new AutopsyFinding($"Descriptor {selector:x4} of {gate} cannot be read: the {table} lies at linear {view.Name(tableBase)}, and {why}.", $"Map the {table} in every address space, or load the {table} register with its new linear address.", "SDM 3A 3.5.1"));
            return;
        }

        uint low = view.Read32(tableBase + index) ?? 0;
        uint high = view.Read32(tableBase + index + 4) ?? 0;
        SegmentCache code = default;
        code.LoadDescriptor(selector, low, high);
        string descriptor = $"{gate} names selector {selector:x4}; descriptor {index / 8} of the {table} ({low:x8} {high:x8})";
        if (!code.IsCode)
        {
            string kind = low == 0 && high == 0 ? "is empty" : code.IsCodeOrData ? "is a data segment" : "is a system descriptor";
            found.Add(new AutopsyFinding($"{descriptor} {kind}, not a code segment.", $"A handler's selector must name a code segment; the running one is {s->Cs.Selector & 0xFFFC:x4}.", Selectors));
        }
        else if (!code.Present)
        {
            found.Add(new AutopsyFinding($"{descriptor} is not present (bit 47 is 0).", "Byte 5 of a ring-0 code descriptor is 9A: 80 is the present bit.", "SDM 3A 3.4.5"));
        }
        else if (code.Dpl > s->Cpl)
        {
            found.Add(new AutopsyFinding($"{descriptor} has DPL {code.Dpl}, and the CPU runs in ring {s->Cpl}: a handler cannot be less privileged.", "Have handlers in ring 0: a code descriptor with byte 5 = 9A.", Selectors));
        }
        else if (offset > code.Limit)
        {
            found.Add(new AutopsyFinding($"{gate} points to offset {offset:x8}, beyond the limit {code.Limit:x8} of code segment {selector:x4}.", "Correct the gate's offset (bytes 0-1 and 6-7), or the segment's limit and G bit.", Selectors));
        }
        else
        {
            StackAndHandler(found, gate, code, offset, word, vector);
        }
    }

    private void StackAndHandler(List<AutopsyFinding> found, string gate, in SegmentCache code, uint offset, uint word, int vector)
    {
        CpuState* s = State;
        uint frame = word * (3 + (Vector.HasErrorCode(vector) ? 1u : 0));
        if (!code.IsConforming && code.Dpl < s->Cpl)
        {
            new TaskStackDiagnosis(view).Examine(found, code.Dpl, frame + (2 * word));
        }
        else
        {
            uint pointer = s->Ss.Big ? s->Esp : s->Esp & 0xFFFF;
            uint top = s->Ss.Base + pointer;
            if (!s->Ss.Holds(pointer - frame, (int)frame))
            {
                found.Add(new AutopsyFinding($"The stack has no room for the handler's frame: ESP is {s->Esp:x8}, and SS allows offsets {s->Ss.Lowest:x8} to {s->Ss.Highest:x8}.", "Load SS:ESP with the top of a stack of your own before anything can fault.", "SDM 3A 6.12.1"));
            }
            else if (Unwritable(top - frame) is { } why)
            {
                found.Add(Overflow(top, why));
            }
        }

        uint handler = code.Base + offset;
        if (view.WhyNoCode(handler) is { } nothing)
        {
            found.Add(new AutopsyFinding($"{gate} points to {view.Name(handler)}, where no code is: {nothing}.", view.IsPaging ? "Map the page of the handler in every address space, and check the halves of the gate's offset (bytes 0-1 and 6-7)." : "Check the halves of the gate's offset (bytes 0-1 and 6-7), and the address at which the kernel was loaded.", "SDM 3A 6.11"));
        }
    }

    private AutopsyFinding Overflow(uint top, string why) =>
        new($"{NoStackLeft}: ESP is {view.Name(top)}, and the frame of the handler would go below it, where {why}.",
            "If the stack has grown too far down: find the endless recursion, or the large local array, or make it larger. A double-fault handler behind a task gate has a stack of its own, and can report this.", "SDM 3A 6.15 (interrupt 8), 7.3");

    private string? Unmapped(uint linear) => view.Machine.Vcpu.Mmu.Peek(linear) is not null ? null : view.Walk(linear) is { } walk ? GuestView.Describe(walk, linear) : null;

    /// <summary>Why a stack page cannot be written by the supervisor; null where it can.</summary>
    private string? Unwritable(uint linear)
    {
        if (view.Walk(linear) is not { } walk)
        {
            return view.Machine.Machine.Memory.KindAt(new Hardware.Memory.GuestPhysicalAddress(linear)) == Hardware.Memory.PageKind.Ram ? null : "there is no RAM";
        }

        return walk.Result != PageWalkResult.Mapped ? GuestView.Describe(walk, linear)
            : (walk.Rights & TlbRights.Writable) == 0 && (State->Cr0 & Cr0.WP) != 0 ? $"the page is read-only ({GuestView.Describe(walk, linear)})" : null;
    }

    /// <summary>A vector as people name it: "14 (#PF)", "32".</summary>
    public static string Number(int vector) => Vector.Name(vector).StartsWith("vector", StringComparison.Ordinal) ? $"{vector}" : $"{vector} ({Vector.Name(vector)})";
}
