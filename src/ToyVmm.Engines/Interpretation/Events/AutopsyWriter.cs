using System.Globalization;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;

namespace ToyVmm.Engines.Interpretation;

/// <summary>Puts a triple fault into words. Runs once in the life of a CPU, so it may format; the checks themselves only leave constants.</summary>
public sealed unsafe partial class Interpreter
{
    private Autopsy WriteAutopsy()
    {
        List<AutopsyFault> faults = [];
        for (int n = 0; n < _chainLength; n++)
        {
            ref readonly ChainLink link = ref _chain[n];
            faults.Add(new AutopsyFault(link.Trap, link.CodeSelector, link.Eip, Explain(link), link.Instructions));
        }

        return new Autopsy(faults, DescribeTables());
    }

    private string Explain(in ChainLink link)
    {
        TrapInfo trap = link.Trap;
        string what = trap.Source switch
        {
            TrapSource.ExternalInterrupt => string.Create(CultureInfo.InvariantCulture, $"external interrupt, vector {trap.Vector:X2}h"),
            TrapSource.Nmi => "non-maskable interrupt",
            TrapSource.DebugTrap => "debug trap",
            _ when trap.Vector == Vector.PageFault => ExplainPageFault(trap),
            _ => link.Cause ?? DefaultCause(trap.Vector),
        };
        bool selects = trap.Source == TrapSource.Exception && trap.Vector is >= Vector.InvalidTss and <= Vector.GeneralProtection;
        string entry = selects && (trap.ErrorCode & 0xFFFE) != 0 ? "; " + NameEntry(trap.ErrorCode) : string.Empty;
        string bytes = link.Descriptor is Descriptor descriptor
            ? string.Create(CultureInfo.InvariantCulture, $"; its bytes: {Bytes(descriptor.Low)} {Bytes(descriptor.High)}")
            : string.Empty;
        return what + entry + bytes;
    }

    private static string DefaultCause(int vector) => vector switch
    {
        Vector.DivideError => "division by zero, or a quotient that does not fit",
        Vector.InvalidOpcode => "not an instruction here",
        Vector.DeviceNotAvailable => "CR0.EM or CR0.TS forbids the coprocessor instruction",
        Vector.GeneralProtection => "privilege or operand check failed",
        Vector.BoundRange => "array index out of bounds",
        Vector.AlignmentCheck => "misaligned access at CPL 3 with EFLAGS.AC and CR0.AM set",
        _ => Vector.Name(vector),
    };

    private string ExplainPageFault(in TrapInfo trap)
    {
        bool fetch = (trap.ErrorCode & (uint)PageAccess.Fetch) != 0;
        string access = fetch ? "fetch from" : (trap.ErrorCode & 2) != 0 ? "write to" : "read of";
        string ring = (trap.ErrorCode & 4) != 0 ? "user" : "supervisor";
        string reason = (trap.ErrorCode & 8) != 0 ? "a reserved bit is set" : (trap.ErrorCode & 1) != 0 ? "the page's rights forbid it" : "no page is mapped there";
        PageWalk walk = PageWalker.Walk(Memory, State, Vcpu.Mmu.PhysicalMask, trap.FaultAddress);
        string width = walk.PointerIndex is null ? "X8" : "X16";
        List<string> entries = [];
        if (walk.PointerIndex is int index)
        {
            entries.Add(string.Create(CultureInfo.InvariantCulture, $"PDPTE {index} {walk.PointerEntry:X16}"));
        }

        if (walk.HasDirectoryEntry)
        {
            entries.Add(Entry("PDE", walk.DirectoryEntry, walk.DirectoryEntryAddress));
        }

        if (walk.HasTableEntry)
        {
            entries.Add(Entry("PTE", walk.TableEntry, walk.TableEntryAddress));
        }

        return string.Create(CultureInfo.InvariantCulture, $"{ring} {access} {trap.FaultAddress:X8}: {reason} ({string.Join(", ", entries)})");

        string Entry(string name, ulong value, ulong address) =>
            string.Create(CultureInfo.InvariantCulture, $"{name} {value.ToString(width, CultureInfo.InvariantCulture)} at {address:X8}");
    }

    // Error codes with a selector: bit 1 the IDT, bit 2 the LDT (SDM 3A 6.13).
    private string NameEntry(uint error)
    {
        uint index = (error & 0xFFFF) >> 3;
        if ((error & ErrorIdt) != 0)
        {
            return string.Create(CultureInfo.InvariantCulture, $"IDT entry {index:X2}h at linear {State->IdtBase + (index * 8):X8}");
        }

        (string name, uint address) = (error & 4) != 0 ? ("LDT", State->Ldtr.Base) : ("GDT", State->GdtBase);
        return string.Create(CultureInfo.InvariantCulture, $"selector {error & 0xFFFC:X4}, {name} entry {index:X}h at linear {address + (index * 8):X8}");
    }

    private List<string> DescribeTables()
    {
        CpuState* s = State;
        List<string> lines =
        [
            string.Create(CultureInfo.InvariantCulture, $"GDT base {s->GdtBase:X8} limit {s->GdtLimit:X4}"),
            string.Create(CultureInfo.InvariantCulture, $"IDT base {s->IdtBase:X8} limit {s->IdtLimit:X4}"),
            string.Create(CultureInfo.InvariantCulture, $"TR {s->Tr.Selector:X4} base {s->Tr.Base:X8} limit {s->Tr.Limit:X8}"),
            string.Create(CultureInfo.InvariantCulture, $"LDTR {s->Ldtr.Selector:X4} base {s->Ldtr.Base:X8} limit {s->Ldtr.Limit:X8}"),
            string.Create(CultureInfo.InvariantCulture, $"CS {s->Cs.Selector:X4} base {s->Cs.Base:X8} limit {s->Cs.Limit:X8}, CPL {s->Cpl}"),
            string.Create(CultureInfo.InvariantCulture, $"SS:ESP {s->Ss.Selector:X4}:{s->Esp:X8} base {s->Ss.Base:X8} limit {s->Ss.Limit:X8}"),
            string.Create(CultureInfo.InvariantCulture, $"CR0 {s->Cr0:X8} CR2 {s->Cr2:X8} CR3 {s->Cr3:X8} CR4 {s->Cr4:X8}, EFLAGS {LazyFlags.GetEflags(s):X8}"),
        ];
        if ((s->Cr4 & Cr4.PAE) != 0)
        {
            ulong* pointers = s->PageDirectoryPointers;
            lines.Add(string.Create(CultureInfo.InvariantCulture, $"PDPTEs {pointers[0]:X16} {pointers[1]:X16} {pointers[2]:X16} {pointers[3]:X16}, EFER {s->Efer:X8}"));
        }

        for (int n = 0; n < _chainLength; n++)
        {
            uint size = IsReal ? 4u : 8;
            uint entry = (uint)_chain[n].Trap.Vector * size;
            string line = entry + size - 1 > s->IdtLimit
                ? string.Create(CultureInfo.InvariantCulture, $"IDT entry {_chain[n].Trap.Vector:X2}h: outside the limit")
                : string.Create(CultureInfo.InvariantCulture, $"IDT entry {_chain[n].Trap.Vector:X2}h: {PeekBytes(s->IdtBase + entry, (int)size)}");
            if (!lines.Contains(line))
            {
                lines.Add(line);
            }
        }

        return lines;
    }

    private string PeekBytes(uint linear, int count)
    {
        string[] bytes = new string[count];
        for (int n = 0; n < count; n++)
        {
            bytes[n] = Vcpu.Mmu.Peek(linear + (uint)n) is GuestPhysicalAddress address
                ? Memory.ReadByte(address).ToString("X2", CultureInfo.InvariantCulture)
                : "--";
        }

        return string.Join(' ', bytes);
    }

    private static string Bytes(uint word) =>
        string.Create(CultureInfo.InvariantCulture, $"{word & 0xFF:X2} {(word >> 8) & 0xFF:X2} {(word >> 16) & 0xFF:X2} {word >> 24:X2}");
}
