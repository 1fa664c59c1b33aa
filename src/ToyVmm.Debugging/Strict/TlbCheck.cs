using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;

namespace ToyVmm.Debugging.Strict;

/// <summary>
/// Finds accesses that go through a TLB entry which the page tables no longer bear out. The machine's TLB is one without bounds, which only
/// architectural flushes empty (SDM 3A 4.10.4): what it still holds, hardware may still hold, or may have dropped - and then it does something else.
/// </summary>
/// <param name="checker">Takes the findings.</param>
/// <param name="mmu">The CPU's.</param>
/// <param name="memory">Guest memory.</param>
internal sealed unsafe class TlbCheck(StrictChecker checker, Mmu mmu, GuestMemory memory)
{
    /// <summary>Looks at an access.</summary>
    /// <param name="s">The CPU.</param>
    /// <param name="linear">The address.</param>
    /// <param name="access">What is done there.</param>
    public void Before(CpuState* s, uint linear, PageAccess access)
    {
        if (!mmu.Tlb.TryGet(linear, out ulong page, out TlbRights rights) || !mmu.Allows(rights, access) || ((access & PageAccess.Write) != 0 && (rights & TlbRights.Dirty) == 0))
        {
            // The CPU walks the tables: they decide.
            return;
        }

        PageWalk walk = PageWalker.Walk(memory, s, mmu.PhysicalMask, linear);
        string? now = walk.Result != PageWalkResult.Mapped ? "have no page there any more"
            : walk.Page != page ? $"have physical page {walk.Page:x8} there by now"
            : !mmu.Allows(walk.Rights, access) ? "forbid it by now"
            : null;
        if (now is null)
        {
            return;
        }

        string what = (access & PageAccess.Fetch) != 0 ? "The code is fetched" : (access & PageAccess.Write) != 0 ? "The store goes" : "The load goes";
        checker.Report(
            StrictChecks.Tlb,
            $"{what} through an old translation of linear page {linear & 0xFFFF_F000:x8} (to physical {page:x8}); the page tables {now}, and nothing was flushed. Hardware may have dropped the entry meanwhile, and then does what the tables say.",
            (rights & TlbRights.Global) != 0 ? "Execute INVLPG for the page when its entry changes: MOV CR3 leaves global pages in the TLB." : "Execute INVLPG for the page when its entry changes, or load CR3.", "SDM 3A 4.10.4");
    }
}
