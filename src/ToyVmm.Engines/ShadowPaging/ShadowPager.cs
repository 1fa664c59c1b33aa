using ToyVmm.Hardware.Cpu;
using ToyVmm.Hardware.Memory;
using ToyVmm.Hardware.Paging;

namespace ToyVmm.Engines.ShadowPaging;

/// <summary>
/// Decides what a view may hold. The one rule: only what the TLB holds now, with no more rights than its entry gives the view's privilege level.
/// So a page is read-only here until the guest's D bit is set (its first write faults, and the walk sets D), a page that holds decoded
/// code is never writable (its stores must be noticed), and ROM and devices are never mapped: every access faults, and the interpreter performs it.
/// </summary>
/// <param name="vcpu">The CPU whose TLB and memory they are.</param>
/// <param name="isWatched">True for a page, by a linear and the physical address, that no view may hold: a debugger waits for accesses to it.</param>
internal sealed unsafe class ShadowPager(Vcpu vcpu, Func<uint, ulong, bool> isWatched)
{
    private const int PageShift = 12;

    // Fault-around looks no further than the 2 MiB around the page: that is what a large TLB entry covers.
    private const uint PagesAround = 512;

    /// <summary>Maps a page, and its neighbours as far as the TLB has them too and one call suffices.</summary>
    /// <param name="view">Where.</param>
    /// <param name="linear">An address in the page.</param>
    /// <param name="user">True for a view of CPL 3.</param>
    /// <returns>Pages mapped; 0 where the view may not hold the page.</returns>
    public uint Fill(ShadowView view, uint linear, bool user)
    {
        uint page = linear >> PageShift;
        if (!TryProject(page, user, out Projection projection))
        {
            return 0;
        }

        uint first = page;
        uint lowest = page & ~(PagesAround - 1);
        while (first > lowest && TryProject(first - 1, user, out Projection below) && below == projection.Moved((long)first - 1 - page))
        {
            first--;
        }

        uint end = page + 1;
        uint highest = lowest + PagesAround;
        while (end < highest && TryProject(end, user, out Projection above) && above == projection.Moved((long)end - page))
        {
            end++;
        }

        ulong frame = projection.Moved((long)first - page).Frame;
        GuestPhysicalAddress physical = new(frame << PageShift);
        view.Map(new Run(first, end - first), physical, vcpu.Memory.Backing(physical), projection.Writable, projection.Global);
        return end - first;
    }

    private bool TryProject(uint page, bool user, out Projection projection)
    {
        Mmu mmu = vcpu.Mmu;
        GuestMemory memory = vcpu.Memory;
        uint linear = page << PageShift;
        TlbRights rights = TlbRights.Writable | TlbRights.User | TlbRights.Dirty;
        ulong physical = linear;
        PageAccess access = user ? PageAccess.User : 0;
        projection = default;
        if ((vcpu.State->Cr0 & Cr0.PG) != 0 && !mmu.Tlb.TryGet(linear, out physical, out rights))
        {
            return false;
        }

        GuestPhysicalAddress address = new(physical & mmu.PhysicalMask);
        if (!mmu.Allows(rights, access) || memory.KindAt(address) != PageKind.Ram || isWatched(linear, address.Value))
        {
            return false;
        }

        ulong frame = address.Value >> PageShift;
        PageBacking backing = memory.Backing(address);
        projection = new Projection(frame, backing.Descriptor, backing.Offset >> PageShift, vcpu.MayStoreDirectly(address, rights, access), (rights & TlbRights.Global) != 0);
        return true;
    }

    private readonly record struct Projection(ulong Frame, int Descriptor, ulong FilePage, bool Writable, bool Global)
    {
        public Projection Moved(long pages) => this with { Frame = Frame + (ulong)pages, FilePage = FilePage + (ulong)pages };
    }
}
