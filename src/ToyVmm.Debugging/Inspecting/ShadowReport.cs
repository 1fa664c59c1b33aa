using System.Globalization;
using ToyVmm.Engines;
using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;
using ToyVmm.VirtualMachines;

namespace ToyVmm.Debugging.Inspecting;

/// <summary>What may be done with a page without asking.</summary>
[Flags]
public enum PageRights
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Loads.</summary>
    Read = 1,

    /// <summary>Stores.</summary>
    Write = 2,
}

/// <summary>
/// A page in the guest's own table, in the TLB and in the engine's shadow, for one privilege level, and why they differ. The shadow never allows more than the TLB's
/// entry; what it lacks is a hidden fault away.
/// </summary>
/// <param name="Linear">The page's linear address.</param>
/// <param name="IsUser">True for what CPL 3 may do.</param>
/// <param name="Guest">What the guest's table allows.</param>
/// <param name="GuestPage">The GPA that it leads to.</param>
/// <param name="Tlb">What the TLB's entry allows; null where it has none.</param>
/// <param name="TlbPage">The GPA that the entry leads to.</param>
/// <param name="Shadow">What the engine lets through.</param>
/// <param name="Reasons">Why the three are not the same.</param>
public sealed record ShadowReport(uint Linear, bool IsUser, PageRights Guest, ulong GuestPage, PageRights? Tlb, ulong TlbPage, PageRights Shadow, IReadOnlyList<string> Reasons)
{
    /// <summary>Looks at a page.</summary>
    /// <param name="machine">A machine that is not running.</param>
    /// <param name="linear">An address in it.</param>
    /// <param name="isUser">True for what CPL 3 may do.</param>
    public static unsafe ShadowReport Read(VirtualMachine machine, uint linear, bool isUser)
    {
        ArgumentNullException.ThrowIfNull(machine);
        linear &= 0xFFFF_F000;
        CpuState* s = machine.Vcpu.State;
        Mmu mmu = machine.Vcpu.Mmu;
        PageAccess who = isUser ? PageAccess.User : 0;
        bool paging = (s->Cr0 & Cr0.PG) != 0;
        const TlbRights Everything = TlbRights.User | TlbRights.Writable | TlbRights.Dirty;
        PageWalk walk = paging ? PageWalker.Walk(machine.Machine.Memory, s, mmu.PhysicalMask, linear) : new PageWalk { Result = PageWalkResult.Mapped, Page = linear, Rights = Everything };
        PageRights guest = walk.Result == PageWalkResult.Mapped ? Rights(mmu, walk.Rights, who) : PageRights.None;
        TlbRights cached = Everything;
        ulong cachedPage = linear;
        PageRights? tlb = !paging || mmu.Tlb.TryGet(linear, out cachedPage, out cached) ? Rights(mmu, cached, who) : null;
        ShadowPage page = machine.EngineView.Shadow(linear, isUser);
        PageRights shadow = (page.Readable ? PageRights.Read : 0) | (page.Writable ? PageRights.Write : 0);
        List<string> reasons = [];
        GuestPhysicalAddress guestPhysical = new(walk.Page & mmu.PhysicalMask);
        GuestPhysicalAddress physical = new((tlb is null ? walk.Page : cachedPage) & mmu.PhysicalMask);
        if (paging && tlb is { } held && (walk.Result != PageWalkResult.Mapped || guest != held || cachedPage != walk.Page))
        {
            // A right or D that the TLB lacks is looked for in the tables; what it has is used without a look (SDM 3A 4.10.2.3).
            reasons.Add(walk.Result != PageWalkResult.Mapped ? "stale TLB entry: the guest's table no longer maps the page, and no INVLPG or MOV CR3 has followed"
                : cachedPage != walk.Page ? string.Create(CultureInfo.InvariantCulture, $"stale TLB entry: the TLB leads to {cachedPage:x8}, the guest's table to {walk.Page:x8}")
                : "stale TLB entry: the guest's table has other rights now");
        }

        PageRights possible = tlb ?? guest;
        if (possible != PageRights.None && shadow != possible)
        {
            reasons.AddRange(WhyLess(machine, linear, physical, tlb, cached, page, isUser, possible, shadow));
        }

        if ((s->Cr0 & Cr0.WP) == 0 && paging && !isUser && walk.Result == PageWalkResult.Mapped && (walk.Rights & TlbRights.Writable) == 0)
        {
            reasons.Add("CR0.WP is clear: the supervisor may write the read-only page, and has a view of its own");
        }

        return new ShadowReport(linear, isUser, guest, guestPhysical.Value, tlb, cachedPage, shadow, reasons);
    }

    private static IEnumerable<string> WhyLess(VirtualMachine machine, uint linear, GuestPhysicalAddress physical, PageRights? tlb, TlbRights cached, ShadowPage page, bool isUser, PageRights possible, PageRights shadow)
    {
        GuestMemory memory = machine.Machine.Memory;
        PageKind kind = memory.KindAt(physical);
        EngineView engine = machine.EngineView;
        if (tlb is null)
        {
            yield return "not in the TLB: not touched since the last flush; the first access is a hidden fault";
            yield break;
        }

        if (kind is not (PageKind.Ram or PageKind.Rom))
        {
            yield return "a device's page, or nobody's: every access is the monitor's";
            yield break;
        }

        if (kind == PageKind.Rom && engine.IsTranslating)
        {
            yield return "ROM: not mapped, the interpreter reads it";
            yield break;
        }

        if (engine.IsWatched(linear, physical.Value))
        {
            yield return "watched by the debugger: every access is looked at";
            yield break;
        }

        if ((possible & ~shadow & PageRights.Read) != 0)
        {
            yield return !page.Exists ? $"the engine has no view of this address space for the {(isUser ? "user" : "supervisor")} yet"
                : $"not touched by the {(isUser ? "user" : "supervisor")} here since the engine last forgot the page";
            yield break;
        }

        if ((possible & ~shadow & PageRights.Write) != 0)
        {
            PageMarks marks = physical.Value >> 12 < GuestMemory.MarkedPages ? MarksOf(memory, physical) : PageMarks.None;
            if (kind == PageKind.Rom)
            {
                yield return "ROM takes no writes";
            }
            else if ((cached & TlbRights.Dirty) == 0)
            {
                yield return "D is not set: the first write must set it in the guest's table";
            }
            else if (marks != PageMarks.None)
            {
                yield return MarkText(marks);
            }
            else
            {
                yield return "not written here since the engine last forgot the page";
            }
        }
    }

    private static unsafe PageMarks MarksOf(GuestMemory memory, GuestPhysicalAddress physical) => memory.Marks[physical.Value >> 12];

    private static string MarkText(PageMarks marks) => (marks & PageMarks.Code) != 0
        ? "holds decoded code: stores to it must be noticed"
        : "the page is not the machine's own yet: the first store makes a copy";

    private static PageRights Rights(Mmu mmu, TlbRights rights, PageAccess who) =>
        (mmu.Allows(rights, who | PageAccess.Read) ? PageRights.Read : 0) | (mmu.Allows(rights, who | PageAccess.Write) ? PageRights.Write : 0);
}
